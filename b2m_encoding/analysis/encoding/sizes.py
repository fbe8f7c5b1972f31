"""Which models a study fits, to which samples, in which slices of targets: counted from shapes, nothing is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Bands
from b2m_encoding.analysis.shared_stimuli import cut_blocks, join_blocks
from b2m_encoding.analysis.splits import Split, block_samples, scored_runs
from b2m_encoding.features.space import all_subsets
from b2m_encoding.models.sizes import SizeSettings, equal_slices, target_slices
from b2m_encoding.runs import Runs
from b2m_encoding.stats.audit import SLOWEST_CYCLES
from b2m_encoding.study import StatisticsTable, Study

TIME = "time-only"
"""The control model of the audit; a hyphen, so that no feature space of a study can have this name."""
FEWEST_TARGETS = 1000
"""A unit has at least so many targets, whatever the memory."""
TARGETS_PER_UNIT = 32_768
"""A unit of work fits at most so many targets: what a killed run has to compute again."""
SHARE_OF_RESULTS = 1 / 8
"""Share of ``model.memory`` for the held-out samples of a unit."""


def wanted_models(names: tuple[str, ...], table: StatisticsTable) -> list[Bands]:
    """Sets of feature spaces that a study needs a model of, the whole set last; the control of the audit first."""
    wanted: set[Bands] = {(name,) for name in names}
    if len(names) > 1 and table.preference == "unique":
        wanted |= {tuple(other for other in names if other != name) for name in names}
    if table.partitions(len(names)):
        wanted |= set(all_subsets(names))
    models = [chosen for chosen in all_subsets(names) if chosen in wanted and chosen != names]
    return [*([(TIME,)] if table.audit else []), *models, names]


def training_runs(runs: Runs, study: Study, split: Split) -> tuple[Runs, NDArray[np.intp]]:
    """Runs that hold training samples, with the blocks that choose the penalty, and their rows."""
    names = [name for name, rows in runs.slices.items() if split.train[rows].any()]
    training, rows = replace(runs, used=split.train).select(names)
    if study.model.blocks is not None:
        blocks = cut_blocks(training, study.model.blocks)  # no gap: they choose the penalty, no score is theirs
    else:
        blocks = join_blocks(training)
        wanted = 2 if study.evaluation.blocks else study.model.folds or 2
        if len(blocks.blocks) < wanted <= len(names):
            blocks = replace(blocks, block=training.run)  # runs choose the penalty one by one
    return replace(training, block=blocks.block), rows  # with the cues, which leave no block


def slices_of_targets(
    n_targets: int, runs: Runs, study: Study, splits: Sequence[Split], models: Sequence[Bands]
) -> list[slice]:
    """Slices of the targets that are units of work; one where targets share a penalty."""
    if study.model.alpha_per == "all":
        return [slice(0, n_targets)]
    room = int(SHARE_OF_RESULTS * study.model.memory * 1e9 / bytes_held_out(runs, study, splits, models))
    number = max(study.model.parts, -(-n_targets // min(max(room, FEWEST_TARGETS), TARGETS_PER_UNIT)))
    return equal_slices(n_targets, number)


def bytes_held_out(runs: Runs, study: Study, splits: Sequence[Split], models: Sequence[Bands]) -> int:
    """Bytes of the held-out samples of a target: predictions and responses, and sums over blocks of every model."""
    n_samples = sum(len(scored_runs(runs, split, study.evaluation)) for split in splits)
    n_single = sum(len(names) == 1 and names not in ((TIME,), models[-1]) for names in models)
    n_blocks = -(-n_samples // block_samples(study, runs.tr))
    return 4 * n_samples * (2 + n_single) + 8 * n_blocks * (2 + 3 * len(models))


def n_columns(n_features: int, study: Study) -> int:
    """Columns of the design of all feature spaces and of the control, with delays."""
    return (n_features + SLOWEST_CYCLES * study.statistics.audit) * max(len(study.model.delays), 1)


def size_settings(study: Study) -> SizeSettings:
    """Settings of the fits of a study that their form and size follow from."""
    table = study.model
    return SizeSettings(alphas=table.alphas.grid(), cv=table.folds, alpha_per=table.alpha_per, refine=table.refine)


def slices_in_memory(
    targets: slice, runs: Runs, n_features: int, study: Study, splits: Sequence[Split], models: Sequence[Bands]
) -> list[slice]:
    """Slices of some targets whose statistics, or samples and models, fit into memory; one if they share a penalty."""
    settings = size_settings(study)
    if settings.shares_penalties:
        return [targets]
    training, _ = training_runs(runs, study, splits[0])
    memory, columns = study.model.memory * 1e9, n_columns(n_features, study)
    slices = target_slices(targets.stop - targets.start, training, columns, settings, memory, len(models))
    return [slice(targets.start + one.start, targets.start + one.stop) for one in slices]
