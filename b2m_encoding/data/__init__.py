"""Data: readers of images and tables, cleaning, and responses that stream run by run."""
