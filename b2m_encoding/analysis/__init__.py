"""Analysis of a study: recordings and settings in, frozen results out; no folder is touched."""
