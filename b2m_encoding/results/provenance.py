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

from b2m_encoding.results.schema.files import DESCRIPTION

PACKAGES = ("b2m-encoding", "numpy", "scipy", "torch", "nibabel", "nilearn", "scikit-learn", "matplotlib", "pandas")


def provenance(inputs: Mapping[str, str], *, seed: int, started: datetime) -> dict[str, Any]:
    """Record command, software, platform, seed, times and inputs of a run.

    Parameters
    ----------
    inputs : dict of str to str
        Hash of each input file, by its path.
    seed : int
    started : datetime
    """
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
    """Sources of the recordings, as ``SourceDatasets`` of a BIDS derivative; empty where they are no BIDS data set."""
    root = getattr(data, "root", None)
    if not isinstance(root, Path):
        return []
    source = {"URL": root.resolve().as_uri()}
    try:
        description = json.loads((root / DESCRIPTION).read_text(encoding="utf-8"))
        source |= {"DOI": str(description["DatasetDOI"])} if description.get("DatasetDOI") else {}
    except (OSError, ValueError, AttributeError):
        pass
    return [source]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
