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
