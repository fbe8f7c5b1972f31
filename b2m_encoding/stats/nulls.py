"""Gaussian null distribution of Brain2Music, for comparison only: it is wrong for autocorrelated responses."""

from __future__ import annotations

import numpy as np
from scipy.stats import t as student

from b2m_encoding._typing import Float64
from b2m_encoding.errors import InputError


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
