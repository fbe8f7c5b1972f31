from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from b2m_encoding.errors import InputError
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.runs import Runs


def test_not_finite_values_are_located() -> None:
    values = np.zeros((6, 2), dtype=np.float32)
    values[4, 1] = np.inf
    with pytest.raises(InputError, match=r"run-02 at 1\.5 s"):
        FeatureSpace("mulan", values, Runs.from_lengths([3, 3], 1.5))


def test_components_are_fitted_on_training_rows_only(rng: np.random.Generator) -> None:
    values = rng.standard_normal((40, 6)).astype(np.float32)
    runs = Runs.from_lengths([30, 10], 1.5)
    training = np.arange(30)
    reduced = FeatureSpace("a", values, runs).principal_components(3, training)
    expected = PCA(3, svd_solver="full").fit(values[:30]).transform(values)
    assert np.allclose(np.abs(reduced.values), np.abs(expected), atol=1e-4)
    changed = values.copy()
    changed[35] += 100
    other = FeatureSpace("a", changed, runs).principal_components(3, training)
    assert np.allclose(other.values[:30], reduced.values[:30])
