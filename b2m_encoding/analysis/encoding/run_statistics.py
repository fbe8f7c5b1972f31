"""Sufficient statistics of a subject, run by run: gathered once, they serve every split and part of the targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.analysis.encoding.predict import Gathered, audited_targets, inside, training_values
from b2m_encoding.analysis.encoding.sizes import training_runs
from b2m_encoding.analysis.splits import Split
from b2m_encoding.data import Responses
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.models import EncodingModel
from b2m_encoding.models.responses import ArrayResponses
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.models.subsets import layout_of_statistics, statistics_of_blocks
from b2m_encoding.study import Study


@dataclass(frozen=True, eq=False)
class RunStatistics:
    """What the fits need of one training run.

    Parameters
    ----------
    members : tuple of dict of str to str, or of None
        For every split the blocks of the run that it trains on, and under which name their statistics are kept:
        splits that train on the same samples of a block share them. None where it does not train on the run.
    audited : array, shape (n_run_samples, n_audited)
        Responses of the audited targets.
    """

    members: tuple[dict[str, str] | None, ...]
    audited: NDArray[np.float32]


def gather_run(
    responses: Responses,
    spaces: Mapping[str, FeatureSpace],
    study: Study,
    splits: Sequence[Split],
    name: str,
    control: bool,
) -> tuple[RunStatistics, SufficientStatistics | None]:
    """Gather the statistics of all targets of one run; the run is read once.

    Returns
    -------
    RunStatistics
    SufficientStatistics or None
        None where models are fitted to the samples.
    """
    values, table, found = np.asarray(responses.load_run(name)), study.model, None
    # statistics depend on the design alone: not on penalties, solver or seed
    model = EncodingModel(delays=table.delays, cv=table.folds, device=table.device)
    members: list[dict[str, str] | None] = []
    kept: dict[tuple[bytes, ...], str] = {}
    pca = any(table.pca is not None for table in study.features.values())
    for i, split in enumerate(splits):
        training, rows = training_runs(responses.runs, study, split)
        features = {band: array[rows] for band, array in training_values(spaces, study, split, control).items()}
        blocks: dict[str, str] = {}
        members.append(blocks if name in training.names else None)
        layout = layout_of_statistics(model, features, training) if name in training.names else None
        if layout is None:
            continue
        own, local = training.select([name])
        new = np.zeros(len(own), dtype=bool)
        for block in own.blocks:
            at = own.rows([block])
            key = (layout.key, at.tobytes(), bytes([i]) if pca else b"")
            if key not in kept:
                kept[key] = f"{block}@{len(kept)}"
                new[at] = True
            blocks[block] = kept[key]
        if new.any():
            some = replace(own, used=new)
            gathered = statistics_of_blocks(
                model, layout, {band: array[local] for band, array in features.items()}, ArrayResponses(values, some)
            )
            gathered.blocks = {blocks[block]: moments for block, moments in gathered.blocks.items()}
            found = gathered if found is None else found.merge(gathered)
    return RunStatistics(tuple(members), values[:, audited_targets(responses.n_targets)].astype(np.float32)), found


def join_runs(
    runs: Sequence[RunStatistics],
    load: Callable[[int], SufficientStatistics | None],
    n_targets: int,
    targets: slice,
    n_splits: int,
) -> list[Gathered]:
    """What every split trains on, of some targets.

    Parameters
    ----------
    runs : sequence of RunStatistics
        Of every run that some split trains on, in the order of the runs.
    load : callable
        Statistics of the targets of the n-th of them.
    """
    statistics = [load(i) for i in range(len(runs))]
    columns = inside(audited_targets(n_targets), targets) + targets.start
    chosen = np.searchsorted(audited_targets(n_targets), columns)
    joined = []
    for split in range(n_splits):
        total: SufficientStatistics | None = None
        audited = []
        for run, own in zip(runs, statistics, strict=True):
            if (blocks := run.members[split]) is None:
                continue
            audited.append(run.audited[:, chosen])
            if own is not None:
                part = replace(own, blocks={block: own.blocks[key] for block, key in blocks.items()})
                total = part if total is None else total.merge(part)
        joined.append(Gathered(total, np.concatenate(audited)))
    return joined
