"""Blocks of held-out samples that are resampled, or whose signs are flipped: long enough to be nearly independent."""

from __future__ import annotations

from b2m_encoding.analysis.encoding.held_out import HeldOut
from b2m_encoding.analysis.splits import block_samples
from b2m_encoding.stats.intervals import block_length_for
from b2m_encoding.stats.sums import BlockSums, merge_blocks
from b2m_encoding.study import Study


def comparison_block(held_out: HeldOut, study: Study) -> int:
    """Samples of a block: a multiple of ``statistics.block``, eight times the reach of the autocorrelation."""
    base = block_samples(study, held_out.runs.tr)
    return block_length_for(held_out.predicted, held_out.measured, held_out.runs, base)


def comparison_sums(held_out: HeldOut, study: Study, length: int | None = None) -> BlockSums:
    """Sums of all models over blocks of that length, which may be given."""
    base = block_samples(study, held_out.runs.tr)
    return merge_blocks(held_out.sums, held_out.runs, base, length or comparison_block(held_out, study))
