from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.features.events import event_features
from b2m_encoding.runs import Runs


def table(*rows: tuple[float, float, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["onset", "duration", "trial_type"])


def test_durations_fill_samples_by_their_share() -> None:
    events = {"run-01": table((1.0, 4.0, "sound"))}
    features = event_features(Runs.from_lengths([4], 2.0), events, "trial_type", {"sound": ["sound"]})
    assert features[:, 0].tolist() == [0.5, 1.0, 0.5, 0.0]


def test_an_event_without_duration_is_shared_by_its_neighbours() -> None:
    events = {"run-01": table((2.0, 0.0, "a"), (3.5, 0.0, "b"), (5.0, 0.0, "b"))}
    features = event_features(Runs.from_lengths([3], 2.0), events, "trial_type", {"both": ["a", "b"]})
    assert features[:, 0].tolist() == [0.0, 1.25, 1.25]


def test_a_condition_may_belong_to_several_groups() -> None:
    events = {"run-01": table((2.0, 0.0, "click_heard"))}
    groups = {"sound": ["click_heard"], "click": ["click_heard"]}
    features = event_features(Runs.from_lengths([3], 2.0), events, "trial_type", groups)
    assert features[1].tolist() == [1.0, 1.0]


def test_events_stay_in_their_run() -> None:
    events = {"run-01": table((5.9, 4.0, "a"))}
    features = event_features(Runs.from_lengths([3, 3], 2.0), events, "trial_type", {"a": ["a"]})
    assert np.allclose(features[:, 0], [0, 0, 0.05, 0, 0, 0])


def test_unknown_condition_is_named() -> None:
    with pytest.raises(InputError, match="song"):
        event_features(Runs.from_lengths([3], 2.0), {"run-01": table((0, 1, "a"))}, "trial_type", {"x": ["song"]})
