"""Region comparisons: tests, effect sizes, prevalence and mixed model against independent computations."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.stats import beta, binom, permutation_test

from b2m_encoding.errors import InputError
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


def test_the_mixed_model_is_that_of_statsmodels() -> None:
    table = made_up(8)
    found = mixed_model(table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = smf.mixedlm("score ~ C(feature_space) * C(region) + C(hemisphere)", table, groups=table["subject"]).fit()
    assert found.status == "fitted"
    assert "subject" in found.formula
    assert np.allclose(found.coefficients["estimate"], own.fe_params)
    assert np.allclose(found.coefficients["p"], own.pvalues[own.fe_params.index])
    terms = found.terms.set_index("term")["p"]
    assert terms["feature_space:region"] < 0.001
    assert terms["hemisphere"] > 0.01


def test_subjects_without_variance_become_a_fixed_factor_and_this_is_said() -> None:
    table = made_up(4, spread=0.0)
    wave = table.groupby("subject")["score"].transform("mean")
    found = mixed_model(table.assign(score=table["score"] - wave))
    assert found.status == "fixed subjects"
    assert any("fixed factor" in note for note in found.notes)
    assert any("rough" in note for note in found.notes)
    assert found.terms.set_index("term")["p"]["feature_space:region"] < 0.05


@pytest.mark.parametrize("table", [made_up(1), made_up(3).query("region == 'core' and feature_space == 'a'")])
def test_what_cannot_be_modelled_is_said(table: pd.DataFrame) -> None:
    found = mixed_model(table)
    assert found.status in ("not possible", "fitted", "fixed subjects")
    assert found.notes
    if table["subject"].nunique() == 1:
        assert found.status == "not possible"


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
