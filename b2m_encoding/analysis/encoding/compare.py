"""Comparison of the feature spaces of one subject: preference and variance partitioning."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.analysis.encoding.blocks import comparison_block, comparison_sums
from b2m_encoding.analysis.encoding.encoding import Comparison, Inference
from b2m_encoding.analysis.encoding.held_out import HeldOut
from b2m_encoding.analysis.encoding.sizes import TIME
from b2m_encoding.features.space import all_subsets
from b2m_encoding.stats import Preference, prefer, prefer_by_deltas
from b2m_encoding.stats.joined_folds import Refits
from b2m_encoding.stats.preference import flip_widening
from b2m_encoding.stats.sums.blocks import BlockSums
from b2m_encoding.stats.variance_partition import Partition, partition, partition_blocks
from b2m_encoding.study import Study

logger = logging.getLogger(__name__)


def compare_subject(held_out: HeldOut, inference: Inference, study: Study, refits: Refits | None = None) -> Comparison:
    """Compare the feature spaces where the joint model predicts."""
    names, table = held_out.feature_spaces, study.statistics
    predicted, length = inference.q < table.q, comparison_block(held_out, study)
    sums = comparison_sums(held_out, study, length)
    return Comparison(
        _preference(held_out, sums, predicted, study, refits) if len(names) > 1 else None,
        _partition(held_out, sums, predicted, study, refits) if table.partitions(len(names)) else None,
        block_length=length,
        n_blocks=sums.n_blocks,
    )


def _preference(
    held_out: HeldOut, sums: BlockSums, predicted: NDArray[np.bool_], study: Study, refits: Refits | None
) -> Preference:
    table, names = study.statistics, held_out.feature_spaces
    if table.preference == "deltas":
        assert held_out.deltas is not None
        return prefer_by_deltas(dict(zip(names, held_out.deltas, strict=True)), predicted)
    widening = np.full(sums.n_targets, flip_widening(sums.n_blocks))
    if refits is not None:
        score = "difference" if table.preference == "r" else "unique"
        widening *= refits.dependence.ratio(score, sums.scores()[names])
    return prefer(
        sums.take_models([bands for bands in sums.models if bands != (TIME,)]),
        predicted,
        by=table.preference,
        q=table.q,
        n_bootstraps=table.bootstraps,
        n_permutations=table.permutations,
        level=table.level,
        widening=widening,
        random_state=study.seed,
    )


def _partition(
    held_out: HeldOut, sums: BlockSums, predicted: NDArray[np.bool_], study: Study, refits: Refits | None
) -> Partition:
    """Parts of every tested target, with intervals where the joint model predicts."""
    table, names = study.statistics, held_out.feature_spaces
    sums = sums.take_models(all_subsets(names))
    if study.model.solver == "ridge":
        logger.warning(
            'variance partition with model.solver = "ridge": one penalty for all feature spaces turns what a useless '
            'one costs into shared variance; "stacked" does not'
        )
    tested = held_out.tested
    whole = partition({bands: np.where(tested, r2, np.nan) for bands, r2 in sums.scores("r2").items()})
    asked = np.flatnonzero(predicted)
    interval = {bands: np.full((2, sums.n_targets), np.nan) for bands in whole.parts}
    if len(asked):
        accuracy = sums.scores()[names][asked]
        some = partition_blocks(
            sums.take_targets(asked),
            n_bootstraps=table.bootstraps,
            level=table.level,
            widening=refits.dependence.of_parts(whole.parts, accuracy) if refits else None,
            random_state=study.seed,
        )
        for bands, limits in (some.interval or {}).items():
            interval[bands][:, asked] = limits
    return replace(whole, interval=interval)
