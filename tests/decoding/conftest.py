"""Recordings to build a corpus from, and a tiny CLAP with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ..tiny_models import save_clap

RATE = 8000


@pytest.fixture(autouse=True)
def store_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep features where no other test finds them."""
    monkeypatch.setenv("B2M_CACHE", str(tmp_path / "cache"))


def tone(seconds: float, hertz: float, seed: int, rate: int = RATE) -> np.ndarray:
    """A chord that swells, in a little noise."""
    rng, time = np.random.default_rng(seed), np.arange(round(seconds * rate)) / rate
    chord = sum(np.sin(2 * np.pi * hertz * step * time + seed) for step in (1, 1.25, 1.5))
    return np.asarray(0.1 * (1 + np.sin(2 * np.pi * 0.3 * time)) * chord + 0.01 * rng.standard_normal(len(time)))


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven recordings in two folders, two of which cannot be used; never change them, take a copy."""
    folder = tmp_path_factory.mktemp("recordings")
    for i in range(5):
        path = folder / ("low" if i < 3 else "high") / f"{i:06d}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, tone(17 if i else 12, 150 * 1.7**i, i), RATE, subtype="PCM_16")
    soundfile.write(folder / "low" / "short.wav", tone(3, 100, 0), RATE)
    (folder / "high" / "damaged.mp3").write_bytes(b"no sound" * 100)
    (folder / "notes.txt").write_text("not a sound")
    return folder


@pytest.fixture(scope="session")
def tiny_clap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder; never change it, take a copy."""
    folder = tmp_path_factory.mktemp("clap")
    save_clap(folder)
    return folder
