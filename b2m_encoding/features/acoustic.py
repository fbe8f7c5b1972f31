"""Acoustic features of waveforms: spectrum, loudness, timbre, onsets, harmony, rhythm, modulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import scipy
from numpy.typing import NDArray

from b2m_encoding._typing import Float64
from b2m_encoding.errors import InputError
from b2m_encoding.features.modulation import ripple_names, ripples, tempo_names, tempogram
from b2m_encoding.features.spectrum import FLOOR, HIGHEST, LOWEST, N_MELS, log_mel, spectrogram
from b2m_encoding.features.windows import Spans

Group = Literal[
    "mel", "loudness", "timbre", "contrast", "onset", "chroma", "modulation", "mfcc", "tempogram", "spectrotemporal"
]
GROUPS: tuple[Group, ...] = get_args(Group)
DEFAULT: tuple[Group, ...] = GROUPS[:7]
VERSION = 1
"""Version of the algorithms, part of every key of the store: raise it when the same sound would give other numbers."""
WINDOW, CHROMA_WINDOW, HOP = 0.05, 0.2, 0.025
N_MFCC = 13
CONTRAST_EDGES = (200.0, 600.0, 1600.0, 3600.0, 8000.0)
MODULATION_EDGES = (0.7, 2.0, 4.0, 8.0, 16.0)
PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def acoustic_names(groups: Sequence[Group] = DEFAULT) -> tuple[str, ...]:
    """Names of the features, in the order of the columns."""
    names: dict[Group, tuple[str, ...]] = {
        "mel": tuple(f"mel{i:02d}" for i in range(N_MELS)),
        "loudness": ("loudness",),
        "timbre": ("centroid", "spread", "flatness"),
        "contrast": tuple(f"contrast{low:.0f}" for low in CONTRAST_EDGES[:-1]),
        "onset": ("onset",),
        "chroma": tuple(f"chroma{name}" for name in PITCH_CLASSES),
        "modulation": tuple(f"modulation{low:g}-{high:g}Hz" for low, high in pairwise(MODULATION_EDGES)),
        "mfcc": tuple(f"mfcc{i:02d}" for i in range(N_MFCC)),
        "tempogram": tempo_names(),
        "spectrotemporal": ripple_names(),
    }
    return tuple(name for group in GROUPS if group in groups for name in names[group])


def acoustic_features(
    wave: NDArray[Any], rate: int, hop_s: float = HOP, groups: Sequence[Group] = DEFAULT
) -> tuple[Float64, tuple[str, ...]]:
    """Acoustic features at frame rate.

    Log-mel spectrum, loudness (log RMS), spectral centroid and spread (octaves), flatness and contrast (log
    ratios), onset strength, chroma (shares of a unit sum), the strength of four bands of temporal modulation, and
    mel-frequency cepstral coefficients. They depend on the given samples alone; the edges are mirrored.

    Parameters
    ----------
    wave : array, shape (n_samples,)
        Mono sound.
    rate : int
        Sampling rate, Hz.
    hop_s : float
        Seconds between frames; frame ``i`` is centred on ``i * hop_s``.
    groups : sequence of str
        Groups of features; tempogram and spectrotemporal have none at frame rate.

    Returns
    -------
    features : array, shape (n_frames, n_features)
    names : tuple of str

    Raises
    ------
    InputError
        If the wave is shorter than the longest window or not finite.
    """
    wave = _checked(wave, rate)
    power = spectrogram(wave, rate, WINDOW, hop_s)
    freqs = np.linspace(0.0, rate / 2, power.shape[1])
    mel = log_mel(power, rate)
    make: dict[Group, Callable[[], Float64]] = {
        "mel": lambda: mel,
        "loudness": lambda: np.log10(power.sum(axis=1) + FLOOR)[:, None],
        "timbre": lambda: _shape(power, freqs),
        "contrast": lambda: _contrast(power, freqs),
        "onset": lambda: np.maximum(np.diff(mel, axis=0, prepend=mel[:1]), 0.0).mean(axis=1)[:, None],
        "chroma": lambda: _chroma(wave, rate, hop_s),
        "modulation": lambda: _modulation(mel.mean(axis=1), hop_s),
        "mfcc": lambda: scipy.fft.dct(mel, norm="ortho", axis=1)[:, :N_MFCC],
    }
    columns = [make[group]() for group in make if group in groups]
    names = acoustic_names([group for group in GROUPS if group in groups and group in make])
    return np.concatenate([np.zeros((len(mel), 0)), *columns], axis=1), names


def acoustic_rows(wave: NDArray[Any], rate: int, spans: Spans, groups: Sequence[Group] = DEFAULT) -> Float64:
    """Acoustic features averaged over spans of a sound.

    Each span is analysed separately: its row depends on no sample outside. The exception is the tempogram, which is
    computed from six seconds of sound around the middle of the span.

    Parameters
    ----------
    wave : array, shape (n_samples,)
        Mono sound.
    rate : int
        Sampling rate, Hz.
    spans : array, shape (n_spans, 2)
        Begin and end of each span, s.
    groups : sequence of str
        Groups of features.

    Returns
    -------
    array, shape (n_spans, n_features)

    Raises
    ------
    InputError
        If the wave or a span is too short, or a value is not finite.
    """
    wave = _checked(wave, rate)
    rows = []
    for start, stop in spans.tolist():
        excerpt = wave[round(start * rate) : round(stop * rate)]
        parts = [acoustic_features(excerpt, rate, groups=groups)[0].mean(axis=0)]
        if "tempogram" in groups:
            parts.append(tempogram(wave, rate, (start + stop) / 2))
        if "spectrotemporal" in groups:
            parts.append(ripples(excerpt, rate))
        rows.append(np.concatenate(parts))
    return np.array(rows).reshape(len(spans), len(acoustic_names(groups)))


def _checked(wave: NDArray[Any], rate: int) -> Float64:
    wave = wave.astype(np.float64)
    if wave.ndim != 1 or len(wave) < CHROMA_WINDOW * rate:
        raise InputError(
            "sound too short for acoustic features", found=f"shape {wave.shape}", expected=f">= {CHROMA_WINDOW} s, mono"
        )
    if not np.isfinite(wave).all():
        raise InputError("sound contains values that are not finite", expected="finite samples")
    return wave


def _shape(power: Float64, freqs: Float64) -> Float64:
    """Spectral centroid and spread in octaves above the lowest frequency, and log flatness."""
    keep = (freqs >= LOWEST) & (freqs <= HIGHEST)
    weights, octaves = power[:, keep] + FLOOR / keep.sum(), np.log2(freqs[keep] / LOWEST)
    total = weights.sum(axis=1)
    centroid = weights @ octaves / total
    spread = np.sqrt(np.maximum(weights @ octaves**2 / total - centroid**2, 0.0))
    flatness = np.log10(weights).mean(axis=1) - np.log10(weights.mean(axis=1))
    return np.stack([centroid, spread, flatness], axis=1)


def _contrast(power: Float64, freqs: Float64) -> Float64:
    """Log ratio of the 90th to the 10th percentile of power in each band."""
    bands = []
    for low, high in pairwise(CONTRAST_EDGES):
        inside = power[:, (freqs >= low) & (freqs < high)]
        weak, strong = np.quantile(inside, [0.1, 0.9], axis=1) if inside.shape[1] else np.zeros((2, len(power)))
        bands.append(np.log10(strong + FLOOR) - np.log10(weak + FLOOR))
    return np.stack(bands, axis=1)


def _chroma(wave: Float64, rate: int, hop_s: float) -> Float64:
    """Share of each pitch class in the spectrum between 100 Hz and 4 kHz; zero in silence."""
    power = spectrogram(wave, rate, CHROMA_WINDOW, hop_s)
    chroma = (_chroma_bank(rate, power.shape[1]) @ np.sqrt(power).T).T
    total = chroma.sum(axis=1, keepdims=True)
    return np.where(total > np.sqrt(FLOOR), chroma / np.maximum(total, FLOOR), 0.0)


@cache
def _chroma_bank(rate: int, n_bins: int) -> scipy.sparse.csr_array:
    """Gaussians around each pitch class, 0.4 semitones wide, shape (12, n_bins)."""
    freqs = np.linspace(0.0, rate / 2, n_bins)
    keep = (freqs >= 100.0) & (freqs <= 4000.0)
    pitch = 12 * np.log2(np.where(keep, freqs, 440.0) / 440.0) + 9
    distance = (pitch - np.arange(12)[:, None] + 6) % 12 - 6
    return scipy.sparse.csr_array(np.where(keep & (np.abs(distance) < 1.5), np.exp(-0.5 * (distance / 0.4) ** 2), 0.0))


def _modulation(envelope: Float64, hop_s: float) -> Float64:
    """Log amplitude of the envelope in bands of temporal modulation, per frame, shape (n_frames, n_bands)."""
    n_frames = len(envelope)
    freqs = scipy.fft.fftfreq(n_frames, hop_s)
    spectrum = scipy.fft.fft(envelope - envelope.mean())
    bands = [
        np.abs(scipy.fft.ifft(np.where((freqs >= low) & (freqs < high), 2 * spectrum, 0.0)))
        for low, high in pairwise(MODULATION_EDGES)
    ]
    return np.log10(np.stack(bands, axis=1) + 1e-2)
