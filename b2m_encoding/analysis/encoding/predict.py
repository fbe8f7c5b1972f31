"""Held-out prediction of all models of a subject: the training responses are read once, whatever the models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.analysis.encoding.held_out import (
    TIME,
    Audited,
    Bands,
    HeldOut,
    join_parts,
    join_slices,
    worst_status,
)
from b2m_encoding.analysis.encoding.test_samples import Part, TestSamples
from b2m_encoding.analysis.shared_stimuli import cut_blocks
from b2m_encoding.analysis.splits import Split, block_samples, scored_runs
from b2m_encoding.data import Cleaning, Responses
from b2m_encoding.data.staged import staged
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.models import EncodingModel
from b2m_encoding.models.responses import Relabelled
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.models.status import CONSTANT, MISSING
from b2m_encoding.models.subsets import fit_subsets, slices_in_memory
from b2m_encoding.runs import Runs
from b2m_encoding.stats.audit import time_features
from b2m_encoding.stats.sums.gather import block_sums
from b2m_encoding.stats.sums.join import join_models
from b2m_encoding.study import Study

Report = Callable[[str], None]
N_AUDITED = 500
FEWEST_TARGETS = 1000
"""A unit has at least so many targets, whatever the memory."""
TARGETS_PER_UNIT = 32_768
"""A unit of work fits at most so many targets: what a killed run has to compute again."""
SHARE_OF_RESULTS = 1 / 8
"""Share of ``model.memory`` for the held-out samples of a unit."""


def silent(what: str) -> None:
    """Report nothing."""


def predict_held_out(
    responses: Responses,
    spaces: Mapping[str, FeatureSpace],
    study: Study,
    splits: Sequence[Split],
    models: Sequence[Bands],
    *,
    targets: slice | None = None,
    gather: Callable[[slice], Sequence[Gathered | None]] | None = None,
    progress: Report = silent,
    factors: Path | None = None,
) -> HeldOut:
    """Predict every held-out sample by models that never saw it; the last model is the one of all feature spaces.

    With several splits, predictions and responses are standardised within each, so that no split's offset counts as
    accuracy; a target is tested only if it is in every split.

    Parameters
    ----------
    responses : Responses
        With the runs of :func:`~b2m_encoding.analysis.splits.evaluated`.
    spaces : mapping of str to FeatureSpace
    study : Study
    splits : sequence of Split
    models : sequence of tuple of str
        Sets of feature spaces; see :func:`wanted_models`.
    targets : slice, optional
        Only these; they are fitted in slices whose statistics fit into memory.
    gather : callable, optional
        Statistics of the training samples of every split, of a slice of targets; gathered from the responses if absent.
    progress : callable
        Called with the model that is fitted.
    factors : Path, optional
        Folder of what fits need of the features alone, shared by slices, subjects and processes.
    """
    audited = audited_targets(responses.n_targets)
    n_features = sum(space.values.shape[1] for space in spaces.values())
    wanted, parts = targets or slice(0, responses.n_targets), []
    slices = slices_in_memory_of(responses, wanted, n_features, study, splits, models)
    with staged(responses, wanted) if len(slices) > 1 else nullcontext(responses) as known:
        for number, chosen in enumerate(slices):
            part = Part(known, chosen, inside(audited, chosen))
            gathered = gather(chosen) if gather else ()
            report = partial(_report_slice, progress, f"targets {number + 1} of {len(slices)}, " * (len(slices) > 1))
            parts.append(predict_part(part, spaces, study, splits, models, gathered, report, factors))
    return join_slices(parts)


def _report_slice(progress: Report, where: str, what: str) -> None:
    progress(where + what)


@dataclass(frozen=True, eq=False)
class Gathered:
    """What was gathered of the training runs of a split before.

    Parameters
    ----------
    statistics : SufficientStatistics or None
        Of the targets of the part; None where models are fitted to the samples.
    audited : array, shape (n_samples, n_audited)
        Training responses of the audited targets of the part.
    """

    statistics: SufficientStatistics | None
    audited: NDArray[np.float32]


def predict_part(
    part: Part,
    spaces: Mapping[str, FeatureSpace],
    study: Study,
    splits: Sequence[Split],
    models: Sequence[Bands],
    gathered: Sequence[Gathered | None] = (),
    progress: Report = silent,
    factors: Path | None = None,
) -> HeldOut:
    """Predict the held-out samples of a slice of targets; statistics that were gathered before are not read again."""
    known = gathered or [None] * len(splits)
    components = any(table.pca is not None for table in study.features.values())
    keep = study.results.weights and not (components and len(splits) > 1)
    found = [
        _one_split(part, spaces, study, split, i, models, known[i], keep, progress if not i else silent, factors)
        for i, split in enumerate(splits)
    ]
    return join_parts(found)


def slices_of_targets(
    responses: Responses, study: Study, splits: Sequence[Split], models: Sequence[Bands]
) -> list[slice]:
    """Slices of the targets that are units of work; one where targets share a penalty."""
    n_targets = responses.n_targets
    if study.model.alpha_per == "all":
        return [slice(0, n_targets)]
    room = int(SHARE_OF_RESULTS * study.model.memory * 1e9 / bytes_held_out(responses.runs, study, splits, models))
    number = max(study.model.parts, -(-n_targets // min(max(room, FEWEST_TARGETS), TARGETS_PER_UNIT)))
    edges = np.linspace(0, n_targets, number + 1).round().astype(int).tolist()
    return [slice(a, b) for a, b in pairwise(edges) if a < b]


def bytes_held_out(runs: Runs, study: Study, splits: Sequence[Split], models: Sequence[Bands]) -> int:
    """Bytes of the held-out samples of a target: predictions and responses, and sums over blocks of every model."""
    n_samples = sum(len(scored_runs(runs, split, study.evaluation)) for split in splits)
    n_single = sum(len(names) == 1 and names not in ((TIME,), models[-1]) for names in models)
    n_blocks = -(-n_samples // block_samples(study, runs.tr))
    return 4 * n_samples * (2 + n_single) + 8 * n_blocks * (2 + 3 * len(models))


def slices_in_memory_of(
    responses: Responses,
    targets: slice,
    n_features: int,
    study: Study,
    splits: Sequence[Split],
    models: Sequence[Bands],
) -> list[slice]:
    """Slices of some targets whose statistics, or samples and models, fit into memory."""
    training, _ = training_runs(responses.runs, study, splits[0])
    part = Relabelled(Part(responses, targets, np.zeros(0, dtype=np.intp)), training)
    slices = slices_in_memory(new_model(study), n_features + 4 * study.statistics.audit, part, len(models))
    return [slice(targets.start + one.start, targets.start + one.stop) for one in slices]


def audited_targets(n_targets: int) -> NDArray[np.intp]:
    """Targets that the audit looks at."""
    return np.unique(np.linspace(0, n_targets - 1, N_AUDITED).round().astype(np.intp))


def inside(audited: NDArray[np.intp], targets: slice) -> NDArray[np.intp]:
    """Audited targets of a part, counted from its first."""
    return np.asarray(audited[(audited >= targets.start) & (audited < targets.stop)] - targets.start)


def new_model(study: Study, factors: Path | None = None) -> EncodingModel:
    """The unfitted model of a study; ``factors`` is the folder that its fits share."""
    table = study.model
    return EncodingModel(
        delays=table.delays,
        solver=table.solver,
        delay_prior=table.delay_prior,
        smoothness=table.smoothness,
        scoring=table.scoring,
        center=table.center,
        n_scalings=table.scalings,
        refine=table.refine,
        screening=table.screening,
        alphas=table.alphas.grid(),
        cv=table.folds,
        alpha_per=table.alpha_per,
        device=table.device,
        memory_limit=table.memory,
        random_state=study.seed,
        factors=factors,
    )


def training_values(
    spaces: Mapping[str, FeatureSpace], study: Study, split: Split, control: bool = False, filtered: bool = True
) -> dict[str, NDArray[np.float32]]:
    """Features of all samples as the models of a split get them: components are those of its training samples."""
    values = {}
    for name, space in spaces.items():
        if filtered and filters_features(study):
            space = without_drift(space, replace(study.cleaning.build(), zscore=False))
        n, rows = study.features[name].pca, np.flatnonzero(split.train)
        values[name] = (space if n is None else space.principal_components(n, rows)).values
    if control:
        values[TIME] = time_features(next(iter(spaces.values())).runs)
    return values


def filters_features(study: Study) -> bool:
    """Whether slow drift is removed from the features; not from those of windows, which are no series of volumes."""
    asked, detrend = study.model.filter_features, study.cleaning.detrend
    return study.windows is None and (detrend in ("cosine", "median", "savgol") if asked is None else asked)


@lru_cache(maxsize=16)
def without_drift(space: FeatureSpace, cleaning: Cleaning) -> FeatureSpace:
    """Remove slow drift of the features from each run, estimated from its used samples.

    A feature that is drift alone becomes zero, not what rounding leaves of it.
    """
    runs, before = space.runs, space.values
    after = np.concatenate(
        [cleaning.transform(before[rows], runs.tr, kept=runs.used[rows]) for rows in runs.slices.values()]
    )
    flat = after[runs.used].std(axis=0) <= 1e-5 * np.abs(before[runs.used]).max(axis=0)
    return replace(space, values=np.where(flat, np.float32(0), after))


def training_runs(runs: Runs, study: Study, split: Split) -> tuple[Runs, NDArray[np.intp]]:
    """Runs that hold training samples, with the blocks that choose the penalty, and their rows."""
    names = [name for name, rows in runs.slices.items() if split.train[rows].any()]
    training, rows = replace(runs, used=split.train).select(names)
    if study.model.blocks is not None:
        training = cut_blocks(
            training, study.model.blocks
        )  # no gap: these blocks choose the penalty, no score is theirs
    return training, rows


def _one_split(
    part: Part,
    spaces: Mapping[str, FeatureSpace],
    study: Study,
    split: Split,
    number: int,
    models: Sequence[Bands],
    gathered: Gathered | None,
    keep_weights: bool,
    progress: Report,
    factors: Path | None,
) -> HeldOut:
    values = training_values(spaces, study, split, control=(TIME,) in models)
    training, rows = training_runs(part.runs, study, split)
    selected = replace(part, responses=part.responses.with_runs(part.runs), kept={})
    own = Relabelled(selected, training)
    test, length = TestSamples(part, split, study.evaluation.average_repeats), block_samples(study, part.runs.tr)
    alphas, sums, deltas, product, status, weights, audited, stack = {}, [], None, None, None, None, None, None
    singles: dict[str, NDArray[np.float32]] = {}
    predicted = np.zeros((0, 0), np.float32)
    given = gathered.statistics if gathered else None
    own_values, unfitted = {name: array[rows] for name, array in values.items()}, new_model(study, factors)
    for names, model in fit_subsets(unfitted, own_values, own, models, given, progress):
        features = {name: values[name] for name in names}
        predicted = test.predict(model, features)
        if len(names) == 1 and names[0] != TIME and names != models[-1]:
            singles[names[0]] = predicted
        sums.append(block_sums({names: predicted}, test.measured, test.runs, block_length=length, split=number))
        alphas[names], status = np.asarray(model.best_alphas_, dtype=np.float64), _status(model, test.measured)
        deltas, found = model.deltas_, model.stack_  # of the last, which has all feature spaces
        stack = None if found is None else dict(zip(found.members, found.weights, strict=True))
        if names == models[-1] and number == 0:
            kept = selected.kept
            audited = Audited(
                part.keep + part.targets.start,
                gathered.audited if gathered else np.concatenate([kept[name] for name in training.names]),
                rows,
                training,
                test.single_r(model, features, part.keep),
            )
        partitions = study.statistics.partitions(len(names))
        if names == models[-1] and (partitions or keep_weights):
            coef = model.coef_
            product = test.product(model, features, coef) if partitions else None
            weights = {name: np.asarray(own, np.float32) for name, own in coef.items()} if keep_weights else None
    assert status is not None
    return HeldOut(
        join_models(sums),
        predicted,
        test.measured,
        test.runs,
        alphas,
        deltas,
        product,
        status,
        test.ceiling(),
        int(split.train.sum()),
        weights,
        audited,
        singles,
        stack,
    )


def _status(model: EncodingModel, measured: NDArray[np.float32]) -> NDArray[np.str_]:
    """Status of each target; one that fails in the test samples is not tested."""
    missing, varies = ~np.isfinite(measured).all(axis=0), np.ptp(measured, axis=0) > 0
    return worst_status([np.where(missing, MISSING, np.where(varies, model.status_, CONSTANT)), model.status_])
