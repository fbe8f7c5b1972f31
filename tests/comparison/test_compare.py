"""Two results: nulls show no difference, a known difference is found, and what does not match is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import permutation_test, ttest_ind

from b2m_encoding.comparison import (
    compare_results,
    group_difference,
    paired_difference,
    unpaired_difference,
    write_comparison,
)
from b2m_encoding.errors import InputError
from b2m_encoding.results.held_out_blocks import read_blocks
from b2m_encoding.results.reader import Results
from b2m_encoding.stats.regions import sign_flip_p

from .conftest import Make, simulated


def test_two_nulls_differ_at_the_nominal_rate(make: Make, rng: np.random.Generator) -> None:
    """Equally good models, weak or strong: chosen targets differ no more often than others."""
    measured, (a, b) = simulated(rng, np.repeat([0.0, 0.2, 0.4], 400), 1200)
    found = compare_results(make("a", {"01": (measured, a)}), make("b", {"01": (measured, b)}), regions=["region0"])
    one = found.targets["01"].found
    assert 300 < one.chosen.sum() < 1000
    assert 0.02 < np.mean(one.p < 0.05) < 0.06
    assert 0.02 < np.mean(one.p[one.chosen] < 0.05) < 0.06
    assert (one.q < 0.05).sum() == 0


def test_a_known_difference_is_found(make: Make, rng: np.random.Generator) -> None:
    r = np.zeros((2, 300))
    r[0, :40], r[1, 40:80], r[:, 80:120] = 0.6, 0.6, 0.4
    subjects = {s: simulated(rng, r, 300) for s in ("01", "02")}
    paths = [make(name, {s: (y, both[i]) for s, (y, both) in subjects.items()}) for i, name in enumerate("ab")]
    found = compare_results(*paths, regions=[f"region{i}" for i in (0, 40, 80)])
    for one in found.targets.values():
        better = np.sign(one.found.difference) * (one.found.q < 0.05)
        assert (better[:40] == 1).mean() > 0.9
        assert (better[40:80] == -1).mean() > 0.9
        assert (better[80:] != 0).sum() < 0.1 * (better != 0).sum()
        assert ((one.found.low < one.found.difference) & (one.found.difference < one.found.high)).all()
    assert found.summary()["subject"].tolist() == ["01", "02", "group"]
    assert list(np.sign(found.regions["difference"][:2])) == [1, -1]
    assert (found.regions["q"][:2] < 0.01).all()
    assert found.regions["q"][2] > 0.05


def test_the_test_of_targets_is_that_of_regions(make: Make, rng: np.random.Generator) -> None:
    measured, (a, b) = simulated(rng, 0.3, 20)
    paths = make("a", {"01": (measured, a)}), make("b", {"01": (measured, b)})
    found = compare_results(*paths)
    np.testing.assert_allclose(found.targets["01"].found.p, found.regions["p"], rtol=0.01)
    blocks = [read_blocks(path, "01") for path in paths]
    lead = blocks[0].contributions["joint"][:, 0] - blocks[1].contributions["joint"][:, 0]
    assert found.regions["p"][0] == pytest.approx(sign_flip_p(lead, 10_000, 0, widening=np.sqrt(12 / 11)), rel=0.01)
    assert lead.sum() == pytest.approx(found.regions["difference"][0], abs=2e-3)


def test_other_samples_are_not_paired(make: Make, rng: np.random.Generator) -> None:
    measured, (a, _) = simulated(rng, [[0.6] * 10 + [0.0] * 30, [0.0] * 40], 40)
    other, (_, b) = simulated(rng, [[0.6] * 10 + [0.0] * 30, [0.0] * 40], 40, n=10)
    found = compare_results(make("a", {"01": (measured, a)}), make("b", {"01": (other, b)}, prefix="other"))
    one = found.targets["01"]
    assert "other samples" in one.test
    assert "held-out samples differ" in found.notes[0]
    assert (one.found.q[:10] < 0.05).mean() > 0.7
    assert (one.found.q[10:] < 0.05).sum() == 0


def test_groups_of_other_people(make: Make, rng: np.random.Generator) -> None:
    good, poor = [[0.6] * 5 + [0.3] * 5], [[0.1] * 5 + [0.3] * 5]
    groups = [{f"{k}{i}": simulated(rng, r, 10, 1) for i in range(5)} for k, r in (("a", good), ("b", poor))]
    paths = [make(k, {s: (y, p[0]) for s, (y, p) in one.items()}) for k, one in zip("ab", groups, strict=True)]
    found = compare_results(*paths)
    assert not found.paired
    assert (found.targets["group"].found.q[:5] < 0.05).all()
    assert (found.targets["group"].found.q[5:] > 0.05).all()
    np.testing.assert_allclose(found.regions["p"], found.targets["group"].found.p)
    page = write_comparison(found, paths[0].parents[1] / "out")
    assert "exchanged" in page.read_text(encoding="utf-8")


def test_results_without_blocks_are_described(make: Make, rng: np.random.Generator) -> None:
    measured, (a, b) = simulated(rng, 0.5, 12)
    found = compare_results(make("a", {"01": (measured, a)}, blocks=False), make("b", {"01": (measured, b)}))
    row = found.summary().iloc[0]
    assert row["test"].startswith("not possible: no held-out blocks")
    assert np.isnan(row["first_better"])
    assert np.isfinite(row["difference"])


def test_a_comparison_is_written_and_read_again(
    make: Make, rng: np.random.Generator, b2m: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    r = np.array([[0.6, 0.0, 0.5, 0.2] * 5, [0.0, 0.6, 0.5, 0.2] * 5])
    measured, (a, b) = simulated(rng, r, 20)
    first, second = make("<i>a</i>", {"01": (measured, a)}), make("b", {"01": (measured, b)})
    for _ in range(2):  # the second time in the place of the first
        code, printed = b2m("compare", first, second, "--out", tmp_path / "out", "--region", "region0")
        assert code == 0, printed
    results = Results.open(tmp_path / "out")
    difference = results.map("01", "comparison", "difference")
    np.testing.assert_allclose(
        difference,
        Results.open(first).map("01", "joint", "r") - Results.open(second).map("01", "joint", "r"),
        atol=1e-6,
    )
    assert results.sidecar("01", "comparison", "difference")["First"] == "<i>a</i>"
    assert pd.read_csv(tmp_path / "out" / "comparison_regions.tsv", sep="\t")["region"].tolist() == ["region0"]
    page = (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")
    assert "&lt;i&gt;a&lt;/i&gt;" in page
    assert "<i>a</i>" not in page
    code, printed = b2m("compare", first, second, "--out", first)
    assert code == 2
    assert "the folder holds results of a study" in printed


def test_what_does_not_match_is_refused(make: Make, rng: np.random.Generator) -> None:
    measured, (a, b) = simulated(rng, 0.3, 6)
    one = make("a", {"01": (measured, a)})
    with pytest.raises(InputError, match="share no subject, and are too small"):
        compare_results(one, make("b", {"02": (measured, b)}))
    with pytest.raises(InputError, match="have other targets"):
        compare_results(one, make("c", {"01": (measured[:, :4], b[:, :4])}))
    with pytest.raises(InputError, match="have other targets"):
        compare_results(one, make("d", {"01": (measured, b)}, regions=tuple("uvwxyz")))
    with pytest.raises(InputError, match="compared with themselves"):
        compare_results(one, one)
    with pytest.raises(InputError, match="no such feature space"):
        compare_results(one, one, models=["joint", "b"])
    with pytest.raises(InputError, match="no results here"):
        compare_results(one, one.parent)
    found = compare_results(one, make("e", {"01": (measured[:, :4], b[:, :4])}), regions_only=True)
    assert found.regions["region"].tolist() == [f"region{i}" for i in range(4)]
    with pytest.raises(InputError, match="share no region"):
        compare_results(one, one.parents[1] / "d" / "results", regions_only=True)


def test_groups_as_scipy_has_them(rng: np.random.Generator) -> None:
    first, second = rng.standard_normal((4, 3)) + np.array([0, 1, 3]), rng.standard_normal((5, 3))
    found = group_difference(first, second)
    oracle = permutation_test(
        (first, second), lambda x, y, axis: np.abs(ttest_ind(x, y, axis=axis, equal_var=False).statistic),
        permutation_type="independent", alternative="greater", n_resamples=10_000,
    )  # fmt: skip
    np.testing.assert_allclose(found.p, oracle.pvalue)
    welch = ttest_ind(first, second, equal_var=False).confidence_interval()
    np.testing.assert_allclose(found.low, welch.low)
    np.testing.assert_allclose(found.high, welch.high)
    blocks = unpaired_difference(first / 4, second / 5)
    np.testing.assert_allclose(blocks.p, ttest_ind(first, second, equal_var=False).pvalue)


def test_subjects_flip_as_one_by_one(rng: np.random.Generator) -> None:
    first, second = rng.standard_normal((8, 4)) + np.array([0, 0.5, 1, 2]), rng.standard_normal((8, 4))
    found = paired_difference(first, second)
    np.testing.assert_allclose(found.p, [sign_flip_p(lead) for lead in (first - second).T])
    few = np.array([[0.95, 0.2], [0.3, 0.25], [0.9, 0.3]])  # correlations of three people
    for wide in (paired_difference(few, -few), group_difference(few, -few), unpaired_difference(few / 3, -few / 3)):
        assert (wide.low > -2).all()
        assert (wide.high < 2).all()
        assert ((wide.low < wide.difference) & (wide.difference < wide.high)).all()
    with pytest.raises(InputError, match="a table without gaps"):
        paired_difference(first * np.nan, second)
