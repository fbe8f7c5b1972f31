"""Folders of the HCP pipelines, from files to a study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from b2m_encoding.data.cleaning import Cleaning
from b2m_encoding.data.hcp import read_evs, read_hcp
from b2m_encoding.data.sources import HCPSource
from b2m_encoding.errors import InputError
from b2m_encoding.spaces import grayordinate_space

N_TARGETS, N_SAMPLES, TR = 40, 90, 1.0
RUNS = ("tfMRI_MUSIC1_LR", "tfMRI_MUSIC1_RL", "tfMRI_MUSIC2_LR")
KIND = "Atlas_MSMAll.dtseries.nii"
AXIS = grayordinate_space().axis[:N_TARGETS]


def write_series(path: Path, values: np.ndarray, start: float = 0.0, axis: object = AXIS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Cifti2Image(values, (nib.cifti2.SeriesAxis(start, TR, len(values)), axis)), path)


@pytest.fixture
def root(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Two subjects, who respond to music."""
    for subject in ("100307", "100408"):
        for number, run in enumerate(RUNS):
            folder = tmp_path / "hcp" / subject / "MNINonLinear/Results" / run
            onsets = np.arange(8, 80, 12) + number
            course = np.zeros(N_SAMPLES)
            for onset in onsets:
                course[onset + 4 : onset + 9] = 1
            values = course[:, None] * (np.arange(N_TARGETS) < 20) * 3 + rng.standard_normal((N_SAMPLES, N_TARGETS))
            write_series(folder / f"{run}_Atlas_MSMAll.dtseries.nii", values.astype(np.float32))
            write_series(folder / f"{run}_Atlas.dtseries.nii", values.astype(np.float32) + 1)
            (folder / "EVs").mkdir()
            (folder / "EVs/music.txt").write_text("".join(f"{onset}\t4.0\t1\n" for onset in onsets))
            (folder / "EVs/rest.txt").write_text("2.5 3 1\n50 3 0\n")
            (folder / "EVs/never.txt").write_text("")
            (folder / "EVs/Sync.txt").write_text("11.9\n")
            np.savetxt(folder / "Movement_Regressors.txt", rng.standard_normal((N_SAMPLES, 12)))
        (tmp_path / "hcp" / subject / "MNINonLinear/Results/tfMRI_MUSIC1/tfMRI_MUSIC1.feat").mkdir(parents=True)
    return tmp_path / "hcp"


def test_series_and_events_of_a_subject(root: Path) -> None:
    recording = read_hcp(root, "100307", tasks=["tfMRI_MUSIC1*"])
    assert recording.responses.runs.names == RUNS[:2]
    assert recording.responses.runs.tr == TR
    path = root / "100307/MNINonLinear/Results/tfMRI_MUSIC1_LR/tfMRI_MUSIC1_LR_Atlas_MSMAll.dtseries.nii"
    assert np.array_equal(recording.responses.load()[:N_SAMPLES], np.asarray(nib.load(path).dataobj))
    table = recording.events["tfMRI_MUSIC1_RL"]
    assert table["trial_type"].value_counts().to_dict() == {"music": 6, "rest": 1}
    assert table[["onset", "duration"]].to_numpy()[:2].tolist() == [[2.5, 3], [9, 4]]
    assert {path.name for path in recording.inputs} == {
        "EVs",
        *(f"{run}_Atlas_MSMAll.dtseries.nii" for run in RUNS[:2]),
    }


def test_options_of_the_reader(root: Path, tmp_path: Path) -> None:
    for run in RUNS:
        (tmp_path / f"100408_{run}.tsv").write_text("onset\tduration\tstim_file\n3\t6\ta.wav\n")
    source = HCPSource.model_validate(
        {"reader": "hcp", "root": root, "series": "Atlas", "motion": True, "events": tmp_path / "{subject}_{run}.tsv"}
    )
    assert source.list_subjects() == ("100307", "100408")
    recording = source.read("100408", Cleaning())
    assert len(recording.responses.runs.names) == 3
    assert set(recording.responses.runs.clip) == {"", "a"}
    assert sum(path.name == "Movement_Regressors.txt" for path in recording.inputs) == 3


@pytest.mark.parametrize("line", ["1 2", "1 2 3 4", "1 x 1", "nan 2 1"])
def test_files_that_hold_no_events(line: str, tmp_path: Path) -> None:
    (tmp_path / "music.txt").write_text(f"{line}\n")
    with pytest.raises(InputError, match=r"triplets|not a number"):
        read_evs(tmp_path)


def test_weights_that_are_not_one_are_kept(tmp_path: Path) -> None:
    (tmp_path / "music.txt").write_text("1 2 1\n5,5 2 .5\n".replace(",", "."))
    assert read_evs(tmp_path)["weight"].tolist() == ["1.0", "0.5"]


def test_what_is_not_there_is_told(root: Path) -> None:
    with pytest.raises(InputError, match=r"no series Atlas_hp0(?s:.)*tfMRI_MUSIC1_LR(?s:.)*series Atlas, Atlas_MSMAll"):
        read_hcp(root, "100307", series="Atlas_hp0")
    with pytest.raises(InputError, match="no results of the HCP pipelines"):
        HCPSource.model_validate({"reader": "hcp", "root": root / "100307"}).list_subjects()
    late = root / "100307/MNINonLinear/Results/tfMRI_MUSIC1_LR/EVs/music.txt"
    late.write_text("1 2 1\n500 2 1\n")
    with pytest.raises(InputError, match=r"event 3 lies beyond the run(?s:.)*EVs"):
        read_hcp(root, "100307")
    other = root / "100307/MNINonLinear/Results/tfMRI_MUSIC2_LR/tfMRI_MUSIC2_LR_Atlas_MSMAll.dtseries.nii"
    write_series(other, np.zeros((N_SAMPLES, 30), np.float32), axis=AXIS[:30])
    with pytest.raises(InputError, match="differ in their grayordinates"):
        read_hcp(root, "100307")


def test_the_study_that_init_writes_has_no_problems(
    root: Path, tmp_path: Path, b2m: Callable[..., tuple[int, str]]
) -> None:
    code, printed = b2m("init", "bids", root, "--out", tmp_path)
    assert (code, "b2m check finds no problems" in printed) == (0, True), printed
    text = (tmp_path / "study.toml").read_text()
    assert '# series = "Atlas"' in text
    assert 'music = ["music"]' in text
