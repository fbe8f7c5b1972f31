"""Rows of the table of subjects: targets, samples, significance, ceilings."""

from __future__ import annotations

from typing import Any

import numpy as np

from b2m_encoding.analysis.encoding.encoding import Encoding
from b2m_encoding.analysis.study_results import StudyResults
from b2m_encoding.models.status import CONSTANT, MISSING
from b2m_encoding.results.schema import JOINT
from b2m_encoding.spaces import Space, reason_not_drawn
from b2m_encoding.stats.ceilings import Ceiling, NoCeiling
from b2m_encoding.stats.preference import flip_widening
from b2m_encoding.study import Study

FAMILY_WISE = 0.05


def subject_rows(results: StudyResults, study: Study) -> list[dict[str, Any]]:
    """One row per subject, columns as in :data:`~b2m_encoding.results.schema.tables.SUBJECTS`."""
    return [
        {
            "subject": subject,
            **_encoding_columns(encoding, results.spaces[subject], study),
            **_inter_subject_columns(subject, results, study),
        }
        for subject, encoding in results.encodings.items()
    ]


def model_rows(results: StudyResults, study: Study) -> list[dict[str, Any]]:
    """One row per subject and model, columns as in :data:`~b2m_encoding.results.schema.tables.MODELS`."""
    return [
        {"subject": subject, "feature_space": model, **_model_columns(encoding, model, study)}
        for subject, encoding in results.encodings.items()
        for model in encoding.r
    ]


def _model_columns(encoding: Encoding, model: str, study: Study) -> dict[str, Any]:
    r, inside = encoding.r[model], encoding.q_of(model) < study.statistics.q
    return {
        "tested": int(encoding.tested.sum()),
        "predicted": int(inside.sum()),
        "only": int((inside & ~(encoding.q < study.statistics.q)).sum()),
        "best_r": float(np.nanmax(r)) if encoding.tested.any() else np.nan,
        "median_r": float(np.median(r[inside])) if inside.any() else np.nan,
    }


def _encoding_columns(encoding: Encoding, space: Space, study: Study) -> dict[str, Any]:
    test, inside, tested = encoding.significance, encoding.q < study.statistics.q, encoding.tested
    joint, interval, clusters = encoding.r[JOINT], encoding.interval, encoding.clusters
    return {
        "space": space.name,
        "figures": reason_not_drawn(space),
        "targets": len(tested),
        "tested": int(tested.sum()),
        "constant": int((encoding.status == CONSTANT).sum()),
        "missing": int((encoding.status == MISSING).sum()),
        "predicted": int(inside.sum()),
        "best_r": float(np.nanmax(joint)) if tested.any() else np.nan,
        "median_r": float(np.median(joint[inside])) if inside.any() else np.nan,
        "samples_trained": encoding.n_train,
        "samples_tested": encoding.n_test,
        "test": test.method,
        "permutations": test.n_permutations,
        "arrangements": test.n_arrangements,
        "family_wise": np.nan if test.method == "paper" else int((test.p_fwe < FAMILY_WISE).sum()),
        "false_positives": test.false_positive_rate,
        "widening": test.widening,
        "test_block": test.block_length or np.nan,
        "resemblance": encoding.inference.resemblance,
        **_ceiling_columns(encoding.ceiling, inside, study),
        "interval_blocks": np.nan if interval is None else interval.n_blocks,
        "interval_block": np.nan if interval is None else interval.block_length,
        **_fold_columns(encoding, inside),
        "flip_blocks": encoding.comparison.n_blocks or np.nan,
        "flip_block": encoding.comparison.block_length or np.nan,
        "cluster_targets": np.nan if clusters is None else int((clusters.p < study.statistics.q).sum()),
    }


def _fold_columns(encoding: Encoding, inside: Any) -> dict[str, Any]:
    """How much wider distributions are because folds are joined; nothing where there is one test set."""
    if encoding.refits is None:
        return {}
    interval, preference = encoding.interval, encoding.preference
    wider = None if interval is None else interval.widening
    return {
        "refits": encoding.significance.n_refits or np.nan,
        "refit_method": encoding.significance.refit_method or None,
        "fold_dependence": encoding.significance.fold_dependence if encoding.significance.n_refits else np.nan,
        "interval_widening": np.nan if wider is None or not inside.any() else float(np.median(wider[inside])),
        "flip_widening": np.nan if preference is None else preference.widening / flip_widening(preference.n_blocks),
    }


def _ceiling_columns(ceiling: Ceiling | NoCeiling, inside: Any, study: Study) -> dict[str, Any]:
    if isinstance(ceiling, NoCeiling):
        return {"no_ceiling": ceiling.reason}
    highest = ceiling.highest_r(study.evaluation.presentations)[inside]
    return {"repeats": ceiling.n_repeats, "ceiling": float(np.nanmedian(highest)) if inside.any() else np.nan}


def _inter_subject_columns(subject: str, results: StudyResults, study: Study) -> dict[str, Any]:
    if results.bounds is None:
        return {}
    if isinstance(results.bounds, NoCeiling):
        return {"no_between": results.bounds.reason}
    if subject not in results.bounds:
        return {}
    inside = results.encodings[subject].q < study.statistics.q
    low, high = (float(np.nanmean(bound[inside])) if inside.any() else np.nan for bound in results.bounds[subject])
    return {"between_low": low, "between_high": high}
