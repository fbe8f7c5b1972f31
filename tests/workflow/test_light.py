"""The check of a study counts shapes and reads headers: it waits for no solver, statistics package or plotting."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from b2m_encoding.phantom import simulate_arrays

HEAVY = (
    *("torch", "sklearn", "statsmodels", "transformers", "safetensors", "zarr", "dask", "nilearn", "matplotlib"),
    *("jinja2", "soxr", "PIL", "scipy.signal", "scipy.stats", "scipy.linalg", "scipy.optimize", "scipy.ndimage"),
)
CHECK = f"""
import sys
sys.argv = ["b2m", "check", sys.argv[1]]
from b2m_encoding.cli import main
try:
    main()
finally:
    print("loaded:", *[name for name in {(*HEAVY, "numpy", "pydantic")} if name in sys.modules])
"""


def checked(study: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", CHECK, str(study)], capture_output=True, text=True, check=False)


def changed(folder: Path, before: str, after: str) -> Path:
    """A study of arrays with other settings."""
    study = simulate_arrays(folder / "study")
    text = study.read_text()
    assert before in text
    study.write_text(text.replace(before, after))
    return study


def test_a_check_of_sounds_loads_nothing_heavy(tiny_study: Path) -> None:
    lines = checked(tiny_study).stdout.splitlines()
    assert lines[-2:] == ["no problems found", "loaded: numpy pydantic"]
    assert lines[-3].startswith("memory: a run needs about")


def test_a_check_of_folds_loads_nothing_heavy(tmp_path: Path) -> None:
    study = changed(tmp_path, 'kind = "test"\ntest_runs = "test*"', 'kind = "cross-validation"')
    assert checked(study).stdout.splitlines()[-2:] == ["no problems found", "loaded: numpy pydantic"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_check_finds_that_the_device_is_missing(tmp_path: Path) -> None:
    done = checked(changed(tmp_path, "[model]", '[model]\ndevice = "cuda"'))
    assert done.returncode == 2
    assert "there is no CUDA device" in done.stderr
