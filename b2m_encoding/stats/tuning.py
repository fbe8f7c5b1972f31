"""Tuning: principal components of the weights of targets, and correlations of regions with named features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy
from scipy.linalg import svd

from b2m_encoding._typing import Booleans, Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.stats.multiplicity import fdr_q


@dataclass(frozen=True, eq=False)
class Tuning:
    """Components of the weights.

    Parameters
    ----------
    scores : array, shape (n_components, n_targets)
        Scores of every target; NaN where there are no weights.
    loadings : dict of str to array, shape (n_components, n_features)
        Loadings per feature space; over all feature spaces each component has length 1.
    explained : array, shape (n_components,)
        Share of the variance of the weights.
    """

    scores: Float64
    loadings: dict[str, Float64]
    explained: Float64


def weight_components(
    weights: Mapping[str, Floating],
    deviations: Mapping[str, Floating],
    fitted: Booleans,
    n_components: int = 3,
) -> Tuning:
    """Compute principal components of weights, after Huth et al. 2012 (doi 10.1016/j.neuron.2012.10.014).

    Weights are averaged over delays, put in units of the standard deviation of their feature, and scaled to length 1 in
    each target: components describe the preference of targets, not the strength of responses. The sign of a component
    is that of its largest loading.

    Parameters
    ----------
    weights : dict of str to array, shape (n_delays, n_features, n_targets)
        NaN where a target was not tested.
    deviations : dict of str to array, shape (n_features,)
        Standard deviation of the features in training.
    fitted : array of bool, shape (n_targets,)
        Targets whose weights define the components: those that are predicted. The others only get scores.
    n_components : int

    Returns
    -------
    Tuning

    Raises
    ------
    InputError
        If there are fewer targets or features than components.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> axis = rng.standard_normal(5)
    >>> weights = {"acoustic": np.outer(axis, rng.choice([-1, 1], 40))[None] + 0.01 * rng.standard_normal((2, 5, 40))}
    >>> tuning = weight_components(weights, {"acoustic": np.ones(5)}, np.ones(40, bool), 1)
    >>> bool(abs(tuning.loadings["acoustic"][0] @ axis / np.linalg.norm(axis)) > 0.99), tuning.explained.round(2)
    (True, array([1.]))
    """
    rows = [np.mean(array, axis=0, dtype=np.float64) * deviations[name][:, None] for name, array in weights.items()]
    table = np.concatenate(rows).T
    length = np.linalg.norm(table, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        table = np.where(length == 0, 0.0, table / length)
    used = fitted & np.isfinite(table).all(axis=1)
    if min(used.sum(), table.shape[1]) < n_components:
        raise InputError(
            "too few targets or features for components of the weights",
            found=f"{int(used.sum())} targets, {table.shape[1]} features",
            expected=f"at least {n_components}",
        )
    mean = table[used].mean(axis=0)
    _, values, axes = svd(table[used] - mean, full_matrices=False)
    axes = axes[:n_components]
    axes *= np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1))
    scores = (table - mean) @ axes.T
    cuts = np.cumsum([len(row) for row in rows])[:-1]
    loadings = dict(zip(weights, np.split(axes, cuts, axis=1), strict=True))
    return Tuning(scores.T, loadings, values[:n_components] ** 2 / max((values**2).sum(), np.finfo(float).tiny))


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
