"""A hint on stimuli at equal intervals, where rearranged predictions are like the true ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from b2m_encoding.analysis.intervals import describe_intervals
from b2m_encoding.data import Recording, Responses
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced
from b2m_encoding.study import Study

TR, N = 1.5, 160
CV, TEST = {"kind": "cross-validation"}, {"kind": "test", "test_runs": "run-0[34]"}


def study(folder: Path, **more: Any) -> Study:
    content = {
        "name": "s", "output": "results",
        "data": {"reader": "array", "tr": TR, "subjects": ["01"], "files": {"run-01": "a.npy"}},
        "features": {"f": {"extractor": "conditions", "groups": {"a": ["a"]}}}, **more,
    }  # fmt: skip
    return Study.model_validate(content, context={"folder": folder})


def recording(rests: list[float], n_runs: int, kinds: str = "a", duration: float = 10.0) -> Recording:
    """Runs of stimuli with rests of some lengths between them, and kinds in turn."""
    runs, events = Runs.from_lengths([N] * n_runs, TR), {}
    rng = np.random.default_rng(1)
    for run in runs.names:
        onset = np.cumsum(np.r_[0.0, duration + rng.choice(rests, 40)])
        onset = onset[onset + duration < N * TR]
        events[run] = pd.DataFrame(
            {"onset": onset, "duration": duration, "trial_type": [kinds[i % len(kinds)] for i in range(len(onset))]}
        )
    responses = Responses.from_array(np.zeros((len(runs), 1), dtype=np.float32), runs, Unplaced(1))
    return Recording("01", responses, events)


@pytest.mark.parametrize(
    ("rests", "n_runs", "kinds", "more", "said"),
    [
        ([5.0], 4, "a", {}, "every 15 s, in 4 held-out runs"),
        ([5.0], 4, "a", {"statistics": {"test": "shift"}}, "no p below about 0.006"),
        ([5.0], 4, "a", {"statistics": {"test": "clip"}}, "cannot become significant"),
        ([5.0], 4, "a", {"evaluation": TEST}, "in 2 held-out runs"),
        ([5.0], 4, "a", {"statistics": {"test": "paper"}}, None),
        ([5.0], 4, "a", {"windows": {}}, None),
        ([4.8, 5.2], 4, "a", {}, "every 15"),
        ([0.0], 4, "a", {}, None),  # no rests
        ([0.0], 4, "ab", {}, "every 10 s"),  # two kinds in turn
        ([0.0], 4, "abaabbabbbaabab", {}, None),
        ([5.0], 12, "a", {}, None),  # many runs
        ([0.0, 2, 4, 6, 8, 10], 4, "a", {}, None),
    ],
)  # fmt: skip
def test_equal_intervals_are_recognised(
    tmp_path: Path, rests: list[float], n_runs: int, kinds: str, more: dict[str, Any], said: str | None
) -> None:
    table = study(tmp_path, **{"evaluation": CV} | more)
    found = describe_intervals(recording(rests, n_runs, kinds), table)
    assert (found is None) if said is None else said in str(found), found
