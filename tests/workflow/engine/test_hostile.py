"""Names from study files and tables never become paths or markup."""

from __future__ import annotations

from pathlib import Path

import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.gallery.context import FigureRequest
from b2m_encoding.gallery.draw import _stem
from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.results.reader import Results
from b2m_encoding.study import load_study
from b2m_encoding.workflow.run import run_study

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
