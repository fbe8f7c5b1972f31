"""Shared fixtures: real data where it is, seeds, and no network."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

SHARED = Path(os.environ.get("B2M_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, or a skip that says why."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set B2M_SHARED to the folder that holds data/")
    os.environ["B2M_SHARED"] = str(SHARED)
    return folder
