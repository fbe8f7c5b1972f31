"""Null distribution of the accuracy of joined folds, from models that were fitted to rearranged responses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from b2m_encoding._typing import Bands, Float64

TAIL = 100
"""Refits beyond which the tail is that of a normal distribution: fewer give no steady p."""


@dataclass(frozen=True, eq=False)
class RefittedNull:
    r"""Null distribution of r where the predictions of several folds are joined.

    Each fold is predicted by responses that are themselves predicted. To first order the joined r is a quadratic form
    :math:`y^\top H y` with :math:`H` zero within folds, of variance
    :math:`\mathrm{tr}(HSHS) + \mathrm{tr}(HSH^\top S)` for responses of covariance :math:`S` that are unrelated to the
    features. Rearranging fixed predictions keeps the second term alone, which is at least half of the sum
    (Cauchy-Schwarz), and exactly half if :math:`H` is symmetric: the null distribution is then up to
    :math:`\sqrt 2` times too narrow, and of another shape.

    So responses are rearranged within their runs before anything is fitted, the whole fit is repeated with the choice
    of its penalties, and r is divided by its standard deviation under rearrangement of the fixed predictions, as it is
    for the measured responses. These quotients are pooled over targets, all penalties together, because the chosen
    penalty tells of the association (Winkler et al. 2016, doi 10.1016/j.neuroimage.2016.05.068, compare ways to need
    few permutations).

    Parameters
    ----------
    z : array, shape (n_refits,)
        Quotients of r of refits.
    target : array of int, shape (n_refits,)
        Target of each refit.
    method : str
        How responses were rearranged: shift, block or clip.
    """

    z: Float64
    target: np.ndarray
    method: str

    @property
    def dependence(self) -> float:
        """Standard deviation over that of fixed predictions: 1 for independent folds, at most about 1.41."""
        return float(np.sqrt(np.mean(self.z**2)))

    def p(self, z: Float64) -> Float64:
        """Compute one-sided p of quotients; NaN stays NaN.

        The share of refits that reach z; beyond all but a hundred of them, a normal tail through that quantile. In
        simulations the tails are lighter.
        """
        return tail_p(np.sort(self.z), z)

    def false_positive_rate(self, level: float = 0.05) -> float:
        """Measure the rate of false positives: refits of each half of the targets against those of the other."""
        members = np.unique(self.target)
        half = np.isin(self.target, members[::2]) if len(members) > 1 else np.arange(len(self.z)) % 2 == 0
        counts = [np.sum(tail_p(np.sort(self.z[~own]), self.z[own]) < level) for own in (half, ~half)]
        return float(sum(counts) / len(self.z))


def tail_p(null: Float64, observed: Float64) -> Float64:
    """Compute one-sided p against a sorted sample, with a normal tail beyond all but a hundred of its values.

    Parameters
    ----------
    null : array, shape (n,)
        Sorted.
    observed : array

    Returns
    -------
    array

    Examples
    --------
    >>> null = np.sort(np.random.default_rng(0).standard_normal(20_000))
    >>> tail_p(null, np.array([0.0, 1.645, 4.0, np.nan])).round(5)
    array([4.9803e-01, 4.8700e-02, 2.0000e-05,        nan])
    """
    n = len(null)
    reached = n - np.searchsorted(null, observed, side="left")
    p = (reached + 1) / (n + 1)
    if n > 2 * TAIL and null[-TAIL] > 0:
        edge, share = null[-TAIL], (TAIL + 1) / (n + 1)
        beyond = norm.sf(np.asarray(observed) * (norm.isf(share) / edge))
        p = np.where(np.asarray(observed) > edge, beyond, p)
    return np.where(np.isfinite(observed), p, np.nan)


@dataclass(frozen=True, eq=False)
class FoldDependence:
    """Standard errors of joined folds, relative to those for fixed predictions, by prediction accuracy.

    Errors of training and of test meet in products of two samples of noise. Each pair occurs twice where folds are
    joined, and a bootstrap or sign flips over held-out blocks count it once. Where the signal is strong, these products
    are small beside the errors of test samples alone, and the ratio is 1.

    Parameters
    ----------
    accuracy : array, shape (n_levels,)
        Mean r of refits to responses with more and more signal, increasing.
    ratios : dict of str to array, shape (n_levels,)
        Standard deviation of a score over refits, over its standard error from held-out blocks: ``r`` (Fisher's z of
        the joint model), ``difference`` of r of two feature spaces, ``unique`` (R2), each part of R2 (``a+b``).
    n_refits : int
    """

    accuracy: Float64
    ratios: Mapping[str, Float64]
    n_refits: int

    def ratio(self, score: str, accuracy: Float64) -> Float64:
        """Interpolate the ratio at an accuracy; at least 1."""
        return np.maximum(np.interp(np.nan_to_num(accuracy), self.accuracy, self.ratios[score]), 1.0)

    def of_parts(self, parts: Iterable[Bands], accuracy: Float64) -> dict[Bands, Float64]:
        """Interpolate the ratios of parts of R2."""
        return {part: self.ratio("+".join(part), accuracy) for part in parts}


def ratio_of_errors(values: Float64, squared_errors: Float64) -> float:
    """Compute the standard deviation of refits of the same targets, over their root mean squared standard error.

    Parameters
    ----------
    values, squared_errors : array, shape (n_refits_per_target, n_targets)
    """
    return float(np.sqrt(np.nanmean(values.var(axis=0, ddof=1)) / np.nanmean(squared_errors)))


@dataclass(frozen=True, eq=False)
class Refits:
    """What refits of one subject show.

    Parameters
    ----------
    nulls : dict of str to RefittedNull
        By model; empty where nothing is rearranged.
    dependence : FoldDependence
    """

    nulls: Mapping[str, RefittedNull]
    dependence: FoldDependence
