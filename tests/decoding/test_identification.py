from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2m_encoding.decoding.chance import chance_interval, chance_of_scores
from b2m_encoding.decoding.groups import by_label, group_scores
from b2m_encoding.decoding.identification import (
    correlations,
    identification_accuracy,
    identification_scores,
    identified,
    n_way,
    note_of_shared,
    ranks,
    shared_clips,
    top_k,
)
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
    target = np.random.default_rng(0).standard_normal((5, 8))
    for twins in (target, target / 3 + 0.1):  # as much alike, but for rounding
        both = np.concatenate([target, twins])
        assert np.allclose(identification_accuracy(both, both), 1 - 0.5 / 9)


def test_chance_interval_holds_the_null() -> None:
    rng = np.random.default_rng(0)
    inside = []
    for seed in range(100):
        predicted, target = rng.standard_normal((2, 20, 10))
        low, high = chance_interval([(predicted, target, np.ones(20, bool))], n_permutations=200, random_state=seed)
        inside.append(low <= identification_accuracy(predicted, target).mean() <= high)
    assert 0.88 <= np.mean(inside) <= 1.0


def test_chance_interval_written_out(rng: np.random.Generator) -> None:
    """Predictions of all decoders are dealt out in one order; each is judged on its own clips."""
    predicted, target = rng.standard_normal((2, 12, 10))
    own = np.arange(12) < 4
    given = np.random.default_rng(3)
    dealt = [identification_accuracy(predicted[given.permutation(12)], target) for _ in range(50)]
    for part in (own, ~own):
        expected = np.quantile([accuracy[part].mean() for accuracy in dealt], [0.05, 0.95])
        found = chance_interval([(predicted, target, part)], n_permutations=50, level=0.9, random_state=3)
        assert found == pytest.approx(tuple(expected))
    parts = [(predicted, target, part) for part in (own, ~own)]
    expected = np.quantile([accuracy.mean() for accuracy in dealt], [0.05, 0.95])
    assert chance_interval(parts, n_permutations=50, level=0.9, random_state=3) == pytest.approx(tuple(expected))


def test_one_clip_cannot_be_identified() -> None:
    with pytest.raises(InputError, match="two clips"):
        identification_accuracy(np.zeros((1, 3)), np.zeros((1, 3)))


HAND = np.array([[0.9, 0.1, 0.2, 0.3], [0.8, 0.5, 0.5, 0.1], [0.4, 0.4, 0.4, 0.4], [0.9, 0.7, 0.8, 0.1]])
"""Ranks of the own: first; second, tied with one; all tied; last."""


def by_draws(similarity: np.ndarray, n: int) -> list[float]:
    """Every draw of rivals, and ties by lot."""
    scores = []
    for i, row in enumerate(similarity):
        draws = combinations([j for j in range(len(row)) if j != i], n - 1)
        wins = [(row[[*draw]] <= row[i]).all() / (1 + np.isclose(row[[*draw]], row[i]).sum()) for draw in draws]
        scores.append(float(np.mean(wins)))
    return scores


def test_a_matrix_made_by_hand() -> None:
    assert n_way(HAND, 2).tolist() == pytest.approx([1, 1.5 / 3, 0.5, 0])
    assert n_way(HAND, 3).tolist() == pytest.approx([1, 0.5 / 3, 1 / 3, 0])
    assert n_way(HAND, 4).tolist() == pytest.approx([1, 0, 1 / 4, 0])
    for n in (2, 3, 4):
        assert n_way(HAND, n).tolist() == pytest.approx(by_draws(HAND, n))
    assert top_k(HAND, 1).tolist() == [1, 0, 0.25, 0]
    assert top_k(HAND, 2).tolist() == [1, 0.5, 0.5, 0]
    assert top_k(HAND, 4).tolist() == [1, 1, 1, 1]
    self_counting = (np.diag(HAND)[:, None] >= HAND).sum(axis=1) / 3
    strict = (np.diag(HAND)[:, None] > HAND).sum(axis=1) / 3
    assert self_counting[0] - n_way(HAND, 2)[0] == pytest.approx(1 / 3)
    assert (self_counting - strict >= 1 / 3 - 1e-12).all()
    with pytest.raises(InputError, match="too few clips"):
        n_way(HAND, 5)


@given(st.integers(2, 7), st.integers(0, 50), st.booleans())
def test_two_way_is_the_accuracy_and_n_way_is_every_draw(n_clips: int, seed: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    predicted, target = rng.standard_normal((2, n_clips, 4))
    if tied:
        target[-1] = target[0]
    similarity = correlations(predicted, target)
    assert np.allclose(n_way(similarity, 2), identification_accuracy(predicted, target))
    assert np.allclose(ranks(predicted, target), 1 + (1 - n_way(similarity, 2)) * (n_clips - 1))
    for n in range(2, n_clips + 1):
        assert n_way(similarity, n).tolist() == pytest.approx(by_draws(similarity, n))
    assert np.allclose(n_way(similarity, n_clips), top_k(similarity, 1))


def test_windows_of_a_clip_are_no_rivals() -> None:
    target = np.repeat(np.random.default_rng(0).standard_normal((4, 9)), 3, axis=0)
    clips = np.repeat(list("abcd"), 3)
    assert (identification_accuracy(target, target, clips) == 1).all()
    assert identification_accuracy(target, target).mean() < 1
    assert top_k(correlations(target, target), 1, clips).mean() == 1
    assert set(identification_scores(target, target, clips).values()) == {1}
    assert min(identification_scores(target, target).values()) < 1
    with pytest.raises(InputError, match="two clips"):
        identification_accuracy(target, target, np.repeat("a", 12))


def test_chance_of_every_score() -> None:
    rng = np.random.default_rng(0)
    predicted, target = rng.standard_normal((2, 20, 6))
    predicted[:2], target[3:5] = predicted[0], target[3]  # ties
    found = chance_of_scores(predicted, target, n_permutations=200, random_state=0)
    generator = np.random.default_rng(0)
    drawn = [identification_scores(predicted[generator.permutation(20)], target) for _ in range(200)]
    assert found.keys() == drawn[0].keys()
    for name, ends in found.items():
        assert np.allclose(ends, np.quantile([one[name] for one in drawn], [0.025, 0.975]))
    both = np.ones(20, dtype=bool)
    assert found["2_way"] == pytest.approx(
        chance_interval([(predicted, target, both)], n_permutations=200, random_state=0)
    )


@pytest.mark.parametrize(
    ("n_clips", "expected"), [(5, "2_way 5_way top_1 top_3"), (6, "2_way 5_way top_1 top_3 top_5")]
)
def test_few_clips_have_few_scores(n_clips: int, expected: str) -> None:
    found = identification_scores(np.eye(n_clips), np.eye(n_clips))
    assert " ".join(found) == f"{expected} median_rank mean_rank"


def test_scores_by_genre() -> None:
    rng = np.random.default_rng(0)
    target = rng.standard_normal((60, 20))
    predicted = target + 2 * rng.standard_normal((60, 20))
    found, own = identification_scores(predicted, target), ranks(predicted, target)
    assert found["2_way"] > found["5_way"] > found["10_way"] > found["50_way"]
    assert found["top_1"] < found["top_3"] < found["top_10"]
    assert found["median_rank"] == np.median(own) != found["mean_rank"] == own.mean()
    likest = correlations(predicted, target).argmax(axis=1)
    assert np.array_equal(identified(predicted, target), likest)
    assert found["top_1"] == np.mean(likest == np.arange(60))
    assert by_label(np.array([1.0, 0.0, 0.5]), np.array(["a", "b", "a"])) == {"a": 0.75, "b": 0.0}


def test_groups_are_recognised_as_by_a_plain_loop(rng: np.random.Generator) -> None:
    """The nearest mean of the training clips of a group, by correlation; chance from predictions of other clips."""
    centres = rng.standard_normal((5, 8))
    labels, trained = rng.choice(list("abcde"), 40), rng.choice(list("abcde"), 60)
    place = {name: i for i, name in enumerate("abcde")}
    predicted = centres[[place[one] for one in labels]] + 1.5 * rng.standard_normal((40, 8))
    known = centres[[place[one] for one in trained]] + 0.5 * rng.standard_normal((60, 8))
    found = group_scores(predicted, np.r_[labels[:38], ["", "x"]], known, trained, random_state=0)
    names = sorted(set(trained))
    means = [known[trained == name].mean(axis=0) for name in names]
    orders = [np.argsort([-np.corrcoef(one, mean)[0, 1] for mean in means]) for one in predicted[:38]]
    for k in (1, 3):
        right = [label in [names[i] for i in order[:k]] for label, order in zip(labels, orders, strict=False)]
        share, low, high = found[f"group_top_{k}"]
        assert share == pytest.approx(np.mean(right))
        assert low < k / 5 < high < share
    same = group_scores(np.ones((6, 8)), labels[:6], known, trained)  # one prediction for all says nothing
    assert same["group_top_1"][0] == pytest.approx(1 / 5)
    assert group_scores(predicted, labels, known, np.repeat("a", 60)) == {}
    assert set(group_scores(predicted, labels, known[:30], np.resize(list("ab"), 30))) == {"group_top_1"}


def test_shared_clips_are_told() -> None:
    shared = shared_clips(np.array(["a", "b", ""]), np.array(["b", "c", ""]))
    assert shared == ["b"]
    assert "1 test clips were presented in training (b)" in str(note_of_shared(shared))
    assert note_of_shared([]) is None


@pytest.mark.parametrize("function", [identification_accuracy, identified])
def test_a_missing_vector_is_no_chance_level(function: Any) -> None:
    predicted = np.random.default_rng(0).standard_normal((4, 3))
    np.testing.assert_array_equal(function(pd.DataFrame(predicted), predicted.tolist()), function(predicted, predicted))
    with pytest.raises(InputError, match="3 not finite"):
        function(np.where(np.arange(4)[:, None] == 1, np.nan, predicted), predicted)
    with pytest.raises(InputError, match=r"differ in length|one prediction per target"):
        function(predicted, predicted[:, :2])
