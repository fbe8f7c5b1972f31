"""What every network promises: shapes, the same vectors in any batch, layers, shuffled weights, provenance."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from b2m_encoding.errors import InputError
from b2m_encoding.features.networks import AudioEncoder, TextEncoder

WINDOWS = ["muq_mulan", "clap", "clap_fused", "musicldm_clap"]
FRAMES = ["muq", "w2v_bert", "wav2vec2", "hubert", "whisper_base", "codec"]
READERS = ["muq_mulan", "clap", "musicldm_clap", "sentences"]
TOLERANCE = 1e-5
"""Relative difference between a vector computed alone and in a batch; float32 sums in another order differ less."""


def relative(a: Any, b: Any) -> float:
    """Largest distance between two vectors, in units of their length."""
    return float(np.max(np.linalg.norm(a - b, axis=-1) / np.linalg.norm(b, axis=-1)))


def seconds(network: AudioEncoder) -> float:
    return network.window or 0.7


@pytest.mark.parametrize("name", WINDOWS + FRAMES)
def test_shape_and_protocol(name: str, sound: Callable[..., Any], noise: Callable[..., Any]) -> None:
    network = sound(name)
    assert isinstance(network, AudioEncoder)
    assert not network._module.training
    assert not any(parameter.requires_grad for parameter in network._module.parameters())
    vectors = network.embed(noise(2, round(seconds(network) * network.rate)))
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    if network.window:
        assert vectors.shape == (2, network.dim)
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        assert (network.frame_rate, network.layers) == (None, ())
    else:
        assert vectors.shape[:2] == (2, len(network.layers))
        assert vectors.shape[3] == network.dim
        assert abs(vectors.shape[2] - 0.7 * network.frame_rate) < 2


@pytest.mark.parametrize("name", WINDOWS + FRAMES)
def test_the_same_alone_and_in_any_batch(name: str, sound: Callable[..., Any], noise: Callable[..., Any]) -> None:
    network = sound(name)
    waves = noise(5, round(seconds(network) * network.rate))
    alone = np.concatenate([network.embed(wave[None]) for wave in waves])
    assert np.array_equal(alone[0], network.embed(waves[:1])[0])

    @settings(max_examples=3)
    @given(st.lists(st.integers(0, 4), min_size=2, max_size=4))
    def check(chosen: list[int]) -> None:
        assert relative(network.embed(waves[chosen]), alone[chosen]) < TOLERANCE

    check()


@pytest.mark.parametrize("name", READERS)
def test_texts_are_the_same_alone_and_in_any_batch(name: str, text: Callable[..., Any]) -> None:
    network = text(name)
    assert isinstance(network, TextEncoder)
    texts = ["slow sad piano", "fast drums and loud guitar with a choir", "", "jazz", "happy waltz and rock", "jazz"]
    alone = np.concatenate([network.embed_text([one]) for one in texts])
    assert alone.shape == (6, network.dim)
    assert alone.dtype == np.float32
    assert np.allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-5)
    assert relative(network.embed_text(texts), alone) < TOLERANCE
    assert relative(network.embed_text(texts[::-1]), alone[::-1]) < TOLERANCE
    assert relative(alone[:1], alone[1:2]) > 1e-3
    assert network.embed_text([]).shape == (0, network.dim)


@pytest.mark.parametrize("name", READERS)
def test_long_texts_are_cut_where_the_model_ends(name: str, text: Callable[..., Any]) -> None:
    network = text(name)
    long = "piano " * 60
    assert np.array_equal(network.embed_text([long]), network.embed_text([long + "and a choir"]))


@pytest.mark.parametrize("name", WINDOWS + FRAMES)
def test_half_precision_runs_and_is_close(name: str, sound: Callable[..., Any], noise: Callable[..., Any]) -> None:
    """What a GPU does, on the CPU: bfloat16 products, and no type that does not fit."""
    network = sound(name)
    waves = noise(2, round(seconds(network) * network.rate))
    full = network.embed(waves)
    network._half = True
    half = network.embed(waves)
    assert half.dtype == np.float32
    assert network.provenance["dtype"] == "bfloat16"
    assert relative(half, full) > 0
    cosine = np.sum(half * full, axis=-1) / np.linalg.norm(half, axis=-1) / np.linalg.norm(full, axis=-1)
    assert np.median(cosine) > 0.99


@pytest.mark.parametrize("name", [name for name in FRAMES if name != "codec"])
def test_layers_that_are_not_wanted_are_not_needed(
    name: str, sound: Callable[..., Any], noise: Callable[..., Any]
) -> None:
    everything = sound(name)
    wave = noise(1, round(0.7 * everything.rate))
    full = everything.embed(wave)
    last = everything.layers[-1]
    assert everything.layers == tuple(range(last + 1))
    for layers in [(0,), (1,), (last,), (-1, 0), (1, 0)]:
        part = sound(name, layers=layers)
        expected = [layer % (last + 1) for layer in layers]
        assert part.layers == tuple(expected)
        assert relative(part.embed(wave), full[:, expected]) < TOLERANCE
    assert relative(full[:, 0], full[:, 1]) > 1e-3


@pytest.mark.parametrize(("layers", "problem"), [((9,), "no such layer"), ((-9,), "no such layer"), ((1, 1), "twice")])
def test_impossible_layers(layers: tuple[int, ...], problem: str, sound: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match=problem):
        sound("w2v_bert", layers=layers)


def test_window_models_have_no_layers(sound: Callable[..., Any]) -> None:
    for name in WINDOWS:
        with pytest.raises(InputError, match="no layers to choose"):
            sound(name, layers=(1,))


@pytest.mark.parametrize("name", WINDOWS + FRAMES)
def test_bad_waves(name: str, sound: Callable[..., Any], noise: Callable[..., Any]) -> None:
    network = sound(name)
    waves = noise(2, round(seconds(network) * network.rate))
    broken = waves.copy()
    broken[1, 7] = np.nan
    with pytest.raises(InputError, match="wave 1"):
        network.embed(broken)
    for bad in (waves[0], waves[:0], waves[:, :0]):
        with pytest.raises(InputError, match="two-dimensional batch"):
            network.embed(bad)
    if network.window:
        with pytest.raises(InputError, match="longer than the window of the network"):
            network.embed(np.pad(waves, ((0, 0), (0, 1))))


@pytest.mark.parametrize("name", [*WINDOWS, *FRAMES])
def test_silence_gives_finite_numbers(name: str, sound: Callable[..., Any]) -> None:
    network = sound(name)
    assert np.isfinite(network.embed(np.zeros((1, round(seconds(network) * network.rate)), dtype=np.float32))).all()


@pytest.mark.parametrize("name", WINDOWS + FRAMES)
def test_shuffled_weights(name: str, sound: Callable[..., Any], noise: Callable[..., Any]) -> None:
    trained, first, again = (sound(name, shuffled_seed=seed) for seed in (None, 1, 1))
    waves = noise(1, round(seconds(trained) * trained.rate))
    assert np.array_equal(first.embed(waves), again.embed(waves))
    assert relative(first.embed(waves), trained.embed(waves)) > 1e-3
    moved = 0
    for before, after in zip(trained._module.parameters(), first._module.parameters(), strict=True):
        assert np.array_equal(np.sort(before.numpy(), axis=None), np.sort(after.numpy(), axis=None))
        moved += not np.array_equal(before.numpy(), after.numpy())
    assert moved > 5
    assert first.provenance["shuffled_seed"] == 1
    assert trained.provenance["shuffled_seed"] is None


def test_another_seed_shuffles_otherwise_and_fewer_layers_alike(sound: Callable[..., Any], noise: Any) -> None:
    waves = noise(1, 11_200)
    first, other = (sound("w2v_bert", shuffled_seed=seed).embed(waves) for seed in (1, 2))
    assert relative(first, other) > 1e-3
    assert relative(sound("w2v_bert", shuffled_seed=1, layers=(1,)).embed(waves), first[:, [1]]) < TOLERANCE


@pytest.mark.parametrize("name", WINDOWS + FRAMES)
def test_provenance_tells_everything(name: str, sound: Callable[..., Any]) -> None:
    network = sound(name)
    provenance = json.loads(json.dumps(network.provenance))
    weights = [key for key in provenance["files"] if key.endswith("model.safetensors")]
    assert len(weights) == 1
    assert len(provenance["files"][weights[0]]) == 64
    assert provenance["dtype"] == "float32"
    assert provenance["rate"] == network.rate
    assert {"model", "revision", "packages", "network"} <= provenance.keys()
    if network.window is None:
        assert provenance["layers"] == list(network.layers)
        assert provenance["frame_rate"] == network.frame_rate
    else:
        assert provenance["window"] == network.window
