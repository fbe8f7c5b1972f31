"""Runs without a finite target, features without a column, and limits on files: named with what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.results.reader import Results
from b2m_encoding.study import load_study
from b2m_encoding.workflow.check import check_study
from b2m_encoding.workflow.run import run_study

from ..conftest import without_figures


@pytest.fixture
def study(tmp_path: Path) -> Path:
    file = simulate_arrays(tmp_path / "study", n_subjects=1, n_targets=30, n_samples=60)
    return without_figures(file)


def change(study: Path, run: str, rows: int | slice, columns: int | slice, value: float) -> None:
    path = study.parent / f"responses/01_{run}.npy"
    values = np.load(path)
    values[rows, columns] = value
    np.save(path, values)


EVERYTHING = slice(None)


@pytest.mark.parametrize(("rows", "found"), [(EVERYTHING, "0, 1, 2, 3, 4 and 55 more"), (7, "sample 7 ")])
def test_a_training_run_without_finite_target_is_named_before_any_fit(
    rows: int | slice, found: str, study: Path
) -> None:
    change(study, "train-2", rows, EVERYTHING, np.nan)
    with pytest.raises(InputError, match=rf"run train-2(?s:.)*01_train-2\.npy(?s:.)*{found}(?s:.)*censor") as error:
        run_study(load_study(study), study)
    assert error.value.file == study.parent / "responses/01_train-2.npy"
    assert not any("fit" in path.name for path in (study.parent / ".results.work").rglob("*"))


def test_a_test_run_without_finite_target_is_named(study: Path) -> None:
    change(study, "test-2", 7, EVERYTHING, np.inf)
    with pytest.raises(InputError, match=r"no target can be tested(?s:.)*run test-2 of sub-01(?s:.)*sample 7 "):
        run_study(load_study(study), study)


def test_some_missing_values_leave_the_other_targets(study: Path) -> None:
    for target, run in enumerate(("train-1", "train-2", "test-1")):
        change(study, run, 5, target, np.nan)
    change(study, "train-3", EVERYTHING, 3, 7.0)
    run_study(load_study(study), study)
    r = Results.open(study.parent / "results").map("01", "joint", "r")
    assert np.isnan(r).tolist() == [True] * 3 + [False] * 27


def test_features_without_a_column(study: Path) -> None:
    for path in study.parent.glob("features/sound_*.npy"):
        np.save(path, np.load(path)[:, :0])
    with pytest.raises(InputError, match=r"does not fit its run(?s:.)*sound_train-1(?s:.)*shape \(60, 0\)"):
        check_study(load_study(study))


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from b2m_encoding.cli import main
sys.argv = ["b2m", "run", sys.argv[1]]
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_a_limit_on_the_size_of_files_is_no_full_disk(study: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, study], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "larger than this process may write" in done.stderr
    assert "a file may have 20.0 kB" in done.stderr
    assert "ulimit -f" in done.stderr
    assert "full" not in done.stderr


def test_the_package_runs_as_a_module(study: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-O", "-m", "b2m_encoding", "check", study]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no problems found" in done.stdout + done.stderr
