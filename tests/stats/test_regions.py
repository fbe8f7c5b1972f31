"""Region comparisons: tests, effect sizes, prevalence and mixed model against independent computations."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, binom, permutation_test, ttest_rel
from scipy.stats import t as student
from statsmodels.stats.anova import AnovaRM

from b2m_encoding.errors import InputError
from b2m_encoding.stats.intervals import fisher_interval
from b2m_encoding.stats.mixed import mixed_model
from b2m_encoding.stats.population_prevalence import prevalence
from b2m_encoding.stats.regions import compare_regions, hedges_g, sign_flip_p

HOSTILE = ("C(subject) + 1", "a'b\"; drop", "core")


def made_up(n_subjects: int, seed: int = 0, effect: float = 0.05, spread: float = 0.03) -> pd.DataFrame:
    """Feature space "a" is better than "b" by ``effect`` in the first region only; regions have hostile names."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n_subjects):
        own = spread * rng.standard_normal()
        for hemi, (j, region), space in product("LR", enumerate(HOSTILE), "ab"):
            score = 0.2 + own + effect * (j == 0 and space == "a") + 0.01 * rng.standard_normal()
            rows.append((f"{i:02d}", hemi, region, space, score))
    return pd.DataFrame(rows, columns=["subject", "hemisphere", "region", "feature_space", "score"])


def test_many_subjects_are_tested_by_signs_of_subjects() -> None:
    table = made_up(10)
    found = compare_regions(table)
    assert found.tests["region"].tolist() == list(HOSTILE)
    first = found.tests.iloc[0]
    means = table.groupby(["subject", "region", "feature_space"])["score"].mean().unstack()
    lead = (means["a"] - means["b"]).xs(HOSTILE[0], level="region").to_numpy()
    expected = permutation_test((lead,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert first["p"] == pytest.approx(expected)
    assert first["difference"] == pytest.approx(lead.mean())
    assert first["q"] < 0.05
    assert (found.tests["q"][1:] > 0.05).all()
    assert first["test"] == "signs flipped per subject"
    assert first["low"] < 0.05 < first["high"]


def test_few_subjects_are_tested_by_their_blocks_and_prevalence_is_said() -> None:
    rng, table = np.random.default_rng(1), made_up(3)
    blocks = {
        (subject, region, space): 0.05 * (region == HOSTILE[0] and space == "a") / 20 + 0.003 * rng.standard_normal(20)
        for subject, region, space in product(("00", "01", "02"), HOSTILE, "ab")
    }
    found = compare_regions(table, blocks=blocks, random_state=0)
    assert set(found.tests["test"]) == {"signs flipped per block, these subjects"}
    pooled = np.mean([blocks[s, HOSTILE[0], "a"] - blocks[s, HOSTILE[0], "b"] for s in ("00", "01", "02")], axis=0)
    assert found.tests["p"][0] == pytest.approx(sign_flip_p(pooled, random_state=0))
    assert found.tests["prevalence"].between(0, 1).all()
    assert (found.tests["prevalence_low"] <= found.tests["prevalence"]).all()
    alone = compare_regions(table)
    assert alone.tests["p"].isna().all()
    assert alone.tests["test"][0].startswith("not possible")
    uneven = {key: values[: 18 if key[0] == "02" else None] for key, values in blocks.items()}
    apart = compare_regions(table, blocks=uneven, random_state=0).tests
    assert apart["p"].isna().all()
    assert apart["test"].str.contains("same blocks").all()


def test_no_prevalence_where_no_subject_could_be_significant() -> None:
    rng, table = np.random.default_rng(1), made_up(3)
    blocks = {
        (subject, region, space): 0.3 * (space == "a") + 0.001 * rng.standard_normal(5)
        for subject, region, space in product(("00", "01", "02"), HOSTILE, "ab")
    }
    assert compare_regions(table, blocks=blocks, random_state=0).tests["prevalence"].isna().all()


def test_false_positives_of_the_block_test_hold() -> None:
    rng = np.random.default_rng(2)
    p = np.array([sign_flip_p(rng.standard_t(4, size=16), 2000, i) for i in range(1500)])
    assert 0.038 <= (p < 0.05).mean() <= 0.062
    assert p.min() > 0


def test_untested_regions_are_left_out_and_a_repeated_row_is_refused() -> None:
    table = made_up(8)
    table.loc[table["region"] == HOSTILE[1], "score"] = np.nan
    found = compare_regions(table)
    assert found.tests["region"].tolist() == [HOSTILE[0], HOSTILE[2]]
    with pytest.raises(InputError, match="twice"):
        compare_regions(pd.concat([table, table.iloc[:1]]))
    with pytest.raises(InputError, match="lacks columns"):
        compare_regions(table.drop(columns="region"))
    with pytest.raises(InputError, match="no score"):
        compare_regions(table.assign(score=np.nan))


def crossed(n_subjects: int, n_spaces: int, n_regions: int, seed: int = 0, slope: float = 0.03) -> pd.DataFrame:
    """Scores with deviations of every subject by feature space and by region; no factor has an effect."""
    rng = np.random.default_rng(seed)
    shape = (n_subjects, 2, n_spaces, n_regions)
    sizes = {(0,): 0.05, (0, 2): slope, (0, 3): 0.03, (0, 1, 2, 3): 0.02}
    values = sum(
        sd * rng.standard_normal([size if axis in kept else 1 for axis, size in enumerate(shape)])
        for kept, sd in sizes.items()
    )
    subject, hemisphere, space, region = np.indices(shape).reshape(4, -1)
    names = {"subject": [f"s{i}" for i in subject], "hemisphere": ["LR"[i] for i in hemisphere]}
    return pd.DataFrame(
        {**names, "feature_space": [f"f{i}" for i in space], "region": [f"r{i}" for i in region],
         "score": 0.2 + values.ravel()}
    )  # fmt: skip


@pytest.mark.parametrize(("n_subjects", "n_spaces", "n_regions"), [(10, 2, 4), (12, 3, 4), (7, 2, 2)])
def test_the_mixed_model_is_a_repeated_measures_anova(n_subjects: int, n_spaces: int, n_regions: int) -> None:
    table = crossed(n_subjects, n_spaces, n_regions)
    found = mixed_model(table)
    means = table.groupby(["subject", "feature_space", "region"])["score"].mean().reset_index()
    own = AnovaRM(means, "score", "subject", within=["feature_space", "region"]).fit().anova_table
    assert found.status == "fitted"
    assert min(found.variances.values()) > 0
    assert np.allclose(found.terms["statistic"], own["F Value"], rtol=1e-3)
    epsilon = found.terms["df"].to_numpy() / own["Num DF"].to_numpy()
    assert (epsilon <= 1 + 1e-9).all()
    assert np.allclose(found.terms["df_error"], own["Den DF"].to_numpy() * epsilon)
    if n_spaces == 2:
        by = means.groupby(["subject", "feature_space"])["score"].mean().unstack()
        assert found.terms["p"][0] == pytest.approx(ttest_rel(by["f0"], by["f1"]).pvalue, rel=1e-3)


def test_greenhouse_geisser_of_two_equal_spaces_and_an_own_one() -> None:
    """Two of three feature spaces are the same in every subject: one contrast alone varies, epsilon is near .5."""
    table = crossed(12, 3, 2)
    first = table["feature_space"] == "f0"
    table.loc[table["feature_space"] == "f1", "score"] = table.loc[first, "score"].to_numpy() + 1e-6 * first.sum()
    assert mixed_model(table).terms["df"][0] == pytest.approx(1, abs=0.02)


def test_a_crossover_has_no_main_effect_whatever_the_names() -> None:
    table = crossed(10, 2, 2, slope=0.0)
    opposite = (table["feature_space"] == "f0") == (table["region"] == "r0")
    for names in ({"r0": "A1", "r1": "A4"}, {"r0": "z", "r1": "b'\"; drop"}):
        terms = mixed_model(
            table.assign(score=table["score"] + 0.1 * opposite, region=table["region"].map(names))
        ).terms
        p = terms.set_index("term")["p"]
        assert p["feature_space"] > 0.05
        assert p["feature_space:region"] < 1e-6


@pytest.mark.parametrize("unit", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_optimum_does_not_depend_on_the_unit(unit: float, seed: int) -> None:
    """Variance of subjects from the mean squares of a complete table, with one factor."""
    table = crossed(12, 2, 1, seed, slope=0.01)
    found = mixed_model(table.assign(score=table["score"] * unit))
    cells = table.groupby(["subject", "feature_space"])["score"].mean().unstack().to_numpy()
    left = cells - cells.mean(axis=0) - cells.mean(axis=1, keepdims=True) + cells.mean()
    error = (left**2).sum() / 11
    between = max(cells.mean(axis=1).var(ddof=1) - error / 2, 0)
    assert found.status == "fitted"
    assert found.variances["residual"] / unit**2 == pytest.approx(error, rel=0.01)
    assert found.variances["subject"] / unit**2 == pytest.approx(between, rel=0.01)
    assert found.coefficients["estimate"][0] == pytest.approx(cells.mean() * unit)


def test_subjects_that_do_not_differ_are_still_random() -> None:
    table = crossed(4, 2, 3, slope=0.0)
    found = mixed_model(table.assign(score=table["score"] - table.groupby("subject")["score"].transform("mean")))
    assert found.status == "fitted"
    assert any("zero" in note for note in found.notes)
    assert "C(subject)" not in found.formula
    assert (found.terms["df_error"] <= 3 * 2).all()


def test_an_empty_cell_takes_the_interaction_with_it() -> None:
    table = crossed(10, 2, 2)
    cut = mixed_model(table[~((table["region"] == "r0") & (table["feature_space"] == "f0"))])
    assert cut.terms["term"].tolist() == ["feature_space", "region"]
    assert "no score of f0 in r0" in cut.notes[0]
    assert "*" not in cut.formula
    apart = mixed_model(table[(table["region"] == "r0") == (table["feature_space"] == "f0")])
    assert apart.status == "not possible"
    assert "cannot be distinguished" in apart.notes[-1]


def test_a_subject_without_a_region_counts_where_it_has_scores() -> None:
    table = crossed(9, 2, 3)
    full = mixed_model(table).terms
    part = mixed_model(table[~((table["subject"] == "s0") & (table["region"] == "r1"))]).terms
    assert part["df_error"][0] == full["df_error"][0] == 8
    assert np.isfinite(part["p"]).all()


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (made_up(1), "1 subject,"),
        (made_up(2), "2 subjects, 3 or more"),
        (made_up(3).query("region == 'core' and feature_space == 'a'"), "one feature space and one region"),
        (made_up(4).assign(score=0.2), "all scores are equal"),
    ],
)
def test_what_cannot_be_modelled_is_said(table: pd.DataFrame, reason: str) -> None:
    found = mixed_model(table)
    assert found.status == "not possible"
    assert reason in found.notes[-1]
    assert found.terms["p"].isna().all()


def test_two_subjects_have_no_effect_size_and_no_interval() -> None:
    two, three = compare_regions(made_up(2)), compare_regions(made_up(3))
    for name in ("effect_size", "low", "high"):
        assert two.tests[name].isna().all()
        assert three.tests[name].notna().all()
    assert two.tests["difference"].notna().all()
    assert two.plot[["low", "high"]].isna().all(axis=None)
    assert three.plot[["low", "high"]].notna().all(axis=None)


def test_intervals_over_subjects_stay_within_the_range_of_scores() -> None:
    """Correlations of few subjects who differ a lot; scores of another kind keep Student's interval."""
    scores = {"a": (0.95, 0.3, 0.9), "b": (-0.9, 0.9, -0.8)}
    rows = [(str(i), "L", "A1", name, value) for name, own in scores.items() for i, value in enumerate(own)]
    table = pd.DataFrame(rows, columns=["subject", "hemisphere", "region", "feature_space", "score"])
    found, percent = compare_regions(table), compare_regions(table.assign(score=100 * table["score"]))
    assert (found.plot["low"].between(-1, 1) & found.plot["high"].between(-1, 1)).all()
    assert (found.plot["low"] < found.plot["mean"]).all()
    assert (found.plot["mean"] < found.plot["high"]).all()
    row = found.tests.iloc[0]
    assert -2 < row["low"] < row["difference"] < row["high"] < 2
    expected = student.interval(
        0.95, 2, loc=100 * np.mean(scores["a"]), scale=100 * np.std(scores["a"], ddof=1) / 3**0.5
    )
    assert percent.plot.iloc[0][["low", "high"]].tolist() == pytest.approx(expected)
    assert expected[1] > 100


@pytest.mark.parametrize("n", [3, 5, 12])
def test_intervals_of_mean_correlations_cover(n: int) -> None:
    """Subjects whose correlations are spread widely, high ones: the mean over all people is known by integration."""
    rng = np.random.default_rng(n)
    truth = float(np.tanh(rng.normal(0.9, 0.35, 400_000)).mean())
    r = np.tanh(rng.normal(0.9, 0.35, (4000, n)))
    low, high = fisher_interval(r.mean(axis=1), r.std(axis=1, ddof=1) / np.sqrt(n), n - 1)
    assert 0.935 < np.mean((low <= truth) & (truth <= high)) < 0.975
    assert (low > -1).all()
    assert (high < 1).all()
    equal = fisher_interval(np.array([0.3, 1.0]), np.zeros(2), n - 1)
    assert np.array_equal(equal, [[0.3, 1.0]] * 2)


def test_effect_size_interval_covers() -> None:
    rng = np.random.default_rng(3)
    found = np.array([hedges_g(0.8 + rng.standard_normal(6)) for _ in range(600)])
    assert found[:, 0].mean() == pytest.approx(0.8, abs=0.07)
    assert 0.92 <= ((found[:, 1] < 0.8) & (found[:, 2] > 0.8)).mean() <= 0.98
    assert np.isnan(hedges_g(np.array([0.1]))).all()
    assert np.isnan(hedges_g(np.array([0.1, 0.1]))).all()


@pytest.mark.parametrize(("k", "n"), [(0, 5), (2, 5), (5, 5), (14, 20)])
@pytest.mark.parametrize(("alpha", "power"), [(0.05, 1.0), (0.01, 0.8)])
def test_prevalence_agrees_with_a_posterior_on_a_grid(k: int, n: int, alpha: float, power: float) -> None:
    grid = np.linspace(0, 1, 200_001)
    posterior = binom.pmf(k, n, alpha + (power - alpha) * grid)
    posterior /= posterior.sum()
    order = np.argsort(-posterior, kind="stable")
    inside = grid[order[: np.searchsorted(np.cumsum(posterior[order]), 0.95) + 1]]
    found = prevalence(k, n, alpha=alpha, power=power)
    assert found.estimate == pytest.approx(grid[np.argmax(posterior)], abs=1e-4)
    assert (found.low, found.high) == pytest.approx((inside.min(), inside.max()), abs=2e-4)


def test_prevalence_of_a_perfect_test_is_a_plain_beta() -> None:
    found = prevalence(3, 10, alpha=0.0, power=1.0, level=0.9)
    assert beta(4, 8).cdf(found.high) - beta(4, 8).cdf(found.low) == pytest.approx(0.9, abs=1e-6)
    with pytest.raises(InputError, match="impossible"):
        prevalence(6, 5)


def test_hemispheres_as_tables_name_them() -> None:
    rows = [
        (s, h, "A1", f, 0.1 * (f == "a") + 0.01 * i) for i, s in enumerate("uvw") for h in ("lh", "rh") for f in "ab"
    ]
    table = pd.DataFrame(rows, columns=["subject", "hemisphere", "region", "feature_space", "score"])
    found = compare_regions(table)
    assert set(found.table["hemisphere"]) == {"L", "R"}
    same = compare_regions(table.replace({"lh": "left", "rh": "Right"}))
    assert same.tests.equals(found.tests)
