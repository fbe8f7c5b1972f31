from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import norm

from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.stats import pearson_r, r2_score
from b2m_encoding.stats.intervals import score_interval

Series = Callable[[np.random.Generator, float, tuple[int, int]], np.ndarray]


@pytest.mark.parametrize("lengths", [[100] * 3, [100] * 6, [1200]])
@pytest.mark.parametrize(("rho", "r"), [(0.5, 0.3), (0.9, 0.1), (0.9, 0.3), (0.9, 0.7)])
@pytest.mark.parametrize("measure", ["r", "r2"])
def test_intervals_cover_the_truth(ar1: Series, lengths: list[int], rho: float, r: float, measure: str) -> None:
    rng = np.random.default_rng(5)
    signal, noise = (np.concatenate([ar1(rng, rho, (n, 1500)) for n in lengths]) for _ in range(2))
    measured = r * signal + np.sqrt(1 - r**2) * noise
    runs = Runs.from_lengths(lengths, 1.5)
    found = score_interval(r * signal, measured, runs, measure=measure, n_bootstraps=300, random_state=0)
    truth = r if measure == "r" else r**2
    assert 0.92 <= ((found.low <= truth) & (truth <= found.high)).mean() <= 0.975  # simulation error included
    score = pearson_r if measure == "r" else r2_score
    assert np.allclose(found.score, score(r * signal, measured), atol=1e-6)


def test_interval_of_white_samples_is_that_of_fisher(rng: np.random.Generator) -> None:
    signal = rng.standard_normal((3000, 300))
    measured = signal + rng.standard_normal((3000, 300))
    runs = Runs.from_lengths([500] * 6, 1.5)
    found = score_interval(signal, measured, runs, block_length=10, random_state=0)
    width = np.arctanh(found.high) - np.arctanh(found.low)
    assert width.mean() == pytest.approx(2 * norm.isf(0.025) / np.sqrt(3000 - 3), rel=0.03)
    assert found.n_blocks == 300


def test_wider_for_a_higher_level_and_nan_where_undefined(rng: np.random.Generator) -> None:
    predicted, measured = rng.standard_normal((2, 200, 3))
    measured[:, 1] = 4
    measured[3, 2] = np.nan
    runs = Runs.from_lengths([100, 100], 1.5)
    narrow, wide = (score_interval(predicted, measured, runs, level=level, random_state=0) for level in (0.8, 0.95))
    assert wide.low[0] < narrow.low[0] < narrow.score[0] < narrow.high[0] < wide.high[0]
    assert np.isnan(wide.low).tolist() == np.isnan(wide.high).tolist() == [False, True, True]


def test_too_few_blocks_are_refused(rng: np.random.Generator) -> None:
    values = rng.standard_normal((100, 2))
    with pytest.raises(InputError, match="too few blocks"):
        score_interval(values, values, Runs.from_lengths([100], 1.5), block_length=30)
    with pytest.raises(InputError, match="confidence level"):
        score_interval(values, values, Runs.from_lengths([100], 1.5), level=95)
