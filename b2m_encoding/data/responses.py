"""Responses: BOLD with its runs and its space, loaded one run at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data.cleaning import Cleaning
from b2m_encoding.errors import InputError
from b2m_encoding.notebook import html_table
from b2m_encoding.runs import Runs
from b2m_encoding.spaces.names import space_or_unplaced
from b2m_encoding.spaces.space import Space

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Responses:
    """The measured responses of one subject.

    Nothing is read until :meth:`load_run`; memory holds one run at a time.

    Parameters
    ----------
    runs : Runs
    space : Space
        Locations of the targets.
    read_run : callable
        Returns the raw responses of a run by its name, shape (n_run_samples, n_targets).
    cleaning : Cleaning, optional
        Applied to every run as it is loaded, to the run alone.
    confounds : mapping of run name to DataFrame
        Regressed out by the cleaning, one row per volume.
    kept : array of bool, shape (n_samples,), optional
        Samples the cleaning is estimated from. Unlike ``runs.used``, which changes with every split, they stay.

    Examples
    --------
    >>> runs = Runs.from_lengths({"a": 3, "b": 2}, tr=1.5)
    >>> responses = Responses.from_array(np.arange(10.0).reshape(5, 2), runs)
    >>> responses.load_run("b")
    array([[6., 7.],
           [8., 9.]], dtype=float32)
    """

    runs: Runs
    space: Space
    read_run: Callable[[str], NDArray[np.floating]]
    cleaning: Cleaning | None = None
    confounds: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    kept: NDArray[np.bool_] | None = None

    @classmethod
    def from_array(cls, values: Any, runs: Runs, space: Space | str | None = None) -> Responses:
        """Wrap an array, shape (n_samples, n_targets).

        Parameters
        ----------
        values : array
            Of NumPy, or of zarr, dask or HDF5, of which one run is read at a time.
        runs : Runs
        space : Space or str, optional
            By default the targets have no place.

        Raises
        ------
        InputError
            If it has not two axes, or other numbers of samples or targets than runs and space.
        """
        if np.ndim(values) != 2:
            raise InputError("responses need two axes", found=np.shape(values), expected="(n_samples, n_targets)")
        if isinstance(values, np.ma.MaskedArray):
            values = np.ma.filled(values.astype(np.float64), np.nan)
        values = values if hasattr(values, "shape") else np.asarray(values)
        runs.check_length(range(values.shape[0]), "the response array")
        return cls(runs, space_or_unplaced(space, values.shape[1]), lambda name: np.asarray(values[runs.slices[name]]))

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return self.space.n_targets

    def __repr__(self) -> str:
        n_runs, cleaning = len(self.runs.names), "cleaned" if self.cleaning is not None else "not cleaned"
        return (
            f"<Responses: {self.n_targets} targets in {self.space.name}, {n_runs} runs, {len(self.runs)} samples, "
            f"tr={self.runs.tr:g}, {cleaning}; load_run(name), load()>"
        )

    def _repr_html_(self) -> str:
        rows = [("targets", self.n_targets), ("space", self.space.name), ("runs", ", ".join(self.runs.names)),
                ("samples", len(self.runs)), ("used", int(self.runs.used.sum())), ("tr", f"{self.runs.tr:g} s"),
                *(("cleaning", step) for step in self.steps)]  # fmt: skip
        return html_table(("Responses", ""), rows)

    def load_run(self, name: str, targets: slice | None = None) -> NDArray[np.float32]:
        """Cleaned responses of one run, of all targets or a slice, shape (n_run_samples, n_targets).

        Raises
        ------
        InputError
            If the run holds another number of volumes or targets than its header states.
        """
        values = self.read_run(name)
        rows = self.runs.slices[name]
        expected = (rows.stop - rows.start, self.n_targets)
        if values.shape != expected:
            raise InputError(
                f"run {name} has another shape than its header states", found=values.shape, expected=expected
            )
        if targets is not None:
            values = values[:, targets]
        if self.cleaning is not None:
            kept = None if self.kept is None else self.kept[rows]
            nuisance = self.confounds[name].to_numpy(dtype=float) if name in self.confounds else None
            values = self.cleaning.transform(values, self.runs.tr, kept=kept, confounds=nuisance)
        return np.asarray(values, dtype=np.float32)

    def load(self) -> NDArray[np.float32]:
        """All runs, cleaned, shape (n_samples, n_targets)."""
        out = np.empty((len(self.runs), self.n_targets), dtype=np.float32)
        for name, rows in self.runs.slices.items():
            out[rows] = self.load_run(name)
        return out

    def with_runs(self, runs: Runs) -> Responses:
        """The same responses under another ``Runs`` of the same samples (other blocks, other used samples)."""
        runs.check_length(self.runs.run)
        return replace(self, runs=runs)

    def cleaned(self, cleaning: Cleaning, confounds: Mapping[str, pd.DataFrame] | None = None) -> Responses:
        """The same responses with a cleaning recipe, applied when a run is loaded.

        It is estimated from the samples that are used now: discard and censor first.

        Raises
        ------
        InputError
            If confounds are given that fit no run, for some runs only, or with another number of rows than volumes.
        """
        confounds = confounds or {}
        if confounds and (missing := [name for name in self.runs.names if name not in confounds]):
            raise InputError(
                "confounds are given for some runs only",
                found=f"none for {', '.join(missing)}",
                expected="a table for every run",
                fix="add the missing tables, or clean no run by confounds",
            )
        for name, table in confounds.items():
            rows = self.runs.slices.get(name)
            if rows is None or len(table) != rows.stop - rows.start:
                raise InputError(
                    f"the confounds of run {name} do not fit it",
                    found=f"{len(table)} rows",
                    expected="a known run" if rows is None else f"{rows.stop - rows.start} rows, one per volume",
                )
        for name, rows in self.runs.slices.items():  # one flat target, to find what is wrong before anything is read
            design = confounds[name].to_numpy(dtype=float) if confounds else None
            try:
                flat = np.zeros((rows.stop - rows.start, 1), dtype=np.float32)
                cleaning.transform(flat, self.runs.tr, kept=self.runs.used[rows], confounds=design)
            except InputError as error:
                raise InputError(
                    f"run {name}: {error.problem}", found=error.found, expected=error.expected, fix=error.fix
                ) from error
        return replace(self, cleaning=cleaning, confounds=confounds, kept=self.runs.used.copy())

    @property
    def steps(self) -> tuple[str, ...]:
        """Every step between the files and :meth:`load_run`, as sentences."""
        if self.cleaning is None:
            return ()
        names = sorted({str(column) for table in self.confounds.values() for column in table.columns})
        steps = self.cleaning.steps(self.runs.tr)
        if names:
            last = len(steps) - self.cleaning.zscore
            steps = (*steps[:last], f"regress out {len(names)} confounds: {', '.join(names)}", *steps[last:])
        return (*self._left_out(), *steps)

    def _left_out(self) -> tuple[str, ...]:
        """Sentence on the number of samples of each run that the cleaning is not estimated from."""
        left_out = {} if self.kept is None else {n: int((~kept).sum()) for n, kept in self.runs.each_run(self.kept)}
        if not any(left_out.values()):
            return ()
        same = len(set(left_out.values())) == 1
        where = [f"{min(left_out.values())} of each run"] if same else [f"{name} {n}" for name, n in left_out.items()]
        total = f"{sum(left_out.values())} of {len(self.runs)} samples"
        return (f"leave out {total}, discarded or censored ({', '.join(where)})",)


def average_repeats(values: NDArray[np.floating], runs: Runs) -> tuple[NDArray[np.floating], Runs]:
    """Average the used samples of repeated clips, within runs and across them.

    Samples are matched by clip and position in the clip; a censored one is left out of its mean. It is a
    linear operation: apply it to predictions and to responses alike.

    Returns
    -------
    values : array, shape (n_averaged, ...)
        In order of first presentation.
    runs : Runs
        An averaged sample belongs to the run of its first presentation.

    Raises
    ------
    InputError
        If presentations of one clip differ in length by more than a sample.
    """
    runs.check_length(values)
    groups = rows_of_repeats(runs)
    averaged = np.stack([values[rows].mean(axis=0) for rows in groups])
    first_runs = runs.take(np.array([rows[0] for rows in groups]))
    return averaged, replace(first_runs, used=np.ones(len(first_runs), dtype=bool))


def rows_of_repeats(runs: Runs) -> list[list[int]]:
    """List the used samples of every moment of every clip, in order of first presentation.

    Where presentations of a clip differ by one sample, as clocks of stimulus programs jitter, the last one is left out;
    not where the shorter one begins with its run, which may have begun before.

    Raises
    ------
    InputError
        If no clip is presented, or presentations of one clip differ in length by more than a sample.
    """
    groups: dict[tuple[str, int], list[int]] = {}
    lengths: dict[str, set[int]] = {}
    cut: dict[str, int] = {}
    begins = {rows.start for rows in runs.slices.values()}
    for rows in runs.presentations:
        if runs.used[rows].any():
            clip, length = str(runs.clip[rows.start]), rows.stop - rows.start
            lengths.setdefault(clip, set()).add(length)
            if rows.start in begins:
                cut[clip] = min(length, cut.get(clip, length))
            for position, row in enumerate(range(rows.start, rows.stop)):
                groups.setdefault((str(runs.clip[row]), position), []).append(row)
    if not groups:
        raise InputError(
            "there are no clips to average",
            fix="name the clips in the events (column stim_file), or leave repeats as they are",
        )
    for clip, own in lengths.items():
        if max(own) - min(own) > 1 or cut.get(clip, max(own)) < max(own):
            raise InputError(
                "presentations of a clip differ in length",
                found=f"{max(own)} and {min(own)} samples of clip {clip}",
                expected="the same number, or one more where none begins with its run",
                fix="correct the durations in the events, or give presentations that broke off a name of their own "
                "(stim_file); average_repeats = false leaves repeats as they are",
            )
    return [
        known
        for (clip, position), same in groups.items()
        if position < min(lengths[clip]) and (known := [row for row in same if runs.used[row]])
    ]
