"""Tempo, moving ripples and cepstra: each shows in the column that is named after it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.fft import idct

from b2m_encoding.features.acoustic import GROUPS, acoustic_features, acoustic_names, acoustic_rows
from b2m_encoding.features.modulation import RATES, SCALES, TEMPI, ripple_names, ripples, tempogram

RATE = 22050
SPANS = np.stack([np.arange(10) * 1.5, np.arange(1, 11) * 1.5], axis=1)


def beats(tempo: float, seconds: float = 15.0) -> np.ndarray:
    wave = np.zeros(int(seconds * RATE))
    burst = 0.5 * np.random.default_rng(0).standard_normal(800) * np.hanning(800)
    for onset in np.arange(0.1, seconds - 0.1, 60 / tempo):
        wave[int(onset * RATE) :][: len(burst)] += burst
    return wave


@pytest.mark.parametrize("tempo", [TEMPI[i] for i in (6, 8, 10, 13)])
def test_the_tempo_of_beats_is_found(tempo: float) -> None:
    """A beat repeats at its own tempo and at fractions of it, at none that is faster."""
    found = tempogram(beats(tempo), RATE, 7.5)
    own = TEMPI.index(tempo)
    assert found[own] > 0.5
    assert found[own] > 3 * np.abs(found[own + 1 :]).max()


def test_noise_and_silence_have_no_tempo() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(15 * RATE)
    assert np.abs(tempogram(noise, RATE, 7.5)).max() < 0.3
    assert not tempogram(np.zeros(15 * RATE), RATE, 7.5).any()


def moving_ripple(hz: float, cycles: float, direction: int, seconds: float = 3.0) -> np.ndarray:
    """Sixteen tones per octave whose levels ripple in time and across octaves (Chi et al. 1999)."""
    time = np.arange(int(seconds * RATE)) / RATE
    octaves = np.arange(0, 6, 1 / 16)
    rng = np.random.default_rng(0)
    tones = np.sin(2 * np.pi * (100 * 2 ** octaves[:, None] * time + rng.random((len(octaves), 1))))
    level = 1 + 0.9 * np.sin(2 * np.pi * (hz * time - direction * cycles * octaves[:, None]))
    return 0.01 * (tones * level).sum(axis=0)


@pytest.mark.parametrize("hz", [1.2, 3.0, 6.0])
@pytest.mark.parametrize("cycles", [0.3, 0.7])
@pytest.mark.parametrize("direction", [1, -1])
def test_a_moving_ripple_shows_in_its_band_and_direction(hz: float, cycles: float, direction: int) -> None:
    found = dict(zip(ripple_names(), ripples(moving_ripple(hz, cycles, direction), RATE), strict=True))
    rate = next(f"{low:g}-{high:g}Hz" for low, high in pairwise(RATES) if low <= hz < high)
    scale = next(f"{low:g}-{high:g}" for low, high in pairwise(SCALES) if low <= cycles < high)
    assert max(found, key=lambda name: found[name]) == f"ripple{rate}_{scale}{'up' if direction > 0 else 'down'}"


def test_all_groups_have_their_names_and_are_finite_in_silence() -> None:
    for wave in (beats(100), np.zeros(15 * RATE)):
        rows = acoustic_rows(wave, RATE, SPANS, GROUPS)
        assert rows.shape == (10, len(acoustic_names(GROUPS)))
        assert np.isfinite(rows).all()
    assert len(set(acoustic_names(GROUPS))) == len(acoustic_names(GROUPS))
    assert acoustic_names(GROUPS)[: len(acoustic_names())] == acoustic_names()


def test_groups_are_columns_of_the_whole() -> None:
    wave = beats(100)[: 4 * RATE]
    whole = dict(zip(acoustic_names(GROUPS), acoustic_rows(wave, RATE, SPANS[:2], GROUPS).T, strict=True))
    for group in GROUPS:
        own = acoustic_rows(wave, RATE, SPANS[:2], (group,))
        assert np.allclose(own.T, [whole[name] for name in acoustic_names((group,))])


def test_cepstra_give_back_the_smoothed_spectrum() -> None:
    wave = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE)
    features, names = acoustic_features(wave, RATE, groups=("mel", "mfcc"))
    mel, mfcc = features[:, :32], features[:, 32:]
    assert names[32] == "mfcc00"
    basis = idct(np.eye(32), norm="ortho", axis=0)[:, :13]
    assert np.allclose(mfcc @ basis.T, mel @ basis @ basis.T)


def test_every_group_but_tempo_depends_on_its_own_stretch_alone() -> None:
    wave = beats(100)
    cut = wave.copy()
    cut[int(3.0 * RATE) :] = 0.0
    groups = tuple(group for group in GROUPS if group != "tempogram")
    assert np.array_equal(acoustic_rows(wave, RATE, SPANS[:2], groups), acoustic_rows(cut, RATE, SPANS[:2], groups))
