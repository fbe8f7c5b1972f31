from __future__ import annotations

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.stats.ceilings import (
    Ceiling,
    NoCeiling,
    find_repeats,
    inter_subject_ceiling,
    noise_ceiling,
    normalised_score,
    repeat_ceiling,
    split_half_reliability,
)


def simulated(rng: np.random.Generator, snr: float, n_repeats: int, n_samples: int, n_targets: int) -> np.ndarray:
    """A signal of variance ``snr`` in noise of variance 1."""
    signal = np.sqrt(snr) * rng.standard_normal((n_samples, n_targets), dtype=np.float32)
    return signal + rng.standard_normal((n_repeats, n_samples, n_targets), dtype=np.float32)


@pytest.mark.parametrize("n_repeats", [2, 4, 10])
@pytest.mark.parametrize(("snr", "n_targets"), [(0.05, 20_000), (0.5, 4000), (5.0, 4000)])
def test_powers_and_explainable_variance_are_unbiased(snr: float, n_targets: int, n_repeats: int) -> None:
    rng = np.random.default_rng(0)
    parts = [repeat_ceiling(simulated(rng, snr, n_repeats, 300, 1000)) for _ in range(n_targets // 1000)]
    signal = np.concatenate([part.signal_power for part in parts])
    share = np.concatenate([part.explainable_variance for part in parts])
    error = 3 * share.std() / np.sqrt(len(share))  # of the simulation
    assert error < 0.03 * share.mean()
    assert share.mean() == pytest.approx(snr / (1 + snr), rel=0.02, abs=error)
    assert signal.mean() == pytest.approx(snr, rel=0.02, abs=3 * signal.std() / np.sqrt(len(signal)))


def test_agrees_with_the_formula_of_the_voxelwise_tutorials(rng: np.random.Generator) -> None:
    """1 - variance of what is left after the average is taken off, corrected for the number of repeats."""
    repeats = simulated(rng, 0.8, 5, 200, 7)
    repeats -= repeats.mean(axis=1, keepdims=True)
    share = 1 - (repeats - repeats.mean(axis=0)).var(axis=1).mean(axis=0) / repeats.var(axis=1).mean(axis=0)
    corrected = share - (1 - share) / 4
    assert np.allclose(repeat_ceiling(repeats).explainable_variance, corrected, atol=1e-6)


def test_the_perfect_model_reaches_the_ceiling() -> None:
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((2000, 200))
    repeats = signal + 1.5 * rng.standard_normal((4, 2000, 200))
    average, ceiling = repeats.mean(axis=0), repeat_ceiling(repeats)
    r = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(signal.T, average.T, strict=True)])
    assert normalised_score(r, ceiling).mean() == pytest.approx(1, abs=0.01)
    r2 = 1 - ((average - signal) ** 2).sum(axis=0) / ((average - average.mean(axis=0)) ** 2).sum(axis=0)
    assert normalised_score(r2, ceiling, measure="r2").mean() == pytest.approx(1, abs=0.02)
    single = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(signal.T, repeats[0].T, strict=True)])
    assert (single / ceiling.highest_r("repeat")).mean() == pytest.approx(1, abs=0.02)
    assert normalised_score(single, ceiling, of="repeat").mean() == pytest.approx(1, abs=0.02)


def test_low_ceilings_are_left_out_and_high_scores_not_clipped() -> None:
    ceiling = Ceiling(np.array([0.04, 0.5, -0.1, np.nan]), np.ones(4), np.ones(4), 4, 100)
    found = normalised_score(np.array([0.2, 0.9, 0.2, 0.2]), ceiling)
    assert np.isnan(found).tolist() == [True, False, True, True]
    assert found[1] > 1
    assert ceiling.highest_r()[2] == 0
    assert normalised_score(np.array([0.2]), NoCeiling("one run")).tolist() != [0.2]


@pytest.mark.parametrize("n_repeats", [2, 5, 6])
def test_split_halves_agree_with_the_powers(n_repeats: int) -> None:
    rng = np.random.default_rng(1)
    repeats = simulated(rng, 1.0, n_repeats, 2000, 50)
    expected = 1 / (1 + 1 / n_repeats)
    assert split_half_reliability(repeats, random_state=0).mean() == pytest.approx(expected, abs=0.01)
    assert repeat_ceiling(repeats).explainable_of_average.mean() == pytest.approx(expected, abs=0.01)


def test_repeats_are_found_by_clip_and_position() -> None:
    clip = np.array([*"aabb", *"aab", "", *"ccaa"])
    runs = Runs.from_labels(np.repeat(["x", "y"], [8, 4]), 1.5, clip=clip)
    assert find_repeats(runs).tolist() == [[0, 1, 2], [4, 5, 6]]
    assert find_repeats(runs, within_runs=False).tolist() == [[0, 1], [4, 5], [10, 11]]
    responses = np.random.default_rng(0).standard_normal((12, 3))
    found = noise_ceiling(responses, runs)
    assert isinstance(found, Ceiling)
    expected = repeat_ceiling(np.stack([responses[[0, 1, 2]], responses[[4, 5, 6]]]))
    assert np.array_equal(found.signal_power, expected.signal_power)


def test_discarded_presentations_do_not_count() -> None:
    runs = Runs.from_labels(np.repeat("x", 8), 1.0, clip=np.array([*"aabbaabb"])).discard(2.0)
    assert find_repeats(runs).tolist() == [[2, 3], [6, 7]]


def test_no_repeats_no_ceiling(rng: np.random.Generator) -> None:
    runs = Runs.from_labels(np.repeat(["x", "y"], 4), 1.5, clip=np.array([*"aabbaabb"]))
    found = noise_ceiling(rng.standard_normal((8, 2)), runs)
    assert isinstance(found, NoCeiling)
    assert "same run" in found.reason
    assert isinstance(noise_ceiling(rng.standard_normal((8, 2)), runs, within_runs=False), Ceiling)
    for shape in ((1, 5, 2), (3, 5)):
        with pytest.raises(InputError, match="two repeats"):
            repeat_ceiling(np.zeros(shape))
    with pytest.raises(InputError, match="two repeats"):
        split_half_reliability(np.zeros((1, 5, 2)))
    with pytest.raises(InputError, match="two subjects"):
        inter_subject_ceiling(np.zeros((1, 5, 2)))


def test_untestable_targets_stay_nan(rng: np.random.Generator) -> None:
    repeats = rng.standard_normal((3, 50, 3))
    repeats[..., 1] = 2
    repeats[1, 4, 2] = np.nan
    ceiling = repeat_ceiling(repeats)
    for values in (ceiling.explainable_variance, ceiling.highest_r(), split_half_reliability(repeats)):
        assert np.isnan(values).tolist() == [False, True, True]


def test_inter_subject_bounds_enclose_the_truth() -> None:
    rng = np.random.default_rng(0)
    common = rng.standard_normal((1000, 50))
    subjects = common + rng.standard_normal((5, 1000, 50))
    lower, upper = inter_subject_ceiling(subjects)
    truth = np.sqrt(0.5)  # r of a subject with what all share
    assert lower.mean() < truth < upper.mean()
    assert lower.mean() == pytest.approx(1 / np.sqrt(2 * (1 + 1 / 4)), abs=0.01)
