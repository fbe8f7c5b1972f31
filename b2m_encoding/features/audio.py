"""Audio files: decoding, exact excerpts, mixing to mono, resampling; and the stimulus preparation of ds003720."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError

if TYPE_CHECKING:
    import soundfile

Wave = Float32
"""Samples of mono sound, full scale = 1, shape (n_samples,)."""

DS003720_RMS = 0.13210295550519335
"""Root mean square of the stimuli of ds003720, full scale = 1."""


def read_audio(path: str | Path, rate: int, start: float = 0.0, duration: float | None = None) -> Wave:
    """Decode a sound file to mono at a given sampling rate.

    The excerpt is cut by sample at the rate of the file, the channels are averaged, then the excerpt alone is
    resampled (soxr, high quality): it depends on no sample outside it.

    Parameters
    ----------
    path : path
        File of any format of libsndfile, which recognises formats by content.
    rate : int
        Sampling rate of the returned wave, Hz.
    start : float
        Start of the excerpt in the file, s.
    duration : float, optional
        Length of the excerpt, s; by default it ends with the file.

    Returns
    -------
    array of float32, shape (n_samples,)
        ``round(duration * rate)`` samples if a duration is given. Silence is allowed.

    Raises
    ------
    InputError
        If the file is missing, unreadable, empty, truncated or too short, or contains values that are not finite.
    """
    wave, file_rate = decode_audio(path, start, duration)
    return resample(wave, file_rate, rate, duration)


def decode_audio(path: str | Path, start: float = 0.0, duration: float | None = None) -> tuple[Wave, int]:
    """Decode a sound file to mono at the sampling rate of the file.

    Parameters
    ----------
    path, start, duration
        See :func:`read_audio`.

    Returns
    -------
    wave : array of float32, shape (n_samples,)
    rate : int
        Sampling rate, Hz.
    """
    import soundfile

    path = Path(path)
    if not path.is_file():
        raise InputError("audio file not found", file=path, fix="check the folder of the stimuli and the file's name")
    try:
        with soundfile.SoundFile(path) as file:
            wave = _cut(file, path, start, duration)
            rate = int(file.samplerate)
    except soundfile.LibsndfileError as error:
        # libsndfile reports an .mp3 without sound as a file that does not exist
        reason = "no sound in it" if "does not exist" in error.error_string else error.error_string
        raise InputError(
            "audio file cannot be decoded",
            file=path,
            found=f"{path.stat().st_size} bytes; {reason}",
            expected="WAV, FLAC, OGG, MP3 or another format of libsndfile",
            fix="fetch the file again",
        ) from error
    if not np.isfinite(wave).all():
        first = int(np.argmin(np.isfinite(wave)))
        raise InputError(
            "audio file contains values that are not finite",
            file=path,
            found=f"first at {start + first / rate:.3f} s",
            expected="finite samples",
            fix="export the file again",
        )
    return wave, rate


def encode_wav(wave: NDArray[Any], rate: int, subtype: str) -> bytes:
    """Content of a WAV file; for writers that shall say why a file cannot be written, as the library does not."""
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, wave, rate, format="WAV", subtype=subtype)
    return content.getvalue()


def resample(wave: Wave, rate: int, new_rate: int, duration: float | None = None) -> Wave:
    """Resample a wave (soxr, high quality).

    Parameters
    ----------
    wave : array, shape (n_samples,)
    rate, new_rate : int
        Sampling rates, Hz.
    duration : float, optional
        Length of the result, s: it has exactly ``round(duration * new_rate)`` samples.

    Returns
    -------
    array of float32, shape (n_new_samples,)
    """
    if rate != new_rate:
        import soxr

        wave = soxr.resample(wave, rate, new_rate, quality="HQ")
    return wave if duration is None else fit_length(wave, round(duration * new_rate))


def prepare_stimulus(wave: Wave, rate: int, fade: float = 2.0, rms: float | None = DS003720_RMS) -> Wave:
    """Fade a clip in and out with quarter sines, then scale it to a common root mean square, as in ds003720.

    Parameters
    ----------
    wave : array, shape (n_samples,)
        The clip (15 s in ds003720).
    rate : int
        Sampling rate, Hz.
    fade : float
        Length of each fade, s.
    rms : float, optional
        Root mean square of the result; None keeps the level. A silent clip stays silent.

    Returns
    -------
    array of float32, shape (n_samples,)

    Raises
    ------
    InputError
        If the clip is shorter than both fades.
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
    """Read an excerpt at the sampling rate of the file, averaged over channels."""
    rate, n_frames = int(file.samplerate), int(file.frames)
    first = round(start * rate)
    n_wanted = n_frames - first if duration is None else round(duration * rate)
    if n_frames == 0:
        raise InputError("audio file is empty", file=path, found="0 samples", fix="fetch the file again")
    if _header_is_longer(file.extra_info):
        raise InputError(
            "audio file is truncated",
            file=path,
            found=f"{n_frames / rate:.3f} s of sound",
            expected="the length that its header states",
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
            found=f"{len(samples)} samples after {start:g} s",
            expected=n_wanted,
            fix="fetch the file again",
        )
    mono: Wave = np.mean(samples, axis=1, dtype=np.float32)
    return mono


def _header_is_longer(log: str) -> bool:
    """Test whether a WAV header states more data than the file has (streams of unknown length state 4 GiB)."""
    sizes = re.search(r"^data : (\d+) \(should be (\d+)\)", log, flags=re.MULTILINE)
    return sizes is not None and int(sizes[2]) < int(sizes[1]) < 0xFFFFFF00


def fit_length(wave: Wave, n_samples: int) -> Wave:
    """Cut a wave or repeat its last sample to ``n_samples``: resampling may miss the length by one."""
    return np.pad(wave[:n_samples], (0, max(n_samples - len(wave), 0)), mode="edge")
