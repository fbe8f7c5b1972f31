"""Feature spaces and responses that users pass, checked and converted to arrays of floats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.sparse import issparse

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs

UNNAMED = "features"
"""Name of a feature space that was given as an array."""


def as_feature_spaces(X: Any, runs: Runs | None = None) -> dict[str, Floating]:
    """Convert feature spaces to named arrays of floats, shape (n_samples, n_features), and check that all are finite.

    Parameters
    ----------
    X : array, or dict of str to array (or to an object with ``values``)
    runs : Runs, optional
        For the name of the run in an error message.

    Raises
    ------
    InputError
        If a value is NaN or infinite (names feature space, run, sample and column), or shapes do not fit.
    """
    if issparse(X):
        raise InputError("sparse features are not supported", found=type(X).__name__, fix="pass X.toarray()")
    named = X if isinstance(X, Mapping) else {UNNAMED: X}
    if not named:
        raise InputError("no feature space was given")
    spaces = {str(name): _as_floats(getattr(values, "values", values), str(name)) for name, values in named.items()}
    lengths = {name: len(values) for name, values in spaces.items()}
    if len(set(lengths.values())) > 1:
        raise InputError("feature spaces differ in their number of samples", found=lengths)
    for name, values in spaces.items():
        if runs is not None:
            runs.check_length(values, f"feature space {name}")
        _check_finite(name, values, runs)
    return spaces


def _as_floats(values: Any, name: str) -> Floating:
    array = np.asarray(values)
    if np.iscomplexobj(array):
        raise InputError(f"Complex data not supported: feature space {name}", found=array.dtype)
    if array.ndim != 2:
        raise InputError(
            f"feature space {name} needs two dimensions. Reshape your data",
            found=array.shape,
            expected="(n_samples, n_features)",
        )
    if 0 in array.shape:
        what = "feature(s)" if array.shape[1] == 0 else "sample(s)"
        raise InputError(
            f"feature space {name} is empty: 0 {what} (shape={array.shape}) while a minimum of 1 is required."
        )
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _check_finite(name: str, values: Floating, runs: Runs | None) -> None:
    if np.isfinite(values.sum(dtype=np.float64)):
        return
    bad = np.argwhere(~np.isfinite(values))
    if not len(bad):
        return
    sample, column = bad[0]
    run = None if runs is None else str(runs.run[sample])
    row = sample if runs is None else sample - runs.slices[str(run)].start
    where = "" if run is None else f"run {run}, "
    raise InputError(
        f"feature space {name} has NaN or infinity in {where}sample {row}, column {column}",
        found=f"{values[sample, column]} ({len(bad)} such values)",
        expected="finite features",
    )


def as_responses(Y: Any, n_samples: int) -> Floating:
    """Convert responses to floats, shape (n_samples, n_targets); missing values stay.

    Raises
    ------
    InputError
        If the number of samples or dimensions is wrong.
    """
    if Y is None:
        raise InputError("Expected array-like (array or non-string sequence), got None: there are no responses")
    array = np.asarray(Y)
    if np.iscomplexobj(array):
        raise InputError("Complex data not supported: responses", found=array.dtype)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) != n_samples:
        raise InputError(
            "the responses have another number of samples than the features",
            found=array.shape,
            expected=f"({n_samples}, n_targets)",
        )
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
