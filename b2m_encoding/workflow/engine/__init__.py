"""Units of work: each computed once, kept with a record of what it depends on, computed again if that changed."""
