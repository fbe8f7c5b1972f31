"""Acoustic features from the waveform alone: spectrum, loudness, timbre, onsets, harmony, rhythm."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft, fftfreq, ifft, rfft
from scipy.signal.windows import hann
from scipy.sparse import csr_array

from b2m_encoding.errors import InputError

Array = NDArray[np.float64]

N_MELS = 32
WINDOW, CHROMA_WINDOW, HOP = 0.05, 0.2, 0.025
LOWEST, HIGHEST = 40.0, 8000.0
CONTRAST_EDGES = (200.0, 600.0, 1600.0, 3600.0, 8000.0)
MODULATION_EDGES = (0.7, 2.0, 4.0, 8.0, 16.0)
PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FLOOR = 1e-8
"""Power under which everything counts as silence, full scale = 1."""


def acoustic_names() -> tuple[str, ...]:
    """Names of the features, in the order of the columns."""
    return (
        *(f"mel{i:02d}" for i in range(N_MELS)),
        "loudness",
        "centroid",
        "spread",
        "flatness",
        *(f"contrast{low:.0f}" for low in CONTRAST_EDGES[:-1]),
        "onset",
        *(f"chroma{name}" for name in PITCH_CLASSES),
        *(f"modulation{low:g}-{high:g}Hz" for low, high in pairwise(MODULATION_EDGES)),
    )


def acoustic_features(wave: NDArray[Any], rate: int, hop_s: float = HOP) -> tuple[Array, tuple[str, ...]]:
    """Features at frame rate.

    Log-mel spectrum, loudness (log RMS), spectral centroid and spread (octaves), flatness and contrast (log
    ratios), onset strength, chroma (shares of a unit sum), and the strength of four bands of temporal modulation.
    Nothing but the given samples enters; the edges are mirrored.

    Parameters
    ----------
    wave : array, shape (n_samples,)
        Mono sound.
    rate : int
        Hertz.
    hop_s : float
        Seconds between frames; frame ``i`` is centred on ``i * hop_s``.

    Returns
    -------
    features : array, shape (n_frames, n_features)
    names : tuple of str

    Raises
    ------
    InputError
        If the wave is shorter than the longest window or not finite.
    """
    wave = wave.astype(np.float64)
    if wave.ndim != 1 or len(wave) < CHROMA_WINDOW * rate:
        raise InputError(
            "sound too short for acoustic features", found=f"shape {wave.shape}", expected=f">= {CHROMA_WINDOW} s, mono"
        )
    if not np.isfinite(wave).all():
        raise InputError("sound holds values that are not finite", expected="finite samples")
    power = _spectrogram(wave, rate, WINDOW, hop_s)
    freqs = np.linspace(0.0, rate / 2, power.shape[1])
    mel = np.log10((_mel_bank(rate, power.shape[1]) @ power.T).T + FLOOR)
    onset = np.maximum(np.diff(mel, axis=0, prepend=mel[:1]), 0.0).mean(axis=1)
    columns = [
        mel,
        np.log10(power.sum(axis=1) + FLOOR)[:, None],
        _shape(power, freqs),
        _contrast(power, freqs),
        onset[:, None],
        _chroma(wave, rate, hop_s),
        _modulation(mel.mean(axis=1), hop_s),
    ]
    return np.concatenate(columns, axis=1), acoustic_names()


def acoustic_per_tr(wave: NDArray[Any], rate: int, tr: float) -> Array:
    """Features averaged over each repetition time.

    Each stretch is analysed on its own, so that row ``i`` depends on the samples of ``[i * tr, (i + 1) * tr)``
    and on no others. A rest shorter than ``tr`` is left out.

    Returns
    -------
    array, shape (n_trs, n_features)
    """
    n_trs = int(len(wave) / (tr * rate) + 1e-6)
    edges = np.round(np.arange(n_trs + 1) * tr * rate).astype(int)
    rows = [acoustic_features(wave[a:b], rate)[0].mean(axis=0) for a, b in pairwise(edges)]
    return np.array(rows).reshape(n_trs, len(acoustic_names()))


def _spectrogram(wave: Array, rate: int, window_s: float, hop_s: float) -> Array:
    """Power of frames centred on multiples of the hop; a full-scale sine sums to about one half."""
    n_window = 2 * round(window_s * rate / 2)
    padded = np.pad(wave, n_window // 2, mode="reflect")
    centres = np.round(np.arange(0, len(wave) / rate - 1e-9, hop_s) * rate).astype(int)
    window = hann(n_window, sym=False)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_window)[centres] * window
    power: Array = np.abs(rfft(frames, axis=1)) ** 2 * (2 / (n_window * np.sum(window**2)))
    return power


@cache
def _mel_bank(rate: int, n_bins: int) -> csr_array:
    """Triangles of equal height on the HTK mel scale, each normalised to unit sum, shape (n_mels, n_bins)."""
    top = min(HIGHEST, rate / 2)
    low, high = 2595 * np.log10(1 + np.array([LOWEST, top]) / 700)
    mels = np.linspace(low, high, N_MELS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    freqs = np.linspace(0.0, rate / 2, n_bins)
    rising = (freqs - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - freqs) / (edges[2:] - edges[1:-1])[:, None]
    bank = np.maximum(np.minimum(rising, falling), 0.0)
    return csr_array(bank / np.maximum(bank.sum(axis=1, keepdims=True), FLOOR))


def _shape(power: Array, freqs: Array) -> Array:
    """Centroid and spread in octaves above the lowest frequency, and log flatness."""
    keep = (freqs >= LOWEST) & (freqs <= HIGHEST)
    weights, octaves = power[:, keep] + FLOOR / keep.sum(), np.log2(freqs[keep] / LOWEST)
    total = weights.sum(axis=1)
    centroid = weights @ octaves / total
    spread = np.sqrt(np.maximum(weights @ octaves**2 / total - centroid**2, 0.0))
    flatness = np.log10(weights).mean(axis=1) - np.log10(weights.mean(axis=1))
    return np.stack([centroid, spread, flatness], axis=1)


def _contrast(power: Array, freqs: Array) -> Array:
    """Log ratio of the strong (90th centile) to the weak (10th) bins of each band."""
    bands = []
    for low, high in pairwise(CONTRAST_EDGES):
        inside = power[:, (freqs >= low) & (freqs < high)]
        weak, strong = np.quantile(inside, [0.1, 0.9], axis=1) if inside.shape[1] else np.zeros((2, len(power)))
        bands.append(np.log10(strong + FLOOR) - np.log10(weak + FLOOR))
    return np.stack(bands, axis=1)


def _chroma(wave: Array, rate: int, hop_s: float) -> Array:
    """Share of each pitch class in the power between 100 Hz and 4 kHz; zero in silence."""
    power = _spectrogram(wave, rate, CHROMA_WINDOW, hop_s)
    chroma = (_chroma_bank(rate, power.shape[1]) @ np.sqrt(power).T).T
    total = chroma.sum(axis=1, keepdims=True)
    return np.where(total > np.sqrt(FLOOR), chroma / np.maximum(total, FLOOR), 0.0)


@cache
def _chroma_bank(rate: int, n_bins: int) -> csr_array:
    """Gaussians around each pitch class, 0.4 semitones wide, shape (12, n_bins)."""
    freqs = np.linspace(0.0, rate / 2, n_bins)
    keep = (freqs >= 100.0) & (freqs <= 4000.0)
    pitch = 12 * np.log2(np.where(keep, freqs, 440.0) / 440.0) + 9
    distance = (pitch - np.arange(12)[:, None] + 6) % 12 - 6
    return csr_array(np.where(keep & (np.abs(distance) < 1.5), np.exp(-0.5 * (distance / 0.4) ** 2), 0.0))


def _modulation(envelope: Array, hop_s: float) -> Array:
    """Log amplitude of the envelope in bands of temporal modulation, at every frame."""
    n_frames = len(envelope)
    freqs = fftfreq(n_frames, hop_s)
    spectrum = fft(envelope - envelope.mean())
    bands = [
        np.abs(ifft(np.where((freqs >= low) & (freqs < high), 2 * spectrum, 0.0)))
        for low, high in pairwise(MODULATION_EDGES)
    ]
    return np.log10(np.stack(bands, axis=1) + 1e-2)
