from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control, pearsonr

from b2m_encoding.stats import named_tuning


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_correlations_intervals_and_q_are_those_of_scipy(rng: np.random.Generator, level: float) -> None:
    features = rng.standard_normal((25, 6))
    response = features[:, 2] - 0.5 * features[:, 4] + rng.standard_normal(25)
    found = named_tuning(response, features, level)
    by_scipy = [pearsonr(response, column) for column in features.T]
    assert np.allclose(found.r, [one.statistic for one in by_scipy])
    intervals = np.array([one.confidence_interval(level) for one in by_scipy])
    assert np.allclose(np.stack([found.low, found.high], axis=1), intervals)
    assert np.allclose(found.q, false_discovery_control([one.pvalue for one in by_scipy]))
    assert found.n_clips == 25


def test_features_that_do_not_vary_have_no_correlation(rng: np.random.Generator) -> None:
    features = np.column_stack([np.ones(12), rng.standard_normal(12)])
    found = named_tuning(rng.standard_normal(12), features)
    assert np.isnan([found.r[0], found.low[0], found.high[0], found.q[0]]).all()
    assert np.isfinite([found.r[1], found.low[1], found.high[1], found.q[1]]).all()


def test_intervals_hold_the_truth_as_often_as_they_should(rng: np.random.Generator) -> None:
    rho, n, inside = 0.5, 20, 0
    for _ in range(2000):
        x = rng.standard_normal(n)
        y = rho * x + np.sqrt(1 - rho**2) * rng.standard_normal(n)
        found = named_tuning(y, x[:, None])
        inside += found.low[0] < rho < found.high[0]
    assert 0.935 < inside / 2000 < 0.965
