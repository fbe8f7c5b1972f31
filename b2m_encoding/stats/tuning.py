"""Tuning: components of the weights of targets, delay curves, and correlations of regions with named features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.linalg import eigh

from b2m_encoding._typing import Booleans, Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.stats.multiplicity import fdr_q

CHUNK = 4096
"""Targets whose weights are in double precision at a time."""


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
    n_features = sum(array.shape[1] for array in weights.values())
    used = fitted & np.concatenate([np.isfinite(part).all(axis=1) for part in _directions(weights, deviations)])
    if min(used.sum(), n_features) < n_components:
        raise InputError(
            "too few targets or features for components of the weights",
            found=f"{int(used.sum())} targets, {n_features} features",
            expected=f"at least {n_components}",
        )
    total, products, start = np.zeros(n_features), np.zeros((n_features, n_features)), 0
    for part in _directions(weights, deviations):
        some = part[used[start : start + len(part)]]
        total += some.sum(axis=0)
        products += some.T @ some
        start += len(part)
    mean = total / used.sum()
    covariance = products - used.sum() * np.outer(mean, mean)
    values, vectors = eigh(covariance, subset_by_index=[n_features - n_components, n_features - 1])
    axes = vectors[:, ::-1].T
    axes *= np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1))
    scores = np.concatenate([(part - mean) @ axes.T for part in _directions(weights, deviations)])
    cuts = np.cumsum([array.shape[1] for array in weights.values()])[:-1]
    loadings = dict(zip(weights, np.split(axes, cuts, axis=1), strict=True))
    explained = values[::-1].clip(0) / max(np.trace(covariance), np.finfo(float).tiny)
    return Tuning(scores.T, loadings, explained)


def _directions(weights: Mapping[str, Floating], deviations: Mapping[str, Floating]) -> Iterator[Float64]:
    """Weights averaged over delays, scaled to length 1, some targets at a time, shape (n, n_features)."""
    n_targets = next(iter(weights.values())).shape[2]
    for start in range(0, n_targets, CHUNK):
        some = slice(start, start + CHUNK)
        parts = [
            np.mean(array[:, :, some], axis=0, dtype=np.float64).T * deviations[name] for name, array in weights.items()
        ]
        table = np.concatenate(parts, axis=1)
        length = np.linalg.norm(table, axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            yield np.where(length == 0, 0.0, table / length)


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

    Returns
    -------
    NamedTuning

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


@dataclass(frozen=True, eq=False)
class BestFeature:
    """Feature that goes with the responses of each target most; all arrays of shape (n_targets,).

    Parameters
    ----------
    index : array of int
        The feature with the largest correlation over clips.
    r : array
        That correlation.
    share : array
        Share of bootstrap samples of the clips in which it is the same feature.
    """

    index: NDArray[np.intp]
    r: Float64
    share: Float64


def best_feature(
    responses: Floating, features: Floating, *, n_bootstraps: int = 200, random_state: int | None = None
) -> BestFeature:
    """Find the feature with the largest correlation over clips, and how certain that choice is.

    Clips are drawn with replacement, the same for all targets: features that go together take turns in being the best.

    Parameters
    ----------
    responses : array, shape (n_clips, n_targets)
    features : array, shape (n_clips, n_features)
    n_bootstraps : int
    random_state : int, optional

    Returns
    -------
    BestFeature

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> features = rng.standard_normal((60, 3))
    >>> found = best_feature(features[:, [2, 0]] + rng.standard_normal((60, 2)), features, random_state=0)
    >>> found.index.tolist(), bool(found.share.min() > 0.8)
    ([2, 0], True)
    """
    correlations = _correlations(responses, features)
    index = correlations.argmax(axis=0)
    generator, same = np.random.default_rng(random_state), np.zeros(len(index))
    for _ in range(n_bootstraps):
        rows = generator.integers(0, len(features), len(features))
        same += _correlations(responses[rows], features[rows]).argmax(axis=0) == index
    return BestFeature(index, correlations[index, np.arange(len(index))], same / n_bootstraps)


def _correlations(responses: Floating, features: Floating) -> Float64:
    """Pearson correlations, shape (n_features, n_targets); -1 where a series is constant."""
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = ((part - part.mean(axis=0)) / part.std(axis=0) for part in (np.asarray(features), np.asarray(responses)))
    found: Float64 = np.nan_to_num(x, posinf=0, neginf=0).T @ np.nan_to_num(y, posinf=0, neginf=0) / len(x)
    found[~np.isfinite(x).all(axis=0)] = -1
    return found


def delay_curves(weights: Mapping[str, Floating], deviations: Mapping[str, Floating]) -> Float64:
    """Leading component over delays of the weights of every target.

    Parameters
    ----------
    weights : mapping of str to array, shape (n_delays, n_features, n_targets)
        By feature space, in the units of the features.
    deviations : mapping of str to array, shape (n_features,)
        Standard deviations of the features: weights count per standard deviation.

    Returns
    -------
    array, shape (n_delays, n_targets)
        First left singular vector of all weights of a target, shape (n_delays, all features). Its largest value in
        either direction is 1. NaN where weights are missing or zero.

    Examples
    --------
    >>> shape, features = np.array([0.5, 1.0, 0.25]), np.array([2.0, -1.0])
    >>> weights = (shape[:, None] * features)[..., None]
    >>> delay_curves({"a": weights}, {"a": np.ones(2)})[:, 0].round(3).tolist()
    [0.5, 1.0, 0.25]
    """
    first = next(iter(weights.values()))
    curves = np.full((first.shape[0], first.shape[2]), np.nan)
    for start in range(0, first.shape[2], CHUNK):
        here = slice(start, start + CHUNK)
        products = np.zeros((first[..., here].shape[2], len(first), len(first)))
        for name, own in weights.items():
            scaled = (own[..., here] * deviations[name][:, None]).transpose(2, 0, 1).astype(np.float64)
            products += scaled @ scaled.transpose(0, 2, 1)
        trace = products.trace(axis1=1, axis2=2)
        known = np.flatnonzero(np.isfinite(trace) & (trace > 0))
        leading = np.linalg.eigh(products[known])[1][..., -1]
        peak = np.take_along_axis(leading, np.abs(leading).argmax(axis=1)[:, None], axis=1)
        curves[:, start + known] = (leading / peak).T
    return curves


def peak_delays(curves: Floating, delays: Sequence[float]) -> Float64:
    """Delay at which the delay curve of every target is largest, by the parabola through the peak and its neighbours.

    Parameters
    ----------
    curves : array, shape (n_delays, n_targets)
        As :func:`delay_curves` returns them.
    delays : sequence of float
        Three or more, equally spaced, rising.

    Returns
    -------
    array, shape (n_targets,)
        In the unit of the delays. The first or last delay where the curve is largest there: its peak may lie beyond.
        NaN where a curve is.

    Raises
    ------
    InputError
        If there are fewer delays, or they are not equally spaced.

    Examples
    --------
    >>> peak_delays(np.array([[0.2, 1.0], [1.0, 0.5], [0.6, 0.1]]), [3.0, 4.5, 6.0]).round(2)
    array([4.75, 3.  ])
    """
    if not show_peaks(delays):
        raise InputError("a peak needs three or more delays, equally spaced and rising", found=list(delays))
    heights, last = np.abs(curves), len(delays) - 1
    place = heights.argmax(axis=0)
    before, top, after = (
        np.take_along_axis(curves, np.clip(place + step, 0, last)[None], axis=0)[0] for step in (-1, 0, 1)
    )
    bend = before - 2 * top + after
    inside = (place > 0) & (place < last) & (bend != 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        offset = np.where(inside, (before - after) / (2 * bend), 0.0)
    found = delays[0] + (delays[1] - delays[0]) * (place + offset)
    return np.where(np.isfinite(heights).all(axis=0), found, np.nan)


def show_peaks(delays: Sequence[float]) -> bool:
    """Whether the peak of a curve over these delays is known: three or more, equally spaced and rising."""
    steps = np.diff(delays)
    return len(steps) > 1 and bool(steps[0] > 0 and np.allclose(steps, steps[0]))
