"""Audio files: decoding, exact excerpts, mixing to mono, resampling; and the stimulus preparation of ds003720."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError, notice
from b2m_encoding.features.mp3 import open_sound
from b2m_encoding.features.whole_sounds import check_whole
from b2m_encoding.io.presence import require_file

if TYPE_CHECKING:
    import soundfile

Wave = Float32
"""Samples of mono sound, full scale = 1, shape (n_samples,)."""

SIGNATURES = (
    (b"ftypM4A", "an M4A file (AAC)"),
    (b"ftyp", "an MP4 or QuickTime file"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM file"),
    (b"AVI ", "an AVI file"),
    (b"\x30\x26\xb2\x75", "a Windows Media file (WMA, WMV)"),
    (b"FLV\x01", "a Flash video"),
    (b"\x00\x00\x01\xba", "an MPEG video"),
)
"""First bytes of containers that libsndfile does not read."""
DS003720_RMS = 0.13210295550519335
"""Root mean square of the stimuli of ds003720, full scale = 1."""
LEVEL_FLOOR = 1e-4
"""Root mean square below which a sound counts as silence: in 16 bits, little but rounding is left of it."""
OFFSET = 0.25
"""Mean of a wave, relative to its standard deviation, from which on it is an offset of the recording, and removed."""
CANCELLED = 0.1
"""Level of the mean of channels, relative to that of the channels, below which they cancel each other."""
RATES = (1_000, 1_000_000)
"""Sampling rates of sounds, Hz: others are damaged headers."""
SHORTAGE = 0.1
"""Seconds that a file may lack at its end: logs of presentations last a little longer than the sounds."""


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


def decode_audio(
    path: str | Path, start: float = 0.0, duration: float | None = None, *, check_channels: bool = False
) -> tuple[Wave, int]:
    """Decode a sound file to mono at the sampling rate of the file.

    Parameters
    ----------
    path, start, duration
        See :func:`read_audio`.
    check_channels : bool
        Whether channels that cancel each other are an error, and not only logged.

    Returns
    -------
    wave : array of float32, shape (n_samples,)
    rate : int
        Sampling rate, Hz.
    """
    import soundfile

    path = Path(path)
    if not (_is_time(start) and (duration is None or _is_time(duration))):
        raise InputError("an excerpt needs times", file=path, found=f"start {start}, duration {duration}", expected="s")
    if not path.exists() and not path.is_symlink():
        raise InputError("audio file not found", file=path, fix="check the folder of the stimuli and the file's name")
    require_file(path, "an audio file", folder=False)
    try:
        with open_sound(path) as file:
            wave = _cut(file, path, start, duration, check_channels)
            rate = int(file.samplerate)
    except soundfile.LibsndfileError as error:
        raise undecodable(path, error.error_string) from error
    except (MemoryError, OverflowError) as error:
        size = f"{path.stat().st_size} bytes"
        raise InputError(
            "the header of an audio file states an impossible length", file=path, found=size, fix="fetch the file again"
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


def undecodable(path: Path, reason: str) -> InputError:
    """Error of a file that libsndfile cannot decode; names what it is, where its first bytes show it."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(64)
    kind = next((name for sign, name in SIGNATURES if sign in head[:16]), None)
    if size == 0 or not head.strip(b"\0"):
        return InputError("audio file is empty", file=path, found=f"{size} bytes", fix="fetch the file again")
    if kind is not None:
        return InputError(
            "a container of video or compressed sound is no sound file",
            file=path,
            found=kind,
            expected="WAV, FLAC, OGG, MP3 or another format of libsndfile",
            fix=f"extract the sound: ffmpeg -i {path.name} -vn {path.stem}.flac, and put that beside it",
        )
    if head.startswith(b"ID3"):
        reason = "no sound in it, only tags"
    elif "does not exist" in reason:  # so libsndfile reports an .mp3 without sound
        reason = "no sound in it"
    return InputError(
        "audio file cannot be decoded",
        file=path,
        found=f"{size} bytes; {reason}",
        expected="WAV, FLAC, OGG, MP3 or another format of libsndfile",
        fix="fetch the file again",
    )


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
    if not new_rate > 0:
        raise InputError("a sampling rate must be positive", found=new_rate, expected="Hz > 0")
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
        Root mean square of the result; None keeps the level. A clip that is silent, or nearly so, stays silent.

    Returns
    -------
    array of float32, shape (n_samples,)

    Raises
    ------
    InputError
        If the clip is shorter than both fades.
    """
    wave = without_offset(wave)
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
    if rms is not None and level > LEVEL_FLOOR:
        faded *= rms / level
    return faded.astype(np.float32)


def without_offset(wave: Wave) -> Wave:
    """Return a wave without its mean, where that is so large that it must come from the recorder."""
    mean = float(np.mean(wave, dtype=np.float64)) if len(wave) else 0.0
    return wave - np.float32(mean) if abs(mean) > OFFSET * float(np.std(wave)) and mean else wave


def is_silent(wave: Wave) -> bool:
    """Whether nothing, or nearly nothing, is heard in a wave."""
    return not len(wave) or float(np.std(wave, dtype=np.float64)) < LEVEL_FLOOR


def _cut(file: soundfile.SoundFile, path: Path, start: float, duration: float | None, check_channels: bool) -> Wave:
    """Read an excerpt at the sampling rate of the file, averaged over channels."""
    rate, n_frames = int(file.samplerate), int(file.frames)
    if not RATES[0] <= rate <= RATES[1]:
        raise InputError(
            "the sampling rate of an audio file is impossible",
            file=path,
            found=f"{rate:,} Hz",
            expected=f"{RATES[0]:,} to {RATES[1]:,} Hz",
            fix="export the file again",
        )
    if n_frames == 0:
        found = f"0 samples, in {path.stat().st_size} bytes"
        fix = "fetch the file again, or repair it (ffmpeg -i) if its header or end was not written"
        raise InputError("audio file is empty", file=path, found=found, fix=fix)
    check_whole(path)
    first, estimated = round(start * rate), file.format == "MP3"  # its length may be an estimate
    wanted = None if duration is None else round(duration * rate)
    n_wanted = n_frames - first if wanted is None else wanted
    lacking = max(first + n_wanted - n_frames, 0)
    if start < 0 or n_wanted <= lacking or lacking > SHORTAGE * rate:
        raise InputError(
            "audio file is too short for the excerpt" if start >= 0 else "an excerpt cannot start before its file",
            file=path,
            found=f"{n_frames / rate:.3f} s of sound",
            expected=f"more than {start:g} s" if wanted is None else f"{start:g} s to {start + n_wanted / rate:g} s",
            fix="check start and duration of the events, or fetch the file again if it should be longer",
        )
    if file.seekable():
        file.seek(first)
    else:
        file.read(first)
    samples = file.read(n_wanted - lacking, dtype="float32", always_2d=True)
    if len(samples) < n_wanted - lacking and not (estimated and wanted is None and len(samples)):
        raise InputError(
            "audio file is truncated",
            file=path,
            found=f"{len(samples)} samples after {start:g} s",
            expected=n_wanted,
            fix="fetch the file again",
        )
    mono: Wave = _mono(samples, path, check_channels)
    return np.pad(mono, (0, lacking)) if lacking else mono


def _is_time(value: object) -> bool:
    return isinstance(value, int | float | np.number) and bool(np.isfinite(value))


def _mono(samples: Float32, path: Path, check_channels: bool) -> Wave:
    """Mean of the channels; an error, or a notice, where they cancel each other."""
    mono: Wave = np.mean(samples, axis=1, dtype=np.float32)
    if samples.shape[1] > 1 and not is_silent(samples.ravel()):
        level, own = (float(np.sqrt(np.mean(np.square(one), dtype=np.float64))) for one in (mono, samples))
        if level < CANCELLED * own:
            problem = InputError(
                "the channels of an audio file cancel each other",
                file=path,
                found=f"level {level:.2g} of their mean, {own:.2g} of the channels",
                expected="channels in phase",
                fix="export one of the channels, or turn the phase of one",
            )
            if check_channels:
                raise problem
            notice(str(problem))
    return mono


def fit_length(wave: Wave, n_samples: int) -> Wave:
    """Cut a wave or repeat its last sample to ``n_samples``: resampling may miss the length by one."""
    return np.pad(wave[:n_samples], (0, max(n_samples - len(wave), 0)), mode="edge")
