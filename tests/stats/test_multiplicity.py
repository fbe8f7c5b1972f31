from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control, norm

from b2m_encoding.errors import InputError
from b2m_encoding.stats import fdr_q, max_statistic_p


@pytest.mark.parametrize("method", ["bh", "by"])
def test_fdr_agrees_with_scipy(rng: np.random.Generator, method: str) -> None:
    p = rng.random(50) ** 2
    q = fdr_q(np.r_[p, np.nan], method)
    assert np.allclose(q[:50], false_discovery_control(p, method=method))
    assert np.isnan(q[50])


def test_fdr_of_nothing_is_nothing() -> None:
    assert np.isnan(fdr_q(np.full(3, np.nan))).all()
    with pytest.raises(InputError, match="false discovery rate"):
        fdr_q(np.ones(2), "holm")


def test_fdr_holds_under_dependence() -> None:
    rng = np.random.default_rng(0)
    shared, own = rng.standard_normal((2000, 1)), rng.standard_normal((2000, 100))
    z = 0.7 * shared + np.sqrt(1 - 0.49) * own + np.r_[np.full(20, 3.0), np.zeros(80)]
    for method, bound in (("bh", 0.06), ("by", 0.02)):
        found = np.stack([fdr_q(p, method) < 0.05 for p in norm.sf(z)])
        false = found[:, 20:].sum(axis=1) / np.maximum(found.sum(axis=1), 1)
        assert 0 < false.mean() < bound
        assert found[:, :20].mean() > 0.15


def test_largest_of_all_targets_controls_the_family() -> None:
    rng = np.random.default_rng(0)
    maps = rng.standard_normal((4000, 50))
    p = np.stack([max_statistic_p(row, maps[2000:].max(axis=1)) for row in maps[:2000]])
    assert (p.min(axis=1) < 0.05).mean() == pytest.approx(0.05, abs=0.015)
    assert p.min() >= 1 / 2001


@pytest.mark.parametrize("values", [[0.3, -0.2], [0.02, 1.5], [5, 40], [[0.5, 0.1], [np.inf, 0.2]], [-np.inf]])
def test_what_is_no_p_value_is_refused(values: list[float]) -> None:
    """Scores, percentages, z values."""
    with pytest.raises(InputError, match="these are no p values"):
        fdr_q(values)
    assert fdr_q([0.01, float("nan"), 1]).shape == (3,)
