"""Provenance: versions, platform, input hashes and times of a study."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from b2m_encoding.spaces.files import sha256

PACKAGES = ("b2m-encoding", "numpy", "scipy", "torch", "nibabel", "nilearn", "scikit-learn", "matplotlib", "pandas")


def provenance(files: Iterable[Path], *, seed: int, started: datetime) -> dict[str, Any]:
    """Everything needed to tell how results came about."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: _version(name) for name in PACKAGES},
        "seed": seed,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": {str(path): sha256(path) for path in files},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
