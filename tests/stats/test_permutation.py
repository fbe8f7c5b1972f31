from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import false_discovery_control, pearsonr

from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.stats import block_permutation_p, fdr_q, pearson_r


def ar1(rng: np.random.Generator, rho: float, shape: tuple[int, int]) -> np.ndarray:
    return lfilter([1], [1, -rho], rng.standard_normal((shape[0] + 50, shape[1])), axis=0)[50:]


def test_p_equals_a_plain_loop_over_the_same_permutations(rng: np.random.Generator) -> None:
    runs = Runs.from_lengths([40, 43], 1.5)
    predicted, measured = rng.standard_normal((2, 83, 5))
    predicted += 0.3 * measured
    p = block_permutation_p(predicted, measured, runs, block_length=5, n_permutations=300, random_state=3)
    generator = np.random.default_rng(3)
    r_true = pearson_r(predicted, measured)
    count = np.zeros(5)
    for _ in range(300):
        order = np.arange(83)
        for rows in runs.slices.values():
            n_blocks = (rows.stop - rows.start) // 5
            blocks = rows.start + np.arange(n_blocks * 5).reshape(n_blocks, 5)
            order[rows.start : rows.start + n_blocks * 5] = blocks[generator.permutation(n_blocks)].ravel()
        count += pearson_r(predicted[order], measured) >= r_true - 1e-9
    assert np.allclose(p, (count + 1) / 301)


@pytest.mark.parametrize("rho", [0.5, 0.7])
def test_false_positives_hold_where_the_gaussian_null_fails(rho: float) -> None:
    rng = np.random.default_rng(0)
    runs = Runs.from_lengths([150, 150], 1.5)
    predicted, measured = ar1(rng, rho, (300, 2000)), ar1(rng, rho, (300, 2000))
    p = block_permutation_p(predicted, measured, runs, block_length=15, n_permutations=500, random_state=0)
    gaussian = pearsonr(predicted, measured, alternative="greater").pvalue
    assert 0.03 <= (p < 0.05).mean() <= 0.075
    assert (gaussian < 0.05).mean() > 0.085


def test_true_prediction_is_significant_and_p_is_never_zero(rng: np.random.Generator) -> None:
    runs = Runs.from_lengths([100, 100], 1.5)
    measured = rng.standard_normal((200, 3))
    p = block_permutation_p(measured, measured, runs, block_length=10, n_permutations=999, random_state=0)
    assert np.allclose(p, 1 / 1000)


def test_untestable_targets_stay_nan(rng: np.random.Generator) -> None:
    runs = Runs.from_lengths([100], 1.5)
    measured = rng.standard_normal((100, 3))
    measured[:, 1] = 0
    p = block_permutation_p(measured, measured, runs, block_length=10, n_permutations=100, random_state=0)
    assert np.isnan(p).tolist() == [False, True, False]


def test_too_few_arrangements_are_refused(rng: np.random.Generator) -> None:
    measured = rng.standard_normal((40, 1))
    with pytest.raises(InputError, match="too few blocks"):
        block_permutation_p(measured, measured, Runs.from_lengths([40], 1.5), block_length=10)


def test_same_seed_same_p_and_global_state_untouched(rng: np.random.Generator) -> None:
    runs = Runs.from_lengths([100], 1.5)
    a, b = rng.standard_normal((2, 100, 4))
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (block_permutation_p(a, b, runs, block_length=10, random_state=5) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_fdr_agrees_with_scipy(rng: np.random.Generator) -> None:
    p = rng.random(50) ** 2
    q = fdr_q(np.r_[p, np.nan])
    assert np.allclose(q[:50], false_discovery_control(p))
    assert np.isnan(q[50])
