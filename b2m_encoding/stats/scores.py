"""Prediction accuracy: Pearson r and R2 per target."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pearson_r(predicted: NDArray[np.floating], measured: NDArray[np.floating]) -> NDArray[np.float64]:
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
    r: NDArray[np.float64] = np.einsum("ij,ij->j", a, b) / len(a)
    return r


def r2_score(predicted: NDArray[np.floating], measured: NDArray[np.floating]) -> NDArray[np.float64]:
    """Coefficient of determination per column, 1 - SS_residual / SS_total; NaN where it is undefined.

    R2 is not the square of Pearson r: it also punishes wrong scale and offset, and is negative for a prediction
    worse than the mean of the measured samples.
    """
    measured = np.asarray(measured, dtype=np.float64)
    residual = ((measured - predicted) ** 2).sum(axis=0)
    total = ((measured - measured.mean(axis=0)) ** 2).sum(axis=0)
    explained: NDArray[np.float64] = 1 - np.divide(residual, total, out=np.full_like(total, np.nan), where=total > 0)
    return explained


def standardised(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Columns with zero mean and unit variance; NaN where a column is constant up to rounding."""
    values = np.asarray(values, dtype=np.float64)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    varies = deviation > 1e-7 * np.maximum(np.abs(mean), 1e-30)
    scale = np.divide(1.0, deviation, out=np.full_like(deviation, np.nan), where=varies)
    scaled: NDArray[np.float64] = (values - mean) * scale
    return scaled
