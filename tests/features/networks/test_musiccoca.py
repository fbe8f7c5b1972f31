"""The exchange with Magenta's Python, with a stand-in for magenta_rt: MusicCoCa itself is not run here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.features.networks import AudioEncoder, TextEncoder, load_audio_encoder, load_text_encoder
from b2m_encoding.features.networks.magenta_process import VARIABLE
from b2m_encoding.features.networks.musiccoca import RESOURCES

AUDIO = """
class Waveform:
    def __init__(self, samples, sample_rate):
        assert samples.ndim == 2 and samples.shape[1] == 1 and sample_rate == 16000
        self.samples = samples
"""
MODEL = """
from pathlib import Path
import numpy as np
from magenta_rt import audio
class MusicCoCa:
    def __init__(self, resource_dir):
        self.scale = len((Path(resource_dir) / "music_encoder.tflite").read_bytes())
        print("libraries print what they like")
    def embed(self, one):
        if one == "fail":
            raise ValueError("cannot embed\\nthis")
        if one == "end":
            import os, sys
            print("out of memory", file=sys.stderr, flush=True)
            os._exit(3)
        if isinstance(one, str):
            return np.full(768, float(len(one)))
        return np.full(768, one.samples.sum() * self.scale)
"""


@pytest.fixture
def magenta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in package on the path of the other Python, and a folder of weights."""
    package = tmp_path / "python" / "magenta_rt"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "audio.py").write_text(AUDIO)
    (package / "musiccoca.py").write_text(MODEL)
    information = tmp_path / "python" / "magenta_rt-2.0.3.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: magenta-rt\nVersion: 2.0.3\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "python"))
    monkeypatch.setenv(VARIABLE, sys.executable)
    weights = tmp_path / "weights"
    (weights / RESOURCES).mkdir(parents=True)
    (weights / RESOURCES / "music_encoder.tflite").write_bytes(b"12")
    return weights


def test_waves_and_texts_go_and_vectors_come_back(magenta: Path) -> None:
    network: Any = load_audio_encoder("musiccoca", weights=magenta)
    assert isinstance(network, AudioEncoder)
    assert isinstance(network, TextEncoder)
    waves = np.zeros((3, 160_000), dtype=np.float32)
    waves[:, 5] = [1, 2, 3]
    assert np.array_equal(network.embed(waves)[:, 0], [2, 4, 6])
    assert network.embed(waves[:1, :100]).shape == (1, 768)
    assert np.array_equal(network.embed_text(["waltz", "más"])[:, 767], [5, 3])
    assert network.embed_text([]).shape == (0, 768)
    assert network.provenance["packages"] == {"magenta-rt": "2.0.3"}
    assert len(network.provenance["files"]) == 1


def test_a_failed_batch_is_told_and_the_next_one_works(magenta: Path) -> None:
    network = load_text_encoder("musiccoca", weights=magenta)
    with pytest.raises(InputError, match="cannot embed"):
        network.embed_text(["fail"])
    assert network.embed_text(["waltz"]).shape == (1, 768)


def test_a_process_that_ends_is_told_and_started_again(magenta: Path) -> None:
    network = load_text_encoder("musiccoca", weights=magenta)
    with pytest.raises(InputError, match="out of memory"):
        network.embed_text(["end"])
    assert network.embed_text(["waltz"]).shape == (1, 768)


def test_the_process_ends_with_the_network(magenta: Path) -> None:
    network: Any = load_text_encoder("musiccoca", weights=magenta)
    network.embed_text(["waltz"])
    process, folder = network._worker._process, network._worker._folder
    assert process.poll() is None
    assert folder.is_dir()
    del network
    assert process.poll() == 0
    assert not folder.exists()


def no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)


def wrong_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/nowhere/python")


def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (no_interpreter, "pip install magenta-rt"),
        (wrong_interpreter, "/nowhere/python"),
        (no_package, "No module named 'magenta_rt'"),
    ],
)
def test_without_magenta(
    damage: Callable[[pytest.MonkeyPatch], None], problem: str, magenta: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(monkeypatch)
    with pytest.raises(InputError, match=problem):
        load_text_encoder("musiccoca", weights=magenta).embed_text(["waltz"])


def test_what_it_cannot_do(magenta: Path) -> None:
    for option in ({"shuffled_seed": 1}, {"device": "cuda"}, {"layers": (1,)}):
        with pytest.raises(InputError):
            load_audio_encoder("musiccoca", weights=magenta, **option)  # type: ignore[arg-type]
