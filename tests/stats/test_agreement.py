"""Group maps and overlap of maps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import dice
from scipy.stats import spearmanr

from b2m_encoding.errors import InputError
from b2m_encoding.stats.agreement import group_preference, overlap
from b2m_encoding.stats.preference import Preference


def subject(index: list[int], best: list[int], names: tuple[str, ...] = ("a", "b")) -> Preference:
    nothing = np.full(len(index), np.nan)
    margin = np.full(len(index), 0.1)
    return Preference(names, np.array(best), margin, nothing, nothing, nothing, nothing, np.array(index))


def test_the_group_prefers_what_most_subjects_prefer() -> None:
    group = group_preference(
        [subject([0, 1, 0, -2, -1], [0, 1, 0, 0, 0]), subject([0, 1, 1, -2, -1], [0, 1, 1, 0, 0]),
         subject([1, -1, -1, -2, 0], [1, 0, 0, 1, 0])]
    )  # fmt: skip
    assert group.index.tolist() == [0, 1, -1, -2, -1]
    assert group.votes.tolist() == [[2, 0, 1, 0, 1], [1, 2, 1, 0, 0]]
    assert group.n_predicted.tolist() == [3, 3, 3, 0, 3]
    assert group.consistency == pytest.approx([2 / 3, 2 / 3, 1 / 3, np.nan, 2 / 3], nan_ok=True)
    assert group.margin == pytest.approx([0.1 / 3, 0.1 / 3, np.nan, np.nan, np.nan], nan_ok=True)


def test_subjects_with_other_feature_spaces_are_refused() -> None:
    with pytest.raises(InputError, match="differ"):
        group_preference([subject([0], [0]), subject([0], [0], ("a", "c"))])


def test_overlap_agrees_with_scipy(rng: np.random.Generator) -> None:
    a, b = rng.standard_normal((2, 200))
    b += a
    mask_a, mask_b = a > 0.5, b > 0.5
    a[7] = np.nan
    ok = np.isfinite(a)
    found = overlap(a, b, mask_a, mask_b, shared=np.full(200, 0.1), joint=np.full(200, 0.4))
    assert found.dice == pytest.approx(1 - dice(mask_a[ok], mask_b[ok]))
    assert found.correlation == pytest.approx(np.corrcoef(a[ok], b[ok])[0, 1])
    assert found.rank_correlation == pytest.approx(spearmanr(a[ok], b[ok]).statistic)
    assert found.shared_variance == pytest.approx(0.25)
    assert found.n_both + found.n_first == mask_a[ok].sum()


def test_nothing_predicted_has_no_overlap() -> None:
    none = np.zeros(3, dtype=bool)
    found = overlap(np.zeros(3), np.zeros(3), none, none)
    assert np.isnan([found.dice, found.correlation, found.shared_variance]).all()
