"""The whole path on a tiny simulated study: from files to a results folder."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.phantom import load_truth, simulate_arrays
from b2m_encoding.results.bundle import ResultsWriter, read_map
from b2m_encoding.results.reader import Results
from b2m_encoding.spaces import surface_space
from b2m_encoding.study import load_study
from b2m_encoding.workflow.run import run_study

from ..conftest import without_figures


def test_untestable_vertices_are_missing_in_every_map(finished: Path, tiny_template: Path) -> None:
    truth = load_truth(tiny_template / "study").subjects["01"]
    space = surface_space("fsaverage5")
    for desc, stat in (("joint", "r"), ("joint", "q"), ("text", "r2"), ("joint", "alpha")):
        values = read_map(finished, "01", desc, stat, space)
        assert np.array_equal(np.isfinite(values), truth.testable), (desc, stat)


def test_driven_vertices_are_predicted_better(finished: Path, tiny_template: Path) -> None:
    truth = load_truth(tiny_template / "study").subjects["01"]
    r = read_map(finished, "01", "joint", "r", surface_space("fsaverage5"))
    driven = np.median(r[truth.testable & (truth.drive != "none")])
    undriven = np.median(r[truth.testable & (truth.drive == "none")])
    assert driven > undriven + 0.1
    assert abs(undriven) < 0.1


def test_folder_is_complete(finished: Path) -> None:
    regions = pd.read_csv(finished / "regions.tsv", sep="\t")
    assert set(regions["region"]) == {"core", "belt", "association", "inferior_frontal"}
    assert set(regions["feature_space"]) == {"joint", "acoustic", "text"}
    assert regions["score"].between(-1, 1).all()
    clips = pd.read_csv(finished / "identification.tsv", sep="\t")
    assert len(clips) == 10
    for image in finished.rglob("*statmap.*"):
        assert image.with_name(image.name.split(".")[0] + ".json").is_file()
    for name in ("sub-01_accuracy", "sub-01_preference", "regions"):
        assert {path.suffix for path in (finished / "figures").glob(f"{name}.*")} == {".png", ".tsv", ".txt"}
    assert len(list((finished / "figures").glob("*.png"))) == 3  # those that figures.report names
    results = Results.open(finished)
    weights = results.weights("01")
    assert set(weights) == {"acoustic", "text"}
    assert np.array_equal(np.isfinite(weights["text"]).all(axis=(0, 1)), np.isfinite(results.map("01", "joint", "r")))
    record = json.loads((finished / "provenance.json").read_text())
    inputs = [Path(name).name for name in record["inputs"]]
    assert {"study.toml", "captions.csv", "sub-01_task-Test_run-01_hemi-R_space-fsaverage5_bold.func.gii"} <= set(
        inputs
    )
    assert sum(name.endswith("_events.tsv") for name in inputs) == 3
    assert record["versions"]["torch"]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for key, value in attrs if key in ("src", "href")]


@pytest.mark.parametrize("name", ["report.html", "sub-01.html"])
def test_the_report_is_safe_and_says_simulated(finished: Path, name: str) -> None:
    page = (finished / name).read_text()
    parser = Tags()
    parser.feed(page)
    assert "script" not in parser.tags
    own = {link for link in parser.links if not link.startswith(("data:", "#"))}
    files = {one for one in own if one.endswith(".tsv") or one.startswith("figures/")}
    assert own - files == {"report.html", "sub-01.html", "view.html"}
    assert all((finished / one).is_file() for one in files)
    assert all((finished / link).is_file() for link in own)
    assert "simulated data" in page
    assert not re.search(r"\b(nan|None)\b", re.sub(r"base64,[^\"]*", "", page))


def test_the_report_is_written_again_from_the_folder(
    finished: Path, tmp_path: Path, b2m: Callable[..., tuple[int, str]]
) -> None:
    copy = tmp_path / "results"
    shutil.copytree(finished, copy, copy_function=os.link)
    (copy / "report.html").unlink()
    code, printed = b2m("report", copy)
    assert code == 0
    assert "report.html" in printed
    assert (copy / "report.html").read_bytes() == (finished / "report.html").read_bytes()


def test_every_run_has_its_quality(finished: Path) -> None:
    runs = pd.read_csv(finished / "quality.tsv", sep="\t")
    assert runs["role"].tolist() == ["training", "training", "test"]
    assert (runs["discarded"] == 10).all()
    assert (runs["censored"] == 0).all()
    assert runs["tsnr"].between(20, 500).all()
    assert runs["mean_fd"].isna().all()


def test_the_same_study_gives_the_same_maps_and_captions_say_what_is_controlled(
    finished: Path, tiny_study: Path
) -> None:
    study = load_study(tiny_study)
    one_figure = study.figures.model_copy(update={"report": ("accuracy",)})
    study = study.model_copy(update={"decoding": None, "figures": one_figure})
    run_study(study, tiny_study)
    for path in sorted(finished.rglob("*.func.gii")):
        again = study.output / path.relative_to(finished)
        assert path.read_bytes() == again.read_bytes(), path.name
    family_wise = study.statistics.model_copy(update={"correction": "fwe"})
    run_study(study.model_copy(update={"statistics": family_wise}), tiny_study)
    captions = [folder / "figures/sub-01_accuracy.txt" for folder in (study.output, finished)]
    assert ["family-wise error" in path.read_text() for path in captions] == [True, False]
    assert "(FDR)" in captions[1].read_text()


def test_units_of_targets_give_the_results_of_one(tmp_path: Path) -> None:
    """Held-out samples of three units, joined from their files, lead to the maps, weights and tables of one unit."""
    for name, parts in (("one", 1), ("three", 3)):
        file = without_figures(simulate_arrays(tmp_path / name, n_subjects=1))
        study, changes = load_study(file), {"parts": parts, "delays": (1.5, 3.0, 4.5)}
        run_study(study.model_copy(update={"model": study.model.model_copy(update=changes)}), file)
    one, three = (Results.open(tmp_path / name / "results") for name in ("one", "three"))
    assert len(list((tmp_path / "three/.results.work/fit").iterdir())) == 3
    for model, stat in (
        ("joint", "r"),
        ("joint", "p"),
        ("sound", "q"),
        ("joint", "pc1"),
        ("joint", "r2"),
        ("joint", "lag"),
        ("words", "lag"),
    ):
        found, expected = three.map("01", model, stat), one.map("01", model, stat)
        np.testing.assert_allclose(found, expected, atol=2e-6, err_msg=stat)
    for name, weights in one.weights("01").items():
        np.testing.assert_allclose(three.weights("01")[name], weights, atol=1e-5)
    pd.testing.assert_frame_equal(three.table("subjects"), one.table("subjects"), atol=1e-5)


def fail_half_way(path: Path) -> None:
    with ResultsWriter(path, "second") as writer:
        writer.write_json("b.json", {})
        raise RuntimeError("half way")


def test_a_failing_step_leaves_earlier_results_alone(tmp_path: Path) -> None:
    with ResultsWriter(tmp_path / "results", "first") as writer:
        writer.write_json("a.json", {"a": 1})
    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way(tmp_path / "results")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results"]
    assert json.loads((tmp_path / "results/a.json").read_text()) == {"a": 1}


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("manifest.json", "manifest.json, which holds the hash of every file, is missing"),
        ("sub-01/sub-01_hemi-R_space-fsaverage5_desc-joint_stat-r_statmap.func.gii", "1 file is missing"),
    ],
)
def test_a_report_of_results_that_cannot_be_verified_says_so(
    lost: str, words: str, finished: Path, tmp_path: Path, b2m: Callable[..., tuple[int, str]]
) -> None:
    copy = tmp_path / "results"
    shutil.copytree(finished, copy)
    assert "cannot be verified" not in (copy / "report.html").read_text()
    (copy / lost).unlink()
    code, printed = b2m("report", copy)
    assert code == 0, printed
    for name in ("report.html", "sub-01.html"):
        page = (copy / name).read_text()
        assert "cannot be verified" in page
        assert words in page
    if "hemi-R" in lost:
        with pytest.raises(InputError, match=r"a file of the results is missing[\s\S]*hemi-R"):
            Results.open(copy).map("01", "joint", "r")


def test_a_chunk_of_the_weights_that_is_lost_is_damage(finished: Path, tmp_path: Path) -> None:
    for manifest in (True, False):
        copy = tmp_path / f"manifest-{manifest}"
        shutil.copytree(finished, copy)
        if not manifest:
            (copy / "manifest.json").unlink()
        next(path for path in sorted(copy.glob("sub-01/*_weights.zarr/text/c/**/*")) if path.is_file()).unlink()
        with pytest.raises(InputError, match="is missing" if manifest else "chunks of text are missing"):
            Results.open(copy).weights("01")
