"""Blocks of held-out samples that are resampled, or whose signs are flipped: long enough to be nearly independent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from b2m_encoding._typing import Float64
from b2m_encoding.analysis.encoding.held_out import HeldOut
from b2m_encoding.analysis.splits import block_samples
from b2m_encoding.runs import Runs
from b2m_encoding.stats.intervals import block_length_for
from b2m_encoding.stats.sums.blocks import BlockSums
from b2m_encoding.stats.sums.join import merge_blocks, merged_units
from b2m_encoding.study import Study


def comparison_block(held_out: HeldOut, study: Study) -> int:
    """Samples of a block: a multiple of ``statistics.block``, eight times the reach of the autocorrelation."""
    base = block_samples(study, held_out.runs.tr)
    return block_length_for(held_out.predicted, held_out.measured, held_out.runs, base)


def comparison_sums(held_out: HeldOut, study: Study, length: int | None = None) -> BlockSums:
    """Sums of all models over blocks of that length, which may be given."""
    base = block_samples(study, held_out.runs.tr)
    return merge_blocks(held_out.sums, held_out.runs, base, length or comparison_block(held_out, study))


@dataclass(frozen=True, eq=False)
class BlockLayout:
    """How the shortest blocks of a subject become longer ones.

    Parameters
    ----------
    sums : BlockSums
        Without targets and models.
    runs : Runs
        Runs of the held-out samples.
    shortest, length : int
        Samples of a block of the sums, and of those that are nearly independent.
    """

    sums: BlockSums
    runs: Runs
    shortest: int
    length: int

    @classmethod
    def of(cls, held_out: HeldOut, study: Study) -> BlockLayout:
        """Layout of the held-out samples of a subject."""
        empty = held_out.sums.take_models([]).take_targets(slice(0, 0))
        return cls(empty, held_out.runs, block_samples(study, held_out.runs.tr), comparison_block(held_out, study))

    def merge(self, values: Float64, length: int) -> Float64:
        """Add up values of the shortest blocks, shape (n_blocks, ...), within longer ones."""
        units = merged_units(self.sums, self.runs, self.shortest, length)
        starts = np.searchsorted(units, np.arange(units[-1] + 1))
        return np.asarray(np.add.reduceat(values, starts, axis=0), dtype=np.float64)
