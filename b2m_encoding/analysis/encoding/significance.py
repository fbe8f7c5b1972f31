"""Significance of the joint model of a subject: how predictions are rearranged, p of every target, clusters."""

from __future__ import annotations

from dataclasses import replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float64
from b2m_encoding.analysis.encoding.held_out import HeldOut
from b2m_encoding.analysis.splits import block_samples
from b2m_encoding.stats import Significance, significance
from b2m_encoding.stats.arrangements import clips_can_move
from b2m_encoding.stats.nulls import RefittedNull
from b2m_encoding.stats.permutation import LOWEST_DEVIATE, resemblance
from b2m_encoding.stats.rearranging import Method
from b2m_encoding.study import Study


class ArrangementOptions(TypedDict):
    """How predictions are rearranged, as functions of ``stats`` take it."""

    method: Method
    block_length: int | None


def arrangement_options(held_out: HeldOut, study: Study) -> ArrangementOptions:
    """Method of rearrangement of a study; averaged clips, which have no order of presentation, move whole."""
    test = study.statistics.test
    clips = test == "auto" and study.evaluation.average_repeats and clips_can_move(held_out.runs)
    return {
        "method": "clip" if clips else test,
        "block_length": block_samples(study, held_out.runs.tr) if test == "block" else None,
    }


def significance_of(held_out: HeldOut, study: Study, refitted: RefittedNull | None = None) -> Significance:
    """Test r of every target; 0 and p of 1 where a prediction is constant."""
    found = significance(
        held_out.predicted,
        held_out.measured,
        held_out.runs,
        **arrangement_options(held_out, study),
        n_permutations=study.statistics.permutations,
        refitted=refitted,
        device=study.model.device,
        random_state=study.seed,
    )
    tested = held_out.tested
    p_fwe = found.p_fwe if found.method == "paper" else filled(found.p_fwe, tested, 1.0)
    deviate = None if found.deviate is None else filled(found.deviate, tested, LOWEST_DEVIATE)
    return replace(found, r=filled(found.r, tested, 0.0), p=filled(found.p, tested, 1.0), p_fwe=p_fwe, deviate=deviate)


def resemblance_of(held_out: HeldOut, study: Study) -> float:
    """Resemblance of predictions to their rearrangements."""
    options = arrangement_options(held_out, study)
    return resemblance(held_out.predicted, held_out.measured, held_out.runs, **options, device=study.model.device)


def filled(values: Float64, tested: NDArray[np.bool_], constant: float) -> Float64:
    """Values of tested targets, ``constant`` where the prediction is constant and tells nothing; else NaN."""
    return np.where(tested, np.where(np.isnan(values), constant, values), np.nan)
