"""Feature spaces and responses that users pass, checked and converted to arrays of floats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs

UNNAMED = "features"
"""Name of a feature space that was given as an array."""


def as_feature_spaces(X: Any, runs: Runs | None = None, bands: Any = None) -> dict[str, Floating]:
    """Convert feature spaces to named arrays of floats, shape (n_samples, n_features), and check that all are finite.

    Parameters
    ----------
    X : array, DataFrame or tensor, or dict of str to such (or to an object with ``values``), or list of such
        Members of a list are called ``features-1``, ``features-2`` ...
    runs : Runs, optional
        For the name of the run in an error message.
    bands : array of labels, shape (n_features,), or "prefix", optional
        Feature space of every column of a single array; see :func:`band_columns`.

    Raises
    ------
    InputError
        If a value is NaN, infinite or masked (names feature space, run, sample and column), or shapes do not fit.
    """
    spaces = {name: _as_features(values, name) for name, values in _named(X).items()}
    if bands is not None:
        columns = band_columns(bands, X, spaces)
        [values] = spaces.values()
        spaces = {name: values[:, at] for name, at in columns.items()}
    lengths = {name: len(values) for name, values in spaces.items()}
    if len(set(lengths.values())) > 1:
        raise InputError("feature spaces differ in their number of samples", found=lengths)
    for name, values in spaces.items():
        if runs is not None:
            runs.check_length(values, f"feature space {name}")
        _check_finite(name, values, runs)
    return spaces


def band_columns(bands: Any, X: Any, spaces: Mapping[str, Floating]) -> dict[str, NDArray[np.intp]]:
    """Columns of every feature space of a single array, by the labels of its columns.

    Parameters
    ----------
    bands : array of labels, shape (n_features,), or "prefix"
        Negative numbers leave columns out. "prefix": what stands before two underscores in the names of the columns, as
        a ``ColumnTransformer`` writes them.
    X : array or DataFrame
        As the user gave it.
    spaces : dict of str to array
        The same, checked.

    Returns
    -------
    dict of str to array of int
        Labels sorted, as himalaya sorts its ``groups``.

    Raises
    ------
    InputError
        If there are several feature spaces already, or the labels do not fit the columns.
    """
    if len(spaces) != 1:
        raise InputError("bands are labels of the columns of one array", found=f"feature spaces {list(spaces)}")
    n_features = next(iter(spaces.values())).shape[1]
    if not isinstance(bands, str) and np.shape(bands) != (n_features,):
        raise InputError("bands need one label for every column", found=np.shape(bands), expected=(n_features,))
    return labelled_columns(bands, next(iter(feature_names(X).values()), ()))


def labelled_columns(bands: Any, names: Sequence[str]) -> dict[str, NDArray[np.intp]]:
    """Columns of every label; see :func:`band_columns`.

    Parameters
    ----------
    bands : array of labels, shape (n_features,), or "prefix"
    names : sequence of str
        Names of the columns, where they have any.

    Examples
    --------
    >>> labelled_columns("prefix", ["text__0", "mulan__0", "text__1"])
    {'mulan': array([1]), 'text': array([0, 2])}
    """
    if isinstance(bands, str):
        if bands != "prefix":
            raise InputError("unknown bands", found=bands, expected='"prefix", or a label for every column')
        if not names or not all("__" in name for name in names):
            raise InputError(
                'bands="prefix" needs a DataFrame whose columns are called such as mulan__0',
                found=", ".join(names[:5]) or "no names",
                fix='ColumnTransformer(...).set_output(transform="pandas")',
            )
        bands = [name.split("__")[0] for name in names]
    labels = np.asarray(bands)
    chosen = [label for label in np.unique(labels) if not (np.issubdtype(labels.dtype, np.number) and label < 0)]
    if not chosen:
        raise InputError("no feature space was given", found="bands that are all negative")
    return {str(label): np.flatnonzero(labels == label) for label in chosen}


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


def is_lazy(Y: Any) -> bool:
    """Whether responses are an array of zarr, dask or HDF5, which is read in parts."""
    return not isinstance(Y, np.ndarray) and hasattr(Y, "chunks") and getattr(Y, "ndim", 0) == 2


def check_one_target(values: Floating) -> None:
    """Raise if the only target misses a value: there is no other one to fit.

    Parameters
    ----------
    values : array, shape (n_samples, 1)
        Used samples.
    """
    bad = np.flatnonzero(~np.isfinite(values[:, 0]))
    if len(bad):
        what = "NaN" if np.isnan(values).any() else f"infinity or a value too large for {values.dtype!r}."
        raise InputError(
            f"Input y contains {what}",
            found=f"{len(bad)} such samples, the first is {bad[0]}",
            fix="leave these samples out, or mark them as not used in Runs",
        )


def set_feature_names(model: Any, X: Any) -> None:
    """Set ``feature_names_in_`` of an estimator where X is a DataFrame, as scikit-learn does; remove it elsewhere."""
    columns = [*X.columns] if isinstance(X, pd.DataFrame) else []
    if columns and all(isinstance(column, str) for column in columns):
        model.feature_names_in_ = np.asarray(columns, dtype=object)
    elif hasattr(model, "feature_names_in_"):
        del model.feature_names_in_


def _named(X: Any) -> dict[str, Any]:
    _refuse_sparse(X, "features")  # some sparse types are mappings
    if isinstance(X, list | tuple) and X and all(_is_table(part) for part in X):
        return {f"{UNNAMED}-{i}": part for i, part in enumerate(X, 1)}
    named = X if isinstance(X, Mapping) else {UNNAMED: X}
    if not named:
        raise InputError("no feature space was given")
    if len({str(name) for name in named}) < len(named):
        raise InputError("two feature spaces have one name", found=list(named), expected="a name for each")
    return {str(name): values for name, values in named.items()}


def _is_table(part: Any) -> bool:
    """Whether a member of a list is a feature space, not a row."""
    return getattr(part, "ndim", 0) == 2 or getattr(getattr(part, "values", None), "ndim", 0) == 2


def _as_features(values: Any, name: str) -> Floating:
    array = as_floats(values, f"feature space {name}")
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


def as_floats(values: Any, what: str) -> Floating:
    """Convert anything that holds numbers to float32 or float64; what is masked or ``pd.NA`` becomes NaN.

    Raises
    ------
    InputError
        If values are sparse, complex, times or no numbers.
    """
    array = _as_array(values, what)
    if np.iscomplexobj(array):
        raise InputError(f"Complex data not supported: {what}", found=array.dtype)
    if array.dtype.kind in "mM":
        raise InputError(f"a value is no number: {what}", found=array.dtype, expected="numbers, such as seconds")
    if array.dtype == object:
        array = np.where(pd.isna(array), np.nan, array)
    if array.dtype in (np.float32, np.float64):
        return array
    if array.dtype == object and not array.ndim:
        raise InputError(f"no array: {what}", found=type(values).__name__, expected="numbers")
    try:
        return array.astype(np.float64)
    except ValueError as error:  # objects that are no numbers raise a TypeError, as scikit-learn expects
        raise InputError(f"a value is no number: {what}", found=str(error), expected="numbers") from error


def _as_array(values: Any, what: str) -> NDArray[Any]:
    """Convert a tensor, a table, a masked array or a list to an array."""
    _refuse_sparse(values, what)
    if type(values).__module__ == "torch":  # a name, because most callers have no use for the import
        tensor = values.detach().cpu()
        return np.asarray(tensor.float() if tensor.dtype.itemsize < 4 and tensor.dtype.is_floating_point else tensor)
    if isinstance(values, pd.DataFrame | pd.Series):
        return _of_frame(values, what)
    if not isinstance(values, np.ndarray):
        values = getattr(values, "values", values)
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.filled(values.astype(np.float64), np.nan)
    try:
        return np.asarray(values)
    except ValueError as error:  # rows, or members of a list, of different lengths
        raise InputError(f"this is no table of numbers: {what}", found=str(error), expected="one array") from error


def _refuse_sparse(values: Any, what: str) -> None:
    if issparse(values):
        raise InputError(f"sparse input is not supported: {what}", found=type(values).__name__, fix="pass X.toarray()")


def _of_frame(frame: Any, what: str) -> Floating:
    kinds = frame.dtypes if isinstance(frame, pd.DataFrame) else [frame.dtype]
    if times := [kind for kind in kinds if getattr(kind, "kind", "") in ("m", "M")]:
        raise InputError(f"a value is no number: {what}", found=times[0], expected="numbers, such as seconds")
    try:
        return np.asarray(frame.to_numpy(dtype=float, na_value=np.nan))
    except (TypeError, ValueError) as error:
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
    array = as_floats(Y, "the responses")
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) != n_samples:
        raise InputError(
            "the responses have another number of samples than the features",
            found=array.shape,
            expected=f"({n_samples}, n_targets)",
        )
    return array
