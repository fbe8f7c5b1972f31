"""Audio in: decode, cut by exact sample, mix down, resample; and the stimuli of ds003720 made again."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from b2m_encoding.errors import InputError

Wave = NDArray[np.float32]

DS003720_RMS = 0.13210295550519335
"""Common root mean square of the stimuli of ds003720, full scale = 1."""


def read_audio(path: str | Path, rate: int, start: float = 0.0, duration: float | None = None) -> Wave:
    """Decode a sound file to mono at a sampling rate.

    The excerpt is cut by sample at the file's own rate, the channels are averaged, then the excerpt alone is
    resampled (soxr, high quality): nothing outside it can leak in.

    Parameters
    ----------
    path : path
        Any format of libsndfile; recognised by content, not by extension.
    rate : int
        Hertz of the returned wave.
    start : float
        Seconds into the file.
    duration : float, optional
        Seconds; to the end of the file by default.

    Returns
    -------
    array of float32, shape (n_samples,)
        ``round(duration * rate)`` samples where a duration is given. Silence is allowed.

    Raises
    ------
    InputError
        If the file is missing, unreadable, empty, truncated, too short, or holds values that are not finite.
    """
    wave, own_rate = decode_audio(path, start, duration)
    return resample(wave, own_rate, rate, duration)


def decode_audio(path: str | Path, start: float = 0.0, duration: float | None = None) -> tuple[Wave, int]:
    """Decode a sound file to mono at its own rate, which is returned too; otherwise as :func:`read_audio`."""
    path = Path(path)
    if not path.is_file():
        raise InputError("audio file not found", file=path, fix="check the folder of the stimuli and the file's name")
    try:
        with soundfile.SoundFile(path) as file:
            wave = _cut(file, path, start, duration)
            rate = int(file.samplerate)
    except soundfile.LibsndfileError as error:
        # of an .mp3 that holds no sound, libsndfile says that the file does not exist
        why = "no sound in it" if "does not exist" in error.error_string else error.error_string
        raise InputError(
            "audio file cannot be decoded",
            file=path,
            found=f"{path.stat().st_size} bytes; {why}",
            expected="WAV, FLAC, OGG, MP3 or another format of libsndfile",
            fix="fetch the file again",
        ) from error
    if not np.isfinite(wave).all():
        first = int(np.argmin(np.isfinite(wave)))
        raise InputError(
            "audio file holds values that are not finite",
            file=path,
            found=f"first at {start + first / rate:.3f} s",
            expected="finite samples",
            fix="export the file again",
        )
    return wave, rate


def resample(wave: Wave, rate: int, new_rate: int, duration: float | None = None) -> Wave:
    """Bring a wave to another sampling rate (soxr, high quality), ``round(duration * new_rate)`` samples if given."""
    if rate != new_rate:
        wave = soxr.resample(wave, rate, new_rate, quality="HQ")
    return wave if duration is None else _fit(wave, round(duration * new_rate))


def prepare_stimulus(wave: Wave, rate: int, fade: float = 2.0, rms: float | None = DS003720_RMS) -> Wave:
    """Fade a clip in and out with quarter sines, then scale it to a common root mean square, as in ds003720.

    Parameters
    ----------
    wave : array, shape (n_samples,)
        The clip, already cut (15 s in ds003720).
    rate : int
        Hertz.
    fade : float
        Seconds of each fade.
    rms : float, optional
        Root mean square of the result; None leaves the level alone. A silent clip stays silent.

    Returns
    -------
    array of float32, shape (n_samples,)
    """
    n_fade = round(fade * rate)
    if 2 * n_fade > len(wave):
        raise InputError(
            "clip too short for its fades", found=f"{len(wave) / rate:.3f} s", expected=f"at least {2 * fade:g} s"
        )
    envelope = np.ones(len(wave))
    if n_fade:
        envelope[:n_fade] = np.sin(np.linspace(0.0, np.pi / 2, n_fade))
        envelope[-n_fade:] = envelope[:n_fade][::-1]
    faded = wave * envelope
    level = np.sqrt(np.mean(faded**2)) if len(faded) else 0.0
    if rms is not None and level > 0:
        faded *= rms / level
    return faded.astype(np.float32)


def _cut(file: soundfile.SoundFile, path: Path, start: float, duration: float | None) -> Wave:
    """The excerpt at the file's own rate, channels averaged."""
    rate, n_frames = int(file.samplerate), int(file.frames)
    first = round(start * rate)
    n_wanted = n_frames - first if duration is None else round(duration * rate)
    if n_frames == 0:
        raise InputError("audio file is empty", file=path, found="0 samples", fix="fetch the file again")
    if _announces_more(file.extra_info):
        raise InputError(
            "audio file is truncated",
            file=path,
            found=f"{n_frames / rate:.3f} s of sound",
            expected="as much as its header announces",
            fix="fetch the file again",
        )
    if start < 0 or n_wanted <= 0 or first + n_wanted > n_frames:
        raise InputError(
            "audio file is too short for the excerpt" if start >= 0 else "an excerpt cannot start before its file",
            file=path,
            found=f"{n_frames / rate:.3f} s of sound",
            expected=f"{start:g} s to {start + n_wanted / rate:g} s",
            fix="check start and duration, or fetch the file again if it should be longer",
        )
    file.seek(first)
    samples = file.read(n_wanted, dtype="float32", always_2d=True)
    if len(samples) < n_wanted:
        raise InputError(
            "audio file is truncated",
            file=path,
            found=f"{len(samples)} samples from {start:g} s on",
            expected=n_wanted,
            fix="fetch the file again",
        )
    mono: Wave = np.mean(samples, axis=1, dtype=np.float32)
    return mono


def _announces_more(log: str) -> bool:
    """Whether a WAV header announces more data than the file has (a stream of unknown length announces 4 GiB)."""
    sizes = re.search(r"^data : (\d+) \(should be (\d+)\)", log, flags=re.MULTILINE)
    return sizes is not None and int(sizes[2]) < int(sizes[1]) < 0xFFFFFF00


def _fit(wave: Wave, n_samples: int) -> Wave:
    """Cut, or repeat the last sample: resampling may miss the length by one."""
    return np.pad(wave[:n_samples], (0, max(n_samples - len(wave), 0)), mode="edge")
