"""Responses of regions to features that have names: correlations over clips, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.stats.multiplicity import fdr_q


@dataclass(frozen=True, eq=False)
class NamedTuning:
    """Correlations of responses with features; all arrays of shape (n_features,).

    Parameters
    ----------
    r, low, high : array
        Correlation, and its interval; NaN where a feature does not vary.
    q : array
        False discovery rate among the features.
    n_clips : int
    """

    r: Float64
    low: Float64
    high: Float64
    q: Float64
    n_clips: int


def named_tuning(response: Floating, features: Floating, level: float = 0.95) -> NamedTuning:
    """Correlate the mean response to each clip with each feature of the clips.

    Intervals follow from Fisher's transformation, for clips that are independent of each other; the p values behind
    ``q`` from the t distribution.

    Parameters
    ----------
    response : array, shape (n_clips,)
        Held-out response to each clip.
    features : array, shape (n_clips, n_features)
    level : float
        Level of the intervals.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> features = rng.standard_normal((60, 3))
    >>> found = named_tuning(features[:, 1] + rng.standard_normal(60), features)
    >>> int(np.nanargmax(found.r)), bool(found.low[1] > 0 > found.low[0])
    (1, True)
    """
    n_clips = len(response)
    y = np.asarray(response, dtype=np.float64) - np.mean(response, dtype=np.float64)
    x = np.asarray(features, dtype=np.float64) - np.mean(features, axis=0, dtype=np.float64)
    length = np.sqrt((x**2).sum(axis=0) * (y**2).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.where(length > 1e-12, np.clip(y @ x / length, -1, 1), np.nan)
        statistic = r * np.sqrt((n_clips - 2) / (1 - r**2))
        z, error = np.arctanh(r), 1 / np.sqrt(max(n_clips - 3, 0))
    half = scipy.stats.norm.isf((1 - level) / 2) * error
    p = 2 * scipy.stats.t.sf(np.abs(statistic), n_clips - 2)
    return NamedTuning(r, np.tanh(z - half), np.tanh(z + half), fdr_q(p), n_clips)
