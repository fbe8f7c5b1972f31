"""The tutorials on simulated listeners run as they stand, on one study that is made once."""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from b2m_encoding.results.reader import Results

from ..notebooks import SHOWN, run_as_notebook

TUTORIALS = Path(__file__).resolve().parents[2] / "tutorials"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the study is made; what the tutorials import is found beside them."""
    made = tmp_path_factory.mktemp("tutorials")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("B2M_TUTORIALS", str(made))
        patch.delenv("DS003720", raising=False)
        patch.setattr(sys, "path", [str(TUTORIALS), *sys.path])
        yield made
    sys.modules.pop("simulated", None)


def run(name: str) -> dict[str, Any]:
    """Names that a tutorial leaves behind."""
    return runpy.run_path(str(TUTORIALS / f"{name}.py"))


def test_first_map(folder: Path) -> None:
    found = run("01_first_map")
    assert found["medians"]["core"] > found["medians"]["inferior_frontal"] + 0.15
    assert (folder / "first_map.png").stat().st_size > 50_000


def test_your_bids_data(folder: Path) -> None:
    found = run("02_your_bids_data")
    assert found["to_do"] == []
    assert set(found["recordings"]) == {"01", "02"}
    assert {"report.html", "sub-01.html", "sub-02.html"} <= {path.name for path in (folder / "results").iterdir()}
    q = found["results"].map("01", "joint", "q")
    assert (q < 0.05).sum() > 50


def test_which_feature_space() -> None:
    pytest.importorskip("transformers", reason="pretrained networks are in the extra models")
    found = run("03_which_feature_space")
    r, inside = found["encoding"].r, found["predicted"]
    assert inside.sum() > 50
    assert np.median(r["acoustic"][inside]) > np.median(r["w2v_bert"][inside]) - 0.05
    assert found["spaces"]["w2v_bert"].provenance["pretrained"]["network"] == "TransformersAudio"


def test_regions_for_a_paper(folder: Path) -> None:
    found = run("04_regions_for_a_paper")
    wide = found["wide"]
    assert wide.loc["core", "acoustic"] > wide.loc["core", "text"] + 0.1
    assert wide.loc["association", "text"] > wide.loc["association", "acoustic"] + 0.1
    assert (folder / "paper" / "regions.txt").read_text().startswith("Prediction accuracy (r) in 4 regions")


def test_decode_and_listen() -> None:
    found = run("05_decode_and_listen")
    accuracy = found["clips"].groupby("subject")["accuracy"].mean()
    assert (accuracy > 0.75).all()
    assert "data:audio/mpeg" in found["page"].read_text()
    judged = found["judged"].groupby(["method", "measure"])["value"].mean().xs("identification", level="measure")
    assert judged["oracle"] >= judged["retrieved"] > 0.6
    assert found["listening"].read_text().count("<audio") >= 4 * len(found["clips"])
    assert found["first"]["cosine"].is_monotonic_decreasing


def test_brain2music() -> None:
    found = run("07_brain2music")
    assert isinstance(found["results"], Results)
    assert found["predicted"].sum() > 50
    assert (found["left"]["r_without"] < found["left"]["r_with"] + 0.1).all()
    [decoded, *_] = [one for one in found["results"].json("identification.json")["subjects"] if "chance" in one]
    assert decoded["identification_accuracy"] > 0.7


REAL = ("08_alice", "09_localizer")
"""Tested elsewhere: they need data."""
TESTED = ("01_first_map", "02_your_bids_data", "03_which_feature_space", "04_regions_for_a_paper",
          "05_decode_and_listen", "07_brain2music", *REAL)  # fmt: skip
OTHERS = sorted(path.stem for path in TUTORIALS.glob("[0-9]*.py") if path.stem not in TESTED)


@pytest.mark.parametrize("name", OTHERS)
def test_the_others_check_themselves(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As notebooks, in a kernel, where there is one; figures show themselves there."""
    if not all(importlib.util.find_spec(package) for package in ("nbclient", "nbformat", "ipykernel")):
        run(name)
        return
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TUTORIALS.parent), str(TUTORIALS)]))
    notebook = run_as_notebook(TUTORIALS / f"{name}.py", SHOWN)
    [shown] = [output for output in notebook.cells[-1].outputs if output.output_type == "execute_result"]
    assert set(shown["data"]) == {"image/png", "text/plain"}


def test_the_readme_lists_every_tutorial() -> None:
    text = (TUTORIALS / "README.md").read_text()
    for path in TUTORIALS.glob("[0-9]*.py"):
        assert path.name in text, path.name
