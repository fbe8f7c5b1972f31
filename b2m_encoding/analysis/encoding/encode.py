"""Encoding of one subject: fit on training samples, predict and judge held-out ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.analysis.encoding.clusters import ClusterMap, cluster_map
from b2m_encoding.analysis.encoding.held_out import TESTED, TIME, Bands, HeldOut
from b2m_encoding.analysis.encoding.predict import predict_held_out
from b2m_encoding.analysis.splits import Split, block_samples, split_samples
from b2m_encoding.data import Responses
from b2m_encoding.errors import InputError
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.models.subsets import all_subsets
from b2m_encoding.results.schema import JOINT
from b2m_encoding.spaces import Space
from b2m_encoding.stats import Preference, Significance, fdr_q, prefer, prefer_by_deltas, significance
from b2m_encoding.stats.arrangements import MIN_ARRANGEMENTS, Blocks
from b2m_encoding.stats.ceilings import Ceiling, NoCeiling
from b2m_encoding.stats.intervals import Interval, score_interval
from b2m_encoding.stats.variance_partition import Partition, partition, partition_blocks
from b2m_encoding.study import StatisticsTable, Study

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Encoding:
    """Prediction accuracy of one subject.

    Models are named after their feature space; ``joint`` has all of them. Arrays have shape (n_targets,); NaN
    marks targets that were not tested.
    """

    r: Mapping[str, Array]
    r2: Mapping[str, Array]
    significance: Significance
    q: Array
    """Adjusted for multiple targets as the study asks for."""
    interval: Interval | None
    """Of r of the joint model."""
    clusters: ClusterMap | None
    alpha: Array
    status: NDArray[np.str_]
    preference: Preference | None
    partition: Partition | None
    product: Mapping[str, Array] | None
    """Share of each feature space in the R2 of the joint model (product measure): they add up to it, but for what a
    wrong mean of the prediction costs."""
    n_train: int
    """Samples of a training set (mean over splits)."""
    n_test: int
    ceiling: Ceiling | NoCeiling
    held_out: HeldOut | None
    """Large; :meth:`light` drops it when all is computed from it."""

    def light(self) -> Encoding:
        """The same without the held-out samples."""
        return replace(self, held_out=None)

    @property
    def p(self) -> Array:
        """One-sided p value of r of the joint model."""
        return self.significance.p

    @property
    def tested(self) -> NDArray[np.bool_]:
        """Targets that were tested."""
        return np.asarray(self.status == TESTED)


def wanted_models(names: tuple[str, ...], table: StatisticsTable) -> list[Bands]:
    """Sets of feature spaces that a study needs a model of, the whole set last; the control of the audit first."""
    wanted: set[Bands] = {(name,) for name in names}
    if len(names) > 1 and table.preference == "unique":
        wanted |= {tuple(other for other in names if other != name) for name in names}
    if table.partitions(len(names)):
        wanted |= set(all_subsets(names))
    models = [chosen for chosen in all_subsets(names) if chosen in wanted and chosen != names]
    return [*([(TIME,)] if table.audit else []), *models, names]


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
    responses, names = responses.with_runs(runs), tuple(spaces)
    models = wanted_models(names, study.statistics)
    held_out = predict_held_out(responses, spaces, study, splits, models, progress)
    scores = score_subject(held_out, splits, names, study)
    progress("permutations")
    tested = find_significance(held_out, responses.space, study)
    progress("comparison of feature spaces")
    return join_encoding(scores, tested, compare_subject(held_out, names, tested.q, study), held_out)


@dataclass(frozen=True, eq=False)
class Scores:
    """Prediction accuracy of the models of one subject; see :class:`Encoding`."""

    r: Mapping[str, Array]
    r2: Mapping[str, Array]
    interval: Interval | None
    alpha: Array
    status: NDArray[np.str_]
    product: Mapping[str, Array] | None
    n_train: int
    n_test: int
    ceiling: Ceiling | NoCeiling


@dataclass(frozen=True, eq=False)
class Tested:
    """Significance of the joint model of one subject; see :class:`Encoding`."""

    significance: Significance
    q: Array
    clusters: ClusterMap | None


@dataclass(frozen=True, eq=False)
class Compared:
    """Comparison of the feature spaces of one subject; see :class:`Encoding`."""

    preference: Preference | None
    partition: Partition | None


def score_subject(held_out: HeldOut, splits: Sequence[Split], names: Bands, study: Study) -> Scores:
    """Score every model, and the joint one by feature space, with ceiling and interval."""
    tested = held_out.status == TESTED
    scores = {measure: held_out.sums.scores(measure) for measure in ("r", "r2")}
    models = {**({name: (name,) for name in names} if len(names) > 1 else {}), JOINT: names}
    r, r2 = (
        {model: _filled(scores[measure][bands], tested, 0.0) for model, bands in models.items()}
        for measure in ("r", "r2")
    )
    return Scores(
        r,
        r2,
        _interval(held_out, study) if study.statistics.intervals else None,
        alpha=np.where(tested, held_out.alphas[names], np.nan),
        status=held_out.status,
        product=_product(held_out, names),
        n_train=int(np.mean([split.train.sum() for split in splits])),
        n_test=len(held_out.runs),
        ceiling=held_out.ceiling,
    )


def find_significance(held_out: HeldOut, space: Space, study: Study) -> Tested:
    """Test the accuracy of the joint model, target by target and, where the study asks for it, by clusters."""
    tested, table = held_out.status == TESTED, study.statistics
    found = _significance(held_out, study)
    q = np.where(tested, found.p_fwe if table.correction == "fwe" else fdr_q(found.p, table.correction), np.nan)
    return Tested(found, q, cluster_map(found, held_out, space, study))


def compare_subject(held_out: HeldOut, names: Bands, q: Array, study: Study) -> Compared:
    """Compare the feature spaces where the joint model predicts."""
    predicted, table = q < study.statistics.q, study.statistics
    return Compared(
        _preference(held_out, names, predicted, study) if len(names) > 1 else None,
        _partition(held_out, names, predicted, study) if table.partitions(len(names)) else None,
    )


def join_encoding(scores: Scores, tested: Tested, compared: Compared, held_out: HeldOut | None = None) -> Encoding:
    """All that was found of a subject."""
    parts = {one.name: getattr(part, one.name) for part in (scores, tested, compared) for one in fields(part)}
    return Encoding(**parts, held_out=held_out)


def _product(held_out: HeldOut, names: Bands) -> dict[str, Array] | None:
    if held_out.product is None:
        return None
    tested = held_out.status == TESTED
    return {name: np.where(tested, part, np.nan) for name, part in zip(names, held_out.product, strict=True)}


def _filled(values: Array, tested: NDArray[np.bool_], constant: float) -> Array:
    """Values of tested targets, ``constant`` where the prediction is constant and tells nothing; else NaN."""
    return np.where(tested, np.where(np.isnan(values), constant, values), np.nan)


def _significance(held_out: HeldOut, study: Study) -> Significance:
    table = study.statistics
    clips = table.test == "auto" and study.evaluation.average_repeats
    clips = clips and Blocks.of_clips(held_out.runs).count >= MIN_ARRANGEMENTS
    found = significance(
        held_out.predicted,
        held_out.measured,
        held_out.runs,
        method="clip" if clips else table.test,  # the order of averaged clips is nobody's: any other is as good
        block_length=block_samples(study, held_out.runs.tr) if table.test == "block" else None,
        n_permutations=table.permutations,
        device=study.model.device,
        random_state=study.seed,
    )
    tested = held_out.status == TESTED
    p_fwe = found.p_fwe if found.method == "paper" else _filled(found.p_fwe, tested, 1.0)
    return replace(found, r=_filled(found.r, tested, 0.0), p=_filled(found.p, tested, 1.0), p_fwe=p_fwe)


def _interval(held_out: HeldOut, study: Study) -> Interval | None:
    """Interval of r of the joint model; None where there are too few blocks for one."""
    table = study.statistics
    try:
        found = score_interval(
            held_out.predicted,
            held_out.measured,
            held_out.runs,
            level=table.level,
            n_bootstraps=table.bootstraps,
            random_state=study.seed,
        )
    except InputError:
        return None
    score, low, high = (
        np.where(held_out.status == TESTED, values, np.nan) for values in (found.score, found.low, found.high)
    )
    return replace(found, score=score, low=low, high=high)


def _preference(held_out: HeldOut, names: Bands, predicted: NDArray[np.bool_], study: Study) -> Preference:
    table = study.statistics
    if table.preference == "deltas":
        assert held_out.deltas is not None
        return prefer_by_deltas(dict(zip(names, held_out.deltas, strict=True)), predicted)
    return prefer(
        held_out.sums.take_models([bands for bands in held_out.sums.models if bands != (TIME,)]),
        predicted,
        by=table.preference,
        q=table.q,
        n_bootstraps=table.bootstraps,
        n_permutations=table.permutations,
        level=table.level,
        random_state=study.seed,
    )


def _partition(held_out: HeldOut, names: Bands, predicted: NDArray[np.bool_], study: Study) -> Partition:
    """Parts of every tested target, with intervals where the joint model predicts."""
    table, sums = study.statistics, held_out.sums.take_models(all_subsets(names))
    tested = held_out.status == TESTED
    whole = partition({bands: np.where(tested, r2, np.nan) for bands, r2 in sums.scores("r2").items()})
    asked = np.flatnonzero(predicted)
    interval = {bands: np.full((2, sums.n_targets), np.nan) for bands in whole.parts}
    if len(asked):
        some = partition_blocks(
            sums.take_targets(asked), n_bootstraps=table.bootstraps, level=table.level, random_state=study.seed
        )
        for bands, limits in (some.interval or {}).items():
            interval[bands][:, asked] = limits
    return replace(whole, interval=interval)
