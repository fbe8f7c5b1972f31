"""Figures: flatmaps, zooms and panels at journal size."""
