"""Provenance: versions, platform, input hashes and times of a study."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("b2m-encoding", "numpy", "scipy", "torch", "nibabel", "nilearn", "scikit-learn", "matplotlib", "pandas")


def provenance(inputs: Mapping[str, str], *, seed: int, started: datetime) -> dict[str, Any]:
    """Everything needed to tell how results came about; ``inputs`` are hashes of files by their paths."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: _version(name) for name in PACKAGES},
        "seed": seed,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": dict(inputs),
    }


def source_datasets(data: object) -> list[dict[str, str]]:
    """Where the recordings of a study come from, as BIDS describes sources of derivatives."""
    root = getattr(data, "root", None)
    if not isinstance(root, Path):
        return []
    found = {"URL": root.resolve().as_uri()}
    try:
        about = json.loads((root / "dataset_description.json").read_text(encoding="utf-8"))
        found |= {"DOI": str(about["DatasetDOI"])} if about.get("DatasetDOI") else {}
    except (OSError, ValueError, AttributeError):
        pass
    return [found]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
