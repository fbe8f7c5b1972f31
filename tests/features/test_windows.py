from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2m_encoding.errors import InputError
from b2m_encoding.features.windows import average_windows, window_starts
from b2m_encoding.runs import Runs


def clips(n_clips: int, n_runs: int = 1) -> Runs:
    labels = np.tile(np.repeat([f"clip-{i}" for i in range(n_clips)], 10), n_runs)
    return Runs.from_labels(np.repeat([f"run-{i}" for i in range(n_runs)], 10 * n_clips), 1.5, clip=labels)


@pytest.mark.parametrize(("window", "rows"), [(10.0, 7), (5.0, 4), (1.5, 1), (15.0, 10)])
def test_scans_under_a_window_as_in_the_paper(window: float, rows: int) -> None:
    runs = clips(1)
    averaged, _ = average_windows(np.arange(10.0)[:, None], runs, window, 1.5)
    assert averaged[0, 0] == np.mean(np.arange(rows))
    assert len(averaged) == len(window_starts(15.0, window, 1.5)) == 11 - rows


@given(st.integers(2, 4), st.integers(1, 3), st.sampled_from([1.5, 5.0, 10.0, 15.0]))
def test_a_window_never_mixes_two_clips(n_clips: int, n_runs: int, window: float) -> None:
    runs = clips(n_clips, n_runs)
    identity = np.unique(runs.clip, return_inverse=True)[1][:, None].astype(float)
    averaged, windows = average_windows(identity, runs, window, 1.5)
    assert np.array_equal(averaged[:, 0], np.unique(windows.clip, return_inverse=True)[1])


def test_lag_moves_the_responses_and_stays_in_the_run() -> None:
    runs = clips(2, 2)
    values = np.arange(40.0)[:, None]
    averaged, windows = average_windows(values, runs, 1.5, 1.5, lag=4.5)
    first = windows.run == "run-0"
    assert averaged[first].max() == 19
    assert averaged[0, 0] == 3
    assert first.sum() == 17


def test_unused_clips_give_no_windows() -> None:
    runs = clips(3).discard(15.0)
    _, windows = average_windows(np.zeros((30, 1)), runs, 10.0, 1.5)
    assert set(windows.clip) == {"clip-1", "clip-2"}


def test_a_window_longer_than_its_clip_is_refused() -> None:
    with pytest.raises(InputError, match="fit into its clip"):
        window_starts(3.0, 10.0, 1.5)


@given(st.sampled_from([1.5, 3.0, 5.0, 10.0]), st.sampled_from([0.0, 1.5, 4.5, 6.0]), st.integers(1, 3))
def test_features_and_responses_of_a_window_are_paired(window: float, lag: float, n_runs: int) -> None:
    """Responses that copy the features ``lag`` later give the same averages, wherever the run does not end first."""
    runs = clips(3, n_runs)
    values = np.random.default_rng(0).standard_normal((len(runs), 2))
    shift = round(lag / 1.5)
    late = np.concatenate([np.roll(values[rows], shift, axis=0) for rows in runs.slices.values()])
    responses, windows = average_windows(late, runs, window, 1.5, lag)
    features, same = average_windows(values, runs, window, 1.5, lag, shifted=False)
    assert windows.time.tolist() == same.time.tolist()
    inside = windows.time + window + lag <= 3 * 15.0
    assert np.allclose(responses[inside], features[inside])
