"""Design of a subject, shortened for a figure."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from b2m_encoding.analysis.encoding.design_summary import MOST_COLUMNS, _components


@pytest.mark.parametrize("width", [60, 200])
def test_components_are_those_of_scikit_learn(rng: np.random.Generator, width: int) -> None:
    both = (rng.standard_normal((90, width)) @ np.diag(np.linspace(3, 1, width))).astype(np.float32)
    both -= both[:80].mean(axis=0)
    found = _components(both, 80)
    expected = PCA(MOST_COLUMNS, whiten=True, svd_solver="full").fit(both[:80].astype(float)).transform(both)
    expected *= np.sqrt(80 / 79)  # it divides by n - 1
    assert found.shape == (90, MOST_COLUMNS)
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found, expected * signs, atol=2e-3)
    np.testing.assert_allclose(found[:80].std(axis=0), 1, atol=1e-4)


def test_features_of_low_rank_have_fewer_components(rng: np.random.Generator) -> None:
    both = (rng.standard_normal((60, 3)) @ rng.standard_normal((3, 50))).astype(np.float32)
    both -= both[:50].mean(axis=0)
    assert _components(both, 50).shape == (60, 3)
