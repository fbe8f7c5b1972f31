"""Each acoustic feature reacts to the sound it is named after, and to nothing outside its row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from b2m_encoding.errors import InputError
from b2m_encoding.features.acoustic import acoustic_features, acoustic_names, acoustic_rows

RATE, TR = 22050, 1.5
NAMES = acoustic_names()


def of_samples(wave: np.ndarray, rate: int = RATE) -> np.ndarray:
    starts = np.arange(len(wave) // round(TR * rate)) * TR
    return acoustic_rows(wave, rate, np.stack([starts, starts + TR], axis=1))


def column(features: np.ndarray, start: str) -> np.ndarray:
    return features[:, [i for i, name in enumerate(NAMES) if name.startswith(start)]]


def tone(frequency: float, seconds: float = 3.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE)


def clicks(rate_hz: float, seconds: float = 3.0) -> np.ndarray:
    wave = np.zeros(int(seconds * RATE))
    burst = 0.5 * np.random.default_rng(0).standard_normal(400) * np.hanning(400)
    for onset in np.arange(0.1, seconds - 0.1, 1 / rate_hz):
        wave[int(onset * RATE) :][: len(burst)] += burst
    return wave


@pytest.mark.parametrize("frequency", [110.0, 261.63, 440.0, 1000.0, 3520.0])
def test_tone_lights_its_band_and_its_pitch_class(frequency: float) -> None:
    features = of_samples(tone(frequency))
    edges = 700 * (10 ** (np.linspace(*(2595 * np.log10(1 + np.array([40, 8000]) / 700)), 34) / 2595) - 1)
    lit = column(features, "mel").argmax(axis=1)
    assert np.all((edges[lit] < frequency) & (frequency < edges[lit + 2]))
    pitch_class = round(12 * np.log2(frequency / 440) + 9) % 12
    assert np.all(column(features, "chroma").argmax(axis=1) == pitch_class)
    np.testing.assert_allclose(column(features, "centroid"), np.log2(frequency / 40), atol=0.25)


def test_noise_is_flatter_and_less_contrasted_than_harmonics() -> None:
    noise = of_samples(0.1 * np.random.default_rng(0).standard_normal(3 * RATE))
    pure = of_samples(np.sum([tone(220.0 * k) for k in range(1, 10)], axis=0))
    assert column(noise, "flatness").min() > column(pure, "flatness").max() + 1
    assert column(noise, "contrast600").max() < column(pure, "contrast600").min()


def test_loudness_follows_level() -> None:
    loud, soft = (column(of_samples(gain * tone(500)), "loudness") for gain in (1.0, 0.1))
    np.testing.assert_allclose(loud - soft, 2.0, atol=1e-3)


@pytest.mark.parametrize(("rate_hz", "band"), [(1.5, 0), (3, 1), (6, 2), (12, 3)])
def test_a_train_shows_in_its_modulation_band(rate_hz: float, band: int) -> None:
    features, _ = acoustic_features(clicks(rate_hz), RATE)
    assert column(features, "modulation").mean(axis=0)[: band + 1].argmax() == band
    assert column(features, "onset").mean() > 10 * column(acoustic_features(tone(500), RATE)[0], "onset").mean()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2), st.floats(0.02, 1.45))
def test_a_click_lands_in_its_row_alone(row: int, offset: float) -> None:
    wave = np.zeros(int(4.5 * RATE))
    wave[int((row * TR + offset) * RATE)] = 0.9
    changed = np.any(of_samples(wave) != of_samples(np.zeros_like(wave)), axis=1)
    assert changed.tolist() == [i == row for i in range(3)]


def test_shape_names_and_independence() -> None:
    wave = 0.1 * np.random.default_rng(0).standard_normal(15 * RATE + 700)
    features = of_samples(wave)
    assert features.shape == (10, len(NAMES)) == (10, len(set(NAMES)))
    np.testing.assert_array_equal(features[4:], of_samples(wave[4 * 33075 :]))
    frames, names = acoustic_features(wave[:RATE], RATE, hop_s=0.1)
    assert frames.shape == (10, len(names))


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_silence_is_finite_at_any_rate(rate: int) -> None:
    features = of_samples(np.zeros(3 * rate), rate)
    assert np.isfinite(features).all()
    assert not column(features, "chroma").any()


def test_unusable_sound() -> None:
    with pytest.raises(InputError, match="too short"):
        acoustic_features(np.zeros(100), RATE)
    with pytest.raises(InputError, match="not finite"):
        acoustic_features(np.full(RATE, np.nan), RATE)
