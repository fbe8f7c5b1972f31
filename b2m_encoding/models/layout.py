"""Layout of the design matrix: which columns belong to which feature space and delay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.features.delays import delay, in_seconds
from b2m_encoding.models.inputs import as_feature_spaces, feature_names, labelled_columns
from b2m_encoding.runs import Runs


@dataclass(frozen=True)
class Layout:
    """Feature spaces side by side, each with all its features at the first delay, then at the second, and so on.

    Parameters
    ----------
    features : dict of str to int
        Features of each feature space.
    constant : dict of str to array of bool, shape (n_features,)
        Features that do not vary in the training samples: their columns are zero, and so are their weights.
    delays : tuple of float
        Seconds; empty for none.
    names : dict of str to tuple of str
        Names of the columns of feature spaces that were data frames.
    units : dict of str to array, shape (n_features,)
        Powers of two by which features in units such as tesla or hertz are multiplied, so that products of float32
        neither vanish nor overflow; empty where all features have a usual size.
    penalty_unit : float
        The one unit of all features where they are not standardised: penalties are multiplied by its square.
    bands : array of labels or "prefix", optional
        Feature space of every column of an array; see :func:`~b2m_encoding.models.inputs.band_columns`.
    levels : dict of str to array, shape (n_features,)
        Features at the first training sample: the value of those that do not vary.
    """

    features: dict[str, int]
    constant: dict[str, NDArray[np.bool_]]
    delays: tuple[float, ...] = ()
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    units: Mapping[str, Float64] = field(default_factory=dict)
    penalty_unit: float = 1.0
    bands: Any = None
    levels: Mapping[str, Floating] = field(default_factory=dict)

    @classmethod
    def learn(
        cls,
        spaces: Mapping[str, Floating],
        runs: Runs,
        delays: Sequence[float] | None,
        *,
        standardize: bool = True,
        intercept: bool = True,
    ) -> Layout:
        """Learn the layout from training samples.

        Parameters
        ----------
        spaces : dict of str to array, shape (n_samples, n_features)
        runs : Runs
        delays : sequence of float or None
            Seconds.
        standardize : bool
            Whether the fit divides features by their standard deviation, so that each may have a unit of its own.
        intercept : bool
            Whether the fit has an intercept, so that a feature that does not vary adds nothing to it.

        Raises
        ------
        InputError
            If no sample is used.
        """
        if not runs.used.any():
            raise InputError("no sample is used", found=repr(runs), expected="some of Runs.used that are true")
        used = {name: values[runs.used] for name, values in spaces.items()}
        ranges = {name: _range(rows, about_zero=not intercept) for name, rows in used.items()}
        units = {name: usual_size(values) for name, values in ranges.items()}
        if not standardize:
            one = usual_size(np.array([max(values.max() for values in ranges.values())]))
            units = {name: np.full(len(values), one) for name, values in ranges.items()}
        unusual = any((values != 1).any() for values in units.values())
        return cls(
            {name: values.shape[1] for name, values in spaces.items()},
            {name: np.asarray(values == 0) for name, values in ranges.items()},
            in_seconds(delays) if delays is not None else (),
            units=units if unusual else {},
            penalty_unit=float(next(iter(units.values()))[0]) if unusual and not standardize else 1.0,
            levels={name: rows[0] for name, rows in used.items()},
        )

    @property
    def key(self) -> bytes:
        """Which features vary, and their units: statistics of samples with the same key can be exchanged."""
        units = [np.broadcast_to(self.units.get(name, 1.0), n) for name, n in self.features.items()]
        return b"".join(part.tobytes() for part in [*self.constant.values(), *units])

    def subset(self, names: Iterable[str]) -> Layout:
        """Layout of some of the feature spaces, in the order given."""
        members = list(names)
        return replace(
            self,
            features={name: self.features[name] for name in members},
            constant={name: self.constant[name] for name in members},
            names={name: self.names[name] for name in members if name in self.names},
            units={name: self.units[name] for name in members} if self.units else {},
        )

    @property
    def widths(self) -> dict[str, int]:
        """Number of columns of each feature space."""
        return {name: n * max(len(self.delays), 1) for name, n in self.features.items()}

    @property
    def columns(self) -> dict[str, slice]:
        """Columns of each feature space."""
        stops = np.cumsum(list(self.widths.values())).tolist()
        return {name: slice(stop - n, stop) for (name, n), stop in zip(self.widths.items(), stops, strict=True)}

    @property
    def band_columns(self) -> dict[str, NDArray[np.intp]] | None:
        """Columns of each feature space in the array that they were given as; None where they were given apart."""
        if self.bands is None:
            return None
        return labelled_columns(self.bands, next(iter(self.names.values()), ()))

    def check_constant(self, spaces: Mapping[str, Floating], runs: Runs) -> None:
        """Raise if a feature that did not vary in the samples of the fit has another value in new ones.

        Parameters
        ----------
        spaces : dict of str to array, shape (n_samples, n_features)
        runs : Runs
            Runs of the new samples.
        """
        for name, constant in self.constant.items():
            columns = np.flatnonzero(constant)
            new, level = spaces[name][runs.used][:, columns], self.levels[name][columns]
            varying = columns[~np.isclose(new, level, rtol=1e-6, atol=0).all(axis=0)]
            if len(varying):
                raise InputError(
                    f"feature space {name}: features that did not vary in earlier runs have other values in new runs",
                    found=f"columns {_some(tuple(map(str, varying)))}",
                    fix="fit all runs together: these features were left out of the statistics",
                )

    def notes(self, n_named: int = 5) -> list[str]:
        """List a note for every feature space that has constant features, with the first of their columns."""
        constant_columns = {name: np.flatnonzero(constant) for name, constant in self.constant.items()}
        return [
            f"{name}: {len(columns)} features do not vary and were dropped (columns "
            f"{', '.join(map(str, columns[:n_named]))}{', ...' if len(columns) > n_named else ''})"
            for name, columns in constant_columns.items()
            if len(columns)
        ]

    def read(self, X: Any, runs: Any, run_name: str = "part-1") -> tuple[dict[str, Floating], Runs]:
        """Check feature spaces of a fitted model, and put them in the order of the layout.

        Parameters
        ----------
        X : array (n_samples, n_features), or dict of str to such arrays
        runs : Runs, or labels of the runs, optional
            See :func:`as_runs`.
        run_name : str
            Name of the run that is made.

        Raises
        ------
        InputError
            If feature spaces or numbers of features are not those of the training samples.
        """
        runs = as_runs(runs, self.delays)
        spaces = as_feature_spaces(X, runs, self._bands_of(X))
        if set(spaces) != set(self.features):
            raise InputError(
                "the feature spaces are not those of the fit", found=sorted(spaces), expected=list(self.features)
            )
        for name, columns in feature_names(X).items():
            if columns != (fitted := self.names.get(name, columns)):
                raise InputError(
                    f"feature space {name}: Feature names must be in the same order as they were in fit",
                    found=_some(columns),
                    expected=_some(fitted),
                )
        for name, values in spaces.items():
            if values.shape[1] != self.features[name]:
                raise InputError(
                    f"feature space {name}: X has {values.shape[1]} features, but EncodingModel is expecting "
                    f"{self.features[name]} features as input"
                )
        if runs is None:
            runs = default_runs(len(next(iter(spaces.values()))), self.delays, run_name)
        return {name: spaces[name] for name in self.features}, runs

    def _bands_of(self, X: Any) -> Any:
        """Labels of the columns of what is an array; feature spaces may also be given apart."""
        return None if isinstance(X, Mapping) and set(map(str, X)) == set(self.features) else self.bands

    def design(self, spaces: Mapping[str, Floating], runs: Runs) -> Design:
        """Delay the feature spaces and put them side by side."""
        parts = []
        for name, values in spaces.items():
            if self.constant[name].any():
                values = np.where(self.constant[name], values.dtype.type(0), values)
            if self.units:
                values = values * self.units[name]
            parts.append(delay(values, runs, self.delays) if self.delays else values)
        return Design(self, np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0], runs)


@dataclass(frozen=True, eq=False)
class Design:
    """Design matrix of some samples.

    Parameters
    ----------
    layout : Layout
        Meaning of the columns.
    values : array, shape (n_samples, n_columns)
    runs : Runs
    """

    layout: Layout
    values: Floating
    runs: Runs

    @classmethod
    def learn(
        cls,
        X: Any,
        runs: Any,
        delays: Sequence[float] | None,
        *,
        standardize: bool = True,
        intercept: bool = True,
        bands: Any = None,
    ) -> Design:
        """Check feature spaces of training samples, learn their layout, and delay them.

        Parameters
        ----------
        X : array (n_samples, n_features), or dict of str to such arrays
        runs : Runs, or labels of the runs, optional
            See :func:`as_runs`.
        delays : sequence of float or None
            Seconds.
        standardize, intercept : bool
            See :meth:`Layout.learn`.
        bands : array of labels or "prefix", optional
            See :func:`~b2m_encoding.models.inputs.band_columns`.
        """
        runs = as_runs(runs, delays)
        bands = None if isinstance(X, Mapping) else bands
        spaces = as_feature_spaces(X, runs, bands)
        if runs is None:
            runs = default_runs(len(next(iter(spaces.values()))), delays)
        if len(runs) < 2:
            raise InputError("cross-validation needs more than 1 sample", found=f"n_samples = {len(runs)}")
        layout = Layout.learn(spaces, runs, delays, standardize=standardize, intercept=intercept)
        layout = replace(layout, names=feature_names(X), bands=bands)
        return layout.design(spaces, runs)

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return int(self.values.shape[1])

    def subset(self, names: Iterable[str]) -> Design:
        """Columns of some of the feature spaces, in the order given."""
        members = list(names)
        if members == list(self.layout.features):
            return self
        values = np.concatenate([self.values[:, self.layout.columns[name]] for name in members], axis=1)
        return Design(self.layout.subset(members), values, self.runs)


def usual_size(ranges: Float64, exponent: int = 30) -> Float64:
    """Powers of two that bring ranges to about 1; 1 where they are within ``2**-exponent`` and ``2**exponent``.

    Examples
    --------
    >>> usual_size(np.array([0.0, 3.0, 1e-13, 1e26])) * [1, 1, 1e-13, 1e26]
    array([1.        , 1.        , 0.8796093 , 1.29246971])
    """
    with np.errstate(divide="ignore"):
        logs = np.log2(ranges)
    unusual = np.isfinite(logs) & (np.abs(logs) > exponent)
    return np.asarray(np.exp2(-np.round(np.where(unusual, logs, 0.0))))


def _range(rows: Floating, *, about_zero: bool) -> Float64:
    """Range of every column, or its distance from 0."""
    if about_zero:
        return np.asarray(np.abs(rows).max(0), dtype=np.float64)
    return np.asarray(rows.max(0).astype(np.float64) - rows.min(0))


def _some(names: tuple[str, ...], n: int = 8) -> str:
    return ", ".join(names[:n]) + (", ..." if len(names) > n else "")


def as_runs(runs: Any, delays: Sequence[float] | None) -> Runs | None:
    """Take ``Runs``, or where there are no delays a label of the run of every sample; None stays None.

    Raises
    ------
    InputError
        If there are labels and delays, which need the time of every sample.

    Examples
    --------
    >>> as_runs(["a", "a", "b"], None).names
    ('a', 'b')
    """
    if runs is None or isinstance(runs, Runs):
        return runs
    if delays is not None and len(delays):
        raise InputError(
            "delays need the repetition time besides the labels of the runs",
            found=type(runs).__name__,
            fix="pass runs=Runs.from_labels(labels, tr)",
        )
    return Runs.from_labels(runs, 1.0)


def default_runs(n_samples: int, delays: Sequence[float] | None, name: str = "part-1") -> Runs:
    """Make one run of five blocks, for data without delays.

    Raises
    ------
    InputError
        If there are delays, which need the true runs.
    """
    if delays is not None and len(delays):
        raise InputError("delays need runs, so that no sample crosses into another run", fix="pass runs=Runs(...)")
    blocks = [f"{name}/{i * min(n_samples, 5) // n_samples + 1}" for i in range(n_samples)]
    return Runs.from_labels([name] * n_samples, 1.0, block=blocks)


def target_units(Y: Floating, used: NDArray[np.bool_]) -> Float64 | None:
    """Powers of two that bring responses in units such as tesla to about 1, shape (n_targets,); None for usual ones."""
    rows = Y if used.all() else Y[used]
    with np.errstate(invalid="ignore", over="ignore"):
        units = usual_size(rows.max(axis=0).astype(np.float64) - rows.min(axis=0))
    return units if (units != 1).any() else None
