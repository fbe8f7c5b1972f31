from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
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


@pytest.mark.parametrize("shape", [(40, 6), (8, 30)])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_a_share_of_the_variance_takes_as_many_components_as_it_needs(
    shape: tuple[int, int], share: float, rng: np.random.Generator
) -> None:
    values = (rng.standard_normal(shape) * np.linspace(3, 0.3, shape[1])).astype(np.float32)
    space = FeatureSpace("a", values, Runs.from_lengths([shape[0]], 1.5))
    reduced = space.principal_components(share, np.arange(shape[0]))
    expected = PCA(share, svd_solver="full").fit(values)
    assert reduced.values.shape[1] == expected.n_components_
    assert np.allclose(np.abs(reduced.values), np.abs(expected.transform(values)), atol=1e-3)
    assert reduced.provenance["principal_components"] == expected.n_components_


def test_directions_without_variance_are_no_components(rng: np.random.Generator) -> None:
    """Nearly collinear embeddings, on which a singular value decomposition has been seen to fail."""
    values = (rng.standard_normal((50, 2)) @ rng.standard_normal((2, 400)) + 5).astype(np.float32)
    space = FeatureSpace("a", values, Runs.from_lengths([50], 1.5))
    assert space.principal_components(300, np.arange(50)).values.shape[1] <= 50
    assert space.principal_components(0.999999, np.arange(50)).values.shape[1] == 2
    constant = FeatureSpace("a", np.ones((50, 3), np.float32), space.runs)
    assert not constant.principal_components(2, np.arange(50)).values.any()


@pytest.mark.parametrize("convert", [pd.DataFrame, np.ndarray.tolist])
def test_tables_and_lists_are_arrays(convert: Any) -> None:
    values, runs = np.arange(12.0).reshape(6, 2), Runs.from_lengths([3, 3], 1.5)
    np.testing.assert_array_equal(FeatureSpace("loudness", convert(values), runs).values, values)


@pytest.mark.parametrize("values", [np.arange(6.0), np.array([["a"]] * 6), np.zeros((6, 0))])
def test_what_is_no_table_is_named(values: Any) -> None:
    with pytest.raises(InputError, match="feature space loudness is no table"):
        FeatureSpace("loudness", values, Runs.from_lengths([3, 3], 1.5))
