from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut

from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs


def test_time_restarts_in_every_run() -> None:
    runs = Runs.from_lengths({"a": 2, "b": 3}, tr=2.0)
    assert runs.time.tolist() == [0, 2, 0, 2, 4]


def test_scattered_runs_are_refused() -> None:
    with pytest.raises(InputError, match="contiguous"):
        Runs.from_labels(["a", "b", "a"], tr=1.0)


@pytest.mark.parametrize("tr", [0.0, -1.0, np.nan])
def test_impossible_repetition_time_is_refused(tr: float) -> None:
    with pytest.raises(InputError, match="repetition time"):
        Runs.from_lengths([3], tr=tr)


def test_discard_leaves_the_samples_but_not_their_use() -> None:
    runs = Runs.from_lengths([12, 12], tr=1.5).discard(15.0)
    assert len(runs) == 24
    assert runs.used.reshape(2, 12).sum(axis=1).tolist() == [2, 2]


@given(
    lengths=st.lists(st.integers(40, 90), min_size=1, max_size=3),
    n_blocks=st.integers(2, 4),
    gap=st.floats(0, 8),
)
def test_blocks_never_touch(lengths: list[int], n_blocks: int, gap: float) -> None:
    runs = Runs.from_lengths(lengths, tr=1.5).split(n_blocks, gap)
    assert len(runs.blocks) == n_blocks * len(lengths)
    for name in runs.names:
        rows = runs.slices[name]
        used = np.flatnonzero(runs.used[rows])
        block = runs.block[rows][used]
        for i in np.flatnonzero(block[1:] != block[:-1]):
            assert (used[i + 1] - used[i] - 1) * 1.5 >= gap - 1e-9


def test_too_short_a_run_is_not_split() -> None:
    with pytest.raises(InputError, match="too short"):
        Runs.from_lengths([10], tr=1.5).split(4, gap=6.0)


@pytest.mark.parametrize("cv", [None, 2, 3, GroupKFold(3), LeaveOneGroupOut(), [["run-01"], ["run-02", "run-03"]]])
def test_folds_hold_out_whole_blocks_once(cv: object) -> None:
    runs = Runs.from_lengths([5, 6, 7], tr=1.0)
    held_out = [block for fold in runs.folds(cv) for block in fold]
    assert sorted(held_out) == list(runs.blocks)


def test_group_splitter_agrees_with_scikit_learn() -> None:
    runs = Runs.from_lengths([5, 6, 7, 8], tr=1.0)
    groups = runs.run
    expected = [sorted(set(groups[test].tolist())) for _, test in GroupKFold(2).split(np.zeros((26, 1)), groups=groups)]
    assert [sorted(fold) for fold in runs.folds(GroupKFold(2))] == expected


@pytest.mark.filterwarnings("ignore:The groups parameter")
def test_a_splitter_that_cuts_runs_is_refused() -> None:
    with pytest.raises(InputError, match="one block"):
        Runs.from_lengths([5, 6], tr=1.0).folds(KFold(2, shuffle=True, random_state=0))


@pytest.mark.parametrize("cv", [1, 4, [["run-01", "run-02", "run-03"]], [["nowhere"]], [[]]])
def test_impossible_folds_are_refused(cv: object) -> None:
    with pytest.raises(InputError):
        Runs.from_lengths([5, 6, 7], tr=1.0).folds(cv)


def test_one_run_cannot_be_cross_validated() -> None:
    with pytest.raises(InputError, match="at least two blocks"):
        Runs.from_lengths([50], tr=1.0).folds()


def test_select_and_concatenate_are_inverse() -> None:
    runs = Runs.from_lengths([3, 4, 5], tr=1.0)
    parts = [runs.select([name])[0] for name in runs.names]
    joined = Runs.concatenate(parts)
    assert joined.run.tolist() == runs.run.tolist()
    assert joined.time.tolist() == runs.time.tolist()


def test_a_run_in_two_parts_is_refused() -> None:
    a = Runs.from_lengths({"a": 3}, tr=1.0)
    b = Runs.from_lengths({"b": 3}, tr=1.0)
    with pytest.raises(InputError, match="occurs twice"):
        Runs.concatenate([a, b, a])
    with pytest.raises(InputError, match="contiguous"):
        Runs.from_labels(["a", "b", "a"], 1.0)


@pytest.mark.parametrize("others", [{"a": 3}, {"b": 2, "a": 3}, {"a": 3, "b": 2}])
def test_runs_of_one_name_are_not_joined_to_one_run(others: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"a run of this name occurs twice[\s\S]*'a'"):
        Runs.concatenate([Runs.from_lengths({"a": 3}, tr=1.0), Runs.from_lengths(others, tr=1.0)])


@pytest.mark.parametrize("time", [[0, 1, 0, 1], [0, 1, 1, 2], [3, 2, 1, 0]])
def test_a_clock_that_starts_again_is_another_run(time: list[float]) -> None:
    with pytest.raises(InputError, match="time does not increase in run a"):
        Runs.from_labels(["a"] * 4, 1.0, time=time)
    assert len(Runs.from_labels(["a", "a", "b", "b"], 1.0, time=[0, 1, 0, 1])) == 4


def test_another_number_of_rows_names_the_runs() -> None:
    with pytest.raises(InputError, match="run-02: 4"):
        Runs.from_lengths([3, 4], tr=1.0).check_length(np.zeros(6))


def test_presentations_are_told_apart_where_they_touch() -> None:
    """The numbers stay with their samples: what is taken away in between joins nothing."""
    clip, presentation = [*"xxxxyyxx"], [1, 1, 2, 2, 3, 3, 4, 4]
    runs = Runs.from_labels(["a"] * 8, 1.5, clip=clip, presentation=presentation)
    assert [(s.start, s.stop) for s in runs.presentations] == [(0, 2), (2, 4), (4, 6), (6, 8)]
    assert runs.begins.tolist() == [True, False] * 4
    without_y = runs.take(runs.clip == "x")
    assert [(s.start, s.stop) for s in without_y.presentations] == [(0, 2), (2, 4), (4, 6)]
    assert len(Runs.concatenate([runs, Runs.from_labels(["b"] * 2, 1.5, clip=["x"] * 2)]).presentations) == 5


def test_neighbours_are_one_presentation_unless_said() -> None:
    runs = Runs.from_labels(["a"] * 4 + ["b"] * 2, 1.5, clip=[*"xxyyyy"])
    assert [(s.start, s.stop) for s in runs.presentations] == [(0, 2), (2, 4), (4, 6)]
    assert Runs.from_lengths([5], 1.5).presentations == ()
    assert Runs.from_labels([], 1.5).presentations == ()


def test_folds_are_sets_of_names_or_pairs_of_rows() -> None:
    runs = Runs.from_lengths([3, 3], tr=1.0)
    assert runs.folds([(np.arange(3), np.arange(3, 6))]) == [("run-02",)]
    for cv, problem in (
        ([([0, 1], [2, 3])], "every fold must train on all samples"),
        ([([0, 1, 2, 3], [4, 5])], "one block into training and validation"),
        ([[0.5]], r"a fold is a set of block names[\s\S]*run-01"),
    ):
        with pytest.raises(InputError, match=problem):
            runs.folds(cv)
    assert Runs.from_lengths({"1": 3, "2": 3}, tr=1.0).folds([[1], ["2"]]) == [("1",), ("2",)]


@pytest.mark.parametrize("cv", [[("a",), ("a",)], [("a", "b"), ("b", "c")], [("a", "a")]])
def test_a_block_is_held_out_once(cv: object) -> None:
    runs = Runs.from_lengths({"a": 4, "b": 4, "c": 4}, tr=1.0)
    with pytest.raises(InputError, match="held out twice"):
        runs.folds(cv)


def test_folds_may_be_masks() -> None:
    runs = Runs.from_lengths({"a": 3, "b": 4}, tr=1.0)
    masks = [(runs.run != name, runs.run == name) for name in runs.names]
    assert runs.folds(masks) == [("a",), ("b",)]
    with pytest.raises(InputError, match="row that is not there"):
        runs.folds([(np.arange(3), np.arange(3, 8))])


@pytest.mark.parametrize("tr", ["1.5", 1500, None, True])
def test_repetition_times_are_seconds(tr: Any) -> None:
    with pytest.raises(InputError, match="number of seconds"):
        Runs.from_lengths([3], tr)


@pytest.mark.parametrize("n", [0, -1, 10.5, "10", None])
def test_lengths_are_whole_numbers(n: Any) -> None:
    with pytest.raises(InputError, match="number of samples of run-01 must be a whole number"):
        Runs.from_lengths([n], 1.5)
