"""Variance components of a linear mixed model by restricted maximum likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from b2m_encoding._typing import Float64, Integers

STARTS = (0.05, 2.0)
LARGEST = 1e6
"""Largest ratio of a variance to that of the residuals: more is a table without noise."""


@dataclass(frozen=True, eq=False)
class LinearMixedFit:
    """Fit of :func:`fit_variances`.

    Parameters
    ----------
    coefficients : array, shape (n_columns,)
    covariance : array, shape (n_columns, n_columns)
        Of the coefficients.
    variances : array, shape (n_groupings + 1,)
        Of the random parts; the last is that of the residuals.
    """

    coefficients: Float64
    covariance: Float64
    variances: Float64


def fit_variances(y: Float64, X: Float64, groupings: Sequence[Integers], subjects: Integers) -> LinearMixedFit | None:
    """Fit a linear mixed model with independent random parts, each a grouping of the scores.

    statsmodels' ``MixedLM`` stops early where a variance is zero (4 of 20 tables of ten subjects), so that the ratios
    of variances to that of the residuals are searched for here, within bounds and from several starts: the
    unit of the scores does not matter.

    Parameters
    ----------
    y : array, shape (n_scores,)
    X : array, shape (n_scores, n_columns)
        Of full rank.
    groupings : sequence of array of int, shape (n_scores,)
        Members of a group share a random deviation.
    subjects : array of int, shape (n_scores,)
        Scores of different subjects are independent; no group holds two.

    Returns
    -------
    LinearMixedFit or None
        None where no residual variance is left.
    """
    n, width = X.shape
    if n <= width:
        return None
    blocks = _blocks(y, X, groupings, subjects)

    def solved(ratios: Float64) -> tuple[float, Float64, Float64, float]:
        inner, right, squares, logs = np.zeros((width, width)), np.zeros(width), 0.0, 0.0
        for design, alike, values in blocks:
            lower = np.linalg.cholesky(np.eye(len(values)) + np.tensordot(ratios, alike, 1))
            whitened = np.linalg.solve(lower, np.column_stack([design, values]))
            left, own = whitened[:, :width], whitened[:, width:]
            inner += own.shape[1] * left.T @ left
            right += left.T @ own.sum(axis=1)
            squares += float((own**2).sum())
            logs += 2 * own.shape[1] * float(np.log(np.diag(lower)).sum())
        coefficients = np.asarray(np.linalg.solve(inner, right), dtype=np.float64)
        residual = float(max(squares - float(coefficients @ right), 1e-300) / (n - width))
        loss = float((n - width) * np.log(residual) + logs + np.linalg.slogdet(inner)[1])
        return loss, coefficients, np.asarray(np.linalg.inv(inner), dtype=np.float64), residual

    bounds = [(0.0, LARGEST)] * len(groupings)
    found = [
        minimize(lambda ratios: solved(ratios)[0], np.full(len(groupings), start), bounds=bounds, tol=1e-10)
        for start in STARTS
    ]
    best = min(found, key=lambda one: float(one.fun))
    _, coefficients, inverse, residual = solved(best.x)
    if best.x.max() > 0.99 * LARGEST or residual < 1e-12 * y.var():
        return None
    return LinearMixedFit(coefficients, inverse * residual, np.append(best.x, 1.0) * residual)


def _blocks(
    y: Float64, X: Float64, groupings: Sequence[Integers], subjects: Integers
) -> list[tuple[Float64, Float64, Float64]]:
    """Design, groups and scores (one column per subject) of all subjects that have the same cells."""
    found: dict[bytes, tuple[Float64, Float64, list[Float64]]] = {}
    for subject in np.unique(subjects):
        rows = np.flatnonzero(subjects == subject)
        alike = np.stack([(codes[rows, None] == codes[rows]).astype(float) for codes in groupings])
        design = np.ascontiguousarray(X[rows])
        found.setdefault(design.tobytes() + alike.tobytes(), (design, alike, []))[2].append(y[rows])
    return [(design, alike, np.column_stack(values)) for design, alike, values in found.values()]
