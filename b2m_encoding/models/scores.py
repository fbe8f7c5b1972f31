"""Scores of predictions, per target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def correlation(predicted: Floats, measured: Floats) -> NDArray[np.float64]:
    """Pearson r of every column; NaN where either does not vary or has missing values.

    Examples
    --------
    >>> correlation(np.array([[1.0, 1], [2, 1], [4, 1]]), np.array([[2.0, 1], [4, 2], [8, 3]]))
    array([ 1., nan])
    """
    a = predicted.astype(np.float64) - predicted.mean(0, dtype=np.float64)
    b = measured.astype(np.float64) - measured.mean(0, dtype=np.float64)
    norm = np.sqrt((a * a).sum(0) * (b * b).sum(0))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(norm > 0, (a * b).sum(0) / np.where(norm > 0, norm, 1), np.nan))


def _centred(values: Floats) -> NDArray[np.float64]:
    return np.asarray(values - values.mean(0, dtype=np.float64), dtype=np.float64)


def product_measure(parts: Sequence[Floats], measured: Floats) -> NDArray[np.float64]:
    r"""R2 of a prediction that is a sum of parts, split among them; shape (n_parts, n_targets).

    Part :math:`k` gets :math:`\sum \hat y_k (2 y - \hat y) / \sum y^2` (Dupre la Tour et al. 2022,
    doi 10.1016/j.neuroimage.2022.119728), all centred; the parts add up to the R2 of the centred prediction.
    """
    centred, y = [_centred(part) for part in parts], _centred(measured)
    rest = 2 * y - sum(centred)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.stack([(part * rest).sum(0) for part in centred]) / (y * y).sum(0))


def r_split(parts: Sequence[Floats], measured: Floats) -> NDArray[np.float64]:
    """Pearson r of a prediction that is a sum of parts, split among them; shape (n_parts, n_targets)."""
    centred, y = [_centred(part) for part in parts], _centred(measured)
    whole = np.sum(centred, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(
            np.stack([(part * y).sum(0) for part in centred]) / np.sqrt((whole * whole).sum(0) * (y * y).sum(0))
        )
