"""What importing and checking extractors loads: each package where it is used, and none before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HEAVY = [
    *("torch", "transformers", "sklearn", "soxr", "soundfile", "pandas", "safetensors", "nibabel", "nilearn"),
    *("matplotlib", "statsmodels", "scipy.fft", "scipy.linalg", "scipy.signal", "scipy.sparse", "scipy.stats"),
]


def loaded(code: str) -> list[str]:
    """Heavy packages that a new process has loaded after some code."""
    report = f"import sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    "module", ["b2m_encoding.features", "b2m_encoding.features.extractors", "b2m_encoding.features.networks.registry"]
)
def test_importing_loads_no_heavy_package(module: str) -> None:
    assert loaded(f"import {module}") == []


CHECK = """
from pydantic import TypeAdapter
from b2m_encoding.errors import InputError
from b2m_encoding.features.clips import StimulusTimeline
from b2m_encoding.features.extractors import AnyExtractor
from b2m_encoding.runs import Runs
table = TypeAdapter(AnyExtractor).validate_python({table!r})
try:
    table.check(StimulusTimeline(Runs.from_lengths({{"run-01": 10}}, 1.5), {{}}))
except InputError as error:
    assert {problem!r} in str(error), error
"""


def test_a_check_of_arrays_loads_nothing_more(tmp_path: Path) -> None:
    np.save(tmp_path / "run-01.npy", np.zeros((9, 2)))
    table = {"extractor": "array", "files": str(tmp_path / "{run}.npy")}
    assert loaded(CHECK.format(table=table, problem="does not fit its run")) == []


CHECK_TRACKS = """
import pandas as pd
from pydantic import TypeAdapter
from b2m_encoding.features.clips import StimulusTimeline
from b2m_encoding.features.extractors import AnyExtractor
from b2m_encoding.runs import Runs
events = pd.DataFrame([(0, 15, "jazz", "0", "1.0")], columns=["onset", "duration", "genre", "track", "start"])
table = TypeAdapter(AnyExtractor).validate_python({table!r})
table.check(StimulusTimeline(Runs.from_lengths({{"run-01": 10}}, 1.5), {{"run-01": events}}))
"""


def test_a_check_of_tracks_decodes_them_without_a_network(tracks: Path) -> None:
    found = loaded(CHECK_TRACKS.format(table={"extractor": "acoustic", "stimuli": str(tracks)}))
    assert "soundfile" in found
    assert not {"torch", "transformers", "sklearn", "soxr", "safetensors"} & set(found)


def test_every_public_name_is_there() -> None:
    import b2m_encoding.features as features

    assert set(features.__all__) <= set(dir(features))
    assert all((getattr(features, name).__doc__ or "").strip() for name in features.__all__)
