"""Which samples train and which are held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.analysis.shared_stimuli import (
    cut_blocks,
    join_blocks,
    known_from_training,
    runs_that_present,
    without_cues,
)
from b2m_encoding.data import Responses
from b2m_encoding.data.responses import rows_of_repeats
from b2m_encoding.errors import InputError
from b2m_encoding.features.windows import window_starts
from b2m_encoding.io.names import first_of
from b2m_encoding.runs import Runs
from b2m_encoding.stats.repeats import copies_of_samples
from b2m_encoding.study import EvaluationTable, Study


@dataclass(frozen=True, eq=False)
class Split:
    """One training set and one held-out set, as masks over the samples."""

    train: NDArray[np.bool_]
    test: NDArray[np.bool_]


def split_samples(runs: Runs, evaluation: EvaluationTable) -> tuple[Runs, list[Split]]:
    """Training and held-out samples, with the blocks they are made of.

    Folds of cross-validation hold out all presentations of a stimulus together, if that leaves stimuli to train on.

    Raises
    ------
    InputError
        If no run, or every run, is a test run.
    """
    if evaluation.blocks:
        runs = cut_blocks(runs, evaluation.blocks, evaluation.gap)
    if evaluation.kind == "cross-validation":
        runs = join_blocks(runs)
        masks = [np.isin(np.arange(len(runs)), runs.rows(fold)) for fold in runs.folds()]
        return runs, [Split(runs.used & ~mask, mask) for mask in masks]
    test = [name for name in runs.names if fnmatch(name, evaluation.test_runs)]
    if not 0 < len(test) < len(runs.names):
        raise InputError(
            "evaluation.test_runs must match some runs and leave some",
            found=evaluation.test_runs,
            expected=f"a pattern for some of {', '.join(runs.names)}",
        )
    mask = runs.used & np.isin(runs.run, test)
    return runs, [Split(runs.used & ~mask, mask)]


def evaluated(responses: Responses, evaluation: EvaluationTable) -> tuple[Responses, list[Split]]:
    """Responses with the blocks they are evaluated in, and the splits into training and held-out samples.

    Raises
    ------
    InputError
        If no run, or every run, is a test run.
    """
    runs, splits = split_samples(responses.runs, evaluation)
    return responses.with_runs(runs), splits


def scored_rows(runs: Runs, splits: Sequence[Split], *, average: bool) -> NDArray[np.intp]:
    """Samples that each scored one is the mean of, split by split, shape (n_scored, n_presentations); -1 for none."""
    groups: list[list[int]] = []
    for split in splits:
        own = replace(runs, used=split.test)
        groups += rows_of_repeats(own) if average else [[row] for row in np.flatnonzero(split.test).tolist()]
    rows = np.full((len(groups), max(map(len, groups))), -1, dtype=np.intp)
    for place, group in enumerate(groups):
        rows[place, : len(group)] = group
    return rows


def scored_runs(runs: Runs, split: Split, evaluation: EvaluationTable) -> Runs:
    """Runs of the scored samples of a split, after repeats are averaged."""
    return runs.take(scored_rows(runs, [split], average=evaluation.average_repeats)[:, 0])


def describe_repeats(runs: Runs, splits: Sequence[Split], evaluation: EvaluationTable) -> str | None:
    """Sentence on what becomes of stimuli that are presented more than once in held-out samples; None without.

    Parameters
    ----------
    runs : Runs
    splits : sequence of Split
        From :func:`split_samples` with the same runs.
    evaluation : EvaluationTable
    """
    shown = [runs.take(split.test) for split in splits]
    number = max((len(copies) for one in shown if (copies := copies_of_samples(one)) is not None), default=1)
    if evaluation.kind == "cross-validation" and known_from_training(runs):
        return (
            f"runs have stimuli in common ({first_of(_shared(runs), 3)}), so that none can be held out whose stimuli "
            "are in no other: what it shows is known from there, r has no interval, and is larger than it would be for "
            "other stimuli. Hold out parts of the stimuli, in all runs together: evaluation.blocks = 6, and "
            "evaluation.gap at least as long as the longest delay. If they are cues or silence, write n/a in place of "
            "their names"
        )
    if number == 1:
        return None
    together = f"{len(splits)} folds hold out all presentations of a stimulus together; " if len(splits) > 1 else ""
    times = f"{together}stimuli are presented up to {number} times in held-out samples"
    if evaluation.average_repeats:
        return f"{times}: their mean is scored, within runs and across them"
    return (
        f"{times}: all presentations of one move together in permutations, and are one unit of bootstraps and sign "
        "flips; evaluation.average_repeats = true averages them"
    )


def describe_cues(given: Runs, runs: Runs) -> str | None:
    """Sentence on stimuli that :func:`split_samples` leaves out; None without.

    Parameters
    ----------
    given, runs : Runs
        Before and after.
    """
    cues = given.used & ~without_cues(given, in_each=1).used & ~runs.used
    left_out = {*given.clip[cues].tolist()} - {*runs.clip[runs.used].tolist()}
    if not left_out:
        return None
    number = int((given.used & np.isin(given.clip, sorted(left_out))).sum())
    return (
        f"{number} of {int(given.used.sum())} samples are left out: most runs present {first_of(sorted(left_out), 3)}, "
        "so that none could be held out otherwise"
    )


def _shared(runs: Runs) -> list[str]:
    """Stimuli of several runs, first those of most."""
    return [clip for clip, n_runs in runs_that_present(runs).most_common() if n_runs > 1]


def block_samples(study: Study, tr: float) -> int:
    """Length of a permuted block, in samples; of windows, as many as fit into it."""
    block, windows = study.statistics.block, study.windows
    if windows is not None:
        return len(window_starts(max(block, windows.length), windows.length, windows.step))
    return max(1, round(block / tr))
