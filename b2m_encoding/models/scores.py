"""Scores of predictions, per target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from b2m_encoding._typing import Float64, Floating


def pearson_r(predicted: Floating, measured: Floating) -> Float64:
    """Pearson correlation of each column with its counterpart.

    Parameters
    ----------
    predicted, measured : array, shape (n_samples, n_targets)

    Returns
    -------
    array, shape (n_targets,)
        NaN where a column holds NaN or does not vary: such a target is not tested.

    Examples
    --------
    >>> measured = np.array([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    >>> pearson_r(2 * measured + 1, measured)
    array([ 1., nan])
    """
    a, b = standardised(predicted), standardised(measured)
    r: Float64 = np.einsum("ij,ij->j", a, b) / len(a)
    return r


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


def standardised(values: Floating) -> Float64:
    """Standardise columns to zero mean and unit variance; NaN where a column is constant up to rounding."""
    values = np.asarray(values, dtype=np.float64)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    varies = deviation > 1e-7 * np.maximum(np.abs(mean), 1e-30)
    scale = np.divide(1.0, deviation, out=np.full_like(deviation, np.nan), where=varies)
    scaled: Float64 = (values - mean) * scale
    return scaled


def _centred(values: Floating) -> Float64:
    return np.asarray(values - values.mean(0, dtype=np.float64), dtype=np.float64)


def product_measure(parts: Sequence[Floating], measured: Floating) -> Float64:
    r"""Split the R2 of a prediction that is a sum of parts among them, shape (n_parts, n_targets).

    The share of part :math:`k` is :math:`\sum \hat y_k (2 y - \hat y) / \sum y^2` (Dupre la Tour et al. 2022,
    doi 10.1016/j.neuroimage.2022.119728), all centred; the parts add up to the R2 of the centred prediction.
    """
    centred, y = [_centred(part) for part in parts], _centred(measured)
    rest = 2 * y - sum(centred)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.stack([(part * rest).sum(0) for part in centred]) / (y * y).sum(0))


def r_split(parts: Sequence[Floating], measured: Floating) -> Float64:
    """Split the Pearson r of a prediction that is a sum of parts among them, shape (n_parts, n_targets)."""
    centred, y = [_centred(part) for part in parts], _centred(measured)
    total = np.sum(centred, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(
            np.stack([(part * y).sum(0) for part in centred]) / np.sqrt((total * total).sum(0) * (y * y).sum(0))
        )
