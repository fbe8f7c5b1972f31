"""``b2m init bids``: a study of what is in the folder that passes its check, or says what to fill in."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import soundfile

from ..conftest import SMALL_FIGURES

Command = Callable[..., tuple[int, str]]
DataSet = Callable[..., Path]


def test_init_writes_a_study_of_what_is_there(root: Path, b2m: Command) -> None:
    code, printed = b2m("init", "bids", root)
    assert (code, str(root / "study.toml") in printed) == (0, True)
    code, printed = b2m("check", root / "study.toml")
    assert code == 0, printed
    assert "sub-02: 3 runs, 120 samples of 2 s, 48 targets on MNI152NLin2009cAsym" in printed
    text = (root / "study.toml").read_text()
    assert 'speech = ["speech"]' in text
    assert "delays = [4.0, 6.0, 8.0]" in text
    assert b2m("init", "bids", root)[0] == 2


def test_init_names_what_was_not_preprocessed(tmp_path: Path, data_set: DataSet, b2m: Command) -> None:
    root = data_set(tmp_path / "data", n_runs=1)
    for path in root.glob("derivatives/fmriprep/sub-02/func/*"):
        path.unlink()
    assert b2m("init", "bids", root, "--out", tmp_path / "mine")[0] == 0
    text = (tmp_path / "mine/study.toml").read_text()
    assert 'subjects = ["01"]' in text
    assert "blocks = 4" in text
    assert 'output = "results"' in text  # beside a study that lies elsewhere, not in the data set
    assert b2m("check", tmp_path / "mine/study.toml")[0] == 0
    for path in root.glob("derivatives/fmriprep/sub-01/func/*"):
        path.unlink()
    code, printed = b2m("init", "bids", root, "--out", tmp_path / "yours")
    assert (code, "has been preprocessed" in printed) == (2, True)


def test_the_study_that_init_writes_runs(root: Path, b2m: Command) -> None:
    b2m("init", "bids", root)
    study = root / "study.toml"
    text = study.read_text().replace("[statistics]", "[statistics]\npermutations = 100\nrefits = 1000")
    study.write_text(f"{text}\n{SMALL_FIGURES}")
    code, printed = b2m("run", study)
    assert code == 0, printed
    record = json.loads((root / "derivatives/b2m_encoding/provenance.json").read_text())
    assert record["cleaning"]["01"] == ["regress out a line and cosines slower than 128 s", "z-score each target"]


def study_of(root: Path, b2m: Command) -> dict:
    """What init writes, and that it says the truth about the check."""
    code, printed = b2m("init", "bids", root)
    assert code == 0, printed
    passes = b2m("check", root / "study.toml")[0] == 0
    assert ("b2m check finds no problems" in printed) == passes, printed
    assert passes or "fill in before it can run" in printed
    return tomllib.loads((root / "study.toml").read_text())


def test_names_that_look_alike_stay_apart(tmp_path: Path, data_set: DataSet, b2m: Command) -> None:
    names = ["a b", "a_b", "a-b", 'a "b', "größe", "1.5", "a.b", "back\\slash"]
    rows = [f"{4 + 9 * i}\t3\t{name}" for i, name in enumerate(names)]
    root = data_set(tmp_path / "data", events=rows)
    study = study_of(root, b2m)
    groups = study["features"]["events"]["groups"]
    assert groups == {name: [name] for name in names}
    assert b2m("check", root / "study.toml")[0] == 0


@pytest.mark.parametrize("name", ["two\nlines", '"quoted"', "\t", "\u007f"])
def test_any_name_of_a_data_set(name: str, root: Path, b2m: Command) -> None:
    (root / "dataset_description.json").write_text(json.dumps({"Name": name}))
    study = study_of(root, b2m)
    assert study["name"] == (" ".join(name.strip("\x7f").split()) or "data")
    assert b2m("check", root / "study.toml")[0] == 0


def test_tasks_without_events_are_left_out(root: Path, data_set: DataSet, b2m: Command) -> None:
    data_set(root, task="rest", events=None)
    data_set(root, task="slow", tr=3.0, events=["3\t3\tspeech", "9\t3\tmusic"])
    study = study_of(root, b2m)
    assert study["data"]["tasks"] == ["listening"]
    assert set(study["features"]["events"]["groups"]) == {"speech", "music"}
    text = (root / "study.toml").read_text()
    assert "# left out: task rest, it has no events" in text
    assert "# left out: task slow, its repetition time is 3 s, not 2 s" in text
    assert b2m("check", root / "study.toml")[0] == 0


def test_without_any_events_it_says_what_to_fill_in(tmp_path: Path, data_set: DataSet, b2m: Command) -> None:
    root = data_set(tmp_path / "data", events=None, n_runs=2)
    code, printed = b2m("init", "bids", root)
    assert code == 0
    assert "fill in before it can run" in printed
    assert str(root / "features") in printed
    text = (root / "study.toml").read_text()
    assert "features/task-listening_run-01.npy   (40 rows)" in text
    (root / "features").mkdir()
    for name in ("run-01", "run-02"):
        np.save(root / f"features/task-listening_{name}.npy", np.ones((40, 2)))
    assert b2m("check", root / "study.toml")[0] == 0


@pytest.mark.parametrize("column", ["stim_file", "condition"])
def test_conditions_in_another_column(column: str, tmp_path: Path, data_set: DataSet, b2m: Command) -> None:
    root = data_set(tmp_path / "data", column=column)
    study = study_of(root, b2m)
    assert study["features"]["events"]["column"] == column
    assert b2m("check", root / "study.toml")[0] == 0


def test_clips_are_taken_where_their_sounds_are(tmp_path: Path, data_set: DataSet, b2m: Command) -> None:
    rows = [f"{15 * i}\t15\trock\t{i}\t1.5" for i in range(5)]
    root = data_set(tmp_path / "data", events=rows, column="genre\ttrack\tstart")
    assert study_of(root, b2m)["features"]["events"]["column"] == "genre"
    (root / "study.toml").unlink()
    (root / "stimuli/rock").mkdir(parents=True)
    for i in range(5):
        soundfile.write(root / f"stimuli/rock/rock.{i:05d}.wav", 0.1 * np.sin(np.arange(8000 * 17)), 8000)
    assert study_of(root, b2m)["features"] == {"acoustic": {"extractor": "acoustic", "stimuli": "stimuli"}}
    assert b2m("check", root / "study.toml")[0] == 0


def test_subjects_without_the_common_task_are_left_out(tmp_path: Path, data_set: DataSet, b2m: Command) -> None:
    root = data_set(tmp_path / "data", subjects=("01", "02"))
    data_set(root, subjects=("03",), task="speech")
    study = study_of(root, b2m)
    assert (study["data"]["subjects"], study["data"]["tasks"]) == (["01", "02"], ["listening"])
    assert b2m("check", root / "study.toml")[0] == 0


def test_subjects_with_another_repetition_time_are_left_out(tmp_path: Path, data_set: DataSet, b2m: Command) -> None:
    root = data_set(tmp_path / "data", subjects=("02", "03"))
    data_set(root, subjects=("01",), tr=3.0)
    study = study_of(root, b2m)
    assert study["data"]["subjects"] == ["02", "03"]
    assert b2m("check", root / "study.toml")[0] == 0


def test_a_folder_without_subjects_gets_a_template(tmp_path: Path, b2m: Command) -> None:
    code, printed = b2m("init", "bids", tmp_path)
    assert (code, "this is a template to fill in" in printed) == (0, True)


def test_raw_volumes_alone_say_what_to_do(tmp_path: Path, data_set: DataSet, b2m: Command) -> None:
    root = data_set(tmp_path / "data", n_runs=1)
    for path in root.glob("derivatives/fmriprep/*/func/*bold.nii.gz"):
        name = path.name.replace("_space-MNI152NLin2009cAsym_desc-preproc", "")
        path.rename(root / path.parent.parent.name / "func" / name)
    code, printed = b2m("init", "bids", root)
    assert code == 2
    for text in ("raw volumes of listening", "run fMRIPrep", 'mask = "masks/sub-{subject}.nii.gz"'):
        assert text in printed


def write_plain(folder: Path, data_set: DataSet) -> list[str]:
    """Series without BIDS names, each with a table of events that names sounds; returns the names of the sounds."""
    names = [f"song{i}.wav" for i in range(8)]
    rows = [f"{4 + 9 * i}\t3\tmusic\t{name}" for i, name in enumerate(names)]
    root = data_set(folder.with_name("named"), subjects=("01",), events=rows, column="trial_type\tstim_file")
    derived = root / "derivatives/fmriprep/sub-01/func"
    (folder / "sounds").mkdir(parents=True)
    for run in (1, 2, 3):
        [bold], [events] = derived.glob(f"*run-{run}*bold.nii.gz"), root.glob(f"sub-01/func/*run-{run}_events.tsv")
        bold.rename(folder / f"scan_{run}.nii.gz")
        events.rename(folder / f"scan_{run}.tsv")
    next(derived.glob("*mask.nii.gz")).rename(folder / "brain_mask.nii.gz")
    for i, name in enumerate(names):
        soundfile.write(folder / "sounds" / name, 0.1 * np.sin(np.arange(24_000) * 0.05 * (i + 1)), 8000)
    return names


def test_series_whose_place_only_the_user_knows(tmp_path: Path, data_set: DataSet, b2m: Command) -> None:
    """Two affines that disagree: the study is written all the same, and says where the choice is to be made."""
    folder, file = tmp_path / "plain", tmp_path / "study/study.toml"
    write_plain(folder, data_set)
    for path in folder.glob("*.nii.gz"):
        image = nib.load(path)
        moved = nib.Nifti1Image(image.get_fdata(dtype=np.float32), image.affine, image.header)
        place = image.affine.copy()
        place[0, 3] += 30
        moved.set_sform(place, code=1)
        moved.set_qform(image.affine, code=1)
        nib.save(moved, path)
    code, printed = b2m("init", "arrays", folder, "--out", file.parent)
    assert (code, "fill in before it can run" in printed) == (0, True), printed
    assert 'choose one: affine = "sform" or "qform" under [data]' in printed
    text = file.read_text()
    [line] = [line for line in text.splitlines() if "FILL IN" in line]
    assert text.index("[data]") < text.index(line) < text.index("[data.images]")
    file.write_text(text.replace(line, line.removeprefix("# ")))
    code, printed = b2m("check", file)
    assert (code, "no problems" in printed) == (0, True), printed


def test_series_without_bids_names(tmp_path: Path, data_set: DataSet, b2m: Command) -> None:
    folder = tmp_path / "plain"
    names = write_plain(folder, data_set)
    code, printed = b2m("init", "arrays", folder, "--out", tmp_path / "study")
    assert (code, "b2m check finds no problems" in printed) == (0, True), printed
    study = tomllib.loads((tmp_path / "study/study.toml").read_text())
    assert list(study["data"]["images"]) == list(study["data"]["events"]) == ["1", "2", "3"]
    assert study["data"]["space"] == "scanner"
    assert study["features"] == {"acoustic": {"extractor": "acoustic", "stimuli": "../plain/sounds"}}
    (folder / "sounds" / names[3]).unlink()
    assert b2m("init", "arrays", folder, "--out", tmp_path / "lost")[0] == 0
    text = (tmp_path / "lost/study.toml").read_text()
    assert "sounds that are not there: song3.wav\n" in text
    assert 'music = ["music"]' in text
    (folder / "brain_mask.nii.gz").unlink()
    code, printed = b2m("init", "arrays", folder, "--out", tmp_path / "none")
    assert (code, "compute_epi_mask" in printed) == (2, True)
    (tmp_path / "empty").mkdir()
    code, printed = b2m("init", "arrays", tmp_path / "empty")
    assert (code, "no series of volumes" in printed) == (0, True)
