"""How far the autocorrelation of predicted and measured responses reaches, and what a cut through it costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.runs import Runs
from b2m_encoding.stats.scores import standardised

MAX_TARGETS = 1000
NEGLIGIBLE = 0.05


@dataclass(frozen=True)
class Autocorrelation:
    r"""Reach of :math:`c(k)`, the product of the two autocorrelations at lag :math:`k`, mean over targets.

    The variance of an inner product of two independent series of :math:`n` samples is proportional to
    :math:`\sum_k (n - |k|) c(k)` (Bartlett 1946, doi 10.2307/2983611).

    Parameters
    ----------
    spread : float
        Samples per independent sample, :math:`\sum_k c(k)`.
    edge : float
        Samples lost at a cut, :math:`\sum_k |k| c(k) / \sum_k c(k)`.
    """

    spread: float
    edge: float

    def share_left(self, pieces: Iterable[tuple[int, int]]) -> float:
        """Variance that an inner product keeps where series of n samples are cut into pieces before they are compared.

        Examples
        --------
        >>> round(Autocorrelation(spread=9.5, edge=4.7).share_left([(300, 30)]), 2)  # AR(1) 0.9, blocks of 10
        0.54
        >>> round(Autocorrelation(spread=9.5, edge=4.7).share_left([(300, 2)]), 2)  # the same, one circular shift
        0.98
        """
        counted = list(pieces)
        cut = sum(max(n - number * self.edge, 0.1 * n) for n, number in counted)
        return float(min(cut / sum(n - min(self.edge, 0.5 * n) for n, _ in counted), 1.0))

    def gaussian_rate(self, level: float = 0.05) -> float:
        """False positives, one-sided, to expect of a test that takes the samples for independent.

        Examples
        --------
        >>> [round(Autocorrelation((1 + a**2) / (1 - a**2), 0).gaussian_rate(), 2) for a in (0, 0.5, 0.7, 0.9)]  # AR(1)
        [0.05, 0.1, 0.17, 0.3]
        """
        return float(norm.sf(norm.isf(level) / np.sqrt(self.spread)))


def joint_autocorrelation(predicted: Floating, measured: Floating, runs: Runs) -> Autocorrelation:
    """Measure it from up to 1,000 targets, inside runs, up to the first lag where it is below 5 %.

    Not to be used to correct a single target: it is the product of two means over targets.

    Examples
    --------
    >>> white = np.random.default_rng(0).standard_normal((2, 200, 300))
    >>> found = joint_autocorrelation(*white, Runs.from_lengths([100, 100], 1.5))
    >>> round(found.spread), round(found.edge)
    (1, 0)
    """
    some = np.unique(np.linspace(0, max(predicted.shape[1] - 1, 0), MAX_TARGETS).astype(int))[: predicted.shape[1]]
    a, b = (_autocorrelation(values[:, some], runs) for values in (predicted, measured))
    c = _reach(a * b)
    return Autocorrelation(_spread(c), float(2 * (np.arange(len(c)) * c).sum() / _spread(c)))


def continuity_of_clips(predicted: Floating, measured: Floating, runs: Runs) -> float:
    """Autocorrelation across the borders of clips as a share of that inside them, at lag 1; from 0 to 1.

    1 where clips came in one stream, near 0 where responses to neighbouring clips are independent of each other.
    """
    same_run = runs.run[1:] == runs.run[:-1]
    border = np.flatnonzero(same_run & runs.begins[1:])
    inside = np.flatnonzero(same_run & ~runs.begins[1:])
    if len(border) == 0 or len(inside) == 0:
        return 1.0
    some = np.unique(np.linspace(0, max(predicted.shape[1] - 1, 0), MAX_TARGETS).astype(int))[: predicted.shape[1]]
    share = 1.0
    for values in (predicted, measured):
        z = standardised(values[:, some])
        z = z[:, np.isfinite(z).all(axis=0)]
        across, within = ((z[rows] * z[rows + 1]).mean() if z.size else 1.0 for rows in (border, inside))
        share *= float(np.clip(across / within, 0, 1)) if within > 0 else 0.0
    return share


def _autocorrelation(values: Floating, runs: Runs) -> Float64:
    """Mean autocorrelation over targets, for every lag within runs.

    Centring a run lowers its autocorrelation by the variance of its mean, which follows from the autocorrelation:
    two steps towards the solution.
    """
    centred = standardised(values)
    parts = [centred[rows] - centred[rows].mean(axis=0) for rows in runs.slices.values()]
    longest: int = max(len(part) for part in parts)
    power = sum(np.abs(np.fft.rfft(part, n=2 * longest, axis=0)) ** 2 for part in parts)
    pairs = sum(np.clip(len(part) - np.arange(longest), 0, None) for part in parts)
    lagged = np.fft.irfft(power, axis=0)[:longest] / np.maximum(pairs, 1)[:, None]
    valid = np.isfinite(lagged).all(axis=0) & (lagged[0] > 0)
    if not valid.any():
        return np.where(np.arange(longest) == 0, 1.0, 0.0)
    mean: Float64 = (lagged[:, valid] / lagged[0, valid]).mean(axis=1)
    found = mean
    for _ in range(2):  # more would let noise run away in short runs
        of_mean = min(_spread(_reach(found)) * len(parts) / len(values), 0.25)
        found = mean * (1 - of_mean) + of_mean
    return found


def _reach(c: Float64) -> Float64:
    """Lags before the first negligible one: what comes later is noise."""
    small = np.flatnonzero(c < NEGLIGIBLE)
    return c[: small[0]] if len(small) else c


def _spread(c: Float64) -> float:
    return float(2 * c.sum() - c[0])
