"""Encoding models of one subject: fitted to training samples, scored and tested on held-out ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Bands, Float64
from b2m_encoding.analysis.encoding.blocks import comparison_block, comparison_sums
from b2m_encoding.analysis.encoding.clusters import ClusterMap, cluster_map
from b2m_encoding.analysis.encoding.held_out import TIME, HeldOut
from b2m_encoding.analysis.encoding.predict import predict_held_out
from b2m_encoding.analysis.encoding.signal_refits import refit_subject
from b2m_encoding.analysis.encoding.significance import filled, significance_of
from b2m_encoding.analysis.splits import evaluated
from b2m_encoding.data import Responses
from b2m_encoding.errors import InputError
from b2m_encoding.features.space import FeatureSpace, all_subsets
from b2m_encoding.models.status import TESTED
from b2m_encoding.results.schema import JOINT
from b2m_encoding.spaces import Space
from b2m_encoding.stats import Preference, Significance, fdr_q, prefer, prefer_by_deltas
from b2m_encoding.stats.ceilings import Ceiling, NoCeiling
from b2m_encoding.stats.intervals import Interval, score_interval
from b2m_encoding.stats.joined_folds import Refits
from b2m_encoding.stats.nulls import RefittedNull
from b2m_encoding.stats.preference import flip_widening
from b2m_encoding.stats.sums import BlockSums
from b2m_encoding.stats.variance_partition import Partition, partition, partition_blocks
from b2m_encoding.study import StatisticsTable, Study

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Scores:
    """Prediction accuracy of the models of one subject.

    Models are named after their feature space; ``joint`` has all of them. Arrays have shape (n_targets,); NaN marks
    targets that were not tested.

    Parameters
    ----------
    r, r2 : dict of str to array
    interval : Interval or None
        Of r of the joint model.
    alpha : array
        Penalty of the joint model.
    status : array of str
    product : dict of str to array, or None
        Share of each feature space in the R2 of the joint model (product measure): they add up to it, but for what a
        wrong mean of the prediction costs.
    n_train, n_test : int
        Samples of a training set (mean over splits), and held-out samples.
    ceiling : Ceiling or NoCeiling
    """

    r: Mapping[str, Float64]
    r2: Mapping[str, Float64]
    interval: Interval | None
    alpha: Float64
    status: NDArray[np.str_]
    product: Mapping[str, Float64] | None
    n_train: int
    n_test: int
    ceiling: Ceiling | NoCeiling

    @property
    def any_tested(self) -> bool:
        """Whether some target was tested."""
        return bool((self.status == TESTED).any())


@dataclass(frozen=True, eq=False)
class TestedModel:
    """Significance of one model.

    Parameters
    ----------
    significance : Significance
    q : array, shape (n_targets,)
        Adjusted for multiple targets as the study asks for; NaN where not tested.
    """

    significance: Significance
    q: Float64


@dataclass(frozen=True, eq=False)
class Inference:
    """Significance of the models of one subject.

    Parameters
    ----------
    significance : Significance
        Of the joint model.
    q : array, shape (n_targets,)
        Of the joint model, adjusted for multiple targets as the study asks for; NaN where not tested.
    clusters : ClusterMap or None
    spaces : dict of str to TestedModel
        The model of each feature space by itself, with the same arrangements; empty where there is only one.
    """

    significance: Significance
    q: Float64
    clusters: ClusterMap | None
    spaces: Mapping[str, TestedModel] = field(default_factory=dict)

    def of(self, model: str) -> TestedModel:
        """Significance of a model: ``joint`` or a feature space."""
        return self.spaces.get(model, TestedModel(self.significance, self.q))


@dataclass(frozen=True, eq=False)
class Comparison:
    """Comparison of the feature spaces of one subject.

    Parameters
    ----------
    preference : Preference or None
    partition : Partition or None
    block_length, n_blocks : int
        Samples of a block whose sign is flipped, or that is drawn, and number of blocks.
    """

    preference: Preference | None
    partition: Partition | None
    block_length: int = 0
    n_blocks: int = 0


@dataclass(frozen=True, eq=False)
class Encoding:
    """Everything that encoding models show of one subject.

    Parameters
    ----------
    scores : Scores
    inference : Inference
    comparison : Comparison
    refits : Refits, optional
        Where folds are joined.
    held_out : HeldOut, optional
        Large; left out where everything has been computed from it.
    """

    scores: Scores
    inference: Inference
    comparison: Comparison
    refits: Refits | None = None
    held_out: HeldOut | None = None

    @property
    def r(self) -> Mapping[str, Float64]:
        """Pearson r of every model, each of shape (n_targets,)."""
        return self.scores.r

    @property
    def r2(self) -> Mapping[str, Float64]:
        """R2 of every model, each of shape (n_targets,)."""
        return self.scores.r2

    @property
    def interval(self) -> Interval | None:
        """Interval of r of the joint model."""
        return self.scores.interval

    @property
    def alpha(self) -> Float64:
        """Penalty of the joint model, shape (n_targets,)."""
        return self.scores.alpha

    @property
    def status(self) -> NDArray[np.str_]:
        """Status of each target: tested, constant or missing."""
        return self.scores.status

    @property
    def tested(self) -> NDArray[np.bool_]:
        """Targets that were tested, shape (n_targets,)."""
        return np.asarray(self.scores.status == TESTED)

    @property
    def product(self) -> Mapping[str, Float64] | None:
        """Share of each feature space in R2 of the joint model."""
        return self.scores.product

    @property
    def n_train(self) -> int:
        """Samples of a training set (mean over splits)."""
        return self.scores.n_train

    @property
    def n_test(self) -> int:
        """Held-out samples."""
        return self.scores.n_test

    @property
    def ceiling(self) -> Ceiling | NoCeiling:
        """Noise ceiling."""
        return self.scores.ceiling

    @property
    def significance(self) -> Significance:
        """Test of r of the joint model."""
        return self.inference.significance

    @property
    def p(self) -> Float64:
        """One-sided p of r of the joint model, shape (n_targets,)."""
        return self.inference.significance.p

    @property
    def q(self) -> Float64:
        """P of the joint model, adjusted for multiple targets, shape (n_targets,)."""
        return self.inference.q

    def q_of(self, model: str) -> Float64:
        """P of a model, adjusted for multiple targets, shape (n_targets,)."""
        return self.inference.of(model).q

    @property
    def clusters(self) -> ClusterMap | None:
        """Clusters of the map of r of the joint model."""
        return self.inference.clusters

    @property
    def preference(self) -> Preference | None:
        """Preferred feature space of each target."""
        return self.comparison.preference

    @property
    def partition(self) -> Partition | None:
        """Unique and shared variance of the feature spaces."""
        return self.comparison.partition


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
    """Fit all models of a study to one subject, score them on held-out samples and test them.

    The significance of every model is tested; feature spaces are compared where the joint one is significant.

    Parameters
    ----------
    responses : Responses
    spaces : mapping of str to FeatureSpace
        Of the same samples.
    study : Study
        Its model, evaluation and statistics.
    progress : callable
        Called with what is computed now.
    """
    responses, splits = evaluated(responses, study.evaluation)
    models = wanted_models(tuple(spaces), study.statistics)
    held_out = predict_held_out(responses, spaces, study, splits, models, progress=progress)
    refits = refit_subject(responses, spaces, study, splits, held_out, models, progress)
    scores = score_subject(held_out, study, refits)
    progress("permutations")
    inference = find_significance(held_out, responses.space, study, refits)
    progress("comparison of feature spaces")
    return Encoding(scores, inference, compare_subject(held_out, inference, study, refits), refits, held_out)


def score_subject(held_out: HeldOut, study: Study, refits: Refits | None = None) -> Scores:
    """Score every model, and the joint one by feature space, with ceiling and interval.

    Where folds are joined, errors are those that ``refits`` show.
    """
    tested, names = held_out.tested, held_out.feature_spaces
    scores = {measure: held_out.sums.scores(measure) for measure in ("r", "r2")}
    models = {**({name: (name,) for name in names} if len(names) > 1 else {}), JOINT: names}
    r, r2 = (
        {model: filled(scores[measure][bands], tested, 0.0) for model, bands in models.items()}
        for measure in ("r", "r2")
    )
    return Scores(
        r,
        r2,
        _interval(held_out, study, refits) if study.statistics.intervals else None,
        alpha=np.where(tested, held_out.alphas[names], np.nan),
        status=held_out.status,
        product=_product(held_out, names),
        n_train=held_out.n_train,
        n_test=len(held_out.runs),
        ceiling=held_out.ceiling,
    )


def find_significance(held_out: HeldOut, space: Space, study: Study, refits: Refits | None = None) -> Inference:
    """Test the accuracy of every model target by target; of the joint one, where the study asks for it, by clusters.

    Where folds are joined, the null distributions are those of ``refits``.
    """
    nulls = refits.nulls if refits else {}
    joint = _tested_model(held_out, study, nulls.get(JOINT))
    spaces = {
        name: _tested_model(replace(held_out, predicted=np.asarray(predicted)), study, nulls.get(name))
        for name, predicted in held_out.singles.items()
    }
    clusters = cluster_map(joint.significance, held_out, space, study)
    return Inference(joint.significance, joint.q, clusters, spaces)


def _tested_model(held_out: HeldOut, study: Study, null: RefittedNull | None) -> TestedModel:
    found, correction = significance_of(held_out, study, null), study.statistics.correction
    q = found.p_fwe if correction == "fwe" else fdr_q(found.p, correction)
    return TestedModel(found, np.where(held_out.tested, q, np.nan))


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


def _product(held_out: HeldOut, names: Bands) -> dict[str, Float64] | None:
    if held_out.product is None:
        return None
    tested = held_out.tested
    return {name: np.where(tested, part, np.nan) for name, part in zip(names, held_out.product, strict=True)}


def _interval(held_out: HeldOut, study: Study, refits: Refits | None) -> Interval | None:
    """Interval of r of the joint model; None where there are too few blocks for one."""
    table = study.statistics
    try:
        found = score_interval(
            held_out.predicted,
            held_out.measured,
            held_out.runs,
            level=table.level,
            n_bootstraps=table.bootstraps,
            dependence=refits.dependence if refits else None,
            random_state=study.seed,
        )
    except InputError:
        return None
    score, low, high = (np.where(held_out.tested, values, np.nan) for values in (found.score, found.low, found.high))
    return replace(found, score=score, low=low, high=high)


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
