"""Encoding of one subject: fit on training samples, predict and judge held-out ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data import Responses, average_repeats
from b2m_encoding.errors import InputError
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.models import EncodingModel
from b2m_encoding.runs import Runs
from b2m_encoding.stats import Preference, block_permutation_p, fdr_q, pearson_r, preferred
from b2m_encoding.stats.scores import standardised
from b2m_encoding.study import EvaluationTable, Study

Array = NDArray[np.float64]
JOINT = "joint"
TESTED = "tested"


@dataclass(frozen=True, eq=False)
class Split:
    """One training set and one held-out set, as masks over the samples."""

    train: NDArray[np.bool_]
    test: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Predicted and measured responses of held-out samples, shape (n_samples, n_targets).

    Parameters
    ----------
    residual, total : array, shape (n_targets,)
        Sums of squares about the prediction and about the mean of each split, for R2.
    alpha : array, shape (n_targets,)
        Median penalty over splits.
    status : array of str, shape (n_targets,)
    """

    predicted: NDArray[np.float32]
    measured: NDArray[np.float32]
    runs: Runs
    residual: Array
    total: Array
    alpha: Array
    status: NDArray[np.str_]

    @property
    def r2(self) -> Array:
        """Coefficient of determination, pooled over splits."""
        tested = (self.total > 0) & (self.status == TESTED)
        return 1 - np.divide(self.residual, self.total, out=np.full_like(self.total, np.nan), where=tested)


@dataclass(frozen=True, eq=False)
class Encoding:
    """Prediction accuracy of one subject.

    Models are named after their feature space; ``joint`` has all of them. Arrays have shape (n_targets,); NaN
    marks targets that were not tested.
    """

    r: Mapping[str, Array]
    r2: Mapping[str, Array]
    p: Array
    q: Array
    alpha: Array
    status: NDArray[np.str_]
    preference: Preference | None
    n_train: int
    """Samples of a training set (mean over splits)."""
    n_test: int

    @property
    def tested(self) -> NDArray[np.bool_]:
        """Targets that were tested."""
        return np.asarray(self.status == TESTED)


def encode_subject(
    responses: Responses,
    spaces: Mapping[str, FeatureSpace],
    study: Study,
    progress: Callable[[str], None] = lambda _: None,
) -> Encoding:
    """Fit all models of a study to one subject and score them on held-out samples.

    The significance of the joint model is tested; feature spaces are compared where it is significant.
    """
    runs, splits = split_samples(responses.runs, study.evaluation)
    responses = responses.with_runs(runs)
    alone = {name: (name,) for name in spaces} if len(spaces) > 1 else {}
    models = {**alone, JOINT: tuple(spaces)}
    r: dict[str, Array] = {}
    r2: dict[str, Array] = {}
    for model, members in models.items():  # the joint model last: its predictions are permuted
        progress(f"model {model}")
        held_out = predict_held_out(responses, {name: spaces[name] for name in members}, study, splits)
        r[model], r2[model] = pearson_r(held_out.predicted, held_out.measured), held_out.r2
    progress("permutations")
    p = _significance(held_out, study)
    q = fdr_q(p)
    return Encoding(
        r,
        r2,
        p,
        q,
        alpha=np.where(held_out.status == TESTED, held_out.alpha, np.nan),
        status=held_out.status,
        preference=preferred({name: r[name] for name in alone}, q < study.statistics.q) if alone else None,
        n_train=int(np.mean([split.train.sum() for split in splits])),
        n_test=len(held_out.runs),
    )


def split_samples(runs: Runs, evaluation: EvaluationTable) -> tuple[Runs, list[Split]]:
    """Training and held-out samples, with the blocks they are made of.

    Raises
    ------
    InputError
        If no run, or every run, is a test run.
    """
    if evaluation.blocks:
        runs = runs.split(evaluation.blocks, evaluation.gap)
    if evaluation.kind == "cross-validation":
        masks = [np.isin(np.arange(len(runs)), runs.rows(fold)) for fold in runs.folds()]
        return runs, [Split(runs.used & ~mask, mask) for mask in masks]
    test = [name for name in runs.names if fnmatch(name, evaluation.test_runs)]
    if not 0 < len(test) < len(runs.names):
        raise InputError(
            "evaluation.test_runs must match some runs and leave some",
            found=evaluation.test_runs,
            expected=f"a pattern for some of {', '.join(runs.names)}",
        )
    mask = runs.used & np.isin(runs.run, test)
    return runs, [Split(runs.used & ~mask, mask)]


def held_out_lengths(runs: Runs, split: Split, evaluation: EvaluationTable) -> list[int]:
    """Number of held-out samples of each run, after repeats are averaged."""
    kept = replace(runs, used=split.test)
    if evaluation.average_repeats:
        kept = average_repeats(np.zeros((len(kept), 0)), kept)[1]
    return [int(kept.used[rows].sum()) for rows in kept.slices.values() if kept.used[rows].any()]


def block_samples(study: Study, tr: float) -> int:
    """Length of a permuted block, in samples."""
    return max(1, round(study.statistics.block / tr))


def predict_held_out(
    responses: Responses, spaces: Mapping[str, FeatureSpace], study: Study, splits: list[Split]
) -> HeldOut:
    """Predict every held-out sample by a model that never saw it.

    With several splits, predictions and responses are standardised within each, so that no split's offset counts as
    accuracy; a target is tested only if it is in every split.
    """
    parts = []
    for split in splits:
        model = _new_model(study)
        values = {name: _reduced(space, study, split).values for name, space in spaces.items()}
        _fit(model, values, responses, split, study.model.blocks)
        parts.append(_judge(model, *_predict(model, values, responses, split, study.evaluation)))
    scale = _scaled if len(parts) > 1 else np.asarray
    names = [np.char.add(f"{i}/", part.runs.run) for i, part in enumerate(parts)]
    return HeldOut(
        np.concatenate([scale(part.predicted) for part in parts]),
        np.concatenate([scale(part.measured) for part in parts]),
        Runs.from_labels(
            np.concatenate(names), responses.runs.tr, clip=np.concatenate([part.runs.clip for part in parts])
        ),
        residual=np.sum([part.residual for part in parts], axis=0),
        total=np.sum([part.total for part in parts], axis=0),
        alpha=np.median([part.alpha for part in parts], axis=0),
        status=_worst([part.status for part in parts]),
    )


def _judge(model: EncodingModel, predicted: NDArray[np.float32], measured: NDArray[np.float32], runs: Runs) -> HeldOut:
    """Compare one split's predictions with its responses; a target that fails there is not tested."""
    missing, varies = ~np.isfinite(measured).all(axis=0), np.ptp(measured, axis=0) > 0
    status = np.where(missing, "missing", np.where(varies, model.status_, "constant"))
    centred = measured - measured.mean(axis=0)
    return HeldOut(
        predicted,
        measured,
        runs,
        residual=((measured - predicted) ** 2).sum(axis=0, dtype=np.float64),
        total=(centred**2).sum(axis=0, dtype=np.float64),
        alpha=np.asarray(model.alphas_, dtype=np.float64),
        status=_worst([status, model.status_]),
    )


def _worst(statuses: list[NDArray[np.str_]]) -> NDArray[np.str_]:
    """Status over several data sets: missing in one is missing, else constant in one is constant."""
    table = np.stack(statuses)
    return np.where(
        (table == "missing").any(axis=0), "missing", np.where((table == TESTED).all(axis=0), TESTED, "constant")
    )


def _new_model(study: Study) -> EncodingModel:
    table = study.model
    return EncodingModel(
        delays=table.delays,
        solver=table.solver,
        alphas=table.alphas.grid(),
        cv=table.folds,
        alpha_per=table.alpha_per,
        device=table.device,
        random_state=study.seed,
    )


def _reduced(space: FeatureSpace, study: Study, split: Split) -> FeatureSpace:
    n_components = study.features[space.name].pca
    return space if n_components is None else space.principal_components(n_components, np.flatnonzero(split.train))


def _fit(
    model: EncodingModel,
    values: Mapping[str, NDArray[np.float32]],
    responses: Responses,
    split: Split,
    n_blocks: int | None,
) -> None:
    """Stream the runs that hold training samples."""
    runs = responses.runs
    names = [name for name, rows in runs.slices.items() if split.train[rows].any()]
    training, rows = replace(runs, used=split.train).select(names)
    if n_blocks is not None:
        training = training.split(n_blocks)  # no gap: these blocks choose the penalty, they judge nothing
    selected = replace(responses, runs=training)
    model.fit_responses({name: array[rows] for name, array in values.items()}, selected)


def _predict(
    model: EncodingModel,
    values: Mapping[str, NDArray[np.float32]],
    responses: Responses,
    split: Split,
    evaluation: EvaluationTable,
) -> tuple[NDArray[np.float32], NDArray[np.float32], Runs]:
    """Predict and load the held-out samples run by run; average repeats where the study asks for it."""
    held_out = []
    for name, rows in responses.runs.slices.items():
        if split.test[rows].any():
            runs, own = replace(responses.runs, used=split.test).select([name])
            predicted = np.asarray(model.predict({key: array[own] for key, array in values.items()}, runs=runs))
            measured = responses.load_run(name)
            if evaluation.average_repeats:
                averaged, kept = average_repeats(predicted, runs)
                held_out.append((averaged, average_repeats(measured, runs)[0], kept))
            else:
                used = runs.used
                held_out.append((predicted[used], measured[used], runs.take(used)))
    predictions, measurements, kept_runs = zip(*held_out, strict=True)
    return np.concatenate(predictions), np.concatenate(measurements), Runs.concatenate(kept_runs)


def _scaled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return standardised(values).astype(np.float32)


def _significance(held_out: HeldOut, study: Study) -> Array:
    return block_permutation_p(
        held_out.predicted,
        held_out.measured,
        held_out.runs,
        block_length=block_samples(study, held_out.runs.tr),
        n_permutations=study.statistics.permutations,
        random_state=study.seed,
    )
