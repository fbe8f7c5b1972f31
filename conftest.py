"""Tests and doctests keep resampling matrices and features in a folder of their own, never in the user's cache."""

from __future__ import annotations

import os
from tempfile import TemporaryDirectory

if "PYTEST_XDIST_WORKER" not in os.environ:  # workers share the folder of the process that started them
    _FOLDER = TemporaryDirectory(prefix="b2m-cache-", ignore_cleanup_errors=True)
    os.environ["B2M_CACHE"] = _FOLDER.name
