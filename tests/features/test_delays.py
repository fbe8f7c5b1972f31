from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2m_encoding.errors import InputError
from b2m_encoding.features.delays import delay
from b2m_encoding.runs import Runs


def test_a_spike_at_the_end_of_a_run_stays_in_it() -> None:
    runs = Runs.from_lengths([5, 5], tr=2.0)
    spike = np.zeros((10, 1))
    spike[4] = 1
    assert delay(spike, runs, [2.0, 4.0, 8.0]).sum() == 0


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.lists(st.integers(0, 6), min_size=1, unique=True))
def test_equals_each_run_delayed_alone(lengths: list[int], shifts: list[int]) -> None:
    runs = Runs.from_lengths(lengths, tr=1.5)
    values = np.random.default_rng(0).standard_normal((len(runs), 2))
    expected = []
    for _, part in runs.each_run(values):
        padded = np.concatenate([np.zeros((max(shifts), 2)), part])
        expected.append(np.hstack([padded[max(shifts) - s : max(shifts) - s + len(part)] for s in shifts]))
    assert np.array_equal(delay(values, runs, [1.5 * s for s in shifts]), np.concatenate(expected))


@pytest.mark.parametrize("delays", [[1.0], [-1.5], [1.5, 1.5]])
def test_impossible_delays_are_refused(delays: list[float]) -> None:
    with pytest.raises(InputError, match="delay"):
        delay(np.zeros((4, 1)), Runs.from_lengths([4], tr=1.5), delays)


def test_delays_follow_the_clock_where_volumes_were_taken_out() -> None:
    """A delay is seconds, not rows: the same value as before, or an error where it is no longer there."""
    runs = Runs.from_lengths({"a": 8, "b": 8}, tr=2.0)
    values = np.arange(1.0, 17)[:, None]
    whole = delay(values, runs, [2.0, 6.0])
    rows = np.array([0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15])  # the start of b is gone: its time starts at 4 s
    assert np.array_equal(delay(values[rows], runs.take(rows), [0.0]), values[rows])
    late = delay(values[rows], runs.take(rows), [2.0])
    assert np.array_equal(late[8:, 0], [0, *whole[11:, 0]])
    for gone in (3, 12):
        kept = np.delete(np.arange(16), gone)
        with pytest.raises(InputError, match=f"run {'ab'[gone > 7]}: samples that a delay of 2 s needs"):
            delay(values[kept], runs.take(kept), [2.0])
    end = np.arange(14)
    assert np.array_equal(delay(values[end], runs.take(end), [2.0, 6.0]), whole[end])


def test_a_gap_that_no_delay_looks_into_changes_nothing() -> None:
    runs = Runs.from_labels(["a"] * 5, 1.0, time=[0, 1, 2, 10, 11])
    with pytest.raises(InputError, match="nothing at 9 s"):
        delay(np.ones((5, 1)), runs, [1.0])
    pairs = Runs.from_labels(["a"] * 4, 1.0, time=[0, 2, 4, 5])
    assert delay(np.arange(1.0, 5)[:, None], pairs, [0.0]).ravel().tolist() == [1, 2, 3, 4]
    evenly = Runs.from_labels(["a"] * 4, 1.0, time=[0, 2, 4, 6])
    assert delay(np.arange(1.0, 5)[:, None], evenly, [2.0]).ravel().tolist() == [0, 1, 2, 3]
