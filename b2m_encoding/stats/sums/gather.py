"""Samples of a held-out part summed within blocks of their runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Bands, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.stats.repeats import first_presentations
from b2m_encoding.stats.sums.blocks import SUMS, TARGET_CHUNK, BlockSums, Predicted


def block_sums(
    predicted: Mapping[Bands, Floating],
    measured: Floating,
    runs: Runs,
    *,
    block_length: int,
    split: int = 0,
) -> BlockSums:
    """Sum the held-out samples of one split within blocks of their runs.

    Parameters
    ----------
    predicted : dict of tuple of str to array (n_samples, n_targets)
        Predictions of every model, by its feature spaces.
    measured : array, shape (n_samples, n_targets)
    runs : Runs
        Runs of the held-out samples.
    block_length : int
        Samples per block, longer than the autocorrelation of the responses; usually one clip. The rest at the
        end of a run joins its last block. All presentations of a stimulus belong to the block of the first.
    split : int
        Number of the split.

    Returns
    -------
    BlockSums

    Raises
    ------
    InputError
        If lengths differ.
    """
    runs.check_length(measured, "the response array")
    units = block_units(runs, block_length)
    order = np.argsort(units, kind="stable")
    starts = np.searchsorted(units[order], np.arange(units.max(initial=-1) + 1))
    n = np.diff(np.r_[starts, len(runs)]).astype(float)
    together = bool((np.diff(order) != 1).any())
    y, yy = (np.empty((len(n), measured.shape[1])) for _ in range(2))
    models = {name: Predicted(*(np.empty_like(y) for _ in SUMS)) for name in predicted}
    for values in predicted.values():
        runs.check_length(values, "a prediction")
    for start in range(0, measured.shape[1], TARGET_CHUNK):
        part = slice(start, start + TARGET_CHUNK)
        own = measured[:, part][order] if together else measured[:, part]
        shift = own.mean(axis=0, dtype=np.float64)
        response = np.where(np.ptp(own, axis=0) > 0, own - shift, np.nan)
        y[:, part], yy[:, part] = (
            np.add.reduceat(values, starts, axis=0) for values in (response, response * response)
        )
        for name, into in models.items():
            p = (predicted[name][:, part][order] if together else predicted[name][:, part]) - shift
            for key, values in (("p", p), ("pp", p * p), ("py", p * response)):
                getattr(into, key)[:, part] = np.add.reduceat(values, starts, axis=0)
    return BlockSums(n, np.full(len(n), split), y, yy, models, runs.clip[order[starts]])


def block_starts(runs: Runs, block_length: int) -> NDArray[np.intp]:
    """Find the first row of every block; no block crosses runs.

    Parameters
    ----------
    runs : Runs
    block_length : int
        Samples per block.

    Returns
    -------
    array of int, shape (n_blocks,)

    Examples
    --------
    >>> block_starts(Runs.from_lengths([7, 3], 1.5), 3).tolist()
    [0, 3, 7]
    """
    if block_length < 1:
        raise InputError("a block holds at least one sample", found=block_length)
    starts = [
        np.arange(max((rows.stop - rows.start) // block_length, 1)) * block_length + rows.start
        for rows in runs.slices.values()
    ]
    return np.concatenate(starts) if starts else np.zeros(0, dtype=np.intp)


def block_units(runs: Runs, block_length: int) -> NDArray[np.intp]:
    """Number the block of every sample; all presentations of a stimulus belong to the block of the first.

    Parameters
    ----------
    runs : Runs
    block_length : int
        Samples per block.

    Returns
    -------
    array of int, shape (n_samples,)

    Examples
    --------
    >>> block_units(Runs.from_labels(list("aaabbb"), 1.5, clip=list("xxyxxy")), 2).tolist()
    [0, 0, 0, 0, 0, 0]
    >>> block_units(Runs.from_labels(list("aaabbb"), 1.5, clip=list("xxyzzz")), 1).tolist()
    [0, 1, 2, 3, 4, 5]
    """
    starts = block_starts(runs, block_length)
    own = np.searchsorted(starts, first_presentations(runs), side="right") - 1
    return np.unique(own, return_inverse=True)[1]
