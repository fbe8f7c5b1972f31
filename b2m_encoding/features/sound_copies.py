"""Copies of a sound: equal samples in other files, and near copies (softer, later, compressed)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float32, Float64
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import decode_audio, resample
from b2m_encoding.features.stimulus_files import file_state

RATE, FRAME, HOP = 8000, 800, 200
"""Sampling rate (Hz), length and distance of frames (samples) of a fingerprint. With frames twice as far apart, a shift
by half that distance made a copy of music as little alike as .86."""
BANDS, LOWEST = 24, 100.0
"""Bands of a fingerprint, spaced in equal ratios from the lowest frequency (Hz) to the highest."""
LONGEST = 120.0
"""Seconds of a sound that are compared."""
ALIKE = 0.9
"""Correlation of two fingerprints from which on sounds are copies; different pieces reach about 0.6."""
SHORTEST_FRAMES = 40
"""Sounds with fewer frames are compared by their samples alone."""
LEAST_OVERLAP = 5.0
"""Seconds, or the length of the shorter sound, that copies must share."""


def sound_hash(path: Path, seconds: float | None = None) -> str:
    """Hash of the samples of a file, mixed to mono at its own rate; "" if it cannot be decoded.

    Parameters
    ----------
    path : Path
    seconds : float, optional
        Only so much from the beginning.
    """
    try:
        wave, rate = decode_audio(path)
    except (InputError, OSError):
        return ""
    wave = wave if seconds is None else wave[: round(seconds * rate)]
    return hashlib.sha256(f"{rate} Hz ".encode() + wave.tobytes()).hexdigest()[:16]


def fingerprint(path: Path, seconds: float = LONGEST) -> Float32:
    """Course of the log energy of a sound in bands, in standard units, shape (n_frames, n_bands); empty if none.

    Parameters
    ----------
    path : Path
    seconds : float
        Length of the beginning that is taken.
    """
    try:
        wave, rate = decode_audio(path)
    except (InputError, OSError):
        return np.zeros((0, BANDS), np.float32)
    wave = resample(wave[: round(seconds * rate)], rate, RATE)
    if len(wave) < 4 * FRAME:
        return np.zeros((0, BANDS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(wave, FRAME)[::HOP] * np.hanning(FRAME).astype(np.float32)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    edges = np.geomspace(LOWEST, RATE / 2, BANDS + 1)
    bins = np.searchsorted(edges, np.fft.rfftfreq(FRAME, 1 / RATE)) - 1
    energy = np.stack([power[:, bins == band].sum(axis=1) for band in range(BANDS)], axis=1)
    course = np.log(energy + 1e-6 * energy.max() + 1e-20)
    course -= course.mean(axis=0)
    spread = course.std(axis=0)
    return np.asarray(np.where(spread > 1e-3, course / np.maximum(spread, 1e-3), 0.0), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Print:
    """What tells a sound from others: the hash of its samples, and its fingerprint.

    Parameters
    ----------
    hash : str
    course : array, shape (n_frames, n_bands)
    """

    hash: str
    course: Float32

    @cached_property
    def energy(self) -> Float64:
        """Sum of squares up to each frame, shape (n_frames + 1,)."""
        return np.asarray(np.r_[0.0, np.cumsum((self.course.astype(np.float64) ** 2).sum(axis=1))])

    @cached_property
    def _spectra(self) -> dict[int, NDArray[np.complexfloating]]:
        return {}

    def spectrum(self, size: int) -> NDArray[np.complexfloating]:
        """Spectrum of the course, padded to a number of frames, shape (n_bands, n_frequencies)."""
        if size not in self._spectra:
            self._spectra[size] = np.fft.rfft(self.course, size, axis=0).T.astype(np.complex64)
        return self._spectra[size]

    def likeness(self, other: Print) -> float:
        """Largest correlation of two sounds over all lags with enough overlap; 1 for equal samples, 0 without any.

        Examples
        --------
        >>> course = np.random.default_rng(0).standard_normal((300, BANDS)).astype(np.float32)
        >>> noise = np.random.default_rng(1).standard_normal((300, BANDS)).astype(np.float32)
        >>> one, later, another = Print("a", course), Print("b", course[40:]), Print("c", noise)
        >>> bool(one.likeness(later) > 0.99), bool(one.likeness(another) < 0.3)
        (True, True)
        """
        if self.hash and self.hash == other.hash:
            return 1.0
        n, m = len(self.course), len(other.course)
        least = min(round(LEAST_OVERLAP * RATE / HOP), n, m)
        if least < SHORTEST_FRAMES or not self.course.any() or not other.course.any():
            return 0.0
        size = 1 << (n + m - 1).bit_length()  # of a few sizes, so that spectra are kept
        cross = np.fft.irfft(np.einsum("bf,bf->f", self.spectrum(size), other.spectrum(size).conj()), size)
        lags = np.arange(least - m, n - least + 1)
        begin, end = np.maximum(lags, 0), np.minimum(lags + m, n)
        norm = np.sqrt(
            (self.energy[end] - self.energy[begin]) * (other.energy[end - lags] - other.energy[begin - lags])
        )
        return float((cross[lags % size] / np.maximum(norm, 1e-6)).max())


def print_of(path: Path) -> Print:
    """Hash and fingerprint of a file; kept as long as the file does not change."""
    return _print(path, *file_state(path))


@cache
def _print(path: Path, *_state: int) -> Print:
    return Print(sound_hash(path), fingerprint(path))


def are_copies(first: Path, second: Path) -> bool:
    """Whether two files hold the same sound."""
    return print_of(first).likeness(print_of(second)) > ALIKE


def copies_of(files: Iterable[Path], others: Iterable[Path]) -> dict[Path, Path]:
    """Files that are copies of one of the others, each with the first of these.

    Parameters
    ----------
    files, others : iterable of Path
    """
    known = [(path, print_of(path)) for path in others]
    found = {}
    for path in files:
        own = print_of(path)
        if twin := next((other for other, its in known if own.likeness(its) > ALIKE), None):
            found[path] = twin
    return found
