"""Encoding models of one subject: fitted to training samples, scored and tested on held-out ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from b2m_encoding._typing import Bands, Float64
from b2m_encoding.analysis.encoding.clusters import cluster_map
from b2m_encoding.analysis.encoding.compare import compare_subject
from b2m_encoding.analysis.encoding.encoding import Encoding, Inference, Scores, TestedModel
from b2m_encoding.analysis.encoding.held_out import HeldOut
from b2m_encoding.analysis.encoding.predict import predict_held_out
from b2m_encoding.analysis.encoding.signal_refits import refit_subject
from b2m_encoding.analysis.encoding.significance import filled, resemblance_of, significance_of
from b2m_encoding.analysis.encoding.sizes import wanted_models
from b2m_encoding.analysis.shared_stimuli import known_from_training
from b2m_encoding.analysis.splits import evaluated
from b2m_encoding.data import Responses
from b2m_encoding.errors import InputError
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.results.schema import JOINT
from b2m_encoding.spaces import Space
from b2m_encoding.stats import fdr_q
from b2m_encoding.stats.intervals import Interval, score_interval
from b2m_encoding.stats.joined_folds import Refits
from b2m_encoding.stats.nulls import RefittedNull
from b2m_encoding.study import Study


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
        stack=held_out.stack
        and {member: np.where(tested, weights, np.nan) for member, weights in held_out.stack.items()},
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
    return Inference(joint.significance, joint.q, clusters, spaces, resemblance_of(held_out, study))


def _tested_model(held_out: HeldOut, study: Study, null: RefittedNull | None) -> TestedModel:
    found, correction = significance_of(held_out, study, null), study.statistics.correction
    q = found.p_fwe if correction == "fwe" else fdr_q(found.p, correction)
    return TestedModel(found, np.where(held_out.tested, q, np.nan))


def _product(held_out: HeldOut, names: Bands) -> dict[str, Float64] | None:
    if held_out.product is None:
        return None
    tested = held_out.tested
    return {name: np.where(tested, part, np.nan) for name, part in zip(names, held_out.product, strict=True)}


def _interval(held_out: HeldOut, study: Study, refits: Refits | None) -> Interval | None:
    """Interval of r of the joint model; None where there are too few blocks, or responses are known from training."""
    table = study.statistics
    if refits is not None:  # folds are joined, and named in front of their runs
        fold = np.array([name.partition("/")[0] for name in held_out.runs.run.tolist()])
        if known_from_training(held_out.runs, fold):
            return None
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
