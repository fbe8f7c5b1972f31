"""Tests and doctests keep resampling matrices in a folder of their own, never in the user's cache."""

from __future__ import annotations

import os
from tempfile import TemporaryDirectory

_FOLDER = TemporaryDirectory(prefix="b2m-cache-", ignore_cleanup_errors=True)
os.environ["B2M_CACHE"] = _FOLDER.name
