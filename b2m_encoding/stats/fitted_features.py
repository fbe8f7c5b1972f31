"""Check of the leakage audit on features that were standardised, or reduced to components, with the test samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from b2m_encoding._typing import Booleans, Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.stats.audit import Check, grade

NEARLY = 0.25
"""Largest ratio of the deviations from mean 0 and standard deviation 1 over all samples to those over training ones."""
FEWEST_COLUMNS = 5


def standardised_on_test(
    spaces: Mapping[str, Floating],
    train: Booleans,
    test: Booleans,
    *,
    tolerance: float = 1e-4,
) -> Check:
    """Check whether features were standardised, or reduced to principal components, with the test samples.

    Parameters
    ----------
    spaces : dict of str to array (n_samples, n_features)
        Features as given to the model.
    train, test : array of bool, shape (n_samples,)
    tolerance : float
        Largest deviation from mean 0 and standard deviation 1, or from uncorrelated components.

    Returns
    -------
    Check
        The number of feature spaces of which columns are standardised, or uncorrelated, over training and test samples
        together (or over the test samples alone) to a precision that only a fit to them gives, and that they do not
        have over the training samples; or which are much nearer to that over all samples than over training samples.

    Notes
    -----
    Not detected: standardisation over other samples (a whole corpus), and that within every run, which standardises the
    training samples as well. Standardising on test samples is a mild leak, as no response is involved, but it can
    raise scores of small test sets.
    """
    if train.shape != test.shape or any(len(values) != len(train) for values in spaces.values()):
        raise InputError("features and masks differ in length", expected=len(train))
    fitted = [
        name
        for name, values in spaces.items()
        if any(_fitted_to(values, train, rows, tolerance) for rows in (train | test, test, np.ones_like(train)))
        or _nearly_fitted(values, train, train | test)
    ]
    meaning = "feature spaces standardised or reduced with test samples" + (f": {', '.join(fitted)}" if fitted else "")
    return grade("features fitted to test samples", len(fitted), 1, 1, meaning)


def _moments(values: Floating, rows: Booleans) -> tuple[Float64, Float64]:
    """Mean in units of the standard deviation, and standard deviation, of each column; NaN where it is constant."""
    x = np.asarray(values, dtype=np.float64)[rows]
    if len(x) < 3:
        return (np.full(x.shape[1], np.nan),) * 2
    deviation = x.std(axis=0)
    deviation = np.where(deviation > 1e-12, deviation, np.nan)
    return x.mean(axis=0) / deviation, deviation


def _fitted_to(values: Floating, train: Booleans, rows: Booleans, tolerance: float) -> bool:
    """Whether columns that are centred on these rows, but not on training rows, are standardised or uncorrelated."""
    (mean, deviation), (mean_in_training, _) = _moments(values, rows), _moments(values, train)
    centred = (np.abs(mean) < tolerance) & ~(np.abs(mean_in_training) < tolerance)
    n = int(rows.sum())
    unit = np.minimum(np.abs(deviation - 1), np.abs(deviation * np.sqrt(n / max(n - 1, 1)) - 1)) < tolerance
    if (centred & unit).any():
        return True
    if centred.sum() < 2 or centred.sum() >= n:
        return False
    correlation = np.corrcoef(np.asarray(values, dtype=np.float64)[rows][:, centred].T) - np.eye(int(centred.sum()))
    return bool((np.abs(correlation) < tolerance).all())


def _nearly_fitted(values: Floating, train: Booleans, everything: Booleans) -> bool:
    """Whether columns are standardised over nearly all samples: much nearer to it than over the training samples."""
    (mean, deviation), (mean_in_training, deviation_in_training) = (
        _moments(values, rows) for rows in (everything, train)
    )
    there = np.isfinite(mean) & np.isfinite(mean_in_training)
    if there.sum() < FEWEST_COLUMNS:
        return False
    over_all, over_training = (
        float(np.sqrt(np.mean(np.r_[m[there], d[there] - 1] ** 2)))
        for m, d in ((mean, deviation), (mean_in_training, deviation_in_training))
    )
    return over_all < NEARLY * over_training and over_all < 0.1
