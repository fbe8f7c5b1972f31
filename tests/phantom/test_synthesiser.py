"""Tracks sound as their attributes say, and captions say it in words."""

from dataclasses import replace

import numpy as np
import pytest

from b2m_encoding.features.acoustic import acoustic_features, acoustic_names
from b2m_encoding.phantom.bold import kernels
from b2m_encoding.phantom.caption_writer import WORDS, write_caption
from b2m_encoding.phantom.design import Size, draw_design
from b2m_encoding.phantom.synthesiser import BASS, COMPING, DRUMS, INSTRUMENTS, RATE, render, synthesise
from b2m_encoding.phantom.tracks import GENRES, HABITS, Track, draw_track


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def track() -> Track:
    return replace(draw_track("rock", 1, rng()), tempo=120.0, drums="none", lead="piano", density=0.5)


def mean_feature(track: Track, name: str) -> float:
    """Average over four renderings, in which different layers pause."""
    index = acoustic_names().index(name)
    return float(
        np.mean([acoustic_features(render(track, 12.0, rng(i)) / 32768, RATE)[0][:, index].mean() for i in range(4)])
    )


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_notes_are_in_tune(name: str) -> None:
    note = synthesise(INSTRUMENTS[name], 69, RATE).astype(float)
    spectrum = np.abs(np.fft.rfft(note * np.hanning(RATE)))
    peak = spectrum[430:451].argmax() + 430
    assert abs(peak - 440) <= 4
    assert spectrum[430:451].max() > 20 * spectrum[455:850].max() * (0.2 if INSTRUMENTS[name].vibrato else 1)


def test_attributes_are_heard(track: Track) -> None:
    assert mean_feature(replace(track, drums="backbeat"), "onset") > 1.2 * mean_feature(track, "onset")
    distorted = replace(track, lead="distorted guitar", backing="distorted guitar")
    clean = replace(track, lead="flute", backing="electric piano")
    assert mean_feature(distorted, "centroid") > mean_feature(clean, "centroid") + 0.3
    assert np.array_equal(render(track, 3.0, rng()), render(track, 3.0, rng()))
    assert np.abs(render(track, 3.0, rng()).astype(int)).max() > 20000


def test_captions_tell_attributes_but_seldom_the_genre() -> None:
    tracks = [draw_track(genre, i, rng(i)) for i in range(12) for genre in GENRES]
    captions = [write_caption(track, rng(i)) for i, track in enumerate(tracks)]
    assert all(track.lead in caption.lower() for track, caption in zip(tracks, captions, strict=True))
    named = np.mean([f"{track.genre} piece" in caption for track, caption in zip(tracks, captions, strict=True)])
    assert 0.1 < named < 0.5
    assert all(caption[0].isupper() and caption.endswith(".") and "{" not in caption for caption in captions)
    assert len(set(captions)) == len(captions)


def test_habits_name_only_what_can_be_played_and_said() -> None:
    for habits in HABITS.values():
        assert {*habits.leads, *habits.backings} <= INSTRUMENTS.keys()
        assert set(habits.comping) <= COMPING.keys()
        assert set(habits.drums) <= DRUMS.keys() & WORDS.keys()
        assert habits.bass in BASS
        assert habits.setting in WORDS


def test_design_balances_genres_and_links_runs() -> None:
    runs = draw_design(Size(), rng())
    training = [run for run in runs if run.task == "Training"]
    assert [len(run.clips) for run in runs] == [21] * 4 + [31] * 2
    for before, run in zip(training[-1:] + training, training, strict=False):
        assert run.clips[0] == before.clips[-1]
        for block in (run.clips[1:11], run.clips[11:21]):
            assert sorted(clip.genre for clip in block) == sorted(GENRES)
    assert len({clip.name for run in runs for clip in run.clips}) == 100
    assert draw_design(Size(), rng()) == runs != draw_design(Size(), rng(1))


def test_response_peaks_where_delays_look() -> None:
    taps = kernels(np.array([-1.0, 0.0, 1.0]))
    assert taps.shape == (18, 3)
    centre = (taps[:8] * np.arange(8)[:, None] * 1.5).sum(axis=0) / taps[:8].sum(axis=0)
    np.testing.assert_allclose(np.diff(centre), 1.0, atol=0.15)
    assert 3 <= 1.5 * taps[:, 1].argmax() <= 6
    np.testing.assert_allclose(taps[:, 1].sum(), 1 - 1 / 6, atol=0.02)
