"""Feature spaces and responses that users pass, checked and converted to arrays of floats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
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
    X : array, DataFrame or tensor, or dict of str to such (or to an object with ``values``)
    runs : Runs, optional
        For the name of the run in an error message.

    Raises
    ------
    InputError
        If a value is NaN, infinite or masked (names feature space, run, sample and column), or shapes do not fit.
    """
    spaces = {name: _as_features(values, name) for name, values in _named(X).items()}
    lengths = {name: len(values) for name, values in spaces.items()}
    if len(set(lengths.values())) > 1:
        raise InputError("feature spaces differ in their number of samples", found=lengths)
    for name, values in spaces.items():
        if runs is not None:
            runs.check_length(values, f"feature space {name}")
        _check_finite(name, values, runs)
    return spaces


def feature_names(X: Any) -> dict[str, tuple[str, ...]]:
    """Column names of the feature spaces that are data frames.

    Examples
    --------
    >>> import pandas as pd
    >>> feature_names({"acoustic": pd.DataFrame({"loudness": [1.0], "pitch": [2.0]}), "text": np.zeros((1, 3))})
    {'acoustic': ('loudness', 'pitch')}
    """
    frames = {name: values for name, values in _named(X).items() if isinstance(values, pd.DataFrame)}
    return {name: tuple(map(str, frame.columns)) for name, frame in frames.items()}


def is_vector(Y: Any) -> bool:
    """Whether responses are those of one target, without a second axis."""
    return bool(Y.ndim == 1 if hasattr(Y, "ndim") else np.asarray(Y).ndim == 1)


def _named(X: Any) -> dict[str, Any]:
    _refuse_sparse(X, "features")  # some sparse types are mappings
    named = X if isinstance(X, Mapping) else {UNNAMED: X}
    if not named:
        raise InputError("no feature space was given")
    return {str(name): values for name, values in named.items()}


def _as_features(values: Any, name: str) -> Floating:
    array = _as_floats(values, f"feature space {name}")
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
    return array


def _as_floats(values: Any, what: str) -> Floating:
    """Convert anything that holds numbers to float32 or float64; what is masked or ``pd.NA`` becomes NaN."""
    _refuse_sparse(values, what)
    if type(values).__module__ == "torch":  # a name, because most callers have no use for the import
        tensor = values.detach().cpu()
        values = (tensor.float() if tensor.dtype.itemsize < 4 and tensor.dtype.is_floating_point else tensor).numpy()
    elif isinstance(values, pd.DataFrame | pd.Series):
        values = _of_frame(values, what)
    elif not isinstance(values, np.ndarray):
        values = getattr(values, "values", values)
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float64), np.nan)
    array = np.asarray(values)
    if np.iscomplexobj(array):
        raise InputError(f"Complex data not supported: {what}", found=array.dtype)
    if array.dtype == object:
        array = np.where(pd.isna(array), np.nan, array)
    if array.dtype in (np.float32, np.float64):
        return array
    try:
        return array.astype(np.float64)
    except ValueError as error:
        raise InputError(f"a value is no number: {what}", found=str(error), expected="numbers") from error


def _refuse_sparse(values: Any, what: str) -> None:
    if issparse(values):
        raise InputError(f"sparse input is not supported: {what}", found=type(values).__name__, fix="pass X.toarray()")


def _of_frame(frame: Any, what: str) -> Floating:
    try:
        return np.asarray(frame.to_numpy(dtype=float, na_value=np.nan))
    except ValueError as error:
        raise InputError(f"a value is no number: {what}", found=str(error), expected="numbers") from error


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
    """Convert responses to floats, shape (n_samples, n_targets); missing values are NaN.

    Raises
    ------
    InputError
        If the number of samples or dimensions is wrong.
    """
    if Y is None:
        raise InputError("Expected array-like (array or non-string sequence), got None: there are no responses")
    array = _as_floats(Y, "the responses")
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) != n_samples:
        raise InputError(
            "the responses have another number of samples than the features",
            found=array.shape,
            expected=f"({n_samples}, n_targets)",
        )
    return array
