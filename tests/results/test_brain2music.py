"""What Brain2Music published and did: the data file against the reference, the preset, and the page beside it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from b2m_encoding.decoding.evaluation import paired_tests
from b2m_encoding.errors import InputError, ProblemList
from b2m_encoding.gallery import write_paper
from b2m_encoding.io.tables import tsv
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema.brain2music import EMBEDDINGS, deviations, paper, published, with_preset
from b2m_encoding.results.schema.decoding_tables import MEASURES
from b2m_encoding.study import load_study

STUDY = """
preset = "brain2music"
name = "x"
output = "results"
[data]
reader = "bids"
root = "."
tasks = ["Training", "Test"]
clips = {{ group = "genre" }}
[features.low]
extractor = "w2v_bert"
layer = 7
stimuli = "."
[features.words]
extractor = "caption"
captions = "captions.csv"
[features.mine]
extractor = "array"
files = "{{run}}.npy"
[features.genre]
extractor = "labels"
column = "genre"
{more}
"""


def study(folder: Path, more: str = "") -> Any:
    (folder / "study.toml").write_text(STUDY.format(more=more))
    return load_study(folder / "study.toml")


def test_numbers_are_those_of_the_reference(shared_data: Path) -> None:
    text = (shared_data.parent / "reference" / "paper.md").read_text()
    rows = {cells[0]: cells[1:] for line in text.splitlines() if line.startswith("| ")
            if (cells := [cell.strip(" *") for cell in line.strip("|").split("|")])}  # fmt: skip
    for embedding in EMBEDDINGS[:4]:
        cells = rows[embedding]
        for measure, cell in zip(MEASURES, cells, strict=True):
            mean, sd = map(float, re.findall(r"[\d.]+", cell))
            one = published()[f"{measure}/{embedding}"]
            assert (one.value, one.sd, one.where) == (mean, sd, "Table 2")
    table1 = {name: rows for name, *rows in (
        [cell.strip(" *") for cell in line.strip("|").split("|")] for line in text.splitlines()
        if re.match(r"\| (SoundStream|w2v|MuLan)[^|]*\| (128|1024) ", line))}  # fmt: skip
    for one in paper()["embedding"]:
        cells = next(cells for name, cells in table1.items() if name.split(" ")[0] == one["name"])
        rate = None if cells[2] == "-" else float(cells[2])
        assert [one["dimensions"], one["per_clip"], one.get("rate"), one["window"]] == [
            int(cells[0]), int(cells[1]), rate, float(cells[3])]  # fmt: skip
    plain = text.replace(",", "")
    for id, one in published().items():
        if "/" not in id and id not in ("oracle_mood", "chance"):
            assert re.search(rf"\b{one.value:g}\b", plain), id
    for one in paper()["follower"]:
        shown = {
            f"{one['value']:.3f}"[1:],
            f"{one['value']:.3f}",
            f"{100 * one['value']:.1f}%",
            f"{100 * one['value']:.1f}/",
        }
        assert any(number in text for number in shown) or "EMBC" in one["work"], one


def test_the_preset_fills_what_a_study_leaves_out(tmp_path: Path) -> None:
    found = study(tmp_path)
    assert (found.cleaning.detrend, found.cleaning.cutoff, found.evaluation.average_repeats) == ("median", 240.0, True)
    assert (found.windows.length, found.windows.own, found.windows.lag) == (10.0, {"low": 5.0}, 0.0)
    assert found.decoding.targets == ("low", "words", "mine")
    assert [found.decoded_windows(name).length for name in found.decoding.targets] == [5.0, 15.0, 10.0]
    assert (found.decoding.folds, found.decoding.calibrate, found.statistics.test) == (5, "none", "paper")
    assert [found.embedding(name) for name in found.features] == ["w2v-BERT-avg", "MuLan_text", None, "genre one-hot"]
    assert not list(deviations(found.model_dump()))


def test_what_a_study_says_itself_wins_and_is_listed(tmp_path: Path) -> None:
    more = '[cleaning]\ncutoff = 128.0\n[windows]\nlag = 4.5\n[maps]\natlas = "hcp-mmp1"'
    more += '\n[decoding]\ntargets = ["mine"]'
    found = study(tmp_path, more)
    assert (found.cleaning.detrend, found.cleaning.cutoff, found.windows.own) == ("median", 128.0, {"low": 5.0})
    assert found.decoding.targets == ("mine",)
    expected = {"cleaning.cutoff": ("240", "128"), "windows.lag": ("0", "4.5"), "maps.atlas": ("destrieux", "hcp-mmp1")}
    assert {key: (theirs, ours) for key, theirs, ours in deviations(found.model_dump())} == expected
    volumes = study(tmp_path, "[model]\ndelays = [3.0, 4.5]")  # volumes instead of windows
    assert (volumes.windows, volumes.model.delays) == (None, (3.0, 4.5))
    assert volumes.decoding.own_windows == {"low": 5.0, "words": 15.0}
    assert "windows" in {key for key, _, _ in deviations(volumes.model_dump())}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("[windows]\nown = { nothing = 5.0 }", "windows.own names nothing"),
        ("[stands_for]\nnothing = 'MuLan_music'", "stands_for names nothing"),
        ("[stands_for]\nmine = 'MuLan'", "MuLan_music"),
        ("[decoding]\nlag = 3.0", "decoding takes the windows"),
        ("[windows]\nown = 5.0", "windows.own"),
    ],
)
def test_impossible_names_are_told(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises((InputError, ProblemList)) as stop:
        study(tmp_path, more)
    assert words in str(stop.value)


def test_other_presets_are_refused(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY.format(more="").replace('"brain2music"', '"brain2movies"'))
    with pytest.raises(ProblemList, match="brain2music"):
        load_study(tmp_path / "study.toml")
    assert with_preset([]) == []


def test_a_page_beside_the_paper(finished: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(finished, tmp_path / "results"))
    page, lines = write_paper(results)
    text = page.read_text(encoding="utf-8")
    assert "SIMULATED DATA" in text
    assert "<script>alert" not in text
    table = pd.read_csv(results / "paper/beside.tsv", sep="\t", keep_default_na=False)
    assert table["verdict"].isin(["reproduced", "not reproduced", "not possible"]).all()
    assert len(table) == len(lines) > 45
    assert (table.query("verdict == 'not possible'")["why"] != "").all()
    ours = Results.open(results).table("decoding_table")["identification_test"].iloc[0]
    [shown] = table[table["item"] == "identification accuracy, test clips, MuLan_text"]["ours"]
    assert float(shown.split(" ")[0]) == pytest.approx(ours, abs=5e-4)
    drawn = {path.stem for path in (results / "paper").glob("*.pdf")}
    assert drawn == {"figureA1", "figureA2", "stacking_weights_sub-01"}
    assert not Results.open(results).unverified


def test_methods_are_tested_against_each_other(finished: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    """Figure 4b from known scores: generation beats retrieval in each class, and the page says by how much."""
    results = Path(shutil.copytree(finished, tmp_path / "results"))
    rows = [
        {"subject": s, "method": method, "encoder": "AudioSet", "measure": measure, "clip": f"c{c}",
         "group": f"g{c % 3}", "value": mean + 0.05 * rng.standard_normal(), "target": "text", "decoder": "regions",
         "corpus": corpus}
        for s in ("01", "02") for measure in ("genres", "moods") for c in range(12) for corpus in ("small", "large")
        for method, mean in (("musicldm", 0.7), ("retrieved", 0.4), ("oracle", 0.7), ("chance", 0.1))
    ]  # fmt: skip
    scores = pd.DataFrame(rows)
    for name, made in (("clips", scores), ("tests", paired_tests(scores))):
        (results / f"evaluation_{name}.tsv").write_text(tsv(made), encoding="utf-8")
    page, lines = write_paper(results)
    [line] = lines[lines["item"] == "classes: generation against both retrievals"].to_dict("records")
    assert line["verdict"] == "reproduced"
    assert len(re.findall(r"(genres|moods) \+0\.[23]\d+ \[", line["why"])) == 4  # two measures, two corpora
    tests = pd.read_csv(results / "paper/evaluation_tests.tsv", sep="\t")
    by_method = tests[tests["compared"] == "method"].set_index(["first", "second"])
    assert (by_method.loc[("musicldm", "retrieved"), "q"] < 0.01).all()
    assert (by_method.loc[("musicldm", "oracle"), "q"] > 0.01).all()
    text = page.read_text(encoding="utf-8")
    assert "Paired tests over clips" in text
    assert "musicldm above retrieved (genres, moods)" in (results / "paper/figure4b.txt").read_text()
