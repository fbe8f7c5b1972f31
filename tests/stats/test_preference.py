"""Component preference: known answers, an independent permutation test, calibration on simulated listening."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import permutation_test

from b2m_encoding.errors import InputError
from b2m_encoding.models import EncodingModel
from b2m_encoding.models.responses import ArrayResponses
from b2m_encoding.models.subsets import fit_subsets
from b2m_encoding.runs import Runs
from b2m_encoding.stats.preference import (
    NO_PREFERENCE,
    NOT_PREDICTED,
    prefer,
    prefer_by_deltas,
    sign_flips,
)
from b2m_encoding.stats.sums.blocks import BlockSums
from b2m_encoding.stats.sums.gather import block_sums

TEST = Runs.from_lengths([100, 100], 1.5)


def slow(rng: np.random.Generator, n: int, width: int) -> np.ndarray:
    """Clips of ten samples through a haemodynamic response."""
    clips = np.repeat(rng.standard_normal((n // 10, width)), 10, axis=0) + 0.7 * rng.standard_normal((n, width))
    return lfilter(np.exp(-0.5 * ((np.arange(9) - 4) / 1.6) ** 2), [1], clips, axis=0)


def noise(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return lfilter([1], [1, -0.5], rng.standard_normal(shape), axis=0) * np.sqrt(0.75)


def oracle_sums(rng: np.random.Generator, mix: np.ndarray, snr: float = 0.7, runs: Runs = TEST) -> BlockSums:
    """Perfect models of two parts; ``mix`` is the share of the first part in each target."""
    n = len(runs)
    a, b = (slow(rng, n, len(mix)) for _ in range(2))
    a, b = np.sqrt(mix) * a / a.std(0), np.sqrt(1 - mix) * b / b.std(0)
    measured = snr * (a + b) + noise(rng, a.shape)
    predicted = {("a",): snr * a, ("b",): snr * b, ("a", "b"): snr * (a + b)}
    return block_sums(predicted, measured, runs, block_length=10)


@pytest.mark.parametrize("by", ["r", "unique"])
def test_one_sided_targets_are_told_apart_and_the_rest_has_no_preference(by: str) -> None:
    rng = np.random.default_rng(0)
    mix = np.repeat([0.98, 0.02, 0.5], 200)
    predicted = np.ones(600, dtype=bool)
    predicted[:5] = False
    found = prefer(oracle_sums(rng, mix, 1.5), predicted, by=by, random_state=0)
    assert (found.index[5:200] == 0).mean() > 0.9
    assert (found.index[200:400] == 1).mean() > 0.9
    assert (found.index[400:] == NO_PREFERENCE).mean() > 0.95
    assert (found.index[:5] == NOT_PREDICTED).all()
    assert np.isnan(found.p[:5]).all()
    assert np.isfinite(found.margin).all()
    assert (found.margin >= 0).all()
    assert found.shares()["a"] == pytest.approx((found.index == 0).sum() / 595)
    assert np.allclose(found.probability[:, 5:].sum(0), 1)


def test_targets_driven_equally_by_both_are_falsely_told_apart_as_often_as_promised() -> None:
    p = np.concatenate(
        [
            prefer(oracle_sums(np.random.default_rng(s), np.full(500, 0.5)), np.ones(500, bool), random_state=s).p
            for s in range(4)
        ]
    )
    assert 0.03 <= (p < 0.05).mean() <= 0.065


def test_differences_that_are_all_noise_leave_the_probability_undecided() -> None:
    sums = oracle_sums(np.random.default_rng(0), np.full(500, 0.5))
    chance = prefer(sums, np.ones(500, dtype=bool), random_state=0).probability[0]
    assert chance.mean() == pytest.approx(0.5, abs=0.05)
    assert chance.std() < 0.15  # without shrinkage they would be spread evenly: .29


def test_the_probability_is_calibrated() -> None:
    """Fitted models; the truth is which of them predicts two thousand clips better."""
    rng = np.random.default_rng(1)
    n_targets, widths, snr = 2500, {"a": 12, "b": 12}, 0.5
    weights = {name: rng.standard_normal((width, n_targets)) for name, width in widths.items()}
    mix = rng.random(n_targets)

    def listen(n: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        spaces = {name: slow(rng, n, width) for name, width in widths.items()}
        a, b = (spaces[name] @ weights[name] for name in widths)
        return spaces, snr * (np.sqrt(mix) * a / a.std(0) + np.sqrt(1 - mix) * b / b.std(0))

    (train, clean), (test, heard), (new, endless) = listen(800), listen(200), listen(8000)
    model = EncodingModel(None, alphas=np.logspace(1, 5, 5))
    responses = ArrayResponses(clean + noise(rng, clean.shape), Runs.from_lengths([200] * 4, 1.5))
    predicted, truth = {}, []
    for names, fitted in fit_subsets(model, train, responses, [["a"], ["b"]]):
        predicted[names] = fitted.predict({n: test[n] for n in names}, TEST)
        truth.append(fitted.score_targets({n: new[n] for n in names}, endless, Runs.from_lengths([8000], 1.5), "r"))
    sums = block_sums(predicted, heard + noise(rng, heard.shape), TEST, block_length=10)
    found = prefer(sums, np.ones(n_targets, dtype=bool), random_state=0)
    right, chance = truth[0] > truth[1], found.probability[0]
    for low in np.arange(0, 1, 0.2):
        inside = (chance >= low) & (chance <= low + 0.2)
        assert abs(right[inside].mean() - chance[inside].mean()) < 0.05, low
    assert (found.best == ~right).mean() > 0.8


def test_p_agrees_with_scipy() -> None:
    runs = Runs.from_lengths([50, 50], 1.5)
    sums = oracle_sums(np.random.default_rng(3), np.linspace(0.2, 0.8, 4), runs=runs)
    found = prefer(sums, np.ones(4, dtype=bool), random_state=0)
    assert np.isfinite(found.p).all()
    lead = sums.contributions(("a",)) - sums.contributions(("b",))
    for i in range(4):
        expected = permutation_test((lead[:, i],), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
        assert found.p[i] == pytest.approx(expected, abs=1e-6)


def test_the_best_of_three_must_beat_each_of_the_others(rng: np.random.Generator) -> None:
    parts = {name: slow(rng, 200, 300) for name in "abc"}
    scaled = {name: values / values.std(0) for name, values in parts.items()}
    measured = scaled["a"] + scaled["b"] + 0.1 * scaled["c"] + 0.5 * noise(rng, (200, 300))
    sums = block_sums({(name,): v for name, v in scaled.items()}, measured, TEST, block_length=10)
    found = prefer(sums, np.ones(300, dtype=bool), random_state=0)
    assert (found.index == NO_PREFERENCE).mean() > 0.9
    assert found.probability[2].mean() < 0.05
    clear = block_sums({(name,): v for name, v in scaled.items()}, scaled["b"], TEST, block_length=10)
    assert (prefer(clear, np.ones(300, dtype=bool), random_state=0).index == 1).all()


def test_unique_variance_is_compared_by_the_models_without_each(rng: np.random.Generator) -> None:
    sums = oracle_sums(rng, np.linspace(0, 1, 6))
    found, r2 = prefer(sums, np.ones(6, dtype=bool), by="unique", n_bootstraps=50), sums.scores("r2")
    unique = np.stack([r2["a", "b"] - r2[("b",)], r2["a", "b"] - r2[("a",)]])
    assert np.array_equal(found.best, unique.argmax(0))
    assert np.allclose(found.margin, np.abs(unique[0] - unique[1]))


def test_untested_targets_stay_nan(rng: np.random.Generator) -> None:
    measured = slow(rng, 200, 3)
    predicted = {(name,): measured + noise(rng, measured.shape) for name in "ab"}
    measured[:, 1], measured[4, 2] = 5.0, np.nan
    found = prefer(block_sums(predicted, measured, TEST, block_length=10), np.ones(3, dtype=bool), random_state=0)
    assert found.best.tolist()[1:] == [-1, -1]
    assert found.index.tolist()[1:] == [NOT_PREDICTED] * 2
    for values in (found.margin, found.p, found.q, found.interval[0], found.probability[0]):
        assert np.isnan(values).tolist() == [False, True, True]


def test_the_same_seed_gives_the_same_answer(rng: np.random.Generator) -> None:
    sums = oracle_sums(rng, np.linspace(0, 1, 20))
    first, second = (prefer(sums, np.ones(20, dtype=bool), random_state=4) for _ in range(2))
    assert np.array_equal(first.p, second.p)
    assert np.array_equal(first.probability, second.probability)


def test_one_feature_space_has_no_rival(rng: np.random.Generator) -> None:
    measured = slow(rng, 200, 2)
    with pytest.raises(InputError, match="at least two"):
        prefer(block_sums({("a",): measured}, measured, TEST, block_length=10), np.ones(2, dtype=bool))


def test_deltas_name_the_smallest_penalty() -> None:
    deltas = {"a": np.array([2.0, -np.inf, np.nan]), "b": np.array([-1.0, 0.0, 1.0])}
    found = prefer_by_deltas(deltas, np.ones(3, dtype=bool))
    assert found.index.tolist() == [0, 1, NOT_PREDICTED]
    assert found.margin[0] == 3
    assert np.isnan(found.q).all()


def test_all_signs_are_listed_when_they_are_few() -> None:
    assert sorted(map(tuple, sign_flips(3, 100))) == sorted(product((-1.0, 1.0), repeat=3))
    assert sign_flips(20, 100, 0).shape == (101, 20)
