"""The exchange with Magenta's Python, with a stand-in for magenta_rt: the generator itself is not run here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from b2m_encoding.decoding.generators import Condition, load_generator
from b2m_encoding.errors import InputError
from b2m_encoding.features.networks.magenta_process import VARIABLE

SYSTEM = """
import os
from pathlib import Path
import numpy as np
class Wave:
    def __init__(self, samples):
        self.samples = samples
class MagentaRT2System:
    def __init__(self, size):
        self.gain = float((Path(os.environ["MAGENTA_HOME"]) / "magenta-rt-v2" / "checkpoints" / size).read_text())
        print("libraries print what they like")
    def generate(self, conditioning, frames, state):
        [vector] = conditioning.values()
        assert vector.dtype == np.float32 and vector.shape == (768,)
        if np.all(vector > 90):
            raise ValueError("no such style")
        left = np.full(1920 * frames, vector[0] * self.gain)
        return Wave(np.stack([left, left + 2 * (state or 0)], axis=1)), (state or 0) + 1
"""


@pytest.fixture
def magenta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in package on the path of the other Python, and a folder of weights."""
    package = tmp_path / "python" / "magenta_rt"
    (package / "jax").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "config.py").write_text("class MUSICCOCA:\n    key = 'mulan_tokens_25hz'\n")
    (package / "jax" / "__init__.py").write_text("")
    (package / "jax" / "system.py").write_text(SYSTEM)
    information = tmp_path / "python" / "magenta_rt-2.0.3.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: magenta-rt\nVersion: 2.0.3\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "python"))
    monkeypatch.setenv(VARIABLE, sys.executable)
    weights = tmp_path / "weights"
    (weights / "checkpoints").mkdir(parents=True)
    (weights / "checkpoints" / "mrt2_base").write_text("2")
    (weights / "checkpoints" / "a.safetensors").write_bytes(b"")
    return weights


def vector(value: float) -> np.ndarray:
    return np.full(768, value, dtype=np.float32)


def test_vectors_go_and_one_sound_comes_back(magenta: Path) -> None:
    generator: Any = load_generator("magenta_rt", weights=magenta, jitter=0.0)
    wave, rate = generator.generate(Condition("x", vector(0.25)), 1.0, random_state=1)
    assert (rate, wave.shape) == (48_000, (48_000,))
    assert np.all(wave == 0.5)
    assert generator.provenance["packages"] == {"magenta-rt": "2.0.3"}
    assert generator.provenance["size"] == "mrt2_base"


def test_a_series_is_followed_step_by_step(magenta: Path) -> None:
    """Each vector holds for its step, and goes on from the state before it."""
    generator: Any = load_generator("magenta_rt", weights=magenta, jitter=0.0)
    series, times = np.stack([vector(0.1), vector(0.2), vector(0.3)]), np.array([0.75, 2.25, 3.75])
    wave, rate = generator.generate(Condition("x", vector(9), series=series, times=times), 4.0, random_state=1)
    assert len(wave) == 4 * rate
    changes = np.flatnonzero(np.diff(wave)) + 1
    assert changes.tolist() == [38 * 1920, 75 * 1920]
    assert np.allclose(wave[[0, changes[0], changes[1]]], [0.2, 0.4 + 1, 0.6 + 2])
    held: Any = load_generator("magenta_rt", weights=magenta, jitter=0.0, follow=False)
    wave, _ = held.generate(Condition("x", vector(0.25), series=series, times=times), 4.0, random_state=1)
    assert np.all(wave == 0.5)


def test_the_seed_moves_the_vector_a_little(magenta: Path) -> None:
    generator: Any = load_generator("magenta_rt", weights=magenta)
    first, again, other = (generator.generate(Condition("x", vector(0.25)), 0.4, seed)[0][0] for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert abs(first - 0.5) < 0.2


def test_what_fails_there_is_told_here(magenta: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = load_generator("magenta_rt", weights=magenta, jitter=0.0)
    with pytest.raises(InputError, match="no such style"):
        generator.generate(Condition("x", vector(100)), 1.0, 1)
    assert generator.generate(Condition("x", vector(1)), 1.0, 1)[0][0] == 2
    with pytest.raises(InputError, match="not embeddings of musiccoca"):
        generator.generate(Condition("x", np.ones(512, np.float32)), 1.0, 1)
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(InputError, match="pip install magenta-rt"):
        load_generator("magenta_rt", weights=magenta)
