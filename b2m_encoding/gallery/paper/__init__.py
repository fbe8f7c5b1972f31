"""Results beside everything that Brain2Music published, in its order."""
