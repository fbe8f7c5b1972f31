"""Reconstruction of the music that was played: candidates, evaluation, listening page."""
