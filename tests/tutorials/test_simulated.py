"""The tutorials on simulated listeners run as notebooks, in one kernel, on one study of fewer vertices, made once."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

from b2m_encoding.phantom import simulate_study

from ..notebooks import Kernel, kernel

pytest.importorskip("nbclient", reason='nbclient is not installed: pip install --group dev "."')
TUTORIALS = Path(__file__).resolve().parents[2] / "tutorials"
REAL = ("08_alice", "09_localizer")
"""Tested elsewhere: they need data."""
NAMES = sorted(path.stem for path in TUTORIALS.glob("[0-9]*.py") if path.stem not in REAL)
SMALL_FIGURES = """
import simulated
simulated.ARRAYS = simulated.ARRAYS.replace("dpi = 150", 'dpi = 100\\nreport = ["regions", "decoding"]')
"""
CHECKS = {
    "01_first_map": """
        assert means["core"] > means["inferior_frontal"] + 0.15
        assert picture.stat().st_size > 50_000
        from b2m_encoding import show_progress
        progress = show_progress()
        progress("a < b", 1, 2)
        progress("a < c", 2, 2)
        figure
    """,
    "02_your_bids_data": """
        assert to_do == []
        assert set(recordings) == {"01", "02"}
        assert {"report.html", "sub-01.html", "sub-02.html"} <= {path.name for path in results.path.iterdir()}
        assert (results.map("01", "joint", "q") < 0.05).sum() > 50
    """,
    "03_which_feature_space": """
        assert predicted.sum() > 50
        medians = {name: sorted(r[predicted])[predicted.sum() // 2] for name, r in encoding.r.items()}
        assert medians["acoustic"] > medians["w2v_bert"] - 0.05
        assert spaces["w2v_bert"].provenance["pretrained"]["network"] == "TransformersAudio"
        hungarian = next((found for name, found in tags.items() if name.startswith("Hungarian")), {"strings": 1})
        assert {"strings", "violin"} & {*hungarian}
    """,
    "04_regions_for_a_paper": """
        assert wide.loc["core", "acoustic"] > wide.loc["core", "text"] + 0.1
        assert wide.loc["association", "text"] > wide.loc["association", "acoustic"] + 0.1
        assert picture.with_suffix(".txt").read_text().startswith("Prediction accuracy (r) in 4 regions")
    """,
    "05_decode_and_listen": """
        assert (clips.groupby("subject")["accuracy"].mean() > 0.75).all()
        assert "data:audio/mpeg" in page.read_text()
        means = judged.groupby(["method", "measure"])["value"].mean().xs("identification", level="measure")
        assert means["oracle"] >= means["retrieved"] > 0.6
        assert listening.read_text().count("<audio") >= 4 * len(clips)
        assert first["cosine"].is_monotonic_decreasing
    """,
    "07_brain2music": """
        assert predicted.sum() > 50
        assert (left["r_without"] < left["r_with"] + 0.1).all()
        [decoded, *_] = [one for one in results.json("identification.json")["subjects"] if "chance" in one]
        assert decoded["identification_accuracy"] > 0.7
    """,
}
"""What must be true at the end of a tutorial, in its own names; the others check themselves."""


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder, shared = tmp_path_factory.mktemp("tutorials"), runpy.run_path(str(TUTORIALS / "simulated.py"))
    simulate_study(folder / "study", seed=1, n_subjects=2, size=shared["SIZE"], n_targets=4000)
    few = {"dpi = 150": 'dpi = 100\nreport = ["accuracy", "regions"]', "bootstraps": "permutations = 1000\nbootstraps"}
    study = shared["STUDY"]
    for given, less in few.items():
        study = study.replace(given, less)
    (folder / "study.toml").write_text(study)
    with kernel(TUTORIALS, B2M_TUTORIALS=str(folder), DS003720="") as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_tutorial_runs_as_a_notebook(name: str, notebooks: Kernel) -> None:
    if name == "03_which_feature_space":  # without weights of musicnn it says so, and goes on
        pytest.importorskip("transformers", reason="pretrained networks are in the extra models")
    lines = CHECKS.get(name, "").strip().splitlines()
    notebook = notebooks.run(TUTORIALS / f"{name}.py", "\n".join(line.strip() for line in lines), before=SMALL_FIGURES)
    if name == "01_first_map":
        [shown] = [output for output in notebook.cells[-1].outputs if output.output_type == "execute_result"]
        assert set(shown["data"]) == {"image/png", "text/plain"}  # a figure shows itself
        [bar] = [output for output in notebook.cells[-1].outputs if output.output_type == "display_data"]
        assert bar["data"]["text/html"].startswith('<progress value="2" max="2"></progress> a &lt; c: 2 of 2')


def test_the_readme_lists_every_tutorial() -> None:
    text = (TUTORIALS / "README.md").read_text()
    for path in TUTORIALS.glob("[0-9]*.py"):
        assert path.name in text, path.name
