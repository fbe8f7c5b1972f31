"""Voxel-wise encoding models for music and the auditory cortex."""

__version__ = "0.1.0"
