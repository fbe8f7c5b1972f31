"""Cross-validation of any model: predictions of all folds joined, and refits to rearranged responses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.analysis.encoding.held_out import worst_status
from b2m_encoding.analysis.encoding.refits import MAX_TARGETS, rearrange
from b2m_encoding.analysis.foreign_models import fit_copy, predict_with, rows_of, status_of
from b2m_encoding.analysis.shared_stimuli import join_blocks
from b2m_encoding.analysis.splits import Split, scored_rows
from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import as_responses
from b2m_encoding.runs import Runs
from b2m_encoding.stats.nulls import RefittedNull
from b2m_encoding.stats.permutation import spread_of_rearranged
from b2m_encoding.stats.rearranging import Method, arrangements_of
from b2m_encoding.stats.scores import standardised


class Joined(NamedTuple):
    """Predictions of all folds, one fold after the other.

    Parameters
    ----------
    predicted, measured : array, shape (n_scored, n_targets)
        Standardised within folds, as those of a study, so that the means of folds are no accuracy.
    r2 : array, shape (n_targets,)
        Of the series as they are, about the mean of each fold.
    status : array of str, shape (n_targets,)
    """

    predicted: Floating
    measured: Floating
    r2: Float64
    status: NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class ForeignFolds:
    """A model, and the folds of whole runs in which copies of it predict samples that they did not see.

    Parameters
    ----------
    model : object with ``fit`` and ``predict``
    X : features, in any form that the model takes
    runs : Runs
    splits : tuple of Split
    rows : array of int, shape (n_scored, n_presentations)
        Samples that each scored one is the mean of; -1 where there are fewer.
    """

    model: Any
    X: Any
    runs: Runs
    splits: tuple[Split, ...]
    rows: NDArray[np.intp]

    @classmethod
    def of(cls, model: Any, X: Any, runs: Runs, cv: int | str | Iterable[Any], average: bool) -> ForeignFolds:
        """Make folds; ``cv`` is that of :meth:`Runs.folds`, or ``"runs"`` for one run at a time.

        Raises
        ------
        InputError
            If folds are not whole runs, or the model cannot be fitted.
        """
        if not hasattr(model, "fit"):
            raise InputError("only a model with fit can be cross-validated", found=type(model).__name__)
        if isinstance(cv, str) and cv != "runs":
            raise InputError(
                "unknown folds", found=cv, expected='"runs", a number, sets of names of runs, or a splitter'
            )
        if set(runs.blocks) != set(runs.names):
            raise InputError(
                "folds of any model are whole runs: responses of neighbouring blocks of a run depend on each other",
                found=f"{len(runs.blocks)} blocks of {len(runs.names)} runs",
                fix="analyse them by a study (evaluation.blocks) or encode_subject, or test on a run that is held out",
            )
        joined = join_blocks(runs) if isinstance(cv, str | int) else runs
        masks = [np.isin(joined.block, fold) & runs.used for fold in joined.folds(None if cv == "runs" else cv)]
        splits = tuple(Split(runs.used & ~mask, mask) for mask in masks)
        return cls(model, X, joined, splits, scored_rows(runs, splits, average=average))

    @property
    def scored(self) -> Runs:
        """Runs of the scored samples."""
        return self.runs.take(self.rows[:, 0])

    def predict(self, Y: Any) -> Joined:
        """Fit to all folds but one, predict that one, and join what was predicted.

        Parameters
        ----------
        Y : array, shape (n_samples, n_targets) or (n_samples,)
        """
        responses = as_responses(Y, len(self.runs))
        predicted = np.full(responses.shape, np.nan, dtype=np.float32)
        statuses, parts = [], []
        for split in self.splits:
            held_out = np.isin(self.runs.run, self.runs.run[split.test])
            fitted = fit_copy(self.model, self.X, Y, self.runs, held_out)
            predicted[held_out] = predict_with(fitted, rows_of(self.X, held_out), self.runs.take(held_out))
            statuses.append(status_of(responses[split.test], predicted[split.test], fitted))
            own = self.rows[split.test[self.rows[:, 0]]]
            parts.append([_mean_of_rows(values, own) for values in (predicted, responses)])
        errors, squares = (
            np.sum([((y - other) ** 2).sum(axis=0) for other, y in pairs], axis=0)
            for pairs in (parts, [(y.mean(axis=0), y) for _, y in parts])
        )
        joined = [np.concatenate([*map(standardised, part)]).astype(np.float32) for part in zip(*parts, strict=True)]
        with np.errstate(invalid="ignore", divide="ignore"):
            return Joined(np.nan_to_num(joined[0]), joined[1], 1 - errors / squares, worst_status(statuses))

    def refit(
        self, Y: Any, tested: NDArray[np.bool_], method: Method, n_refits: int, random_state: int | None
    ) -> RefittedNull:
        """Fit the model to rearranged responses of some tested targets, each in an order of its own.

        Parameters
        ----------
        Y : array, shape (n_samples, n_targets) or (n_samples,)
        tested : array of bool, shape (n_targets,)
        method : str
            As in :func:`~b2m_encoding.stats.significance`.
        n_refits : int
            Rearranged responses, at least one of each target.
        random_state : int, optional
        """
        responses = as_responses(Y, len(self.runs)).astype(np.float32)
        places = np.flatnonzero(tested)
        chosen = np.unique(places[np.linspace(0, len(places) - 1, MAX_TARGETS).round().astype(np.intp)])
        there, scored, generator = self.predict(responses[:, chosen]), self.scored, np.random.default_rng(random_state)
        name, ways, _ = arrangements_of(there.predicted, there.measured, scored, method=method)
        found, n_rounds = [], -(-n_refits // len(chosen))
        for _ in range(n_rounds):
            sources = ways.sources(len(chosen), generator)
            moved = rearrange(responses, chosen, self.rows, sources)
            again = self.predict(moved[:, 0] if np.ndim(Y) == 1 else moved)
            z, _ = spread_of_rearranged(again.predicted, again.measured, scored, method=name)
            found.append(np.nan_to_num(z))
        return RefittedNull(np.concatenate(found), np.tile(chosen, n_rounds), name)


def _mean_of_rows(values: Floating, rows: NDArray[np.intp]) -> Floating:
    """Mean over the presentations of each scored sample, shape (n_scored, n_targets)."""
    there = (rows >= 0)[:, :, None]
    mean: Floating = np.where(there, values[rows], 0).sum(axis=1) / there.sum(axis=1)
    return mean
