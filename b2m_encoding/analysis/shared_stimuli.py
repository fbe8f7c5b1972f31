"""Folds where stimuli are presented again: what is held out is presented in no training sample, where that can be."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Integers
from b2m_encoding.runs import Runs
from b2m_encoding.stats.repeats import first_presentations

SHARE_OF_CUES = 0.05
"""Stimuli that take at most this share of the samples can be left out."""


def join_blocks(runs: Runs) -> Runs:
    """Make one block of all blocks that present the same moments of a stimulus.

    A response that follows a stimulus, whatever features explain of it, is the same in each presentation: a model that
    learned it from one predicts it in another, and no interval around that r holds what it would be for another
    stimulus (``cv_story`` in ``benchmarks/calibration.py``).

    Parameters
    ----------
    runs : Runs

    Returns
    -------
    Runs
        As they are where that is one block of all, which leaves nothing to train on (:func:`known_from_training`).
        Where short stimuli of most runs (cues, instructions) join blocks, their samples are left out instead.

    Examples
    --------
    >>> runs = Runs.from_labels(list("aabbcc"), 1.5, clip=list("xyzzyx"))
    >>> join_blocks(runs).block.tolist()
    ['a', 'a', 'b', 'b', 'a', 'a']
    """
    group = _groups(runs)
    if _number(group, runs) < len(runs.blocks):
        kept = without_cues(runs, in_each=1)
        if _number(apart := _groups(kept), kept) > _number(group, runs):
            runs, group = kept, apart
    if _number(group, runs) in (1, len(runs.blocks)):
        return runs
    _, rows, own = np.unique(group, return_index=True, return_inverse=True)
    return replace(runs, block=runs.block[rows][own])


def known_from_training(runs: Runs, fold: NDArray[np.str_] | None = None) -> bool:
    """Whether a moment of a stimulus is held out in several folds, each of which trains on the others.

    Parameters
    ----------
    runs : Runs
    fold : array of str, shape (n_samples,), optional
        Fold of each sample; its block by default.

    Examples
    --------
    >>> known_from_training(Runs.from_labels(list("aabb"), 1.5, clip=list("xyyx")))
    True
    """
    first, own = first_presentations(runs), runs.block if fold is None else fold
    return bool((own[first] != own)[runs.used].any())


def _number(group: Integers, runs: Runs) -> int:
    """Number of groups that hold used samples."""
    return len(np.unique(group[runs.used]))


def without_cues(runs: Runs, in_each: int) -> Runs:
    """Do not use stimuli that more than half of the runs present so many times, if they are short.

    Parameters
    ----------
    runs : Runs
    in_each : int
        Times.

    Examples
    --------
    >>> runs = Runs.from_labels(["a"] * 30 + ["b"] * 30, 1.5, clip=(["cue"] + ["x"] * 29 + ["cue"] + ["y"] * 29))
    >>> without_cues(runs, in_each=1).used.sum()
    np.int64(58)
    """
    most = max(len(runs.names) / 2, 1)
    common = [clip for clip, n_runs in runs_that_present(runs, in_each).items() if n_runs > most]
    cue = runs.used & np.isin(runs.clip, common)
    return replace(runs, used=runs.used & ~cue) if cue.sum() <= SHARE_OF_CUES * runs.used.sum() else runs


def runs_that_present(runs: Runs, in_each: int = 1) -> Counter[str]:
    """Count the runs that present each stimulus at least so many times, of used samples."""
    shown = (rows.start for rows in runs.presentations if runs.used[rows].any())
    times = Counter((str(runs.run[row]), str(runs.clip[row])) for row in shown)
    return Counter(clip for (_, clip), count in sorted(times.items()) if count >= in_each)


def _groups(runs: Runs) -> Integers:
    """Number of every sample's group of blocks: those that are joined by stimuli, directly or by way of others."""
    code = np.unique(runs.block, return_inverse=True)[1]
    used, first = np.flatnonzero(runs.used), first_presentations(runs)
    group, block, moment = np.arange(code.max() + 1), code[used], first[used]
    while True:  # every block takes the lowest number of those that present one of its moments
        lowest, joined = np.full(len(runs), len(group)), group.copy()
        np.minimum.at(lowest, moment, group[block])
        np.minimum.at(joined, block, lowest[moment])
        if (joined == group).all():
            return np.asarray(group[code])
        group = joined


def cut_blocks(runs: Runs, n_blocks: int, gap: float = 0.0) -> Runs:
    """Cut runs into blocks; where stimuli are presented again, into parts of them that span all runs.

    Parameters
    ----------
    runs : Runs
    n_blocks : int
    gap : float
        Seconds unused between neighbours, also where other stimuli follow each other in another run.

    Returns
    -------
    Runs
        As from :meth:`Runs.split` if no stimulus is presented twice. Else block ``i`` is the i-th part of every run,
        but that a stimulus lies where its first presentation does, with the silence after it. Short stimuli that most
        runs present several times (cues, instructions) are left out.

    Examples
    --------
    >>> runs = Runs.from_labels(list("aaaabbbb"), 1.5, clip=list("wxyzzwyx"))
    >>> cut_blocks(runs, 2).block.tolist()
    ['1', '1', '2', '2', '2', '1', '2', '1']
    """
    runs = without_cues(runs, in_each=2)  # they would go with their first presentation, into the midst of other blocks
    cut, first = runs.split(n_blocks, gap), first_presentations(runs)
    if (first == np.arange(len(runs))).all():
        return cut
    label = np.array([name.rpartition("/")[2] for name in cut.block.tolist()])
    for rows in runs.slices.values():  # samples that are not used go with the next one that is
        if len(own := np.flatnonzero(runs.used[rows])):
            near = np.searchsorted(own, np.arange(rows.stop - rows.start)).clip(0, len(own) - 1)
            label[rows] = label[rows][own[near]]
    block = label[first]
    follows = _follows(runs, first)
    for rows in runs.slices.values():
        if len(known := np.flatnonzero(~follows[rows])):
            last = np.searchsorted(known, np.arange(rows.stop - rows.start), side="right") - 1
            block[rows] = block[rows][known[np.maximum(last, 0)]]
    block = block[first]  # what follows a first presentation may have moved
    return replace(cut, block=block, used=_with_gaps(replace(cut, block=block), int(np.ceil(gap / runs.tr - 1e-9))))


def _follows(runs: Runs, first: Integers) -> NDArray[np.bool_]:
    """Samples without a stimulus, or past the end of its first presentation: they go with the one before."""
    shown = {str(runs.clip[rows.start]): runs.presentation[rows.start] for rows in reversed(runs.presentations)}
    again = np.array([shown.get(clip) for clip in runs.clip.tolist()]) != runs.presentation
    return np.asarray((runs.clip == "") | (again & (first == np.arange(len(runs)))))


def _with_gaps(runs: Runs, n_gap: int) -> NDArray[np.bool_]:
    """Used samples, without those that are nearer to another block of their run than a gap."""
    used = runs.used.copy()
    for rows in runs.slices.values():
        own = np.arange(rows.start, rows.stop)[runs.used[rows]]
        for at in np.flatnonzero(runs.block[own][1:] != runs.block[own][:-1]):
            before, after = own[at], own[at + 1]
            if (missing := n_gap - (after - before - 1)) > 0:
                used[max(before - missing // 2, rows.start - 1) + 1 : before + 1] = False
                used[after : min(after + missing - missing // 2, rows.stop)] = False
    return used
