"""Prediction accuracy: Pearson r and R2 per target, over all samples or those of each run, clip or group."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.models.scores import pearson_r, standardised

__all__ = ["gaussian_null_p", "pearson_r", "r2_score", "scores_by", "standardised"]
MIN_SAMPLES = 3


def r2_score(predicted: Floating, measured: Floating) -> Float64:
    """Compute the coefficient of determination per column, 1 - SS_residual / SS_total.

    R2 is not the square of Pearson r: it also penalises wrong scale and offset, and is negative for a prediction
    worse than the mean of the measured samples.

    Parameters
    ----------
    predicted, measured : array, shape (n_samples, n_targets)

    Returns
    -------
    array, shape (n_targets,)
        NaN where the responses do not vary.
    """
    measured = np.asarray(measured, dtype=np.float64)
    residual = ((measured - predicted) ** 2).sum(axis=0)
    total = ((measured - measured.mean(axis=0)) ** 2).sum(axis=0)
    explained: Float64 = 1 - np.divide(residual, total, out=np.full_like(total, np.nan), where=total > 0)
    return explained


def scores_by(
    predicted: Floating,
    measured: Floating,
    labels: NDArray[Any],
    *,
    measure: Literal["r", "r2"] = "r",
) -> dict[str, Float64]:
    """Score the samples of each label, in order of first appearance.

    Parameters
    ----------
    predicted, measured : array, shape (n_samples, n_targets)
    labels : array of str, shape (n_samples,)
        ``runs.run`` for a score per run, ``runs.clip`` per clip, ``runs.group`` per group. Samples
        labelled "" are left out.
    measure : "r" or "r2"
        Both are relative to the mean of the samples of the label: differences between clips do not count.

    Returns
    -------
    dict of str to array, shape (n_targets,)
        NaN where a label has fewer than three samples.

    Notes
    -----
    Not to be averaged over short clips and then tested as if they were independent: use
    :func:`~b2m_encoding.stats.intervals.score_interval` or a permutation of all samples. The mean of scores per run is
    not the score of all runs.

    Examples
    --------
    >>> measured = np.array([[1.0], [2.0], [4.0], [1.0], [2.0], [4.0]])
    >>> by = scores_by(measured * [[1], [1], [1], [-1], [-1], [-1]], measured, np.array(list("aaabbb")))
    >>> {label: r.round(6).tolist() for label, r in by.items()}
    {'a': [1.0], 'b': [-1.0]}
    """
    if not len(predicted) == len(measured) == len(labels):
        raise InputError(
            "labels and samples differ in number", found=len(labels), expected=(len(predicted), len(measured))
        )
    score = {"r": pearson_r, "r2": r2_score}[measure]
    scores = {}
    for label in dict.fromkeys(labels.tolist()):
        rows = np.flatnonzero(labels == label)
        if str(label) != "":
            enough = len(rows) >= MIN_SAMPLES
            nothing = np.full(measured.shape[1], np.nan)
            scores[str(label)] = score(predicted[rows], measured[rows]) if enough else nothing
    return scores


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
