"""Spectrograms of sounds."""

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.figures import Style, stimulus
from b2m_encoding.figures.plots.stimulus import HOP, frequencies

RATE = 16_000
NARROW, WIDE = Style(width_mm=89, dpi=72), Style(width_mm=183, dpi=72)


def tone(frequency: float, seconds: float = 2.0) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)


@pytest.mark.parametrize("style", [NARROW, WIDE], ids=["89mm", "183mm"])
@pytest.mark.parametrize("n", [1, 5])
def test_layout(text_problems, style, n):
    sounds = {
        f"sound {i}, with a name that is far too long for any page " * (1 + 3 * i): tone(300 * (i + 1))
        for i in range(n)
    }
    found = stimulus(sounds, RATE, title="Sounds", note="simulated data", style=style)
    assert text_problems(found.figure) == []
    assert found.figure.get_figheight() * 25.4 <= style.max_height_mm + 1e-6


@pytest.mark.parametrize("frequency", [120.0, 1000.0, 6000.0])
def test_a_tone_is_a_line_at_its_frequency(frequency):
    found = stimulus({"tone": tone(frequency)}, RATE, style=NARROW)
    picture = found.figure.axes[0].images[0].get_array()
    light = picture[..., :3].astype(float).sum(axis=(1, 2))
    assert frequencies(RATE)[light.argmax()] == pytest.approx(frequency, rel=0.08)


def test_time_is_in_seconds_and_shared():
    found = stimulus({"long": tone(440, 3.0), "short": tone(440, 1.0)}, RATE, style=NARROW)
    long, short = found.figure.axes[:2]
    assert long.get_xlim() == short.get_xlim() == (0, 3.0)
    assert short.images[0].get_extent()[1] == pytest.approx(1.0, abs=2 * HOP)


def test_loudness_does_not_change_the_picture():
    loud, soft = (
        stimulus({"tone": gain * tone(500)}, RATE, style=NARROW).figure.axes[0].images[0] for gain in (1, 0.01)
    )
    assert (loud.get_array() == soft.get_array()).all()


def test_silence_and_bad_sounds(text_problems):
    assert text_problems(stimulus({"silence": np.zeros(RATE)}, RATE, style=NARROW).figure) == []
    with pytest.raises(InputError, match="too short"):
        stimulus({"click": np.zeros(10)}, RATE)
    with pytest.raises(InputError, match="not finite"):
        stimulus({"broken": np.full(RATE, np.nan)}, RATE)
    with pytest.raises(InputError, match="no sound"):
        stimulus({}, RATE)
