from __future__ import annotations

import numpy as np
import pytest

from b2m_encoding.features.pooling import lanczos_weights, mean_weights

SPANS = np.stack([np.arange(10) * 1.5, np.arange(1, 11) * 1.5], axis=1)


def test_means_equal_a_plain_loop() -> None:
    frames = np.random.default_rng(0).standard_normal((749, 3))
    centres = (np.arange(749) + 0.5) / 50
    expected = [frames[(centres >= a) & (centres < b)].mean(axis=0) for a, b in SPANS]
    assert np.allclose(mean_weights(749, 50.0, SPANS) @ frames, expected)


def test_every_frame_counts_once_where_stretches_touch() -> None:
    weights = mean_weights(750, 50.0, SPANS)
    assert ((weights > 0).sum(axis=0) == 1).all()


def test_a_stretch_without_a_frame_takes_the_nearest() -> None:
    assert mean_weights(3, 1.0, np.array([[1.6, 1.9], [2.9, 3.0]])).tolist() == [[0, 1, 0], [0, 0, 1]]


def test_lanczos_is_the_windowed_sinc() -> None:
    """Independent of the code: the kernel of Lanczos, a = 3, with its zeros 1.5 s apart."""
    times = (np.arange(750) + 0.5) / 50
    x = (times[:, None] - SPANS.mean(axis=1)) / 1.5
    with np.errstate(invalid="ignore"):
        kernel = 3 * np.sin(np.pi * x) * np.sin(np.pi * x / 3) / (np.pi * x) ** 2
    kernel[x == 0] = 1
    kernel[np.abs(x) >= 3] = 0
    assert np.allclose(lanczos_weights(750, 50.0, SPANS), (kernel / kernel.sum(axis=0)).T)


@pytest.mark.parametrize("weights", [mean_weights, lanczos_weights])
def test_a_constant_stays_what_it_is_to_the_edge_of_the_clip(weights) -> None:
    assert np.allclose(weights(750, 50.0, SPANS) @ np.full(750, 3.0), 3.0)


def test_lanczos_takes_out_what_would_alias() -> None:
    """0.5 Hz is faster than half a cycle per 1.5 s: the mean lets a third of it through, the kernel next to nothing."""
    wave = np.exp(2j * np.pi * 0.5 * (np.arange(750) + 0.5) / 50)
    assert np.abs(lanczos_weights(750, 50.0, SPANS) @ wave)[3:7].max() < 0.02
    assert np.abs(mean_weights(750, 50.0, SPANS) @ wave)[3:7].max() > 0.2
