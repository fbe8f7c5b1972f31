"""Spectrograms at frame rate, and filter banks that sum their power into bands."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from b2m_encoding._typing import Float64

N_MELS = 32
LOWEST, HIGHEST = 40.0, 8000.0
PER_OCTAVE, OCTAVES_FROM, N_OCTAVES = 8, 100.0, 6
FLOOR = 1e-8
"""Power below which sound counts as silence, full scale = 1."""


def spectrogram(wave: NDArray[Any], rate: int, window_s: float, hop_s: float) -> Float64:
    """Power spectrum of frames centred on multiples of the hop; a full-scale sine sums to about one half.

    Parameters
    ----------
    wave : array, shape (n_samples,)
    rate : int
        Sampling rate, Hz.
    window_s, hop_s : float
        Length of a frame and distance between frames, s.

    Returns
    -------
    array, shape (n_frames, n_bins)
        Bins from 0 to ``rate / 2``.
    """
    n_window = 2 * round(window_s * rate / 2)
    padded = np.pad(wave, n_window // 2, mode="reflect")
    centres = np.round(np.arange(0, len(wave) / rate - 1e-9, hop_s) * rate).astype(int)
    window = scipy.signal.windows.hann(n_window, sym=False)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_window)[centres] * window
    power: Float64 = np.abs(scipy.fft.rfft(frames, axis=1)) ** 2 * (2 / (n_window * np.sum(window**2)))
    return power


@cache
def mel_bank(rate: int, n_bins: int) -> scipy.sparse.csr_array:
    """Triangles of equal height on the HTK mel scale, each normalised to unit sum, shape (n_mels, n_bins)."""
    top = min(HIGHEST, rate / 2)
    low, high = 2595 * np.log10(1 + np.array([LOWEST, top]) / 700)
    mels = np.linspace(low, high, N_MELS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    freqs = np.linspace(0.0, rate / 2, n_bins)
    rising = (freqs - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - freqs) / (edges[2:] - edges[1:-1])[:, None]
    bank = np.maximum(np.minimum(rising, falling), 0.0)
    return scipy.sparse.csr_array(bank / np.maximum(bank.sum(axis=1, keepdims=True), FLOOR))


@cache
def slaney_bank(rate: int, n_bins: int, n_mels: int) -> Float64:
    """Triangles of equal area on the mel scale of Slaney, from 0 Hz to half the rate, shape (n_mels, n_bins).

    The scale is linear up to 1 kHz (15 mel), then logarithmic; the bank is that of librosa.
    """
    top = 15 + 27 * np.log(rate / 2000) / np.log(6.4)
    mels = np.linspace(0, top, n_mels + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mels - 15)))
    freqs = np.linspace(0.0, rate / 2, n_bins)
    rising = (freqs - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - freqs) / (edges[2:] - edges[1:-1])[:, None]
    bank: Float64 = np.maximum(np.minimum(rising, falling), 0.0) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return bank


@cache
def octave_bank(rate: int, n_bins: int) -> scipy.sparse.csr_array:
    """Gaussians an eighth of an octave apart, no narrower than a bin, of unit sum; shape (n_bands, n_bins)."""
    freqs = np.linspace(0.0, rate / 2, n_bins)
    centres = OCTAVES_FROM * 2 ** (np.arange(PER_OCTAVE * N_OCTAVES) / PER_OCTAVE)
    width = np.maximum(0.05 * centres, freqs[1])[:, None]
    bank = np.exp(-0.5 * ((freqs - centres[:, None]) / width) ** 2)
    bank[bank < 1e-4] = 0.0
    return scipy.sparse.csr_array(bank / np.maximum(bank.sum(axis=1, keepdims=True), FLOOR))


def log_mel(power: Float64, rate: int) -> Float64:
    """Log10 power in mel bands, shape (n_frames, n_mels)."""
    return np.asarray(np.log10((mel_bank(rate, power.shape[1]) @ power.T).T + FLOOR))
