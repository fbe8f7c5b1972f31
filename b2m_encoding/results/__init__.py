"""Results: the folder that a study leaves, its provenance and its report."""
