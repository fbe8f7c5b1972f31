"""Figures that check a study: motion, design, delays, time courses, models by region."""
