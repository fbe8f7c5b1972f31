"""Principal components of the weights: how targets differ in their tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.linalg import svd

from b2m_encoding._typing import Booleans, Float64, Floating
from b2m_encoding.errors import InputError


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
