"""Quality of runs: what was discarded and censored, signal against noise, motion from fMRIPrep's table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.analysis.tables.quality import quality_rows, temporal_snr
from b2m_encoding.analysis.windows import windowed
from b2m_encoding.data import Recording, Responses
from b2m_encoding.data.cleaning import Cleaning
from b2m_encoding.data.confounds import framewise_displacement
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced
from b2m_encoding.study import Study, WindowsTable

STUDY = {
    "name": "A study",
    "output": "out",
    "data": {"reader": "bids", "root": "bids", "tasks": ["a"], "discard": 4.0},
    "features": {"events": {"extractor": "conditions", "groups": {"a": ["a"]}}},
    "evaluation": {"kind": "test", "test_runs": "b"},
}


def recording(rng: np.random.Generator, folder: Path) -> Recording:
    runs = Runs.from_lengths({"a": 40, "b": 60}, tr=2.0)
    runs = replace(runs, clip=np.where(runs.time >= 4, "jazz.00001", ""), presentation=runs.begins.cumsum())
    values = 500 + 10 * rng.standard_normal((100, 20))
    values[:, 0], values[5, 1] = 3.0, np.nan
    files = {name: folder / f"sub-01_task-{name}_space-x_desc-preproc_bold.nii.gz" for name in "ab"}
    kept = np.ones(40, dtype=bool)
    kept[[1, 10, 11]] = False
    raw = Recording("01", Responses.from_array(values, runs, Unplaced(20)), files=files)
    return raw.prepared(Cleaning(), discard=4.0, kept={"a": kept})


def test_rows_tell_what_each_run_is(rng: np.random.Generator, tmp_path: Path) -> None:
    (tmp_path / "sub-01_task-b_desc-confounds_timeseries.tsv").write_text(
        "framewise_displacement\trot_x\n" + "\n".join(["n/a\t0", *["0.1\t0"] * 58, "0.9\t0"]) + "\n"
    )
    first, second = quality_rows("01", recording(rng, tmp_path), Study.model_validate(STUDY))
    assert (first["role"], second["role"]) == ("training", "test")
    assert (first["volumes"], first["seconds"]) == (40, 80.0)
    assert (first["discarded"], first["censored"], second["censored"]) == (2, 2, 0)
    assert first["share_censored"] == pytest.approx(2 / 38)
    assert first["tsnr"] == pytest.approx(50, rel=0.1)
    assert np.isnan(first["mean_fd"])
    assert second["mean_fd"] == pytest.approx((58 * 0.1 + 0.9) / 59)
    assert second["max_fd"] == 0.9


def test_runs_of_windows_are_judged_by_their_volumes(rng: np.random.Generator, tmp_path: Path) -> None:
    whole = recording(rng, tmp_path)
    study = Study.model_validate({**STUDY, "evaluation": {"kind": "test", "test_runs": "b"}, "windows": {}})
    rows = quality_rows("01", windowed(whole, WindowsTable()), study)
    assert [row["volumes"] for row in rows] == [40, 60]
    assert [row["censored"] for row in rows] == [2, 0]


@pytest.mark.parametrize(("bad", "found"), [(np.nan, "in sample 59 "), (3.0, "20 of 20 targets are constant")])
def test_a_run_that_no_model_can_use_is_refused(
    rng: np.random.Generator, tmp_path: Path, bad: float, found: str
) -> None:
    runs = Runs.from_lengths({"a": 40, "b": 60}, tr=2.0)
    values = rng.standard_normal((100, 20))
    values[99 if np.isnan(bad) else slice(40, 100)] = bad
    one = Recording("01", Responses.from_array(values, runs, Unplaced(20)), files={"b": tmp_path / "b.nii.gz"})
    study = Study.model_validate(STUDY)
    with pytest.raises(InputError, match="no target can be tested: in run b of sub-01") as error:
        quality_rows("01", one, study)
    assert found in str(error.value)
    assert error.value.file == tmp_path / "b.nii.gz"
    values[40:, 3] = np.arange(60)  # one target is enough
    one = Recording("01", Responses.from_array(values, runs, Unplaced(20)))
    assert len(quality_rows("01", one, study)) == 2


@pytest.mark.parametrize("table", ["", "rot_x\n0\n", "framewise_displacement\nn/a\nn/a\n"])
def test_a_table_without_motion_tells_none(tmp_path: Path, table: str) -> None:
    (tmp_path / "sub-01_task-a_desc-confounds_timeseries.tsv").write_text(table)
    assert framewise_displacement(tmp_path / "sub-01_task-a_space-x_desc-preproc_bold.nii.gz") is None
    assert framewise_displacement(tmp_path / "sub-02_task-a_bold.nii.gz") is None


def test_signal_to_noise_needs_a_mean(rng: np.random.Generator) -> None:
    noise = rng.standard_normal((4000, 30))
    assert temporal_snr(200 + 4 * noise) == pytest.approx(50, rel=0.05)
    assert np.isnan(temporal_snr(noise))
    assert np.isnan(temporal_snr(np.zeros((10, 3))))
