"""Null distribution of joined folds: theory of quadratic forms, rates on noise, tails."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from b2m_encoding.runs import Runs
from b2m_encoding.stats import FoldDependence, refitted_null, significance
from b2m_encoding.stats.arrangements import Blocks, Shifts
from b2m_encoding.stats.joined_folds import ratio_of_errors
from b2m_encoding.stats.nulls import tail_p
from b2m_encoding.stats.permutation import spread_of_rearranged
from b2m_encoding.stats.scores import pearson_r

RUNS = Runs.from_lengths([60] * 4, 1.5)
FOLDS = [RUNS.rows([name]) for name in RUNS.names]


def joined_prediction(X: np.ndarray, penalty: float) -> np.ndarray:
    """Matrix that predicts every run by ridge regression on the others."""
    hat = np.zeros((len(X), len(X)))
    for fold in FOLDS:
        train = np.setdiff1d(np.arange(len(X)), fold)
        inverse = np.linalg.inv(X[train].T @ X[train] + penalty * np.eye(X.shape[1]))
        hat[np.ix_(fold, train)] = X[fold] @ inverse @ X[train].T
    return hat


def unit(values: np.ndarray) -> np.ndarray:
    """Standardised within every run."""
    parts = [values[fold] - values[fold].mean(axis=0) for fold in FOLDS]
    return np.concatenate([part / part.std(axis=0) for part in parts])


@pytest.fixture(scope="module")
def hat() -> np.ndarray:
    return joined_prediction(np.random.default_rng(0).standard_normal((240, 6)), 1e6)


def test_a_fixed_prediction_keeps_half_of_the_variance(hat: np.ndarray) -> None:
    """Strong penalties make the prediction symmetric: y'Hy has the variance 2 tr(HH'), rearranged tr(HH')."""
    y = np.random.default_rng(1).standard_normal((240, 4000))
    assert np.einsum("ij,ik,kj->j", y, hat, y).var() == pytest.approx(2 * np.trace(hat @ hat.T), rel=0.1)
    z, _ = spread_of_rearranged(unit(hat @ y), unit(y), RUNS)
    assert z.std() == pytest.approx(np.sqrt(2), rel=0.06)


def test_refits_hold_the_rate_that_fixed_predictions_do_not(hat: np.ndarray) -> None:
    y = unit(np.random.default_rng(2).standard_normal((240, 3000)))
    predicted = unit(hat @ y)
    null = refitted_null(lambda values: unit(hat @ values), y[:, :500], RUNS, n_refits=5000, random_state=0)
    fixed = significance(predicted, y, RUNS, n_permutations=500, random_state=0)
    right = significance(predicted, y, RUNS, n_permutations=500, refitted=null, random_state=0)
    assert (fixed.p < 0.05).mean() > 0.08
    assert 0.037 < (right.p < 0.05).mean() < 0.063
    assert (right.p < 0.001).mean() < 0.003
    assert np.isnan(right.false_positive_rate)  # rearranged responses hold it by construction
    assert right.n_refits == 5000
    assert right.fold_dependence == null.dependence
    assert right.p_fwe.min() > 0.01
    assert np.array_equal(right.r, fixed.r)


def test_a_driven_target_survives_the_family_of_all_targets(hat: np.ndarray) -> None:
    X = np.random.default_rng(0).standard_normal((240, 6))
    y = np.random.default_rng(3).standard_normal((240, 200))
    y[:, 0] += 0.6 * X.sum(axis=1)
    y = unit(y)
    null = refitted_null(lambda values: unit(hat @ values), y, RUNS, n_refits=2000, random_state=0)
    found = significance(unit(hat @ y), y, RUNS, n_permutations=200, refitted=null, random_state=0)
    assert found.p[0] == pytest.approx(1 / 2001)
    assert found.p_fwe[0] == pytest.approx(1 / 201)


@pytest.mark.parametrize("length", [0, 12])
def test_the_spread_over_arrangements_is_exact(rng: np.random.Generator, length: int) -> None:
    """Against all arrangements of one run, with the means that stay in place."""
    a, b = rng.standard_normal((2, 60, 3))
    run = Runs.from_lengths([60], 1.5)
    ways = Blocks.of_length(run, length) if length else Shifts(run)
    orders = [np.r_[o] for o in permutations(range(5))] if length else []
    rows = [np.concatenate([np.arange(i * 12, i * 12 + 12) for i in order]) for order in orders]
    rows = rows or [np.roll(np.arange(60), k) for k in range(60)]
    expected = np.var([(a[one] * b).sum(axis=0) for one in rows], axis=0)
    table = ways.table(torch.from_numpy(a), torch.from_numpy(b))
    assert np.allclose(ways.variance(table).numpy(), expected)
    moved = ways.sources(50, rng)
    known = {tuple(one) for one in rows}
    assert all(tuple(column) in known for column in moved.T)


def test_quotients_are_r_over_its_spread(rng: np.random.Generator) -> None:
    a, b = rng.standard_normal((2, 240, 5))
    z, deviation = spread_of_rearranged(a, b, RUNS)
    assert np.allclose(deviation, 1 / np.sqrt(240), rtol=0.4)
    centred = [np.concatenate([v[f] - v[f].mean(axis=0) for f in FOLDS]) for v in (a, b)]
    r = (centred[0] * centred[1]).mean(axis=0) / (a.std(axis=0) * b.std(axis=0))
    assert np.allclose(z * deviation, r, atol=1e-6)
    assert np.corrcoef(z, pearson_r(a, b))[0, 1] > 0.9


def test_tails_are_counted_then_normal() -> None:
    null = np.sort(np.random.default_rng(0).standard_normal(50_000))
    at = np.array([0.0, 1.5, 2.5, 3.5, 4.5])
    assert np.allclose(np.log(tail_p(null, at)), norm.logsf(at), atol=0.25)
    assert (np.diff(tail_p(null, np.linspace(-1, 6, 200))) <= 0).all()
    few = np.sort(null[::500])
    assert tail_p(few, np.array([9.0]))[0] == pytest.approx(1 / 101)


def test_ratios_of_errors_never_narrow() -> None:
    dependence = FoldDependence(np.array([0.0, 0.2, 0.6]), {"r": np.array([1.4, 1.2, 0.8])}, 100)
    assert dependence.ratio("r", np.array([-0.3, 0.1, 0.9, np.nan])) == pytest.approx([1.4, 1.3, 1.0, 1.4])
    values = np.random.default_rng(0).standard_normal((200, 50))
    assert ratio_of_errors(2 * values + np.arange(50), np.ones((200, 50))) == pytest.approx(2, rel=0.05)
