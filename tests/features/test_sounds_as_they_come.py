"""Sound files as laboratories have them: endings, copies, levels, phases, containers, and names of captions."""

from __future__ import annotations

import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from b2m_encoding.config import resolve_path
from b2m_encoding.errors import InputError
from b2m_encoding.features import mp3
from b2m_encoding.features.audio import decode_audio, prepare_stimulus, read_audio
from b2m_encoding.features.clip_names import find_named
from b2m_encoding.features.clips import Clip
from b2m_encoding.features.sound_copies import copies_of, print_of, sound_hash
from b2m_encoding.features.stimuli import Stimuli
from b2m_encoding.features.stimulus_files import find_stimulus
from b2m_encoding.features.transcripts import read_transcript

RATE = 8000


def piece(seed: int, seconds: float = 12.0) -> np.ndarray:
    """Notes of random pitch and length: a piece of its own for each seed."""
    rng = np.random.default_rng(seed)
    wave = np.zeros(round(seconds * RATE))
    start = 0
    while start < len(wave):
        length = int(rng.uniform(0.1, 0.6) * RATE)
        time = np.arange(min(length, len(wave) - start)) / RATE
        wave[start : start + len(time)] = np.sin(2 * np.pi * rng.uniform(150, 2500) * time) * np.exp(-3 * time)
        start += length
    return 0.2 * wave + 0.002 * rng.standard_normal(len(wave))


@pytest.mark.parametrize(
    "ending", ["wav", "WAV", "flac", "mp3", "MP3", "ogg", "opus", "au", "aiff", "Aif", "caf", "w64"]
)
def test_any_ending_of_a_sound_file_will_do(ending: str, tmp_path: Path) -> None:
    kind = {"aif": "AIFF", "au": "AU", "opus": "OGG"}.get(ending.lower(), ending.upper())
    (tmp_path / "jazz").mkdir()
    rate = 48_000 if ending == "opus" else RATE
    wave = np.repeat(piece(0), rate // RATE)
    soundfile.write(
        tmp_path / f"jazz/Piece é.{ending}", wave, rate, format=kind, subtype="OPUS" if ending == "opus" else None
    )
    for name in ("jazz/Piece é.wav", "jazz/piece é", "jazz/Piece e\u0301.flac", f"jazz/Piece é.{ending}"):
        clip = Clip(name, 1.0, 5.0)
        Stimuli(tmp_path).check([clip])
        assert len(Stimuli(tmp_path).wave(clip, RATE)) == 5 * RATE


def test_files_that_could_both_be_meant_are_named(tmp_path: Path) -> None:
    for ending in ("flac", "ogg"):
        soundfile.write(tmp_path / f"a.{ending}", piece(0), RATE)
    with pytest.raises(InputError, match=r"several files(?s:.)*a.flac, a.ogg"):
        find_stimulus(tmp_path, "a.wav")
    assert find_stimulus(tmp_path, "a.OGG").name == "a.ogg"
    with pytest.raises(InputError, match=r"audio file is missing(?s:.)*b.wav"):
        Stimuli(tmp_path).check([Clip("b.wav", 0.0, 5.0)])
    (tmp_path / "below").mkdir()
    (tmp_path / "a.flac").rename(tmp_path / "below/b.flac")
    with pytest.raises(InputError, match=r"below/b\.flac has this name"):
        Stimuli(tmp_path).check([Clip("b.wav", 0.0, 5.0)])


@pytest.mark.parametrize("name", ["../a.wav", "/tmp/a.wav", "a/../../b.wav", "C:\\a.wav", "..", ""])
def test_names_lie_below_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leads out of the folder"):
        find_stimulus(tmp_path, name.replace("\\", "/"))


CONTAINERS = {
    "film.mp4": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2",
    "film.mkv": b"\x1aE\xdf\xa3\x01\0\0\0",
    "film.avi": b"RIFF\0\1\0\0AVI LIST",
    "song.m4a": b"\0\0\0\x20ftypM4A \0\0\0\0",
    "song.wma": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    "wrong.wav": b"\0\0\0\x20ftypM4A \0\0\0\0",
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_are_named_with_what_to_do(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(CONTAINERS[name] + bytes(2000))
    with pytest.raises(InputError, match=rf"no sound file(?s:.)*ffmpeg -i {name}"):
        decode_audio(tmp_path / name)
    soundfile.write(tmp_path / f"{Path(name).stem}.flac", piece(0), RATE)
    if name != "wrong.wav":
        assert find_stimulus(tmp_path, name).suffix == ".flac"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (bytes(5000), "is empty"),
        (b"ID3\3\0\0\0\0\0\x0a" + bytes(500), "only tags"),
        (b"<html>", "decoded"),
    ],
)
@pytest.mark.parametrize("ending", ["mp3", "wav"])
def test_files_without_sound_are_called_what_they_are(
    content: bytes, message: str, ending: str, tmp_path: Path
) -> None:
    (tmp_path / f"a.{ending}").write_bytes(content)
    with pytest.raises(InputError, match=message):
        decode_audio(tmp_path / f"a.{ending}")


def write(path: Path, wave: np.ndarray, rate: int = RATE, **options: str) -> Path:
    soundfile.write(path, wave, rate, **options)
    return path


def test_copies_are_known_by_their_sound(tmp_path: Path) -> None:
    original = write(tmp_path / "original.wav", piece(0))
    wave = soundfile.read(original)[0]
    equal = [write(tmp_path / "equal.flac", wave), write(tmp_path / "stereo.wav", np.c_[wave, wave])]
    near = {
        "softer": write(tmp_path / "softer.wav", 0.3 * wave),
        "later": write(tmp_path / "later.wav", np.r_[np.zeros(4321), wave]),
        "between frames": write(tmp_path / "between.wav", np.r_[np.zeros(round(0.775 * RATE)), wave]),
        "between them": write(tmp_path / "halfway.wav", 0.5 * wave[round(0.0125 * RATE) :]),
        "excerpt": write(tmp_path / "excerpt.wav", wave[3 * RATE :]),
        "compressed": write(tmp_path / "compressed.mp3", wave),
        "resampled": write(tmp_path / "resampled.wav", np.repeat(wave, 2), 2 * RATE),
    }
    others = [write(tmp_path / f"other{i}.wav", piece(i)) for i in range(1, 6)]
    assert {sound_hash(path) for path in equal} == {sound_hash(original)}
    assert copies_of([*equal, *near.values(), *others], [original]) == dict.fromkeys([*equal, *near.values()], original)
    alike = [print_of(a).likeness(print_of(b)) for a in others for b in others if a != b]
    assert max(alike) < 0.7


def test_the_level_is_that_of_the_sound(tmp_path: Path) -> None:
    wave = piece(0)
    expected = prepare_stimulus(wave, RATE, 0.0)
    for changed in (wave + 0.3, 0.01 * wave - 0.05):
        assert np.allclose(prepare_stimulus(changed, RATE, 0.0), expected, atol=2e-3)
    assert np.abs(prepare_stimulus(1e-5 * wave, RATE, 0.0)).max() < 1e-4


@pytest.mark.parametrize("noise", [0.0, 1e-4, 0.01])
def test_channels_that_cancel_are_told(noise: float, tmp_path: Path) -> None:
    wave, rng = piece(0), np.random.default_rng(0)
    write(tmp_path / "a.wav", np.c_[wave, noise * rng.standard_normal(len(wave)) - wave], subtype="FLOAT")
    with pytest.raises(InputError, match="cancel each other"):
        Stimuli(tmp_path).check([Clip("a.wav", 0.0, 10.0)])
    for fine in (np.c_[wave, 0 * wave], np.c_[wave, piece(1)], np.c_[wave, 0.5 * wave]):
        write(tmp_path / "a.wav", fine)
        Stimuli(tmp_path).check([Clip("a.wav", 0.0, 10.0)])


def test_an_event_may_last_a_little_longer_than_its_sound(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", piece(0, 5.0))
    wave = read_audio(tmp_path / "a.wav", RATE, 0.0, 5.08)
    assert len(wave) == round(5.08 * RATE)
    assert not wave[5 * RATE :].any()
    with pytest.raises(InputError, match="too short for the excerpt"):
        read_audio(tmp_path / "a.wav", RATE, 0.0, 5.2)
    with pytest.raises(InputError, match="too short"):
        read_audio(tmp_path / "a.wav", RATE, 5.0, 0.05)


def test_what_belongs_to_a_clip_is_found_by_its_file() -> None:
    day1, day2 = Clip("day 1/story.wav", 0.0, 10.0), Clip("day 2/story.wav", 0.0, 10.0)
    early, late = Clip("x.wav", 0.0, 10.0), Clip("x.wav", 60.0, 10.0)
    assert find_named([day1], ["story"])[day1] == "story"
    assert find_named([day1, day2], ["story", "day 1/story.wav"])[day1] == "day 1/story.wav"
    assert find_named([day1, day2], ["story", "story.wav", "story_10s"])[day2] is None
    assert find_named([early, late], ["x", "x.wav", "x_10s"])[late] is None
    assert [find_named([early, late], ["x@0", "x@60"])[one] for one in (early, late)] == ["x@0", "x@60"]
    assert find_named([day1], ["stimuli/day 1/story.wav"])[day1] == "stimuli/day 1/story.wav"


TABLES = {
    "onset\tword\n0.5\tAlice\n1.25\twas\n": ([0.5, 1.25], [1.25, 1.55]),
    "word,onset,offset\nAlice,0.5,0.9\nwas,1.25,1.4\n": ([0.5, 1.25], [0.9, 1.4]),
    "onset;duration;word\n0,5;0,4;Alice\n1,25;0,15;was\n": ([0.5, 1.25], [0.9, 1.4]),
    "Onset Word\n1.25 was\nn/a noise\n0.5 Alice\n": ([0.5, 1.25], [1.25, 1.55]),
}


@pytest.mark.parametrize("text", TABLES)
def test_tables_of_words(text: str, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text(text)
    found = read_transcript(tmp_path / "words.txt")
    assert found.text == ("Alice", "was")
    assert np.allclose(found.onset, TABLES[text][0])
    assert np.allclose(found.end, TABLES[text][1])
    for bad in ("onset\tx\n1\ta\n", "onset\tword\nsoon\ta\n", "onset\tword\nn/a\ta\n", ""):
        (tmp_path / "words.txt").write_text(bad)
        with pytest.raises(InputError, match=r"lacks a column|not a number|has an onset"):
            read_transcript(tmp_path / "words.txt")


@pytest.mark.parametrize(("rate", "channels"), [(44100, 1), (22050, 2), (16000, 1), (8000, 1)])
@pytest.mark.parametrize("loud_first", [False, True])
def test_the_length_of_an_mp3_file_that_does_not_state_it(
    rate: int, channels: int, loud_first: bool, tmp_path: Path, rng: np.random.Generator
) -> None:
    """Variable bit rate without the frame that states the length: libsndfile goes by the bit rate of one frame."""
    loudness = np.where(np.arange(12 * rate) < 6 * rate, *((0.3, 0.001) if loud_first else (0.001, 0.3)))
    wave = np.repeat((loudness * rng.standard_normal(12 * rate))[:, None], channels, axis=1)
    whole, bare, tagged = (tmp_path / name for name in ("whole.mp3", "bare.mp3", "tagged.mp3"))
    soundfile.write(whole, wave, rate, bitrate_mode="VARIABLE", compression_level=0.5)
    content = whole.read_bytes()
    first = next(mp3._frames(content))
    bare.write_bytes(content[first.place + first.size :])
    tagged.write_bytes(b"ID3\3\0\0\0\0\1\0" + b"\xff\xfb\x90" * 42 + b"\0\0" + bare.read_bytes() + b"TAG".ljust(128))
    assert mp3.with_length(whole, 0) == whole
    assert abs(soundfile.info(bare).duration - 12) > 3
    expected, _ = decode_audio(whole)
    for path in (bare, tagged):
        found, _ = decode_audio(path)
        assert abs(len(found) / rate - 12) < 0.15
        later = found[576:][: len(expected) - 2000]  # samples by which the header trims the delay of the encoder
        assert np.corrcoef(later, expected[: len(later)])[0, 1] > 0.999
        excerpt, _ = decode_audio(path, 9.0, 1.0)
        settled = rate // 10  # decoders begin anew where they are told to
        assert np.allclose(excerpt[settled:], found[9 * rate + settled : 10 * rate], atol=2e-3)
    with pytest.raises(InputError, match="too short for the excerpt"):
        decode_audio(bare, 9.0, 6.0)


def test_mp3_files_that_need_no_count(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, 0.1 * rng.standard_normal(80000), 16000, bitrate_mode="CONSTANT")
    content = path.read_bytes()
    path.write_bytes(content[(first := next(mp3._frames(content))).size + first.place :])
    n_samples = 576 * sum(1 for _ in mp3._frames(path.read_bytes()))
    assert abs(n_samples - 80000) < 3000
    assert mp3.with_length(path, n_samples + 600) == path
    for junk in (b"", b"\xff" * 50, b"\xff\xfb\x90\0", b"ID3" + b"\x7f" * 7, content[:100]):
        path.write_bytes(junk)
        assert mp3.with_length(path, 5) == path


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
@pytest.mark.parametrize("duration", [None, 0.5])
def test_mp3_files_that_were_cut_short(mode: str, duration: float | None, tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, piece(0, 10.0), RATE, bitrate_mode=mode)
    content = path.read_bytes()
    path.write_bytes(content[: int(0.6 * len(content))])
    with pytest.raises(InputError, match="truncated"):
        decode_audio(path, 0.0, duration)
    path.write_bytes(content + b"TAG".ljust(128))
    assert len(decode_audio(path)[0]) > 9.9 * RATE


def test_an_ending_that_a_converter_appended(tmp_path: Path) -> None:
    write(tmp_path / "a.mp3.wav", piece(0))
    assert find_stimulus(tmp_path, "a.mp3") == find_stimulus(tmp_path, "A.MP3") == tmp_path / "a.mp3.wav"
    write(tmp_path / "a.flac", piece(0))
    with pytest.raises(InputError, match="several files could be a stimulus"):
        find_stimulus(tmp_path, "a.mp3")


@pytest.mark.parametrize("name", ["x" * 256 + ".wav", "a/" * 2100 + "b.wav", "é" * 130, "a\0.wav"])
def test_names_that_no_file_can_have(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the name of a clip (is too long|holds a NUL)"):
        find_stimulus(tmp_path, name)
    with pytest.raises(InputError, match=r"a path (is too long|holds a NUL)"):
        resolve_path(Path(name), SimpleNamespace(context={"folder": tmp_path}))  # type: ignore[arg-type]


@pytest.mark.parametrize("duration", [None, 2.0])
def test_a_stream_of_flac_that_does_not_state_its_length(duration: float | None, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", piece(0, 30.0), RATE)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)  # the number of samples in STREAMINFO
    (tmp_path / "stream.flac").write_bytes(content)
    expected = decode_audio(tmp_path / "a.flac", 0.0, duration)[0]
    assert np.array_equal(decode_audio(tmp_path / "stream.flac", 0.0, duration)[0], expected)
    with pytest.raises(InputError, match="too short"):
        decode_audio(tmp_path / "stream.flac", 0.0, 40.0)


def test_times_and_rates_that_are_none(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", piece(0, 1.0), RATE)
    for start, duration in ((float("nan"), None), (0.0, float("inf")), (0.0, float("nan"))):
        with pytest.raises(InputError, match="needs times"):
            decode_audio(tmp_path / "a.wav", start, duration)
    with pytest.raises(InputError, match="sampling rate"):
        read_audio(tmp_path / "a.wav", 0)
    for times in ((None, 1.0), (0.0, -1.0), (-1.0, 1.0), ("0", 1.0)):
        with pytest.raises(InputError, match="no time"):
            Clip("a.wav", *times)  # type: ignore[arg-type]
    for options in ({"fade": -1.0}, {"fade": float("nan")}, {"rms": -0.1}):
        with pytest.raises(InputError, match="number >= 0"):
            Stimuli(tmp_path, **options)


def wav(stated: int, rate: int = RATE) -> bytes:
    """A second of sound whose header states so many bytes."""
    samples = np.round(3000 * np.sin(np.arange(RATE) / 5)).astype("<i2").tobytes()
    head = struct.pack("<4sI4s", b"RIFF", min(stated + 36, 2**32 - 1), b"WAVE")
    head += struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    return head + struct.pack("<4sI", b"data", stated) + samples


@pytest.mark.parametrize("stated", [0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 2 * RATE])
def test_streams_of_recorders_do_not_state_their_length(stated: int, tmp_path: Path) -> None:
    """As ffmpeg, sox and arecord write them into a pipe."""
    (tmp_path / "a.wav").write_bytes(wav(stated))
    expected = np.round(3000 * np.sin(np.arange(RATE) / 5)) / 2**15
    np.testing.assert_allclose(decode_audio(tmp_path / "a.wav")[0], expected, atol=1e-6)


@pytest.mark.parametrize("stated", [4 * RATE, 0x60000000])
def test_files_that_break_off_are_no_streams(stated: int, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(stated))
    with pytest.raises(InputError, match="truncated"):
        decode_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("rate", [1, 100, 10**9])
def test_impossible_sampling_rates(rate: int, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(2 * RATE, rate))
    with pytest.raises(InputError, match="sampling rate of an audio file is impossible"):
        decode_audio(tmp_path / "a.wav")
