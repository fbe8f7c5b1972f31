"""Held-out prediction of all models of a subject: the training responses are read once, whatever the models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data import Responses
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.models import EncodingModel
from b2m_encoding.models.subsets import Relabelled, fit_subsets, slices_in_memory
from b2m_encoding.pipeline.samples import Part, TestSamples
from b2m_encoding.pipeline.splits import Split, block_samples
from b2m_encoding.runs import Runs
from b2m_encoding.stats.audit import time_features
from b2m_encoding.stats.ceilings import Ceiling, NoCeiling
from b2m_encoding.stats.scores import standardised
from b2m_encoding.stats.sums import BlockSums, block_sums, join_models, join_splits, join_targets
from b2m_encoding.study import Study

Array = NDArray[np.float64]
Bands = tuple[str, ...]
Progress = Callable[[str], None]
TESTED = "tested"
TIME = "time-only"
"""The control model of the audit; a hyphen, so that no feature space of a study can have this name."""
N_AUDITED = 500


@dataclass(frozen=True, eq=False)
class Audited:
    """What the audit needs of some targets: training responses, and scores of single presentations."""

    targets: NDArray[np.intp]
    training: NDArray[np.float32]
    rows: NDArray[np.intp]
    """Rows of the training samples among all."""
    runs: Runs
    single_r: Array


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out samples of all models of one subject.

    Parameters
    ----------
    sums : BlockSums
        Of every model.
    predicted, measured : array, shape (n_samples, n_targets)
        Of the model of all feature spaces; standardised within each split if there are several.
    runs : Runs
    alphas : dict of tuple of str to array, shape (n_targets,)
        Median penalty over splits.
    deltas : array, shape (n_feature_spaces, n_targets), or None
        Minus the log penalty of each feature space of the banded model of all; median over splits.
    product : array, shape (n_feature_spaces, n_targets), or None
        Product measure of each feature space in the model of all; None where the study partitions no variance.
    status : array of str, shape (n_targets,)
    ceiling : Ceiling or NoCeiling
        From repeats in the test runs.
    audited : Audited or None
        From the first split.
    """

    sums: BlockSums
    predicted: NDArray[np.float32]
    measured: NDArray[np.float32]
    runs: Runs
    alphas: Mapping[Bands, Array]
    deltas: Array | None
    product: Array | None
    status: NDArray[np.str_]
    ceiling: Ceiling | NoCeiling
    audited: Audited | None = None


def predict_held_out(
    responses: Responses,
    spaces: Mapping[str, FeatureSpace],
    study: Study,
    splits: list[Split],
    models: Sequence[Bands],
    progress: Progress = lambda _: None,
) -> HeldOut:
    """Predict every held-out sample by models that never saw it; the last model is the one of all feature spaces.

    With several splits, predictions and responses are standardised within each, so that no split's offset counts as
    accuracy; a target is tested only if it is in every split.
    """
    n_features = sum(space.values.shape[1] for space in spaces.values()) + 4 * ((TIME,) in models)
    slices = slices_in_memory(new_model(study), n_features, responses)
    audited = np.unique(np.linspace(0, responses.n_targets - 1, N_AUDITED).round().astype(int))
    parts: list[HeldOut] = []
    for targets in slices:
        inside = audited[(audited >= targets.start) & (audited < targets.stop)]
        part = Part(responses, targets, inside - targets.start)
        found = [
            _one_split(part, spaces, study, split, i, models, progress if not parts and not i else lambda _: None)
            for i, split in enumerate(splits)
        ]
        parts.append(_join_splits(found))
    return _join_slices(parts)


def new_model(study: Study) -> EncodingModel:
    """The unfitted model of a study."""
    table = study.model
    return EncodingModel(
        delays=table.delays,
        solver=table.solver,
        n_scalings=table.scalings,
        alphas=table.alphas.grid(),
        cv=table.folds,
        alpha_per=table.alpha_per,
        device=table.device,
        random_state=study.seed,
    )


def training_values(
    spaces: Mapping[str, FeatureSpace], study: Study, split: Split, control: bool = False
) -> dict[str, NDArray[np.float32]]:
    """Features of all samples as the models of a split get them: components are those of its training samples."""
    values = {}
    for name, space in spaces.items():
        n, rows = study.features[name].pca, np.flatnonzero(split.train)
        values[name] = (space if n is None else space.principal_components(n, rows)).values
    if control:
        values[TIME] = time_features(next(iter(spaces.values())).runs)
    return values


def training_runs(runs: Runs, study: Study, split: Split) -> tuple[Runs, NDArray[np.intp]]:
    """Runs that hold training samples, with the blocks that choose the penalty, and their rows."""
    names = [name for name, rows in runs.slices.items() if split.train[rows].any()]
    training, rows = replace(runs, used=split.train).select(names)
    if study.model.blocks is not None:
        training = training.split(study.model.blocks)  # no gap: these blocks choose the penalty, they judge nothing
    return training, rows


def _one_split(
    part: Part,
    spaces: Mapping[str, FeatureSpace],
    study: Study,
    split: Split,
    number: int,
    models: Sequence[Bands],
    progress: Progress,
) -> HeldOut:
    values = training_values(spaces, study, split, control=(TIME,) in models)
    training, rows = training_runs(part.runs, study, split)
    selected = replace(part, responses=part.responses.with_runs(part.runs), kept={})
    own = Relabelled(selected, training)
    test, length = TestSamples(part, split, study.evaluation.average_repeats), block_samples(study, part.runs.tr)
    alphas, sums, deltas, product, status, audited = {}, [], None, None, None, None
    predicted = np.zeros((0, 0), np.float32)
    for names, model in fit_subsets(new_model(study), {n: v[rows] for n, v in values.items()}, own, models):
        progress("model " + (names[0] if len(names) == 1 else "joint" if names == models[-1] else "+".join(names)))
        every = test.predict(model, {name: values[name] for name in names})
        predicted = test.scored(every)
        sums.append(block_sums({names: predicted}, test.measured, test.runs, block_length=length, split=number))
        alphas[names], status = np.asarray(model.alphas_, dtype=np.float64), _status(model, test.measured)
        deltas = model.deltas_  # of the last, which has all feature spaces
        if names == models[-1] and study.statistics.partitions(len(names)):
            product = test.product(model, {name: values[name] for name in names})
        if names == models[-1] and number == 0:
            audited = Audited(
                part.keep + part.targets.start,
                np.concatenate([selected.kept[name] for name in training.names]),
                rows,
                training,
                test.single_r(every, part.keep),
            )
    assert status is not None
    return HeldOut(
        join_models(sums), predicted, test.measured, test.runs, alphas, deltas, product, status, test.ceiling(), audited
    )


def _status(model: EncodingModel, measured: NDArray[np.float32]) -> NDArray[np.str_]:
    """Status of each target; one that fails in the test samples is not tested."""
    missing, varies = ~np.isfinite(measured).all(axis=0), np.ptp(measured, axis=0) > 0
    return _worst([np.where(missing, "missing", np.where(varies, model.status_, "constant")), model.status_])


def _worst(statuses: list[NDArray[np.str_]]) -> NDArray[np.str_]:
    """Status over several data sets: missing in one is missing, else constant in one is constant."""
    table = np.stack(statuses)
    return np.where(
        (table == "missing").any(axis=0), "missing", np.where((table == TESTED).all(axis=0), TESTED, "constant")
    )


def _join_splits(parts: list[HeldOut]) -> HeldOut:
    """Splits one after the other."""
    if len(parts) == 1:
        return parts[0]
    names = [np.char.add(f"{i}/", part.runs.run) for i, part in enumerate(parts)]
    clips, heard = (np.concatenate([getattr(p.runs, key) for p in parts]) for key in ("clip", "presentation"))
    return HeldOut(
        join_splits([part.sums for part in parts]),
        # a prediction that is constant in one split has no say there
        np.concatenate([np.nan_to_num(standardised(part.predicted)).astype(np.float32) for part in parts]),
        np.concatenate([standardised(part.measured).astype(np.float32) for part in parts]),
        Runs.from_labels(np.concatenate(names), parts[0].runs.tr, clip=clips, presentation=heard),
        {name: np.median([part.alphas[name] for part in parts], axis=0) for name in parts[0].alphas},
        None if parts[0].deltas is None else np.median([part.deltas for part in parts], axis=0),
        _pooled_product(parts),
        _worst([part.status for part in parts]),
        NoCeiling("every sample is held out once: repeats lie in training and test"),
        parts[0].audited,
    )


def _pooled_product(parts: list[HeldOut]) -> Array | None:
    """Product measure over splits: shares of R2, each split weighing as much as its responses vary."""
    products = np.array([part.product for part in parts if part.product is not None])
    if not len(products):
        return None
    total = np.stack([part.sums.yy.sum(axis=0) for part in parts])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((products * total[:, None]).sum(axis=0) / total.sum(axis=0))


def _join_slices(parts: list[HeldOut]) -> HeldOut:
    """Slices of targets side by side."""
    if len(parts) == 1:
        return parts[0]
    audited = [part.audited for part in parts if part.audited is not None]
    return HeldOut(
        join_targets([part.sums for part in parts]),
        np.concatenate([part.predicted for part in parts], axis=1),
        np.concatenate([part.measured for part in parts], axis=1),
        parts[0].runs,
        {name: np.concatenate([part.alphas[name] for part in parts]) for name in parts[0].alphas},
        None if parts[0].deltas is None else np.concatenate([part.deltas for part in parts], axis=1),
        None if parts[0].product is None else np.concatenate([part.product for part in parts], axis=1),
        np.concatenate([part.status for part in parts]),
        _join_ceilings([part.ceiling for part in parts]),
        Audited(
            np.concatenate([one.targets for one in audited]),
            np.concatenate([one.training for one in audited], axis=1),
            audited[0].rows,
            audited[0].runs,
            np.concatenate([one.single_r for one in audited]),
        ),
    )


def _join_ceilings(parts: list[Ceiling | NoCeiling]) -> Ceiling | NoCeiling:
    known = [part for part in parts if isinstance(part, Ceiling)]
    if len(known) < len(parts):
        return next(part for part in parts if isinstance(part, NoCeiling))
    return replace(
        known[0],
        signal_power=np.concatenate([part.signal_power for part in known]),
        noise_power=np.concatenate([part.noise_power for part in known]),
        average_power=np.concatenate([part.average_power for part in known]),
    )
