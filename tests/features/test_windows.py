from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2m_encoding.errors import InputError
from b2m_encoding.features.windows import causal, centred, cut_windows, window_starts
from b2m_encoding.runs import Runs


def clips(n_clips: int, n_runs: int = 1) -> Runs:
    labels = np.tile(np.repeat([f"clip-{i}" for i in range(n_clips)], 10), n_runs)
    return Runs.from_labels(np.repeat([f"run-{i}" for i in range(n_runs)], 10 * n_clips), 1.5, clip=labels)


@pytest.mark.parametrize(("window", "rows"), [(10.0, 7), (5.0, 4), (1.5, 1), (15.0, 10)])
def test_scans_under_a_window_as_in_the_paper(window: float, rows: int) -> None:
    """Table 1 of Brain2Music: r = 4, 7 and 10 windows of 10, 5 and 1.5 s over 7, 4 and 1 scans."""
    windows = cut_windows(clips(1), window, 1.5)
    assert (windows.stimulus_average @ np.arange(10.0))[0] == pytest.approx(np.mean(np.arange(rows)))
    assert len(windows.runs) == len(window_starts(15.0, window, 1.5)) == 11 - rows


@given(st.integers(2, 4), st.integers(1, 3), st.sampled_from([1.5, 5.0, 10.0, 15.0]))
def test_a_window_never_mixes_two_clips(n_clips: int, n_runs: int, window: float) -> None:
    runs = clips(n_clips, n_runs)
    identity = np.unique(runs.clip, return_inverse=True)[1].astype(float)
    windows = cut_windows(runs, window, 1.5)
    assert np.allclose(windows.stimulus_average @ identity, np.unique(windows.runs.clip, return_inverse=True)[1])


def test_lag_moves_the_responses_and_stays_in_the_run() -> None:
    values = np.arange(40.0)[:, None]
    windows = cut_windows(clips(2, 2), 1.5, 1.5, lag=4.5)
    first = windows.run_responses("run-0", values[:20])
    assert first[windows.runs.used[: len(first)]].max() == 19
    assert first[0, 0] == 3
    assert windows.runs.used[:20].sum() == 17
    assert not first[17:].any()
    assert np.allclose(windows.run_responses("run-1", values[20:])[:17], first[:17] + 20)


def test_clips_that_are_not_used_give_no_used_windows() -> None:
    windows = cut_windows(clips(3).discard(15.0), 10.0, 1.5, lag=4.5)
    assert set(windows.runs.clip[windows.runs.used]) == {"clip-1", "clip-2"}


def test_a_censored_volume_leaves_its_windows_and_their_means() -> None:
    runs = clips(1)
    runs.used[3] = False
    windows = cut_windows(runs, 3.0, 1.5)
    values = np.arange(10.0)[:, None]
    values[3] = np.nan
    assert windows.runs.used.all()
    assert windows.run_responses("run-0", values)[1:5, 0].tolist() == [1.5, 2, 4, 4.5]


def test_a_window_longer_than_its_clip_is_refused() -> None:
    with pytest.raises(InputError, match="fit into its clip"):
        window_starts(3.0, 10.0, 1.5)
    with pytest.raises(InputError, match="fit into its clip"):
        centred(np.array([[0.0, 1.5]]), 10.0, 3.0)
    with pytest.raises(InputError, match="no volume has a clip label"):
        cut_windows(Runs.from_lengths([5], 1.5), 1.5, 1.5)


@given(st.sampled_from([1.5, 3.0, 5.0, 10.0]), st.sampled_from([0.0, 1.5, 4.5, 6.0]), st.integers(1, 3))
def test_features_and_responses_of_a_window_are_paired(window: float, lag: float, n_runs: int) -> None:
    """Responses that copy the features ``lag`` later give the same averages, wherever the run does not end first."""
    runs = clips(3, n_runs)
    values = np.random.default_rng(0).standard_normal((len(runs), 2))
    shift = round(lag / 1.5)
    windows = cut_windows(runs, window, 1.5, lag)
    for name, rows in runs.slices.items():
        own = windows.runs.slices[name]
        responses = windows.run_responses(name, np.roll(values[rows], shift, axis=0))
        inside = windows.runs.time[own] + window + lag <= 3 * 15.0
        assert np.allclose(responses[inside], (windows.stimulus_average @ values)[own][inside], atol=1e-6)


@given(st.floats(0.5, 4.0), st.floats(0.5, 15.0), st.floats(4.0, 30.0))
def test_windows_stay_in_the_clip_around_or_before_their_sample(length: float, window: float, duration: float) -> None:
    window = min(window, duration)
    starts = np.arange(0, duration - length + 1e-9, length)
    spans = np.stack([starts, starts + length], axis=1)
    around, before = centred(spans, window, duration), causal(spans, window)
    for windows in (around, before):
        assert (windows >= -1e-9).all()
        assert (windows[:, 1] <= duration + 1e-6).all()
    assert np.allclose(around[:, 1] - around[:, 0], window)
    inside = (spans.mean(axis=1) >= window / 2) & (spans.mean(axis=1) <= duration - window / 2)
    assert np.allclose(around.mean(axis=1)[inside], spans.mean(axis=1)[inside])
    assert np.allclose(before[:, 1], spans[:, 1])
    assert (np.diff(around[:, 0]) >= -1e-9).all()


def test_windows_of_the_whole_clip_are_those_of_the_paper() -> None:
    """The window of a window model is the window that is the sample if both have one length."""
    starts = window_starts(15.0, 10.0, 1.5)
    spans = np.stack([starts, starts + 10.0], axis=1)
    assert np.array_equal(centred(spans, 10.0, 15.0), spans)
    assert np.array_equal(causal(spans, 10.0), spans)
