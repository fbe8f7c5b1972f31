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
from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import as_responses
from b2m_encoding.runs import Runs


def fit_copy(model: Any, X: Any, Y: Any, runs: Runs, patterns: Sequence[str]) -> tuple[Any, NDArray[np.bool_]]:
    """Fit a copy of a model to all runs that are not test runs.

    Parameters
    ----------
    model : object with ``fit``
        ``runs`` (all samples of the runs), or ``groups`` (their labels, of used samples) are passed on where it takes
        them.
    X, Y, runs
        As for :func:`~b2m_encoding.analysis.evaluate`.
    patterns : sequence of str
        Names or patterns of the test runs.

    Returns
    -------
    model : object
    held_out : array of bool, shape (n_samples,)
        Samples of the test runs.
    """
    names = [name for name in runs.names if any(fnmatch(name, pattern) for pattern in patterns)]
    if not 0 < len(names) < len(runs.names):
        raise InputError(
            "test must name some runs and leave some to fit",
            found=", ".join(patterns),
            expected=f"some of {', '.join(runs.names)}",
        )
    held_out = np.isin(runs.run, names)
    model = _copy(model)
    takes = _arguments(model.fit)
    training = ~held_out if "runs" in takes else ~held_out & runs.used  # unused samples still carry delays
    own = runs.take(training)
    options = {name: value for name, value in {"runs": own, "groups": own.run}.items() if name in takes}
    rows = Y[training] if isinstance(Y, np.ndarray) else as_responses(Y, len(runs))[training]
    return model.fit(rows_of(X, training), rows, **options) or model, held_out


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
