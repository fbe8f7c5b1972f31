"""Slow modulations of sound: tempo, and the spectro-temporal modulations to which auditory cortex is tuned."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import scipy

from b2m_encoding._typing import Float64
from b2m_encoding.features.spectrum import FLOOR, PER_OCTAVE, log_mel, octave_bank, spectrogram

TEMPO_WINDOW, ONSET_HOP = 6.0, 0.0125
"""Seconds of sound from which tempo is estimated, and seconds between its frames."""
TEMPI = tuple(40 * 2 ** (i / 6) for i in range(16))
"""Beats per minute, six per octave from 40 to 226."""
PATCH_HOP = 0.025
RATES = (0.7, 2.0, 4.0, 8.0, 16.0)
"""Edges of the bands of temporal modulation, Hz."""
SCALES = (0.1, 0.5, 1.0, 2.0)
"""Edges of the bands of spectral modulation, cycles per octave."""


def tempo_names() -> tuple[str, ...]:
    """Names of the columns of :func:`tempogram`."""
    return tuple(f"tempo{tempo:03.0f}" for tempo in TEMPI)


def tempogram(wave: Float64, rate: int, middle: float) -> Float64:
    """Strength of the repetition of onsets at each tempo around ``middle`` (s), shape (n_tempi,).

    Autocorrelation of the onset strength (Grosche et al. 2010, doi 10.1109/ICASSP.2010.5495219) within six seconds of
    the wave, or the whole of a shorter wave: 1 for perfect repetition, 0 for none or silence.
    """
    length = min(TEMPO_WINDOW, len(wave) / rate)
    start = min(max(middle - length / 2, 0.0), len(wave) / rate - length)
    excerpt = wave[round(start * rate) : round((start + length) * rate)]
    mel = log_mel(spectrogram(excerpt, rate, 2 * PATCH_HOP, ONSET_HOP), rate)
    onset = np.maximum(np.diff(mel, axis=0), 0.0).mean(axis=1)
    onset -= onset.mean()
    n_frames = len(onset)
    repeated = scipy.signal.correlate(onset, onset)[n_frames - 1 :] / np.arange(
        n_frames, 0, -1
    )  # mean over overlapping frames
    lags = 60 / np.array(TEMPI)
    strength = np.interp(lags, np.arange(n_frames) * ONSET_HOP, repeated, right=0.0)
    return np.where(repeated[0] > FLOOR, strength / max(repeated[0], FLOOR), 0.0)


def ripple_names() -> tuple[str, ...]:
    """Names of the columns of :func:`ripples`."""
    rates = [f"ripple{low:g}-{high:g}Hz" for low, high in pairwise(RATES)]
    scales = [f"{low:g}-{high:g}" for low, high in pairwise(SCALES)]
    return tuple(
        f"{rate}_{kind}" for rate in rates for kind in ("flat", *(f"{s}{d}" for s in scales for d in ("up", "down")))
    )


def ripples(wave: Float64, rate: int) -> Float64:
    """Log strength of the spectro-temporal modulations of an excerpt of sound, shape (n_ripples,).

    The spectrogram, logarithmic in power and frequency, is decomposed into rising and falling ripples (Chi et al. 2005,
    doi 10.1121/1.1945807): bands of temporal modulation (Hz) times bands of spectral modulation (cycles per octave),
    and temporal modulation that all frequencies share.
    """
    power = spectrogram(wave, rate, 2 * PATCH_HOP, PATCH_HOP)
    patch = np.log10((octave_bank(rate, power.shape[1]) @ power.T).T + FLOOR)
    patch -= patch.mean(axis=0)
    hann = scipy.signal.windows.hann
    window = np.outer(hann(patch.shape[0], sym=False), hann(patch.shape[1], sym=False))
    energy = np.abs(scipy.fft.fft2(patch * window) / np.sqrt((window**2).sum() * patch.size)) ** 2
    hz = scipy.fft.fftfreq(patch.shape[0], PATCH_HOP)[:, None]
    cycles = scipy.fft.fftfreq(patch.shape[1], 1 / PER_OCTAVE)[None]
    out = []
    for low, high in pairwise(RATES):
        in_rate = (np.abs(hz) >= low) & (np.abs(hz) < high)
        bands = [in_rate & (np.abs(cycles) < SCALES[0])]
        for coarse, fine in pairwise(SCALES):
            in_scale = in_rate & (np.abs(cycles) >= coarse) & (np.abs(cycles) < fine)
            bands += [in_scale & (hz * cycles < 0), in_scale & (hz * cycles > 0)]  # rising, falling
        out += [energy[band].sum() for band in bands]
    return np.asarray(np.log10(np.sqrt(out) + 1e-2))
