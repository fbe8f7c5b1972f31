"""Checks of the audit on slow noise: drift over runs, across the gap between blocks, in repeats one after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Floating
from b2m_encoding.analysis.encoding.encoding import Encoding
from b2m_encoding.analysis.encoding.held_out import HeldOut
from b2m_encoding.analysis.splits import Split
from b2m_encoding.runs import Runs
from b2m_encoding.stats.audit import Check, drift_within_runs, noise_across_gap, repeats_in_a_row, used_presentations
from b2m_encoding.stats.autocorrelation import autocorrelation_at
from b2m_encoding.stats.scores import standardised
from b2m_encoding.study import Study

MAX_TARGETS = 500


def noise_checks(encoding: Encoding, runs: Runs, split: Split, study: Study) -> list[Check]:
    """Run the checks that concern the design of a study.

    Parameters
    ----------
    encoding : Encoding
        With held-out samples.
    runs : Runs
        Runs of all samples.
    split : Split
        The first one.
    study : Study
    """
    held_out, evaluation = encoding.held_out, study.evaluation
    assert held_out is not None
    chosen = _some_tested(held_out)
    checks = [drift_within_runs(held_out.measured[:, chosen], held_out.runs)]
    if evaluation.kind == "cross-validation" and evaluation.blocks is not None:
        distance = round(evaluation.gap / runs.tr) + 1
        reach = autocorrelation_at(_residuals(held_out), held_out.runs, distance)
        checks.append(noise_across_gap(reach, evaluation.gap))
    if evaluation.kind == "test" and held_out.audited is not None:
        names = [name for name, rows in runs.slices.items() if split.test[rows].any()]
        presented = replace(runs, used=split.test).select(names)[0]
        shown = used_presentations(presented)
        if len(shown) > len({str(presented.clip[rows.start]) for rows in shown}):
            lengths = [rows.stop - rows.start for rows in shown]
            training, known = held_out.audited.training, held_out.audited.runs
            checks.append(repeats_in_a_row(presented, autocorrelation_at(training, known, int(np.median(lengths)))))
    return checks


def _residuals(held_out: HeldOut) -> Floating:
    """Held-out responses without what the joint model predicts, of some tested targets."""
    chosen = _some_tested(held_out)
    measured, predicted = (standardised(one[:, chosen]) for one in (held_out.measured, held_out.predicted))
    predicted = np.nan_to_num(predicted)
    return np.asarray(measured - predicted * (measured * predicted).mean(axis=0))


def _some_tested(held_out: HeldOut) -> NDArray[np.intp]:
    tested = np.flatnonzero(held_out.tested)
    return tested[np.unique(np.linspace(0, len(tested) - 1, MAX_TARGETS).astype(int))] if len(tested) else tested
