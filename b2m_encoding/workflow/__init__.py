"""What is done with a study, in which order, and where it is kept."""
