"""What was found in each subject, in one row: targets, samples, significance, ceilings."""

from __future__ import annotations

from typing import Any

import numpy as np

from b2m_encoding.analysis.encoding.encode import Encoding
from b2m_encoding.results.schema import JOINT
from b2m_encoding.spaces import Space, reason_not_drawn
from b2m_encoding.stats.ceilings import Ceiling, NoCeiling
from b2m_encoding.study import Study
from b2m_encoding.workflow.write_maps import StudyResults

FAMILY_WISE = 0.05
SUBJECT_COLUMNS = {
    "subject": "Subject label",
    "space": "Space of the targets",
    "figures": "Why there are no maps on the cortex; n/a where there are",
    "targets": "Number of targets",
    "tested": "Targets that were tested",
    "constant": "Targets that do not vary",
    "missing": "Targets with missing values",
    "predicted": "Targets with q below the threshold (joint model)",
    "best_r": "Largest r of the joint model",
    "median_r": "Median r of the predicted targets",
    "samples_trained": "Samples of a training set (mean over splits)",
    "samples_tested": "Held-out samples",
    "test": "How the null distribution was made",
    "permutations": "Permutations",
    "arrangements": "Arrangements that there are",
    "family_wise": "Targets with family-wise p < .05",
    "false_positives": "Share of empty targets to expect below p = .05",
    "repeats": "Presentations that the noise ceiling follows from",
    "ceiling": "Median noise ceiling of r over the predicted targets",
    "no_ceiling": "Why there is no noise ceiling",
    "interval_blocks": "Blocks that intervals were drawn from; n/a where there are none",
    "cluster_targets": "Targets in significant clusters",
    "between_low": "Lower inter-subject ceiling of r, mean over the predicted targets",
    "between_high": "Upper inter-subject ceiling of r",
    "no_between": "Why there is no inter-subject ceiling",
}


def subject_rows(results: StudyResults, study: Study) -> list[dict[str, Any]]:
    """One row per subject."""
    return [
        {
            "subject": subject,
            **_of_encoding(encoding, results.spaces[subject], study),
            **_of_others(subject, results, study),
        }
        for subject, encoding in results.encodings.items()
    ]


def _of_encoding(encoding: Encoding, space: Space, study: Study) -> dict[str, Any]:
    found, inside, tested = encoding.significance, encoding.q < study.statistics.q, encoding.tested
    joint, interval, clusters = encoding.r[JOINT], encoding.interval, encoding.clusters
    return {
        "space": space.name,
        "figures": reason_not_drawn(space),
        "targets": len(tested),
        "tested": int(tested.sum()),
        "constant": int((encoding.status == "constant").sum()),
        "missing": int((encoding.status == "missing").sum()),
        "predicted": int(inside.sum()),
        "best_r": float(np.nanmax(joint)) if tested.any() else np.nan,
        "median_r": float(np.median(joint[inside])) if inside.any() else np.nan,
        "samples_trained": encoding.n_train,
        "samples_tested": encoding.n_test,
        "test": found.method,
        "permutations": found.n_permutations,
        "arrangements": found.n_arrangements,
        "family_wise": int((found.p_fwe < FAMILY_WISE).sum()),
        "false_positives": found.false_positive_rate,
        **_ceiling(encoding.ceiling, inside, study),
        "interval_blocks": np.nan if interval is None else interval.n_blocks,
        "cluster_targets": np.nan if clusters is None else int((clusters.p < study.statistics.q).sum()),
    }


def _ceiling(ceiling: Ceiling | NoCeiling, inside: Any, study: Study) -> dict[str, Any]:
    if isinstance(ceiling, NoCeiling):
        return {"no_ceiling": ceiling.reason}
    highest = ceiling.highest_r(study.evaluation.presentations)[inside]
    return {"repeats": ceiling.n_repeats, "ceiling": float(np.nanmedian(highest)) if inside.any() else np.nan}


def _of_others(subject: str, results: StudyResults, study: Study) -> dict[str, Any]:
    if results.bounds is None:
        return {}
    if isinstance(results.bounds, NoCeiling):
        return {"no_between": results.bounds.reason}
    if subject not in results.bounds:
        return {}
    inside = results.encodings[subject].q < study.statistics.q
    low, high = (float(np.nanmean(one[inside])) if inside.any() else np.nan for one in results.bounds[subject])
    return {"between_low": low, "between_high": high}
