"""The BIDS App: participants one by one, at once or together give the same results, and none removes another."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from b2m_encoding.study import load_study
from b2m_encoding.workflow.bids_app import run_bids_app
from b2m_encoding.workflow.templates import write_template

Command = Callable[..., tuple[int, str]]
OF_THE_CALL = {"provenance.json", "manifest.json", "study.toml", "study.json"}
"""Files with times and paths of a call."""


@pytest.fixture
def study_folder(root: Path, tmp_path: Path) -> Path:
    """Folder with the study that the app would write, made quick."""
    folder = tmp_path / "work"
    folder.mkdir()
    write_template("bids", root, folder)
    file = folder / "study.toml"
    text = file.read_text().replace("[statistics]", "[statistics]\npermutations = 100\nbootstraps = 100", 1)
    file.write_text(text + '\n[figures]\nformats = ["png"]\ndpi = 72\nreport = ["distribution"]\n')
    return folder


def contents(results: Path) -> dict[str, bytes]:
    files = [path for path in results.rglob("*") if path.is_file() and path.name not in OF_THE_CALL]
    return {str(path.relative_to(results)): path.read_bytes() for path in files if path.suffix != ".html"}


def subject_files(results: Path, label: str) -> dict[str, bytes]:
    return {name: content for name, content in contents(results).items() if f"sub-{label}" in name}


def test_participants_one_by_one_are_as_one_call(root: Path, study_folder: Path, tmp_path: Path, b2m: Command) -> None:
    other = shutil.copytree(study_folder, tmp_path / "other_work")
    single, both = tmp_path / "single", tmp_path / "both"
    call = ("bids", root, single, "participant", "-w", study_folder, "--participant-label")
    assert b2m(*call, "01")[0] == 0
    assert {path.name for path in single.glob("sub-*/")} == {"sub-01"}
    first = subject_files(single, "01")
    code, printed = b2m(*call, "sub-02")
    assert code == 0, printed
    assert subject_files(single, "01") == first
    assert b2m("bids", root, both, "participant", "-w", other, "--participant_label", "01", "02")[0] == 0
    assert contents(single) == contents(both)
    assert b2m("bids", root, both, "group", "-w", other)[0] == 0
    assert contents(single) == contents(both)
    run_bids_app(root, tmp_path / "whole", study_folder)
    assert contents(single) == contents(tmp_path / "whole")
    assert not (root / "derivatives" / "b2m_encoding").exists()  # the data set is only read


def test_participants_whose_results_lie_where_the_study_names_them(
    root: Path, study_folder: Path, b2m: Command
) -> None:
    """A finished participant stays finished, and another one is added, in the folder of the study itself."""
    out = load_study(study_folder / "study.toml").output
    for label in ("01", "02", "01"):
        code, printed = b2m("bids", root, out, "participant", "-w", study_folder, "--participant-label", label)
        assert code == 0, printed
    assert {path.name for path in out.glob("sub-*/")} == {"sub-01", "sub-02"}
    assert not list(out.parent.glob("sub-*")), "places of participants do not stand in the way of other studies"


def test_participants_at_once(root: Path, study_folder: Path, tmp_path: Path) -> None:
    done: list[str] = []

    def run(label: str) -> None:
        run_bids_app(root, tmp_path / "out", study_folder, (label,), lambda what, n, total: done.append(what))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, ("01", "02")))
    assert {path.name for path in (tmp_path / "out").glob("sub-*/")} == {"sub-01", "sub-02"}
    assert len({what for what in done if "maps" in what}) == 2
    assert sum("fit" in what for what in done) == len({what for what in done if "fit" in what})  # none was done again


def test_subjects_belong_to_participants(root: Path, tmp_path: Path, b2m: Command) -> None:
    for arguments in (("group", "--participant-label", "01"), ("participant", "01")):
        code, printed = b2m("bids", root, tmp_path / "out", *arguments)
        assert (code, "--participant-label" in printed) == (2, True), printed
    assert not (tmp_path / "out").exists()
    code, printed = b2m("bids", tmp_path, tmp_path / "out", "participant")
    assert (code, "no BIDS data set here" in printed) == (2, True), printed
    assert not (tmp_path / "out_study" / "study.toml").exists()
