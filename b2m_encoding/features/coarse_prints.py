"""Coarse fingerprints of many sounds, small enough to keep for every recording of a corpus and to compare at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float32, Integers
from b2m_encoding.features.sound_copies import BANDS, HOP, LEAST_OVERLAP, RATE, fingerprint

Coarse = NDArray[np.int8]
FRAMES, COLUMNS = 8, 8
"""Frames of a fingerprint that make one of a coarse print, and its bands."""
STEP = FRAMES * HOP / RATE
"""Distance of the frames of a coarse print, s."""
UNIT = 32
"""Whole numbers of a standard unit."""
SHIFT = 1.5
"""Largest shift of two sounds that are compared, s."""
POSSIBLE = 0.6
"""Correlation of coarse prints from which on two sounds may be copies."""
PHASES = (0, FRAMES // 2)
ROWS_AT_ONCE, FILES_AT_ONCE = 4096, 16


def coarse_print(path: Path, seconds: float) -> Coarse:
    """Reduce the fingerprint of the beginning of a file to 0.2 s and 8 bands.

    Parameters
    ----------
    path : Path
    seconds : float
        Length of the beginning.

    Returns
    -------
    array of int8, shape (n_frames, 8)
        As many frames as ``seconds`` has; zero beyond the end of the sound, and throughout where it cannot be decoded.
    """
    return _print(fingerprint(path, seconds), seconds, 0)


def _print(course: Float32, seconds: float, phase: int) -> Coarse:
    n = frames_of(seconds)
    whole = course[phase : phase + n * FRAMES]
    whole = whole[: len(whole) // FRAMES * FRAMES].reshape(-1, FRAMES, COLUMNS, BANDS // COLUMNS)
    small = np.zeros((n, COLUMNS), dtype=np.int8)
    small[: len(whole)] = np.clip(np.rint(UNIT * whole.mean(axis=(1, 3))), -127, 127)
    return small


def frames_of(seconds: float) -> int:
    """Frames of a coarse print of so many seconds."""
    return max(int(seconds / STEP), 1)


def possible_copies(prints: Coarse, files: Sequence[Path], seconds: float) -> Iterator[tuple[int, Path, float]]:
    """Find recordings that may be copies of files, by the correlation of coarse prints over shifts of up to 1.5 s.

    Parameters
    ----------
    prints : array of int8, shape (n_recordings, n_frames, 8)
        Of :func:`coarse_print`; may be a memory map.
    files : sequence of Path
    seconds : float
        With which the prints were made.

    Yields
    ------
    row, file, correlation : int, Path, float
    """
    shifts = range(-round(SHIFT / STEP), round(SHIFT / STEP) + 1)
    for first in range(0, len(files), FILES_AT_ONCE):
        part = files[first : first + FILES_AT_ONCE]
        own = [_print(course, seconds, p) for course in (fingerprint(f, seconds) for f in part) for p in PHASES]
        looked_for = np.stack(own).astype(np.float32)
        for start in range(0, len(prints), ROWS_AT_ONCE):
            known = np.asarray(prints[start : start + ROWS_AT_ONCE], dtype=np.float32)
            best = np.max([_correlations(known, looked_for, shift) for shift in shifts], axis=0)
            best = best.reshape(len(known), len(part), len(PHASES)).max(axis=2)
            for row, column in np.argwhere(best >= POSSIBLE):
                yield start + int(row), part[column], float(best[row, column])


def _correlations(known: Float32, others: Float32, shift: int) -> Float32:
    """Correlate each known sound with each other one that begins ``shift`` frames later; 0 where few overlap."""
    n = known.shape[1]
    a, b = known[:, max(shift, 0) : n + min(shift, 0)], others[:, max(-shift, 0) : n - max(shift, 0)]
    present = [np.asarray((one != 0).any(axis=2), dtype=np.float32) for one in (a, b)]
    overlap = present[0] @ present[1].T
    energy = ((a**2).sum(axis=2) @ present[1].T) * (present[0] @ (b**2).sum(axis=2).T)
    product = a.reshape(len(a), -1) @ b.reshape(len(b), -1).T
    shorter = np.minimum(_frames(known)[:, None], _frames(others))
    enough = overlap >= np.maximum(np.minimum(LEAST_OVERLAP / STEP, shorter - abs(shift)), 5)
    return np.asarray(np.where(enough, product / np.sqrt(np.maximum(energy, 1e-6)), 0.0), dtype=np.float32)


def _frames(prints: Float32) -> Integers:
    """Frames of each print with sound in them."""
    return np.asarray((prints != 0).any(axis=2).sum(axis=1))
