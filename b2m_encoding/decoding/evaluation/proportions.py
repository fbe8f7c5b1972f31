"""Intervals of proportions, which stay between 0 and 1: of counts, of subjects' means, and of clusters of answers."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import binomtest
from scipy.stats import t as student

from b2m_encoding.errors import InputError


def exact_interval(right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Compute the exact interval of a proportion of independent answers.

    Clopper & Pearson 1934, doi 10.1093/biomet/26.4.404.

    Examples
    --------
    >>> [round(end, 3) for end in exact_interval(10, 10)]
    [0.692, 1.0]
    """
    found = binomtest(right, n).proportion_ci(level, method="exact")
    return float(found.low), float(found.high)


def mean_interval(proportions: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Compute the interval of the mean of proportions of independent subjects; it lies between 0 and 1.

    Parameters
    ----------
    proportions : array, shape (n_subjects,)
        Each between 0 and 1.
    level : float

    Returns
    -------
    low, high : float
        Wilson's interval, with as many answers as have the standard error of the mean over subjects, and the quantile
        of Student's t (Dean & Pagano 2015, doi 10.1093/jssam/smv024). NaN for one subject.

    Examples
    --------
    >>> [round(end, 3) for end in mean_interval([0.95, 0.6, 0.94])]
    [0.255, 0.986]
    """
    values = np.asarray(proportions, dtype=np.float64)
    if len(values) < 2:
        return float("nan"), float("nan")
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    return _wilson(float(values.mean()), error, len(values) - 1, level)


def cluster_interval(right: ArrayLike, clusters: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Compute the interval of a proportion whose answers are related within clusters: clips, or listeners.

    Parameters
    ----------
    right : array of bool, shape (n_answers,)
    clusters : array, shape (n_answers,)
    level : float

    Returns
    -------
    low, high : float
        As of :func:`mean_interval`, with the standard error of a ratio over clusters, which may differ in size. NaN for
        one cluster.
    """
    table = pd.DataFrame({"right": np.asarray(right, dtype=float), "cluster": np.asarray(clusters).astype(str)})
    sums = table.groupby("cluster")["right"].agg(["sum", "count"]).to_numpy(dtype=float)
    m, total = len(sums), sums[:, 1].sum()
    if m < 2:
        return float("nan"), float("nan")
    share = sums[:, 0].sum() / total
    error = float(np.sqrt(m / (m - 1) * ((sums[:, 0] - share * sums[:, 1]) ** 2).sum()) / total)
    return _wilson(float(share), error, m - 1, level)


def _wilson(share: float, error: float, degrees: int, level: float) -> tuple[float, float]:
    """Wilson's interval of a proportion with a known standard error."""
    if not 0 <= share <= 1:
        raise InputError("a proportion lies between 0 and 1", found=share)
    if error == 0 or share in (0, 1):
        return share, share
    n, t = share * (1 - share) / error**2, float(student.ppf((1 + level) / 2, degrees))
    centre = (share + t**2 / (2 * n)) / (1 + t**2 / n)
    half = t / (1 + t**2 / n) * math.sqrt(share * (1 - share) / n + t**2 / (4 * n**2))
    return max(centre - half, 0.0), min(centre + half, 1.0)
