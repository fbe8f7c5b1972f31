from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2m_encoding.decoding.identification import chance_interval, identification_accuracy
from b2m_encoding.errors import InputError


def test_hand_made_correlations() -> None:
    """Predictions are mixtures of the targets, so that the order of correlations is known."""
    target = np.eye(5)[:4] - 0.2
    weights = np.array([[3, 2, 1, 0], [3, 2, 1, 0], [0, 1, 2, 3], [0, 1, 2, 3]], dtype=float)
    assert identification_accuracy(weights @ target, target).tolist() == [1, 2 / 3, 2 / 3, 1]


def test_a_clip_is_no_distractor_of_itself() -> None:
    rng = np.random.default_rng(0)
    predicted, target = rng.standard_normal((2, 6, 20))
    correlation = np.corrcoef(predicted, target)[:6, 6:]
    self_counting = (np.diag(correlation)[:, None] >= correlation).sum(axis=1) / 5
    assert np.allclose(self_counting - identification_accuracy(predicted, target), 1 / 5)


@given(st.integers(2, 12), st.integers(0, 100))
def test_perfect_is_one_and_constant_is_half(n_clips: int, seed: int) -> None:
    target = np.random.default_rng(seed).standard_normal((n_clips, 16))
    assert identification_accuracy(target, target).mean() == 1
    assert identification_accuracy(np.tile(target[:1], (n_clips, 1)), target[:1].repeat(n_clips, 0)).mean() == 0.5
    assert identification_accuracy(np.zeros_like(target), target).mean() == 0.5


def test_duplicated_stimuli_count_half() -> None:
    target = np.repeat(np.random.default_rng(0).standard_normal((5, 8)), 2, axis=0)
    assert np.allclose(identification_accuracy(target, target), 1 - 0.5 / 9)


def test_chance_interval_holds_the_null() -> None:
    rng = np.random.default_rng(0)
    inside = []
    for seed in range(100):
        predicted, target = rng.standard_normal((2, 20, 10))
        low, high = chance_interval([(predicted, target, np.ones(20, bool))], n_permutations=200, random_state=seed)
        inside.append(low <= identification_accuracy(predicted, target).mean() <= high)
    assert 0.88 <= np.mean(inside) <= 1.0


def test_one_clip_cannot_be_identified() -> None:
    with pytest.raises(InputError, match="two clips"):
        identification_accuracy(np.zeros((1, 3)), np.zeros((1, 3)))
