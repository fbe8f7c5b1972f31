"""Block sums put together: longer blocks, other splits, models and targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Bands, Float64
from b2m_encoding.errors import InputError
from b2m_encoding.io.stored_arrays import SideBySide, side_by_side
from b2m_encoding.runs import Runs
from b2m_encoding.stats.sums.blocks import SUMS, BlockSums, Predicted
from b2m_encoding.stats.sums.gather import block_units


def merge_blocks(sums: BlockSums, runs: Runs, block_length: int, longer: int) -> BlockSums:
    """Add up neighbouring blocks to longer ones, within runs.

    Parameters
    ----------
    sums : BlockSums
        Of blocks of ``block_length`` samples, of one split or of several that were joined.
    runs : Runs
        Runs of the held-out samples, in the order of the splits.
    block_length, longer : int
        Samples per block; ``longer`` is a multiple of ``block_length``.

    Returns
    -------
    BlockSums
    """
    target = merged_units(sums, runs, block_length, longer)
    starts = np.searchsorted(target, np.arange(target[-1] + 1))

    def summed(values: Float64) -> Float64:
        return np.asarray(np.add.reduceat(values, starts, axis=0))

    def add(values: Any) -> Any:
        return values.reduced(summed, len(starts)) if isinstance(values, SideBySide) else summed(values)

    y, yy, models = _each_sum([sums], lambda one: add(*one))
    return BlockSums(summed(sums.n), sums.split[starts], y, yy, models, sums.labels[starts])


def _each_sum(parts: Sequence[BlockSums], join: Callable[[list[Any]], Any]) -> tuple[Any, Any, dict[Bands, Predicted]]:
    """Join each sum of some parts: of the responses, of their squares, and of every model."""
    y, yy = (join([getattr(part, key) for part in parts]) for key in ("y", "yy"))
    models = {
        name: Predicted(*(join([getattr(part.models[name], key) for part in parts]) for key in SUMS))
        for name in parts[0].models
    }
    return y, yy, models


def merged_units(sums: BlockSums, runs: Runs, block_length: int, longer: int) -> NDArray[np.intp]:
    """Number the longer block that each block of some sums becomes part of, shape (n_blocks,), increasing."""
    if longer % block_length:
        raise InputError("a longer block holds whole blocks", found=longer, expected=f"a multiple of {block_length}")
    parts, first, count = [], 0, 0
    for label in dict.fromkeys(sums.split.tolist()):
        stop = first + int(sums.n[sums.split == label].sum())
        own = runs.take(np.arange(first, stop))
        _, rows = np.unique(block_units(own, block_length), return_index=True)
        parts.append(block_units(own, longer)[rows] + count)
        first, count = stop, parts[-1].max() + 1
    return np.concatenate(parts)


def join_splits(parts: Sequence[BlockSums]) -> BlockSums:
    """Join sums of several splits, which differ in ``split``.

    Parameters
    ----------
    parts : sequence of BlockSums

    Returns
    -------
    BlockSums
    """
    n, split, labels = (np.concatenate([getattr(part, key) for part in parts]) for key in ("n", "split", "labels"))
    y, yy, models = _each_sum(parts, np.concatenate)
    return BlockSums(n, split, y, yy, models, labels)


def join_models(parts: Sequence[BlockSums]) -> BlockSums:
    """Join sums of the same samples for different models.

    Parameters
    ----------
    parts : sequence of BlockSums

    Returns
    -------
    BlockSums
    """
    return replace(parts[0], models={name: sums for part in parts for name, sums in part.models.items()})


def join_targets(parts: Sequence[BlockSums]) -> BlockSums:
    """Join sums of neighbouring slices of targets, in their order.

    Parameters
    ----------
    parts : sequence of BlockSums

    Returns
    -------
    BlockSums
    """
    y, yy, models = _each_sum(parts, side_by_side)
    return replace(parts[0], y=y, yy=yy, models=models)
