"""Names from study files and tables never become paths or markup."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.gallery.context import FigureRequest
from b2m_encoding.gallery.draw import _stem
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.results.reader import Results
from b2m_encoding.study import load_study
from b2m_encoding.workflow.engine.store import WorkFolder
from b2m_encoding.workflow.engine.unit import Unit
from b2m_encoding.workflow.run import run_study, work_folder

from ...conftest import without_figures

NAMES = [
    "../../evil",
    "<script>alert(1)</script>",
    "a\0b",
    '"; rm -rf /',
    "é漢字",
    "x" * 10_000,
    "a b",
    ".",
    "sub-01/../../x",
]


@pytest.mark.parametrize("label", NAMES)
def test_labels_of_subjects_are_refused(tmp_path: Path, label: str) -> None:
    file = simulate_arrays(tmp_path / "study", n_subjects=1)
    study = load_study(file)
    study = study.model_copy(update={"data": study.data.model_copy(update={"subjects": (label,)})})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"label of a subject|unknown|missing|cannot|embedded null"):
        run_study(study, file)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", NAMES)
def test_names_of_studies_stay_text(tmp_path: Path, name: str) -> None:
    file = simulate_arrays(tmp_path / "study", n_subjects=1, n_targets=9)
    study = load_study(file).model_copy(update={"name": name, "note": name})
    run_study(study, file)
    page = (study.output / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert Results.open(study.output).json("study.json")["name"] == name
    assert {path.name for path in tmp_path.iterdir()} == {"study"}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_regions_are_no_paths(name: str) -> None:
    stem = _stem("accuracy", "01", FigureRequest(view="zoom", zoom=name))
    assert Path(stem).name == stem
    assert len(stem) <= 200
    assert stem.startswith("sub-01_accuracy_zoom")


RUNS = (
    "x/../../../../victim", "train-2/record.json", "=cmd|' /C calc'!A0", "a\0b", "x" * 5000, "..", ".part", "a\nb",
    "/tmp/victim", "con",
)  # fmt: skip


def renamed(file: Path, name: str) -> Path:
    """The same study with another name of its first run."""
    escaped = json.dumps(name)
    file.write_text(file.read_text().replace(" train-1 =", f" {escaped} =").replace("{ train-1 =", f"{{ {escaped} ="))
    assert escaped in file.read_text()
    return file


@pytest.mark.parametrize("name", RUNS)
def test_names_of_runs_are_checked(tmp_path: Path, name: str, b2m: Callable[..., tuple[int, str]]) -> None:
    file = renamed(simulate_arrays(tmp_path / "a/b/study"), name)
    for place in (tmp_path / "victim", tmp_path / "a/victim", tmp_path / "a/b/victim", tmp_path / "a/b/study/victim"):
        place.mkdir()
        (place / "mine.txt").write_text("years of work")
    before = sorted(tmp_path.rglob("*"))
    for command in ("check", "run"):
        code, printed = b2m(command, file)
        assert code == 2
        assert "Traceback" not in printed
        assert printed.count("the name of a run cannot become part of the name of a file") == 1
        assert len(printed) < 6000
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["task-Test_run-2", "Lauf früh", "漢字 (1)", "run 1"])
def test_ordinary_names_of_runs_are_names_of_folders(tmp_path: Path, name: str) -> None:
    file = without_figures(simulate_arrays(tmp_path / "study", n_subjects=1, n_targets=9))
    for path in (tmp_path / "study/features").glob("*_train-1.npy"):
        path.rename(path.with_name(path.name.replace("train-1", name)))
    study = load_study(renamed(file, name))
    run_study(study.model_copy(update={"results": study.results.model_copy(update={"statistics": True})}), file)
    assert (work_folder(study).path / f"statistics/sub-01_{name}/record.json").is_file()
    assert (study.output / f"sub-01/sub-01_statistics.zarr/{name}/zarr.json").is_file()


def test_no_unit_lies_outside_of_the_work_folder(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    work = WorkFolder(tmp_path / "study/.results.work")
    unit = Unit("statistics", "sub-01_x/../../../../victim", lambda: None)
    with work.locked():
        for call in (
            lambda: work.drop(unit.name),
            lambda: work.record(unit.name),
            lambda: work.writing(unit, {}).__enter__(),
        ):
            with pytest.raises(InputError, match="leads out of its folder"):
                call()
    assert (tmp_path / "victim").is_dir()


def test_long_names_of_feature_spaces_are_refused(tmp_path: Path, b2m: Callable[..., tuple[int, str]]) -> None:
    file = simulate_arrays(tmp_path / "study", n_subjects=1, n_targets=9)
    text = file.read_text()
    file.write_text(text.replace("features.sound", f"features.{'s' * 61}"))
    assert "name of a feature space cannot" in b2m("check", file)[1]
    file.write_text(
        text.replace("features.sound", f"features.{'s' * 60}").replace("features.words", f"features.{'w' * 60}")
    )
    assert "too long to be joined" in b2m("check", file)[1]


def test_two_studies_do_not_share_an_output(tmp_path: Path, b2m: Callable[..., tuple[int, str]]) -> None:
    file = simulate_arrays(tmp_path / "study", n_subjects=1, n_targets=9)
    run_study(load_study(file), file)
    other = file.with_name("other.toml")
    for name in ("Small simulated study", "Another study"):
        other.write_text(file.read_text().replace("Small simulated study", name).replace("200", "300"))
        before = {path: path.read_bytes() for path in (tmp_path / "study/results").rglob("*") if path.is_file()}
        for command in ("check", "run"):
            code, printed = b2m(command, other)
            assert code == 2
            assert "results of another study (Small simulated study)" in printed
        assert {path: path.read_bytes() for path in before} == before
    file.write_text(file.read_text().replace("Small simulated study", "Renamed"))
    assert b2m("check", file)[0] == 0
    other.unlink()
    moved = file.rename(file.with_name("moved.toml"))
    assert "results of another study" in b2m("check", moved)[1]
    moved.write_text(moved.read_text().replace("Renamed", "Small simulated study"))
    assert b2m("check", moved)[0] == 0
    shutil.rmtree(work_folder(load_study(moved)).path)
    assert b2m("check", moved)[0] == 0


def test_a_name_that_is_a_pattern_touches_no_other_study(tmp_path: Path) -> None:
    file = simulate_arrays(tmp_path / "study", n_subjects=1, n_targets=9)
    file.write_text(file.read_text().replace('output = "results"', 'output = "res*"'))
    others = [".results.old-77", ".resB.partial-99", ".results.work/fit", ".res*.old-mine", "results", ".res.work"]
    for name in others:
        (file.parent / name).mkdir(parents=True)
        (file.parent / name / "mine.txt").write_text("years of work")
    run_study(load_study(file), file)
    assert (file.parent / "res*/report.html").is_file()
    assert all((file.parent / name / "mine.txt").is_file() for name in others)
