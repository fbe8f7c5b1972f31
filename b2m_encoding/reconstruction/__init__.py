"""Reconstruction of presented music: candidates, evaluation, listening page."""
