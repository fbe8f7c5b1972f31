"""Null distributions of r: of joined folds, from refits; the Gaussian one of Brain2Music, for comparison only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from b2m_encoding._typing import Float64
from b2m_encoding.errors import InputError

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
        How responses were rearranged: shift, block or clip; ``phase`` for random phases over whole runs.
    """

    z: Float64
    target: NDArray[np.intp]
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


def gaussian_null_p(r: Float64, n_samples: int) -> Float64:
    """Compute one-sided p values of r for independent Gaussian samples: the null of the paper, for comparison only.

    Brain2Music (Denk et al. 2023, doi 10.48550/arXiv.2307.11078) compares each r with correlations of two Gaussian
    vectors of the same length. That distribution has the closed form used here (Student's t with n - 2 degrees
    of freedom).

    Parameters
    ----------
    r : array
        Pearson correlations; NaN stays NaN.
    n_samples : int

    Returns
    -------
    array
        p values, of the same shape.

    Raises
    ------
    InputError
        If there are fewer than three samples.

    Notes
    -----
    Biased: samples of BOLD are not independent, so that this null is too narrow. At a nominal 5 %, 10, 17 and 30 % of
    unrelated AR(1) series with coefficients .5, .7 and .9 are "significant" (two-sided: 13, 25 and 53 %). Not for
    a claim: use :func:`~b2m_encoding.stats.permutation.significance`.

    Examples
    --------
    >>> gaussian_null_p(np.array([0.0, 0.106, np.nan]), 240).round(3)
    array([0.5  , 0.051,   nan])
    """
    if n_samples < 3:
        raise InputError("a correlation is tested on at least three samples", found=n_samples)
    r = np.asarray(r, dtype=np.float64)
    with np.errstate(divide="ignore"):
        statistic = r * np.sqrt((n_samples - 2) / np.clip(1 - r**2, 0, None))
    tiny = np.finfo(np.float64).tiny
    p: Float64 = np.where(np.isnan(r), np.nan, np.clip(student.sf(statistic, n_samples - 2), tiny, None))
    return p
