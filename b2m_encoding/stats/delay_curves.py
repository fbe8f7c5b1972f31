"""Delay curves: the shape over delays that the weights of all features of a target share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from b2m_encoding._typing import Float64, Floating

CHUNK = 1000
"""Targets at once."""


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
