"""Inputs of tests, intervals and ceilings that would give wrong numbers without a word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.stats import (
    compare_regions,
    fdr_q,
    hedges_g,
    max_statistic_p,
    normalised_score,
    null_maps,
    repeat_ceiling,
    score_interval,
    sign_flip_p,
    significance,
)

RNG = np.random.default_rng(0)
MEASURED = RNG.standard_normal((240, 3))
PREDICTED = MEASURED + RNG.standard_normal((240, 3))
RUNS = Runs.from_lengths([40] * 6, tr=1.5)
REPEATS = RNG.standard_normal((3, 50, 2))
FAST = {"n_permutations": 50, "random_state": 0}


def test_unused_samples_count_in_no_test() -> None:
    used = np.arange(240) % 40 >= 8
    spoilt = np.where(used[:, None], PREDICTED, 1e6)
    runs, kept = replace(RUNS, used=used), RUNS.take(used)
    expected = significance(PREDICTED[used], MEASURED[used], kept, **FAST)
    found = significance(spoilt, MEASURED, runs, **FAST)
    assert np.array_equal(found.r, expected.r)
    assert np.array_equal(found.p, expected.p)
    assert np.array_equal(
        null_maps(spoilt, MEASURED, runs, **FAST), null_maps(PREDICTED[used], MEASURED[used], kept, **FAST)
    )
    interval = score_interval(spoilt, MEASURED, runs, n_bootstraps=50, random_state=0)
    assert np.array_equal(interval.score, expected.r) or np.allclose(interval.score, expected.r)


@pytest.mark.parametrize("convert", [pd.DataFrame, lambda values: values.tolist(), np.ma.array])
def test_tables_and_lists_are_tested_as_arrays_are(convert: Callable[[Any], Any]) -> None:
    expected = significance(PREDICTED, MEASURED, RUNS, **FAST)
    assert np.array_equal(significance(convert(PREDICTED), convert(MEASURED), RUNS, **FAST).p, expected.p)
    one = significance(convert(PREDICTED[:, 0]), convert(MEASURED[:, 0]), RUNS, **FAST)
    assert one.r.shape == (1,)


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "no permutation": (lambda: significance(PREDICTED, MEASURED, RUNS, n_permutations=0), "n_permutations"),
    "no null map": (lambda: null_maps(PREDICTED, MEASURED, RUNS, n_permutations=0), "n_permutations"),
    "half a permutation": (lambda: significance(PREDICTED, MEASURED, RUNS, n_permutations=9.5), "n_permutations"),  # type: ignore[arg-type]
    "half a sample": (
        lambda: significance(PREDICTED, MEASURED, RUNS, method="block", block_length=2.5),
        "block_length",
    ),  # type: ignore[arg-type]
    "other targets": (lambda: significance(PREDICTED[:, :1], MEASURED, RUNS), "differ in shape"),
    "other targets of an interval": (lambda: score_interval(PREDICTED[:, :1], MEASURED, RUNS), "differ in shape"),
    "an unknown measure": (lambda: score_interval(PREDICTED, MEASURED, RUNS, measure="R2"), "unknown measure"),  # type: ignore[arg-type]
    "one resample": (lambda: score_interval(PREDICTED, MEASURED, RUNS, n_bootstraps=1), "n_bootstraps"),
    "no flip": (lambda: sign_flip_p(np.ones(40), 0), "n_permutations"),
    "flips of a table": (lambda: sign_flip_p(np.ones((4, 2))), "one value per unit"),
    "no permuted map": (lambda: max_statistic_p(np.ones(3), np.ones(0)), "every permuted map"),
    "whole maps": (lambda: max_statistic_p(np.ones(3), np.ones((5, 3))), "every permuted map"),
    "text for p": (lambda: fdr_q("small"), "no number"),
    "a mean of what": (lambda: normalised_score(np.ones(2), repeat_ceiling(REPEATS), of="mean"), "unknown kind"),  # type: ignore[arg-type]
    "z": (lambda: normalised_score(np.ones(2), repeat_ceiling(REPEATS), measure="z"), "unknown measure"),  # type: ignore[arg-type]
    "other targets of a ceiling": (lambda: normalised_score(np.ones(3), repeat_ceiling(REPEATS)), "differ in targets"),
}


@pytest.mark.parametrize(("call", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_computed_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_masked_values_are_missing() -> None:
    assert fdr_q(np.ma.array([0.01, 0.9, 0.02], mask=[0, 1, 0])).tolist() == pytest.approx(
        [0.02, np.nan, 0.02], nan_ok=True
    )
    masked = np.ma.array(REPEATS, mask=np.arange(300).reshape(3, 50, 2) == 7)
    assert np.isnan(repeat_ceiling(masked).signal_power).tolist() == [False, True]


def test_effect_sizes_of_differences_without_spread_take_no_time() -> None:
    """Far out, noncentral t is its noncentrality over a root of chi square; both agree where they meet."""
    near, far = hedges_g(4e3 + np.arange(5.0)), hedges_g(8e3 + np.arange(5.0))
    assert np.allclose(np.divide(far, near), far[0] / near[0], rtol=1e-3)
    assert np.isfinite(hedges_g([1e8, 1e8 + 1, 1e8 + 2])).all()  # type: ignore[arg-type]


def test_regions_are_compared_in_the_same_hemispheres() -> None:
    """A region that one feature space has in both hemispheres, and another in the left one alone."""
    rows = [
        (subject, hemi, "A1", space, 0.1 * i + (5.0 if hemi == "R" else 0.0) + (0.01 if space == "a" else 0.0))
        for i, subject in enumerate("uvwxyzij")
        for hemi in "LR"
        for space in "ab"
    ]
    table = pd.DataFrame(rows, columns=["subject", "hemisphere", "region", "feature_space", "score"])
    right_b = (table["hemisphere"] == "R") & (table["feature_space"] == "b")
    found = compare_regions(table.assign(score=table["score"].where(~right_b)))
    assert found.tests["difference"].tolist() == pytest.approx([0.01])
    assert len(found.table) == 24
    left_a = (table["hemisphere"] == "L") & (table["feature_space"] == "a")
    with pytest.raises(InputError, match="one hemisphere"):
        compare_regions(table.assign(score=table["score"].where(~(right_b | left_a))))
    with pytest.raises(InputError, match=r"not in the region table(?s:.)*c"):
        compare_regions(table, feature_spaces=["a", "c"])
