"""Responses: BOLD with its runs and its space, loaded one run at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data.cleaning import Cleaning
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.spaces.space import Space


@dataclass(frozen=True, eq=False)
class Responses:
    """The measured responses of one subject.

    Nothing is read until :meth:`load_run`; memory holds one run at a time.

    Parameters
    ----------
    runs : Runs
    space : Space
        Where the targets live.
    read_run : callable
        Returns the raw responses of a run by its name, shape (n_run_samples, n_targets).
    cleaning : Cleaning, optional
        Applied to every run as it is loaded, to the run alone.

    Examples
    --------
    >>> from b2m_encoding.spaces import Unplaced
    >>> runs = Runs.from_lengths({"a": 3, "b": 2}, tr=1.5)
    >>> responses = Responses.from_array(np.arange(10.0).reshape(5, 2), runs, Unplaced(2))
    >>> responses.load_run("b")
    array([[6., 7.],
           [8., 9.]], dtype=float32)
    """

    runs: Runs
    space: Space
    read_run: Callable[[str], NDArray[np.floating]]
    cleaning: Cleaning | None = None

    @classmethod
    def from_array(cls, values: NDArray[np.floating], runs: Runs, space: Space) -> Responses:
        """Wrap an array, shape (n_samples, n_targets)."""
        runs.check_length(values, "the response array")
        return cls(runs, space, lambda name: values[runs.slices[name]])

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return self.space.n_targets

    def load_run(self, name: str, targets: slice | None = None) -> NDArray[np.float32]:
        """Cleaned responses of one run, of all targets or a slice, shape (n_run_samples, n_targets).

        Raises
        ------
        InputError
            If the run holds another number of volumes or targets than announced.
        """
        values = self.read_run(name)
        rows = self.runs.slices[name]
        expected = (rows.stop - rows.start, self.n_targets)
        if values.shape != expected:
            raise InputError(
                f"run {name} has another shape than its header said", found=values.shape, expected=expected
            )
        if targets is not None:
            values = values[:, targets]
        if self.cleaning is not None:
            values = self.cleaning(values, self.runs.tr)
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

    def cleaned(self, cleaning: Cleaning) -> Responses:
        """The same responses with a cleaning recipe, applied when a run is loaded."""
        return replace(self, cleaning=cleaning)


def average_repeats(values: NDArray[np.floating], runs: Runs) -> tuple[NDArray[np.floating], Runs]:
    """Average the used samples of repeated clips within each run.

    Samples are matched by run, clip and position in the clip. It is a linear operation: apply it to predictions
    and to responses alike.

    Returns
    -------
    values : array, shape (n_averaged, ...)
        In order of first presentation.
    runs : Runs

    Raises
    ------
    InputError
        If presentations of one clip differ in length.
    """
    runs.check_length(values)
    starts = np.r_[True, (runs.clip[1:] != runs.clip[:-1]) | (runs.run[1:] != runs.run[:-1])]
    start_rows = np.flatnonzero(starts)
    position = np.arange(len(runs)) - start_rows[np.cumsum(starts) - 1]
    used = np.flatnonzero(runs.used & (runs.clip != ""))
    groups: dict[tuple[str, str, int], list[int]] = {}
    for row in used.tolist():
        groups.setdefault((str(runs.run[row]), str(runs.clip[row]), int(position[row])), []).append(row)
    if not groups:
        raise InputError(
            "there are no clips to average", fix="events need genre and track, or leave repeats as they are"
        )
    counts: dict[tuple[str, str], set[int]] = {}
    for (run, clip, _), rows in groups.items():
        counts.setdefault((run, clip), set()).add(len(rows))
    uneven = [key for key, number in counts.items() if len(number) > 1]
    if uneven:
        raise InputError("presentations of a clip differ in length", found=f"run {uneven[0][0]}, clip {uneven[0][1]}")
    averaged = np.stack([values[rows].mean(axis=0) for rows in groups.values()])
    return averaged, runs.take(np.array([rows[0] for rows in groups.values()]))
