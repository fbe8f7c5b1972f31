"""musicnn with its real weights: against the published code in TensorFlow, and against the layers in NumPy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import ValidationError
from safetensors.numpy import load_file

from b2m_encoding.errors import InputError
from b2m_encoding.features.clips import StimulusTimeline
from b2m_encoding.features.extractors import PretrainedAudio, build_spaces
from b2m_encoding.features.networks import NETWORKS, load_audio_encoder
from b2m_encoding.features.networks.musicnn import RATE, LogMel
from b2m_encoding.features.spectrum import slaney_bank
from b2m_encoding.runs import Runs

BY_TENSORFLOW = {
    "musicnn": {
        "front": [-0.00016, 1.00079, 1.07784, 1e-05],
        "cnn1": [0.00142, 0.00022, -0.49055, 0.00011],
        "cnn2": [-0.04302, 0.33031, -0.50627, -0.01714],
        "cnn3": [-0.46891, -0.10058, -0.91441, -0.35046],
        "pools": [-0.0001, -0.00016, 1.61274, 1.00079],
        "penultimate": [1.23139, -0.03288, -0.09226, -0.18606],
        "logits": [-5.64612, -4.53455, -1.63761, -8.8001],
        "tags": [0.00352, 0.01062, 0.16279, 0.00015],
    },
    "musicnn_vgg": {
        "pool1": [-0.1183, 0.34388, 0.00049, 0.09516],
        "pool2": [0.03391, 2.04823, 0.89141, -1e-05],
        "pool3": [1.1779, 1.30133, -0.60896, -0.67038],
        "pool4": [-0.63305, -0.47178, -0.20649, -1e-05],
        "pool5": [-0.18094, -0.09086, 1.32758, -0.39691],
        "logits": [-5.71592, -4.36667, -2.13735, -5.79735],
        "tags": [0.00328, 0.01253, 0.10552, 0.00303],
    },
}
"""Start of each layer of ``chirp()``, by the published code (musicnn 0.1.0) and checkpoints in TensorFlow 2.15.1."""

Fetched = Callable[[str], Path]


def chirp() -> np.ndarray:
    time = np.arange(3 * RATE) / RATE
    return (0.3 * np.sin(2 * np.pi * (200 * time + 150 * time**2))).astype(np.float32)


def load(fetched: Fetched, model: str, **options: Any) -> Any:
    return load_audio_encoder(model, weights=fetched(model), device="cpu", **options)


@pytest.mark.parametrize("name", list(BY_TENSORFLOW))
def test_every_layer_is_that_of_the_published_code(fetched: Fetched, name: str) -> None:
    network = load(fetched, name)
    vector = network.embed(chirp()[None])[0]
    assert network.dim == len(vector) == sum(network.widths)
    parts = np.split(vector, np.cumsum(network.widths)[:-1])
    for layer, part in zip(NETWORKS[name].layers, parts, strict=True):
        assert np.abs(part[:4] - BY_TENSORFLOW[name][layer]).max() < 2e-5, layer


def test_layers_against_numpy(fetched: Fetched, rng: np.random.Generator) -> None:
    """Every layer again, from the converted file, for a window of noise; also the weights of Million Song tags."""
    wave = (0.1 * rng.standard_normal(3 * RATE)).astype(np.float32)
    network = load(fetched, "musicnn_msd")
    expected = by_hand(load_file(fetched("musicnn") / "MSD_musicnn.safetensors"), mel_by_hand(wave))
    found = np.split(network.embed(wave[None])[0], np.cumsum(network.widths)[:-1])
    for part, whole in zip(found, expected, strict=True):
        assert np.abs(part - whole).max() < 2e-4 * np.abs(whole).max()


def mel_by_hand(wave: np.ndarray) -> np.ndarray:
    """Log-mel spectrogram, shape (187, 96)."""
    frames = sliding_window_view(np.pad(wave.astype(np.float64), 256, mode="reflect"), 512)[::256][:187]
    hann = np.sin(np.pi * np.arange(512) / 512) ** 2
    power = np.abs(np.fft.rfft(frames * hann)) ** 2 @ slaney_bank(RATE, 257, 96).T
    return np.log10(10000 * power.astype(np.float16).astype(np.float64) + 1)


def by_hand(state: dict[str, np.ndarray], mel: np.ndarray) -> list[np.ndarray]:
    def norm(x: np.ndarray, i: int) -> np.ndarray:
        name = "batch_normalization" + (f"_{i}" if i else "")
        gamma, beta, mean, variance = (
            state[f"{name}.{leaf}"].astype(np.float64) for leaf in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    def convolve(x: np.ndarray, i: int) -> np.ndarray:
        """Rectified output of each filter, shape (frames, bands, filters), where the filter fits into all bands."""
        name = "conv2d" + (f"_{i}" if i else "")
        kernel, bias = state[f"{name}.weight"].astype(np.float64), state[f"{name}.bias"]
        height, width = kernel.shape[2:]
        padded = np.pad(x, (((height - 1) // 2, height // 2), (0, 0)))
        patches = sliding_window_view(padded, (height, width))
        return np.maximum(np.tensordot(patches, kernel[:, 0], ([2, 3], [1, 2])) + bias, 0)

    x = norm(mel, 0)
    front = np.concatenate([norm(convolve(x, i), i + 1).max(axis=1) for i in range(5)], axis=1)
    first = norm(convolve(front, 5), 6)[:, 0]
    second = norm(convolve(first, 6), 7)[:, 0] + first
    third = norm(convolve(second, 7), 8)[:, 0] + second
    stack = np.concatenate([front, first, second, third], axis=1)
    pools = np.stack([stack.max(axis=0), stack.mean(axis=0)], axis=1).ravel()
    penultimate = norm(np.maximum(state["dense.weight"] @ norm(pools, 9) + state["dense.bias"], 0), 10)
    logits = state["dense_1.weight"] @ penultimate + state["dense_1.bias"]
    means = [part.mean(axis=0) for part in (front, first, second, third)]
    return [*means, pools, penultimate, logits, 1 / (1 + np.exp(-logits))]


def test_mel_filters_are_those_of_transformers() -> None:
    library = pytest.importorskip("transformers.audio_utils")
    options = {"norm": "slaney", "mel_scale": "slaney"}
    for rate, n_bins, n_mels in ((16000, 257, 96), (48000, 513, 64)):
        expected = library.mel_filter_bank(n_bins, n_mels, 0.0, rate / 2, rate, **options).T
        assert np.abs(slaney_bank(rate, n_bins, n_mels) - expected).max() < 1e-12


def test_loud_and_short_sounds(fetched: Fetched) -> None:
    """A full-scale sine overflows half precision in the published code; short windows are repeated."""
    loud = np.sign(chirp())
    network = load(fetched, "musicnn", layers=(7,))
    assert np.isfinite(network.embed(loud[None])).all()
    import torch

    mel = LogMel()(torch.tensor(chirp()[None, : 256 * 50]))[0, 0]
    assert torch.equal(mel[:50], mel[50:100])
    assert mel.shape == (187, 96)
    with pytest.raises(InputError, match="at least 512"):
        network.embed(loud[None, :511])
    with pytest.raises(InputError, match="longer than the window"):
        network.embed(np.zeros((1, 3 * RATE + 1), np.float32))


def test_what_every_network_promises(fetched: Fetched, noise: Callable[..., Any]) -> None:
    waves = noise(10, 3 * RATE)
    network = load(fetched, "musicnn_vgg", layers=(-1, 4))
    batch = network.embed(waves)
    assert batch.shape == (10, 50 + 256)
    alone = np.concatenate([network.embed(wave[None]) for wave in waves[[0, 9]]])
    assert np.max(np.abs(batch[[0, 9]] - alone)) < 1e-5 * np.abs(alone).max()
    first, again, other = (load(fetched, "musicnn_vgg", layers=(4,), shuffled_seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.embed(waves[:1]), again.embed(waves[:1]))
    for network_of_another_seed in (other, load(fetched, "musicnn_vgg", layers=(4,))):
        assert np.abs(first.embed(waves[:1]) - network_of_another_seed.embed(waves[:1])).max() > 0.1
    provenance = json.loads(json.dumps(first.provenance))
    assert provenance["shuffled_seed"] == 1
    assert provenance["names"] == {}
    assert len(network.provenance["names"]["6"]) == 50
    assert provenance["model"] == "musicnn"
    with pytest.raises(InputError, match="0 to 6"):
        load(fetched, "musicnn_vgg", layers=(7,))


@pytest.fixture
def tones(tmp_path: Path) -> Path:
    """Tracks of tones whose pitch rises, in GTZAN layout."""
    time = np.arange(18 * RATE) / RATE
    for i in range(4):
        path = tmp_path / "genres" / "jazz" / f"jazz.{i:05d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * np.sin(2 * np.pi * (100 * (i + 1) * time + 10 * time**2)), RATE, subtype="PCM_16")
    return tmp_path / "genres"


def table(tones: Path, folder: Path, **options: Any) -> PretrainedAudio:
    given = {"extractor": "musicnn", "stimuli": str(tones), "weights": str(folder), "device": "cpu", **options}
    return PretrainedAudio.model_validate(given)


@pytest.fixture
def short(play: Callable[..., Any]) -> StimulusTimeline:
    """One run with a clip of 6 s."""
    return StimulusTimeline(Runs.from_lengths([4], 1.5), {"run-01": play((0, 0, 1.0), duration=6.0)})


def test_layers_by_name_in_a_study_share_one_network(fetched: Fetched, tones: Path, short: StimulusTimeline) -> None:
    tables = {name: table(tones, fetched("musicnn"), layer=name) for name in ("tags", "penultimate")}
    assert (tables["tags"].layer, tables["penultimate"].layer) == (7, 5)
    calls: list[str] = []
    spaces = build_spaces(tables, short, lambda name, done, total: calls.append(name))
    assert set(calls) == {"tags, penultimate"}
    assert [space.values.shape for space in spaces.values()] == [(4, 50), (4, 200)]
    [clip] = short.clips
    wave = tables["tags"].presented.wave(clip, RATE)
    window = wave[round(0.75 * RATE) :][: 3 * RATE]  # around the second volume, 1.5 to 3 s
    expected = load(fetched, "musicnn", layers=(7,)).embed(window[None])[0]
    assert np.abs(spaces["tags"].values[1] - expected).max() < 1e-5
    assert spaces["tags"].provenance["pretrained"]["names"]["7"][0] == "guitar"
    # from the store, by a network that has this layer alone
    assert np.array_equal(tables["tags"].values(short), spaces["tags"].values)


def test_wrong_layers(fetched: Fetched, tones: Path, short: StimulusTimeline) -> None:
    folder = fetched("musicnn")
    with pytest.raises(ValidationError, match="expected one of front, cnn1"):
        table(tones, folder, layer="penultimte")
    with pytest.raises(ValidationError, match="expected a number"):
        table(tones, folder, extractor="clap", layer="last")
    with pytest.raises(InputError, match="several layers"):
        table(tones, folder).values(short)
    with pytest.raises(InputError, match="0 to 7"):
        table(tones, folder, layer=8).values(short)
    with pytest.raises(InputError, match="one length"):
        table(tones, folder, layer=5, window=5.0).values(short)
