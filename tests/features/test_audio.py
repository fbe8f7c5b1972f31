"""Decoding by exact sample, resampling, stimulus preparation, and files that cannot be used."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import prepare_stimulus, read_audio

RATE = 22050


@pytest.fixture
def noise(tmp_path: Path) -> tuple[Path, np.ndarray]:
    wave = 0.1 * np.random.default_rng(0).standard_normal(3 * RATE).astype(np.float32)
    path = tmp_path / "noise.wav"
    soundfile.write(path, wave, RATE, subtype="FLOAT")
    return path, wave


def test_excerpt_is_cut_by_sample(noise: tuple[Path, np.ndarray]) -> None:
    path, wave = noise
    cut = read_audio(path, RATE, start=0.5, duration=1.0)
    np.testing.assert_array_equal(cut, wave[11025 : 11025 + RATE])
    assert read_audio(path, RATE).dtype == np.float32


def test_channels_are_averaged(tmp_path: Path) -> None:
    stereo = np.stack([np.full(RATE, 0.5), np.full(RATE, -0.25)], axis=1)
    soundfile.write(tmp_path / "stereo.wav", stereo, RATE, subtype="PCM_16")
    np.testing.assert_allclose(read_audio(tmp_path / "stereo.wav", RATE), 0.125, atol=1e-4)


@pytest.mark.parametrize(("file_rate", "rate"), [(192_000, 16_000), (22_050, 24_000), (44_100, 22_050)])
def test_resampling_keeps_a_tone_and_the_length(tmp_path: Path, file_rate: int, rate: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * file_rate) / file_rate)
    soundfile.write(tmp_path / "tone.flac", tone, file_rate, subtype="PCM_24")
    heard = read_audio(tmp_path / "tone.flac", rate, start=0.5, duration=1.001)
    assert len(heard) == round(1.001 * rate)
    expected = 0.5 * np.sin(2 * np.pi * 440 * (0.5 + np.arange(len(heard)) / rate))
    np.testing.assert_allclose(heard[200:-200], expected[200:-200], atol=1e-3)


def test_eight_bits_and_wrong_extension_are_read(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    soundfile.write(tmp_path / "coarse.ogg", tone, RATE, format="WAV", subtype="PCM_U8")
    np.testing.assert_allclose(read_audio(tmp_path / "coarse.ogg", RATE), tone, atol=0.01)


def test_silence_is_allowed(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(5 * RATE), RATE)
    wave = prepare_stimulus(read_audio(tmp_path / "silence.wav", RATE), RATE)
    assert not wave.any()


def test_unusable_files_say_what_is_wrong(noise: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    path, wave = noise
    content = path.read_bytes()
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    soundfile.write(tmp_path / "nan.wav", np.r_[wave[:RATE], np.nan], RATE, subtype="FLOAT")
    (tmp_path / "short.wav").write_bytes(content[: len(content) // 2])
    (tmp_path / "words.wav").write_bytes(b"not a sound")
    (tmp_path / "words.mp3").write_bytes(b"not a sound" * 100)
    (tmp_path / "nothing.wav").write_bytes(b"")
    for name, problem in {
        "absent.wav": "not found",
        "empty.wav": "empty",
        "nan.wav": "not finite",
        "short.wav": "truncated",
        "words.wav": "cannot be decoded",
        "words.mp3": "cannot be decoded",
        "nothing.wav": "empty",
    }.items():
        with pytest.raises(InputError, match=problem) as caught:
            read_audio(tmp_path / name, RATE)
        assert name in str(caught.value)
        assert caught.value.fix
        assert "does not exist" not in str(caught.value)


def test_too_short_for_the_excerpt(noise: tuple[Path, np.ndarray]) -> None:
    with pytest.raises(InputError, match=r"(?s)too short.*3.000 s of sound.*1 s to 16 s"):
        read_audio(noise[0], RATE, start=1.0, duration=15.0)
    with pytest.raises(InputError, match="before its file"):
        read_audio(noise[0], RATE, start=-1.0)
    with pytest.raises(InputError, match="too short for its fades"):
        prepare_stimulus(noise[1][:RATE], RATE)


def test_stimulus_has_fades_and_level() -> None:
    wave = np.random.default_rng(0).standard_normal(15 * RATE).astype(np.float32)
    stimulus = prepare_stimulus(wave, RATE, rms=0.1)
    assert np.sqrt(np.mean(stimulus.astype(float) ** 2)) == pytest.approx(0.1, rel=1e-5)
    envelope = stimulus / wave
    assert envelope[0] == envelope[-1] == 0
    middle = envelope[len(wave) // 2]
    assert envelope[RATE] == pytest.approx(middle * np.sin(np.pi / 4), rel=1e-3)
    np.testing.assert_allclose(envelope[2 * RATE : 13 * RATE], middle, rtol=1e-5)
    np.testing.assert_allclose(envelope, envelope[::-1], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(prepare_stimulus(wave, RATE, fade=0, rms=None), wave)
