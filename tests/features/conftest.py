"""Tracks to play, what is played when, and a store of each test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from b2m_encoding.features.clips import StimulusTimeline
from b2m_encoding.runs import Runs

RATE, TR = 8000, 1.5


@pytest.fixture(autouse=True)
def store_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep features where no other test finds them."""
    monkeypatch.setenv("B2M_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


@pytest.fixture
def tracks(tmp_path: Path) -> Path:
    """Four tracks of 18 s of noise, in GTZAN layout."""
    rng = np.random.default_rng(1)
    for number in range(4):
        path = tmp_path / "genres" / "jazz" / f"jazz.{number:05d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.standard_normal(18 * RATE), RATE, subtype="PCM_16")
    return tmp_path / "genres"


def played(*clips: tuple[float, int, float], duration: float = 15.0) -> pd.DataFrame:
    """Events of one run: onset, track and start of each clip."""
    rows = [(onset, duration, "jazz", str(track), str(start)) for onset, track, start in clips]
    return pd.DataFrame(rows, columns=["onset", "duration", "genre", "track", "start"])


@pytest.fixture
def play() -> Callable[..., pd.DataFrame]:
    """Make the events of one run."""
    return played


@pytest.fixture
def stimulation() -> StimulusTimeline:
    """Two runs of three clips of 15 s; the first clip of the second run repeats one of the first."""
    events = {
        "run-01": played((0, 0, 1.0), (15, 1, 0.5), (30, 2, 2.0)),
        "run-02": played((0, 0, 1.0), (15, 3, 0.0), (30, 2, 2.0)),
    }
    return StimulusTimeline(Runs.from_lengths([30, 32], TR), events)
