"""Scores of predictions, per target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from b2m_encoding._typing import Booleans, Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import as_floats


def pearson_r(predicted: Floating, measured: Floating) -> Float64:
    """Pearson correlation of each column with its counterpart.

    Parameters
    ----------
    predicted, measured : array, shape (n_samples, n_targets)

    Returns
    -------
    array, shape (n_targets,)
        NaN where a column holds NaN or does not vary: such a target is not tested.

    Raises
    ------
    InputError
        If both are no tables of numbers of one shape.

    Examples
    --------
    >>> measured = np.array([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    >>> pearson_r(2 * measured + 1, measured)
    array([ 1., nan])
    """
    a, b = map(standardised, as_pair(predicted, measured))
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

    Raises
    ------
    InputError
        If both are no tables of numbers of one shape.
    """
    predicted, measured = as_pair(predicted, measured)
    measured = np.asarray(measured, dtype=np.float64)
    residual = ((measured - predicted) ** 2).sum(axis=0)
    total = ((measured - measured.mean(axis=0)) ** 2).sum(axis=0)
    explained: Float64 = 1 - np.divide(residual, total, out=np.full_like(total, np.nan), where=total > 0)
    return explained


def as_pair(predicted: Any, measured: Any) -> tuple[Floating, Floating]:
    """Check predictions and responses: floats of one shape, (n_samples, n_targets); vectors are one target.

    What is masked becomes NaN.

    Raises
    ------
    InputError
        If they are no numbers, or differ in shape.
    """
    pair = as_floats(predicted, "the predictions"), as_floats(measured, "the responses")
    a, b = (values[:, None] if values.ndim == 1 else values for values in pair)
    if a.ndim != 2 or a.shape != b.shape:
        found = f"{pair[0].shape} and {pair[1].shape}"
        raise InputError("predictions and responses differ in shape", found=found, expected="(n_samples, n_targets)")
    return a, b


def standardised(values: Floating) -> Float64:
    """Standardise columns to zero mean and unit variance; NaN where a column is constant up to rounding."""
    wide: Float64 = np.asarray(values, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = wide.mean(axis=0), wide.std(axis=0)
    extreme = np.flatnonzero(~(np.abs(mean) < LARGEST) | (deviation < 1 / LARGEST) | (deviation > LARGEST))
    if len(extreme) and (usual := _of_usual_size(wide[:, extreme])) is not None:
        wide = wide.copy()
        wide[:, extreme] = usual
        mean[extreme], deviation[extreme] = usual.mean(axis=0), usual.std(axis=0)
    scale = np.divide(1.0, deviation, out=np.full_like(deviation, np.nan), where=_varies(wide, mean, deviation))
    scaled: Float64 = (wide - mean) * scale
    return scaled


LARGEST = 1e150
"""Deviations whose squares float64 holds; so does 1 over it."""


def _of_usual_size(values: Float64) -> Float64 | None:
    """Columns divided by powers of two near their largest value; None where all of them are zero or not finite."""
    peak = np.abs(values).max(axis=0, initial=0.0)
    known = np.isfinite(peak) & (peak > 0)
    exponents = np.where(known, np.frexp(np.where(known, peak, 1.0))[1], 0)
    return np.ldexp(values, -exponents) if known.any() else None


def _varies(values: Float64, mean: Float64, deviation: Float64) -> Booleans:
    """Columns whose variation is no rounding: of float64, or of float32 if that holds all their values."""
    with np.errstate(invalid="ignore"):
        varies, surely = (deviation > share * np.abs(mean) for share in (1e-12, 1e-7))
    if len(doubtful := np.flatnonzero(varies & ~surely)):
        own = values[:, doubtful]
        varies[doubtful] = (own.astype(np.float32) != own).any(axis=0)
    return np.asarray(varies)


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
