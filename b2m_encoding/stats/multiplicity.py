"""Correction for many targets: false discovery rate and family-wise error."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from statsmodels.stats.multitest import multipletests

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import as_floats

METHODS = {"bh": "fdr_bh", "by": "fdr_by"}


def fdr_q(p: ArrayLike, method: Literal["bh", "by"] = "bh") -> Float64:
    """Adjust p values for the false discovery rate; NaN stays NaN and does not count.

    Parameters
    ----------
    p : array
        p values, of any shape.
    method : "bh" or "by"
        Benjamini & Hochberg (1995, doi 10.1111/j.2517-6161.1995.tb02031.x) holds under independence and positive
        dependence, as among neighbouring voxels. Benjamini & Yekutieli (2001, doi 10.1214/aos/1013699998) holds
        under any dependence, at the price of a factor of about ln(n_tests).

    Returns
    -------
    array
        Adjusted p values (q), of the same shape.

    Raises
    ------
    InputError
        If the method is unknown, or a value is no p value (below 0 or above 1).

    Notes
    -----
    Not where no false positive is acceptable: use :func:`max_statistic_p` there. A permutation p value cannot
    be below 1 / (n_permutations + 1): with too few permutations no target of a large map survives.

    Examples
    --------
    >>> fdr_q(np.array([0.01, np.nan, 0.02]))
    array([0.02,  nan, 0.02])
    >>> fdr_q(np.array([0.01, 0.02]), method="by")
    array([0.03, 0.03])
    """
    if method not in METHODS:
        raise InputError("unknown method to control the false discovery rate", found=method, expected="bh or by")
    values = as_floats(p, "p values")
    q, tested = np.full(values.shape, np.nan), ~np.isnan(values)
    if (wrong := tested & ((values < 0) | (values > 1))).any():
        raise InputError(
            "these are no p values",
            found=f"{values[wrong][0]:g} ({int(wrong.sum())} such values)",
            expected="0 to 1",
            fix="pass p values: not scores, not percentages, not z",
        )
    if tested.any():
        q[tested] = multipletests(values[tested], method=METHODS[method])[1]
    return q


def max_statistic_p(observed: Floating, null_maximum: Floating) -> Float64:
    """Compute family-wise p values: share of the permuted maps whose largest value reaches the observed one.

    Westfall & Young (1993); Nichols & Holmes (2002, doi 10.1002/hbm.1058). Every map of the null distribution must come
    from one permutation of all targets, which keeps their dependence.

    Parameters
    ----------
    observed : array
        NaN where a target was not tested.
    null_maximum : array, shape (n_permutations,)
        Largest value of each permuted map.

    Returns
    -------
    array
        (b + 1) / (m + 1), never 0; NaN stays NaN.

    Raises
    ------
    InputError
        If there is no permuted map, or not one number of each.

    Notes
    -----
    Not for statistics whose null distribution differs much between targets: the widest distributions decide.

    Examples
    --------
    >>> max_statistic_p(np.array([0.5, 0.1, np.nan]), np.array([0.2, 0.05, 0.3]))
    array([0.25, 0.75,  nan])
    """
    if np.ndim(null_maximum) != 1 or not np.size(null_maximum):
        raise InputError(
            "family-wise p values need the maximum of every permuted map",
            found=f"shape {np.shape(null_maximum)}",
            expected="(n_permutations,)",
        )
    ordered = np.sort(null_maximum)
    reached = len(ordered) - np.searchsorted(ordered, observed, side="left")
    p: Float64 = np.where(np.isfinite(observed), (reached + 1) / (len(ordered) + 1), np.nan)
    return p
