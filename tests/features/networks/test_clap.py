from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import torch

from b2m_encoding.features.networks.loading import transformers


def test_windows_against_transformers(
    sound: Callable[..., Any], saved: Callable[[str], Path], noise: Callable[..., Any]
) -> None:
    """The checkpoint's own processor and model, called as its card says."""
    library = transformers()
    waves = noise(2, 480_000)
    model = library.ClapModel.from_pretrained(saved("clap")).eval()
    extractor = library.ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad")
    inputs = extractor(list(waves), sampling_rate=48_000, return_tensors="pt")
    with torch.no_grad():
        expected = model.get_audio_features(**inputs).pooler_output.numpy()
    assert np.abs(sound("clap").embed(waves) - expected).max() < 1e-6


def test_texts_against_transformers(text: Callable[..., Any], saved: Callable[[str], Path]) -> None:
    """Padded and masked, as the card says, and not padded, as here, is the same."""
    library = transformers()
    texts = ["slow sad piano", "fast drums"]
    model = library.ClapModel.from_pretrained(saved("clap")).eval()
    inputs = library.AutoTokenizer.from_pretrained(saved("clap"))(texts, padding="max_length", return_tensors="pt")
    assert inputs["input_ids"].shape == (2, 30)
    with torch.no_grad():
        expected = model.get_text_features(inputs["input_ids"], inputs["attention_mask"]).pooler_output.numpy()
    assert np.abs(text("clap").embed_text(texts) - expected).max() < 1e-6


def test_short_windows_are_repeated_then_padded(sound: Callable[..., Any], noise: Callable[..., Any]) -> None:
    network = sound("clap")
    wave = noise(1, 144_000)
    whole = np.pad(np.tile(wave, (1, 3)), ((0, 0), (0, 48_000)))
    assert np.abs(network.embed(wave) - network.embed(whole)).max() < 1e-6


def test_fused_checkpoints_take_no_window_for_a_long_one(
    sound: Callable[..., Any], saved: Callable[[str], Path], noise: Callable[..., Any]
) -> None:
    """Left alone, the extractor marks one wave of every batch, at random, as longer than the window."""
    network, waves = sound("clap_fused"), noise(3, 480_000)
    extractor = transformers().ClapFeatureExtractor.from_pretrained(saved("clap_fused"))
    assert np.sum(extractor(list(waves), sampling_rate=48_000)["is_longer"]) == 1
    first = network.embed(waves)
    for seed in range(3):
        np.random.seed(seed)  # noqa: NPY002 - the extractor draws from it
        assert np.array_equal(network.embed(waves), first)


def test_mel_filters_are_those_of_the_checkpoint(
    sound: Callable[..., Any], saved: Callable[[str], Path], tmp_path: Path, noise: Callable[..., Any]
) -> None:
    copytree(saved("clap"), tmp_path / "htk")
    path = tmp_path / "htk" / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"truncation": "fusion"}))
    slaney, htk = sound("clap"), sound("clap", folder=tmp_path / "htk")
    assert (slaney.provenance["mel"], htk.provenance["mel"]) == ("Slaney", "HTK")
    waves = noise(1, 480_000)
    assert np.abs(slaney.embed(waves) - htk.embed(waves)).max() > 1e-4


def test_musicldm_hears_what_16_khz_hold(sound: Callable[..., Any]) -> None:
    """A tone comes up to 48 kHz unharmed, so that the vector is that of the same tone made at 48 kHz."""
    musicldm = sound("musicldm_clap")
    assert (musicldm.rate, musicldm.window) == (16_000, 10.0)
    low, high = (np.sin(2 * np.pi * 440 * np.arange(10 * rate) / rate)[None] for rate in (16_000, 48_000))
    direct = musicldm._embed(high.astype(np.float32))
    assert float(np.sum(musicldm.embed(low.astype(np.float32)) * direct)) > 0.999
    assert musicldm.embed(np.zeros((1, 100), dtype=np.float32)).shape == (1, musicldm.dim)
