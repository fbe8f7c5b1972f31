from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2m_encoding.data.events import label_clips
from b2m_encoding.errors import InputError
from b2m_encoding.features.clips import Clip, StimulusTimeline
from b2m_encoding.features.windows import cut_windows
from b2m_encoding.runs import Runs

TR = 1.5
HOME = Clip("jazz/jazz.00000.wav", 1.0, 15.0)


def test_each_clip_is_asked_for_once_with_the_stretches_of_its_samples(stimulation: StimulusTimeline) -> None:
    assert [clip.name for clip in stimulation.clips] == ["jazz.00000", "jazz.00001", "jazz.00002", "jazz.00003"]
    assert np.allclose(stimulation.clips[HOME], np.stack([np.arange(10), np.arange(1, 11)], axis=1) * TR)
    assert HOME.id == "jazz.00000_15s"


def test_features_lie_under_the_samples_of_their_clip(stimulation: StimulusTimeline) -> None:
    features = {
        clip: np.full((len(spans), 2), i, np.float32) + spans[:, :1].astype(np.float32) / 100
        for i, (clip, spans) in enumerate(stimulation.clips.items(), start=1)
    }
    laid = stimulation.clips_to_samples(features)
    ramp = np.arange(10) * TR / 100
    assert np.allclose(laid[:, 0], np.r_[1 + ramp, 2 + ramp, 3 + ramp, 1 + ramp, 4 + ramp, 3 + ramp, 0, 0])


@given(
    st.lists(st.tuples(st.floats(0, 20), st.floats(2, 16)), min_size=1, max_size=6), st.sampled_from([0.8, 1.5, 2.0])
)
def test_samples_are_those_that_runs_label_and_stretches_stay_in_the_clip(
    clips: list[tuple[float, float]], tr: float
) -> None:
    """Whatever the onsets: shares of samples add up to the clip, most of it under the samples that ``Runs`` label."""
    onset, rows = 0.0, []
    for i, (pause, duration) in enumerate(clips):
        onset += pause
        rows.append((onset, duration, "jazz", str(i), "0"))
        onset += duration
    table = pd.DataFrame(rows, columns=["onset", "duration", "genre", "track", "start"])
    runs = Runs.from_lengths({"run-01": int(onset / tr) + 2}, tr)
    labelled = label_clips(runs, {"run-01": table}, {"run-01": None})
    stimulation = StimulusTimeline(runs, {"run-01": table})
    for one in stimulation.presentations:
        assert np.isclose(one.shares.sum() * tr, one.clip.duration, atol=1e-5)
        assert ((one.shares > 0) & (one.shares <= 1)).all()
        assert (one.spans >= 0).all()
        assert (one.spans[:, 1] <= one.clip.duration + 1e-6).all()
        on_grid = runs.time[one.rows] - table["onset"][int(one.clip.name[-5:])]
        inside = (on_grid >= 0) & (on_grid + tr <= one.clip.duration)
        assert np.allclose(one.spans[inside, 0], on_grid[inside], atol=1e-6)
        own = np.flatnonzero(labelled.clip == one.clip.name)
        assert set(one.rows[one.shares > 0.75].tolist()) <= set(own.tolist()) <= set(range(len(runs)))
        assert len(own) in (n := round(one.clip.duration / tr), n - 1, n + 1)


def test_windows_are_stretches_of_their_clips(stimulation: StimulusTimeline) -> None:
    volumes = stimulation.volumes
    labelled = label_clips(volumes, dict(stimulation.events), dict.fromkeys(stimulation.events))
    windows = cut_windows(labelled, 10.0, 1.5, lag=4.5)
    found = StimulusTimeline(labelled, stimulation.events, windows)
    assert [len(one.rows) for one in found.presentations] == [4] * 6
    assert found.clips[HOME].tolist() == [[0, 10], [1.5, 11.5], [3, 13], [4.5, 14.5]]
    assert np.allclose(
        found.volumes_to_samples(labelled.time[:, None].astype(np.float32))[:4, 0], 4.5 + np.arange(4) * 1.5
    )


def test_events_that_name_no_clip(play: Callable[..., pd.DataFrame]) -> None:
    runs = Runs.from_lengths({"run-01": 20}, TR)
    table = play((0, 0, 1.0))
    table.loc[0, "start"] = "soon"
    with pytest.raises(InputError, match=r"(?s)event 1 of run run-01 does not identify a clip.*soon"):
        _ = StimulusTimeline(runs, {"run-01": table}).presentations
    table.loc[0, ["start", "track"]] = ["0", "n/a"]
    with pytest.raises(InputError, match="present no clip"):
        _ = StimulusTimeline(runs, {"run-01": table}).presentations


@pytest.mark.parametrize(
    "times", [("jazz.00054", 3.0), (3.0, "15"), (float("nan"), 1.0), (0.0, float("inf")), (True, 1.0)]
)
def test_a_clip_has_times(times: tuple[object, object]) -> None:
    with pytest.raises(InputError, match="of a clip is no time"):
        Clip("jazz", *times)  # type: ignore[arg-type]
