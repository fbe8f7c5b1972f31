"""Reach of the autocorrelation of predicted and measured responses, and the variance that cuts remove."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
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
        """Share of the variance of an inner product that is left where series are cut into pieces.

        Parameters
        ----------
        pieces : iterable of (n_samples, n_pieces)
            Of each run.

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
        """Expected rate of one-sided false positives of a test that assumes independent samples.

        Examples
        --------
        >>> [round(Autocorrelation((1 + a**2) / (1 - a**2), 0).gaussian_rate(), 2) for a in (0, 0.5, 0.7, 0.9)]  # AR(1)
        [0.05, 0.1, 0.17, 0.3]
        """
        return float(norm.sf(norm.isf(level) / np.sqrt(self.spread)))


def joint_autocorrelation(predicted: Floating, measured: Floating, runs: Runs) -> Autocorrelation:
    """Estimate the joint autocorrelation from up to 1,000 targets, within runs, up to the first lag below 5 %.

    Not for the correction of a single target: it is the product of two means over targets.

    Parameters
    ----------
    predicted, measured : array, shape (n_samples, n_targets)
    runs : Runs

    Returns
    -------
    Autocorrelation

    Examples
    --------
    >>> white = np.random.default_rng(0).standard_normal((2, 200, 300))
    >>> reach = joint_autocorrelation(*white, Runs.from_lengths([100, 100], 1.5))
    >>> round(reach.spread), round(reach.edge)
    (1, 0)
    """
    chosen = _some_targets(predicted.shape[1])
    a, b = (_autocorrelation(values[:, chosen], runs) for values in (predicted, measured))
    c = _reach(a * b)
    return Autocorrelation(_spread(c), float(2 * (np.arange(len(c)) * c).sum() / _spread(c)))


def spread_of_windows(predicted: Floating, measured: Floating, runs: Runs) -> float:
    """Estimate samples per independent sample where samples are windows of clips, up to the first lag below 5 %.

    Windows of one clip share sounds and volumes, those of two do not, so that a mean over all pairs of the product of
    two autocorrelations is larger than the product of their means: pairs of one clip are averaged by themselves.

    Parameters
    ----------
    predicted, measured : array, shape (n_samples, n_targets)
    runs : Runs

    Returns
    -------
    float
    """
    chosen = _some_targets(predicted.shape[1])
    both = [standardised(values[:, chosen]) for values in (predicted, measured)]
    both = [z[:, np.isfinite(z).all(axis=0)] for z in both]
    clip, spread = np.cumsum(runs.begins), 1.0
    for lag in range(1, len(clip) if min(z.size for z in both) else 1):
        within_run, one_clip = runs.run[lag:] == runs.run[:-lag], clip[lag:] == clip[:-lag]
        products = [z[lag:] * z[:-lag] for z in both]
        c = 0.0
        for pairs in (within_run & one_clip, within_run & ~one_clip):
            if pairs.any():
                c += float(pairs.sum() * np.prod([values[pairs].mean() for values in products]))
        if c < NEGLIGIBLE * within_run.sum() or not within_run.any():
            break
        spread += 2 * c / len(clip)
    return spread


def continuity_of_clips(predicted: Floating, measured: Floating, runs: Runs) -> float:
    """Autocorrelation across the borders of clips relative to that within clips, at lag 1; from 0 to 1.

    1 where clips follow each other without a break, near 0 where responses to neighbouring clips are independent.
    """
    same_run = runs.run[1:] == runs.run[:-1]
    border = np.flatnonzero(same_run & runs.begins[1:])
    inside = np.flatnonzero(same_run & ~runs.begins[1:])
    if len(border) == 0 or len(inside) == 0:
        return 1.0
    chosen = _some_targets(predicted.shape[1])
    share = 1.0
    for values in (predicted, measured):
        z = standardised(values[:, chosen])
        z = z[:, np.isfinite(z).all(axis=0)]
        across, within = ((z[rows] * z[rows + 1]).mean() if z.size else 1.0 for rows in (border, inside))
        share *= float(np.clip(across / within, 0, 1)) if within > 0 else 0.0
    return share


def _some_targets(n_targets: int) -> NDArray[np.intp]:
    """Indices of up to 1,000 targets, evenly spaced."""
    return np.unique(np.linspace(0, max(n_targets - 1, 0), MAX_TARGETS).astype(int))[:n_targets]


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
    corrected = mean
    for _ in range(2):  # more steps amplify noise in short runs
        of_mean = min(_spread(_reach(corrected)) * len(parts) / len(values), 0.25)
        corrected = mean * (1 - of_mean) + of_mean
    return corrected


def _reach(c: Float64) -> Float64:
    """Cut at the first negligible lag: later ones are noise."""
    small = np.flatnonzero(c < NEGLIGIBLE)
    return c[: small[0]] if len(small) else c


def _spread(c: Float64) -> float:
    return float(2 * c.sum() - c[0])


def autocorrelation_at(values: Floating, runs: Runs, lag: int) -> float:
    """Estimate the mean autocorrelation over up to 1,000 targets at one lag, within runs.

    A lower bound where noise is slower than the runs are long: each run is centred.

    Parameters
    ----------
    values : array, shape (n_samples, n_targets)
    runs : Runs
    lag : int
        Samples.

    Returns
    -------
    float
        NaN where no run is a quarter longer than the lag.

    Examples
    --------
    >>> white = np.random.default_rng(0).standard_normal((200, 300))
    >>> abs(round(autocorrelation_at(white, Runs.from_lengths([100, 100], 1.5), 3), 1))
    0.0
    """
    longest = max(rows.stop - rows.start for rows in runs.slices.values())
    if values.shape[1] == 0 or 1.25 * lag > longest:
        return float("nan")
    return float(_autocorrelation(values[:, _some_targets(values.shape[1])], runs)[lag])
