"""Stimuli made again from their tracks, and every file that cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from b2m_encoding.errors import InputError, ProblemList
from b2m_encoding.features.audio import DS003720_RMS, read_audio
from b2m_encoding.features.clips import Clip
from b2m_encoding.features.stimuli import Stimuli

RATE = 8000
CLIPS = [Clip(f"jazz/jazz.{i:05d}.wav", 0.5 + i, 15.0) for i in range(3)]


def test_clips_are_cut_faded_and_levelled_as_published(tracks: Path) -> None:
    """The recipe of the published script, written out again."""
    wave, rate = Stimuli(tracks).native_wave(CLIPS[1])
    track, _ = soundfile.read(tracks / "jazz" / "jazz.00001.wav")
    cut = track[int(1.5 * RATE) :][: 15 * RATE].copy()
    fade = np.sin(np.linspace(0, np.pi / 2, 2 * RATE))
    cut[: 2 * RATE] *= fade
    cut[-2 * RATE :] *= fade[::-1]
    assert rate == RATE
    assert np.allclose(wave, cut * DS003720_RMS / np.sqrt(np.mean(cut**2)), atol=1e-6)


def test_a_model_gets_the_stimulus_at_its_rate(tracks: Path) -> None:
    stimuli = Stimuli(tracks, fade=0.0, rms=0.0)
    assert len(stimuli.wave(CLIPS[0], 24_000)) == 15 * 24_000
    assert np.array_equal(stimuli.wave(CLIPS[0], RATE), read_audio(CLIPS[0].file(tracks), RATE, 0.5, 15.0))


def test_the_digest_is_of_the_presented_wave(tracks: Path) -> None:
    first = Stimuli(tracks).digest(CLIPS[0])
    assert first == Stimuli(tracks).digest(CLIPS[0])
    others = [Stimuli(tracks).digest(CLIPS[1]), Stimuli(tracks, fade=1.0).digest(CLIPS[0])]
    path = CLIPS[0].file(tracks)
    wave, _ = soundfile.read(path)
    wave[9 * RATE] += 0.05
    soundfile.write(path, wave, RATE, subtype="PCM_16")
    assert len({first, *others, Stimuli(tracks).digest(CLIPS[0])}) == 4
    path.rename(path.with_name("moved.wav"))
    (tracks / "pop").mkdir()
    path.with_name("moved.wav").rename(tracks / "pop" / "pop.00009.wav")
    moved = Clip("pop/pop.00009.wav", 0.5, 15.0)
    assert Stimuli(tracks).digest(moved) not in (first, *others)


def test_written_stimuli_are_the_presented_waves(tracks: Path, tmp_path: Path) -> None:
    stimuli, twice = Stimuli(tracks), Clip("jazz/jazz.00000.wav", 2.25, 15.0)
    written = stimuli.write([*CLIPS, twice], tmp_path / "out")
    assert [path.name for path in written] == [
        "jazz.00000_15s_from-0.5.wav",
        "jazz.00000_15s_from-2.25.wav",
        "jazz.00001_15s.wav",
        "jazz.00002_15s.wav",
    ]
    wave, rate = soundfile.read(written[2], dtype="float32")
    assert rate == RATE
    assert np.array_equal(wave, stimuli.native_wave(CLIPS[1])[0])
    assert sorted((tmp_path / "out").iterdir()) == written


def test_every_missing_and_damaged_file_is_named_at_once(tracks: Path) -> None:
    wanted = [Clip(f"jazz/jazz.{i:05d}.wav", 0.5, 15.0) for i in range(7)]
    damaged = wanted[1].file(tracks)
    damaged.write_bytes(damaged.read_bytes()[:50_000])
    soundfile.write(wanted[2].file(tracks), np.zeros(10 * RATE), RATE)
    with pytest.raises(ProblemList) as caught:
        Stimuli(tracks).check(wanted)
    missing, *others = caught.value.problems
    assert "jazz/jazz.00004.wav, jazz/jazz.00005.wav, jazz/jazz.00006.wav" in str(missing)
    assert [Path(str(error.file)).name for error in others] == ["jazz.00001.wav", "jazz.00002.wav"]
    assert ["truncated" in str(others[0]), "too short" in str(others[1])] == [True, True]
    assert all(error.fix for error in caught.value.problems)


def test_a_clip_too_short_for_its_fades_names_its_file(tracks: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)too short for its fades.*jazz.00000.wav.*fade"):
        Stimuli(tracks).native_wave(Clip("jazz/jazz.00000.wav", 0.0, 3.0))


def write_track(path: Path, wave: np.ndarray, rate: int = RATE, **options: str) -> None:
    soundfile.write(path, wave, rate, **options)


TONE = 0.2 * np.sin(2 * np.pi * 300 * np.arange(16 * RATE) / RATE)
HARMLESS = {
    "stereo": lambda path: write_track(path, np.stack([TONE, TONE], axis=1)),
    "8 bits": lambda path: write_track(path, TONE, subtype="PCM_U8"),
    "192 kHz": lambda path: write_track(
        path, 0.2 * np.sin(2 * np.pi * 300 * np.arange(16 * 192_000) / 192_000), 192_000, subtype="PCM_24"
    ),
    "wrong extension": lambda path: write_track(path, TONE, format="FLAC"),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_odd_files_sound_the_same(case: str, tracks: Path) -> None:
    clip = Clip("jazz/jazz.00000.wav", 0.5, 15.0)
    write_track(clip.file(tracks), TONE)
    expected = Stimuli(tracks).wave(clip, RATE)
    HARMLESS[case](clip.file(tracks))
    Stimuli(tracks).check([clip])
    assert np.abs(Stimuli(tracks).wave(clip, RATE) - expected)[100:-100].max() < 0.01


def test_silence_is_told_unless_it_was_presented(tracks: Path) -> None:
    clip = Clip("jazz/jazz.00000.wav", 0.5, 15.0)
    for wave in (np.zeros(16 * RATE), 5e-5 * TONE, np.full(16 * RATE, 0.3)):
        write_track(clip.file(tracks), wave)
        with pytest.raises(InputError, match=r"(?s)nothing is heard.*jazz.00000.wav from 0.5 s.*allow_silence"):
            Stimuli(tracks).check([clip])
        Stimuli(tracks, allow_silence=True).check([clip])
        assert np.abs(Stimuli(tracks).wave(clip, 24_000)).max() < 1e-3


BROKEN = {
    "zero length": (lambda path: write_track(path, np.zeros(0)), "empty"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:30_000]), "truncated"),
    "NaN": (lambda path: write_track(path, np.r_[TONE[:50_000], np.nan, TONE[50_000:]], subtype="FLOAT"), "not finite"),
    "text": (lambda path: path.write_text("no sound"), "cannot be decoded"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_refused_by_name(case: str, tracks: Path) -> None:
    clip = Clip("jazz/jazz.00000.wav", 0.5, 15.0)
    damage, problem = BROKEN[case]
    damage(clip.file(tracks))
    with pytest.raises(InputError, match=problem) as caught:
        Stimuli(tracks).check([clip])
    assert "jazz.00000.wav" in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize("genre", ["../../victim", "/tmp/victim", "a/../../..", "a\0b"])
def test_clips_lie_below_the_folder_of_the_stimuli(genre: str, tracks: Path) -> None:
    clip = Clip(f"{genre}/{genre}.00001.wav", 0.5, 15.0)
    for call in (Stimuli(tracks).native_wave, Stimuli(tracks).digest, lambda clip: Stimuli(tracks).check([clip])):
        with pytest.raises(InputError, match=r"leads out of the folder|holds a NUL character"):
            call(clip)


def test_names_of_written_stimuli_are_no_paths(tracks: Path, tmp_path: Path) -> None:
    """A genre of two words, one with a slash, and one as a formula."""
    names = ("jazz fusion", "a/b", "=cmd", "jazz_fusion")
    clips = []
    for genre in names:
        clips.append(Clip(f"{genre}/{genre}.00001.wav", 0.5, 15.0))
        path = clips[-1].file(tracks)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((tracks / "jazz" / "jazz.00001.wav").read_bytes())
    written = Stimuli(tracks).write(clips, tmp_path / "out")
    assert len({path.name for path in written}) == len(names)
    assert sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*")) == sorted(
        path.name for path in written
    )
    assert not any(path.name.startswith("=") for path in written)


def test_a_pipe_is_no_stimulus(tracks: Path) -> None:
    path = CLIPS[1].file(tracks)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match=r"jazz\.00001\.wav"):
        Stimuli(tracks).check(CLIPS)
