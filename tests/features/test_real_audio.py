"""What a listener hears in six recordings is what the acoustics say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from b2m_encoding.features.acoustic import GROUPS, acoustic_features, acoustic_names, acoustic_rows
from b2m_encoding.features.audio import read_audio
from b2m_encoding.features.modulation import TEMPI, tempogram

pytestmark = pytest.mark.realdata
RATE = 22050


def heard(folder: Path, name: str) -> np.ndarray:
    [path] = (folder / "audio").glob(f"*{name}*.ogg")
    return read_audio(path, RATE, 0.0, min(15.0, soundfile.info(path).duration - 0.01))


def chroma(wave: np.ndarray) -> np.ndarray:
    return acoustic_features(wave, RATE, groups=("chroma",))[0]


def test_the_trumpet_ends_on_a_long_f(shared_data: Path) -> None:
    """A loop in F at 90 beats per minute, as its licence says."""
    note = chroma(heard(shared_data, "trumpet"))[int(2.9 / 0.025) : int(3.5 / 0.025)].mean(axis=0)
    assert note.argmax() == 5
    assert note[5] > 3 * np.median(note)


def test_pizzicato_on_e_opens_the_sugar_plum_fairy(shared_data: Path) -> None:
    wave = heard(shared_data, "Sugar_Plum")
    assert chroma(wave)[: int(10 / 0.025)].mean(axis=0).argmax() == 4


def test_the_beat_of_vibe_ace(shared_data: Path) -> None:
    """Close to 129 beats per minute; the column of 127 is the nearest."""
    found = tempogram(heard(shared_data, "Vibe_Ace"), RATE, 7.5)
    fast = [i for i, tempo in enumerate(TEMPI) if tempo > 85]
    assert TEMPI[max(fast, key=lambda i: found[i])] == pytest.approx(127, abs=1)


def test_speech_has_no_pitch_class_and_no_beat(shared_data: Path) -> None:
    speech, strings = heard(shared_data, "198-209"), heard(shared_data, "Lets_Go")
    assert np.ptp(chroma(speech).mean(axis=0)) < 0.5 * np.ptp(chroma(strings).mean(axis=0))
    assert tempogram(speech, RATE, 7.5).max() < 0.5 * tempogram(strings, RATE, 7.5).max()


def test_every_recording_gives_finite_features_that_differ(shared_data: Path) -> None:
    means = []
    for path in sorted((shared_data / "audio").glob("*.ogg")):
        wave = read_audio(path, RATE, 0.0, 4.5)
        rows = acoustic_rows(wave, RATE, np.array([[0.0, 1.5], [1.5, 3.0], [3.0, 4.5]]), GROUPS)
        assert rows.shape == (3, len(acoustic_names(GROUPS)))
        assert np.isfinite(rows).all()
        means.append(rows.mean(axis=0))
    assert len(means) == 6
    assert np.min([np.linalg.norm(a - b) for i, a in enumerate(means) for b in means[:i]]) > 1
