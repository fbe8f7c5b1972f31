"""Status of a target: whether a model could be fitted to its responses."""

from __future__ import annotations

TESTED = "tested"
CONSTANT = "constant"
"""The responses do not vary."""
MISSING = "missing"
"""A response is NaN or infinite."""
