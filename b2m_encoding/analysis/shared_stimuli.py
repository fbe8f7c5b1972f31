"""Folds where stimuli are presented again: what is held out is heard in no training sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from b2m_encoding._typing import Integers
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.stats.repeats import first_presentations


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

    Raises
    ------
    InputError
        If nothing is left to train on.

    Examples
    --------
    >>> runs = Runs.from_labels(list("aabbcc"), 1.5, clip=list("xyzzyx"))
    >>> join_blocks(runs).block.tolist()
    ['a', 'a', 'b', 'b', 'a', 'a']
    """
    names, code = np.unique(runs.block, return_inverse=True)
    n, used = len(names), np.flatnonzero(runs.used)
    edges = code[used], n + first_presentations(runs)[used]  # of a block with each moment that it presents
    graph = coo_array((np.ones(len(used)), edges), shape=(n + len(runs), n + len(runs)))
    group = connected_components(graph, directed=False)[1][code]
    n_blocks, n_groups = len(runs.blocks), len(np.unique(group[used]))
    if n_groups == n_blocks:
        return runs
    if n_groups == 1:
        raise InputError(
            "runs that are held out present the stimuli of the others: the response to them is known from there",
            found=f"{len(runs.names)} run(s), {n_blocks} blocks with stimuli in common",
            fix="hold out parts of the stimuli, in all runs together (evaluation.blocks = 6, and evaluation.gap at "
            'least as long as the longest delay), or test on runs with stimuli of their own (evaluation.kind = "test")',
        )
    _, rows, own = np.unique(group, return_index=True, return_inverse=True)
    return replace(runs, block=runs.block[rows][own])


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
        but that a stimulus lies where its first presentation does, with the silence after it.

    Examples
    --------
    >>> runs = Runs.from_labels(list("aaaabbbb"), 1.5, clip=list("wxyzzwyx"))
    >>> cut_blocks(runs, 2).block.tolist()
    ['1', '1', '2', '2', '2', '1', '2', '1']
    """
    cut, first = runs.split(n_blocks, gap), first_presentations(runs)
    if (first == np.arange(len(runs))).all():
        return cut
    block = np.array([label.rpartition("/")[2] for label in cut.block.tolist()])[first]
    follows = _follows(runs, first)
    for rows in runs.slices.values():
        if len(known := np.flatnonzero(~follows[rows])):
            last = np.searchsorted(known, np.arange(rows.stop - rows.start), side="right") - 1
            block[rows] = block[rows][known[np.maximum(last, 0)]]
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
