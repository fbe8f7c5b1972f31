"""Models of other packages: a copy fitted to some runs, and predictions, whatever arguments they take."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Floating
from b2m_encoding.analysis.encoding.held_out import worst_status
from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import as_responses
from b2m_encoding.models.status import CONSTANT, MISSING, TESTED
from b2m_encoding.runs import Runs


def runs_named(runs: Runs, patterns: Sequence[str]) -> NDArray[np.bool_]:
    """Samples of the runs that match some names or patterns, shape (n_samples,).

    Raises
    ------
    InputError
        If these are no runs, or all of them.
    """
    names = [name for name in runs.names if any(fnmatch(name, pattern) for pattern in patterns)]
    if not 0 < len(names) < len(runs.names):
        raise InputError(
            "test must name some runs and leave some to fit",
            found=", ".join(patterns),
            expected=f"some of {', '.join(runs.names)}",
        )
    return np.isin(runs.run, names)


def fit_copy(model: Any, X: Any, Y: Any, runs: Runs, held_out: NDArray[np.bool_]) -> Any:
    """Fit a copy of a model to all samples but some.

    Parameters
    ----------
    model : object with ``fit``
        ``runs`` (all samples of the runs), or ``groups`` (their labels, of used samples) are passed on where it takes
        them.
    X, Y, runs
        As for :func:`~b2m_encoding.analysis.evaluate`.
    held_out : array of bool, shape (n_samples,)
        Samples of whole runs.
    """
    model = _copy(model)
    takes = _arguments(model.fit)
    training = ~held_out if "runs" in takes else ~held_out & runs.used  # unused samples still carry delays
    own = runs.take(training)
    options = {name: value for name, value in {"runs": own, "groups": own.run}.items() if name in takes}
    rows = Y[training] if isinstance(Y, np.ndarray) else as_responses(Y, len(runs))[training]
    return model.fit(rows_of(X, training), rows, **options) or model


def _copy(model: Any) -> Any:
    if not hasattr(model, "fit"):
        raise InputError("only a model with fit can be fitted to the other runs", found=type(model).__name__)
    if hasattr(model, "get_params"):
        from sklearn.base import clone

        return clone(model)
    return copy.deepcopy(model)


def predict_with(model: Any, X: Any, runs: Runs) -> Floating:
    """Predict with a model, or take an array as the prediction, shape (n_samples, n_targets)."""
    if not hasattr(model, "predict"):
        return as_responses(model, len(runs))
    return as_responses(model.predict(X, **({"runs": runs} if "runs" in _arguments(model.predict) else {})), len(runs))


def status_of(measured: Floating, predicted: Floating, model: Any) -> NDArray[np.str_]:
    """Status of every target; one that varies, but whose prediction is not finite, has not been fitted."""
    known = np.isfinite(measured).all(axis=0)
    constant = known & (np.ptp(np.where(known, measured, 0.0), axis=0) == 0)
    fitted = np.isfinite(predicted).all(axis=0)
    status = np.where(constant, CONSTANT, np.where(known & fitted, TESTED, MISSING))
    own = np.asarray(getattr(model, "status_", ()))
    return worst_status([status, own]) if own.shape == status.shape else status


def _arguments(method: Any) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(method).parameters)
    except (TypeError, ValueError):  # built in C
        return frozenset()


def rows_of(X: Any, rows: NDArray[np.bool_]) -> Any:
    """Rows of features in any form that a model takes."""
    if isinstance(X, Mapping):
        return {name: rows_of(values, rows) for name, values in X.items()}
    if isinstance(X, list | tuple) and len(X) != len(rows):
        return [rows_of(values, rows) for values in X]
    if hasattr(X, "iloc"):
        return X.iloc[np.flatnonzero(rows)]
    return (X if hasattr(X, "shape") else np.asarray(X))[rows]
