"""Methods text and checklist of small studies that differ: every sentence follows from what was done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from b2m_encoding.phantom import simulate_arrays
from b2m_encoding.results.reader import Results
from b2m_encoding.results.report.checklist import JOINT_MODEL, checklist
from b2m_encoding.results.report.methods import methods
from b2m_encoding.results.report.references import with_names
from b2m_encoding.results.report.report_data import ReportData
from b2m_encoding.study import load_study
from b2m_encoding.workflow.run import run_study

from ..conftest import without_figures

WHOLE = 'kind = "test"\ntest_runs = "test*"\n'
TESTS = "bootstraps"
LEVEL, HELD_OUT = "Does the test hold its level?", "Were whole runs, or blocks with a gap, held out?"
EMPTY = "How many targets without signal have p < .05 in this design is not known"


@dataclass
class Told:
    """Text and answers of the report of a study."""

    text: str
    answers: dict[str, str]
    details: dict[str, str]

    @classmethod
    def by(cls, study: Path) -> Told:
        run_study(load_study(study), study)
        report = ReportData(Results.open(study.parent / "results"))
        items = checklist(report)
        text = "\n".join(with_names(one) for one in methods(report))
        return cls(text, {i.question: i.answer for i in items}, {i.question: i.detail for i in items})


def arrays(folder: Path, n_samples: int = 60, **changes: str) -> Path:
    """A study of arrays of one subject; parts of its file are replaced."""
    study = without_figures(simulate_arrays(folder / "study", n_subjects=1, n_targets=12, n_samples=n_samples))
    text = study.read_text()
    for old, new in {WHOLE: changes.get("evaluation", WHOLE), TESTS: changes.get("statistics", TESTS)}.items():
        assert old in text
        text = text.replace(old, new)
    study.write_text(text)
    return study


def regions(folder: Path, n_subjects: int, gap: float = 3.0, delay: float = 3.0) -> Path:
    """A study of tables of two regions, one run each."""
    rng = np.random.default_rng(0)
    (folder / "data").mkdir(parents=True)
    features = rng.standard_normal((2, 240, 2)).astype(np.float32)
    for name, values in zip(("sound", "words"), features, strict=True):
        np.save(folder / f"data/{name}.npy", values)
    drive = np.roll(features[0] + 0.5 * features[1], 2, axis=0)
    for i in range(n_subjects):
        values = np.column_stack([drive @ [1, 0.5], drive @ [0.2, 1]]) + rng.standard_normal((240, 2))
        np.savetxt(folder / f"data/{i + 1:02d}.tsv", values, delimiter="\t", header="A1\tSTG", comments="")
    spaces = "".join(f'[features.{n}]\nextractor = "array"\nfiles = "data/{n}.npy"\n' for n in ("sound", "words"))
    (folder / "study.toml").write_text(
        'name = "Small study of areas"\noutput = "results"\n'
        '[data]\nreader = "table"\nfiles = "data/{subject}.tsv"\ntr = 1.5\n'
        f"{spaces}[model]\ndelays = [{delay}]\nblocks = 3\n"
        f'[evaluation]\nkind = "cross-validation"\nblocks = 4\ngap = {gap}\n'
        "[statistics]\npermutations = 200\nrefits = 1000\nbootstraps = 100\n[figures]\nreport = []\n"
    )
    return folder / "study.toml"


def test_a_test_set_of_a_design_that_was_simulated(tmp_path: Path) -> None:
    told = Told.by(arrays(tmp_path, n_samples=100, evaluation=WHOLE.replace("test*", "train*")))
    assert "Significance of r of every model was tested by circular shifts" in told.text
    assert "had p < .05" in told.text
    assert "designs of this kind, with AR(1) noise" in told.details[LEVEL]
    assert told.answers[LEVEL] == "yes"
    assert told.answers["Is every model tested by itself?"] == "yes"
    assert told.answers[HELD_OUT] == "yes"
    assert "bootstrap samples of" in told.text
    assert told.answers["Are test stimuli absent from training, by name?"] == "not known"
    assert told.answers["Were motion and other confounds removed?"] == "not known"
    assert told.answers["Were regions chosen beforehand?"] == "not applicable"
    assert told.answers[JOINT_MODEL] == "yes"
    parts = Results.open(tmp_path / "study/results").table("partition.tsv")
    assert set(parts["region"]) == {"all targets"}
    assert set(parts["targets"]) == {12}
    assert "egions" not in told.text


def test_blocks_of_a_chosen_length_were_not_simulated(tmp_path: Path) -> None:
    told = Told.by(arrays(tmp_path, statistics='test = "block"\nbootstraps'))
    assert "by rearranging blocks of 10 samples (15 s) of the predictions within runs" in told.text
    assert EMPTY in told.text
    assert told.answers[LEVEL] == "not known"


def test_cross_validation_by_runs(tmp_path: Path) -> None:
    told = Told.by(arrays(tmp_path, evaluation='kind = "cross-validation"\n', statistics="refits = 1000\nbootstraps"))
    assert "whole runs were left out in turn" in told.text
    assert told.answers[HELD_OUT] == "yes"
    assert "of targets without signal" not in told.text
    assert (EMPTY in told.text) == (told.answers[LEVEL] == "not known")


@pytest.mark.parametrize(("gap", "answer", "said"), [(0.0, "no", "no gap between them"), (6.0, "yes", "6 s unused")])
def test_cross_validation_by_blocks(tmp_path: Path, gap: float, answer: str, said: str) -> None:
    told = Told.by(regions(tmp_path, 1, gap, delay=min(gap, 3.0)))  # without a gap only without a delay
    assert f"blocks (each run cut into 4, {said}" in told.text
    assert "presentations" not in told.text.lower()  # nothing is repeated
    assert "No noise ceiling is given: no clip was presented twice in what was held out." in told.text
    assert told.answers[HELD_OUT] == answer
    assert told.answers["Is the gap longer than the noise reaches?"] == "yes"  # white noise
    assert "noise that reaches across the gap between blocks" in told.text


def test_the_null_of_the_paper(tmp_path: Path) -> None:
    told = Told.by(arrays(tmp_path, statistics='test = "paper"\nbootstraps'))
    assert "This takes samples for independent" in told.text
    assert "q does not control the false discovery rate over targets." in told.text
    assert "to control" not in told.text
    assert "permutations" not in told.text
    assert told.answers["Does the null distribution keep autocorrelation?"] == "no"
    assert told.answers["Is there a correction for many targets?"] == "no"
    assert told.answers["Can p be small enough?"] == "not applicable"
    assert "computed from these data" in told.details[LEVEL]


@pytest.mark.parametrize("n_subjects", [2, 3])
def test_regions_of_few_people(tmp_path: Path, n_subjects: int) -> None:
    told = Told.by(regions(tmp_path, n_subjects))
    assert "p refers to other stimuli for these participants; p was adjusted over 2 tests" in told.text
    fitted = n_subjects > 2
    assert ("A linear mixed model was fitted" in told.text) == fitted
    assert ("No mixed model was fitted: 2 subjects, 3 or more are needed." in told.text) == (not fitted)
    assert ("Hedges' g" in told.text) == fitted
    assert told.answers["Do region tests have effect sizes?"] == ("yes" if fitted else "no")
    assert told.answers["Were regions chosen beforehand?"] == "not known"
