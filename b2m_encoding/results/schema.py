"""The results folder: names of its files, maps, tables and columns, each stated once."""

from __future__ import annotations

JOINT = "joint"
"""The model of all feature spaces."""
