from __future__ import annotations

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.stats import preferred


def test_best_space_and_margin() -> None:
    scores = {"a": np.array([0.4, 0.1, 0.2, np.nan]), "b": np.array([0.1, 0.3, 0.1, 0.5])}
    found = preferred(scores, np.array([True, True, False, True]))
    assert found.index.tolist() == [0, 1, -1, -1]
    assert np.allclose(found.margin[:2], [0.3, 0.2])
    assert np.isnan(found.margin[2:]).all()


def test_one_feature_space_has_no_rival() -> None:
    with pytest.raises(InputError, match="at least two"):
        preferred({"a": np.zeros(2)}, np.ones(2, dtype=bool))
