"""The demonstration as a user runs it: what it finds in a simulated study, and what it does not find in noise."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.phantom import Size
from b2m_encoding.study import load_study
from b2m_encoding.workflow import demo
from b2m_encoding.workflow.demo import _have_weights, _study_text, _tags, run_demo

FIGURES = "[figures]\nreport = []"
IN_A_PROCESS = """
import pathlib
import sys
from b2m_encoding.workflow import demo
whole = demo._study_text
few = '[figures]\\nreport = ["accuracy", "preference", "decoding"]'
demo._study_text = lambda *told: whole(*told).replace("[figures]", few)
demo.run_demo(pathlib.Path(sys.argv[1]), n_subjects=1, size=demo.Size(n_blocks=1))
"""


@pytest.mark.slow
def test_the_truth_is_found(tmp_path: Path) -> None:
    """In a process of its own, whose memory is the demonstration's; of one listener, half the clips, three figures."""
    subprocess.run([sys.executable, "-c", IN_A_PROCESS, tmp_path / "demo"], check=True, capture_output=True)
    summary = json.loads((tmp_path / "demo/summary.json").read_text())
    assert summary["median_r_driven"] > 3 * abs(summary["median_r_undriven"])
    assert 0.1 < summary["median_r_driven"] < 0.5
    assert summary["false_positive_rate"] <= 0.05
    assert summary["preference_accuracy"] >= 0.8
    assert summary["identification_accuracy"] >= 0.75
    assert summary["targets_not_tested"] == 74
    assert summary["targets_tested"] + summary["targets_not_tested"] == 20484
    assert summary["peak_mb"] < 1400  # with all figures some 200 more


@pytest.mark.slow
def test_nothing_is_found_where_nothing_is(
    tmp_path: Path, fetched: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With features of a network trained on music, whose weights come from the package index; without figures."""
    monkeypatch.setattr(demo, "_study_text", lambda *told: _study_text(*told).replace("[figures]", FIGURES))
    size = Size(n_training_runs=2, n_test_runs=2, n_blocks=1, n_repeats=2)
    fetched("musicnn")
    summary = run_demo(tmp_path / "demo", seed=1, null=True, n_subjects=1, size=size, n_targets=6000, trained=True)
    assert summary["association"] == "tags"
    low, high = summary["identification_chance_95"]
    assert low <= summary["identification_accuracy"] <= high
    assert summary["false_positive_rate"] <= 0.05
    assert abs(summary["median_r_undriven"]) < 0.05


def test_without_the_index_the_demo_goes_on_with_captions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("B2M_CACHE", str(tmp_path / "cache"))
    assert not _have_weights()
    assert "words of captions instead of tags" in caplog.text
    for tags, name, other in ((None, "text", "tags"), (_tags(tmp_path), "tags", "text")):
        (tmp_path / "study.toml").write_text(_study_text(3, tags))
        study = load_study(tmp_path / "study.toml")
        assert list(study.features) == ["acoustic", name]
        assert study.decoding is not None
        assert study.decoding.targets[0] in ("acoustic", "tags")
        assert other not in study.features
    assert study.features["tags"] == _tags(tmp_path.resolve())


def test_a_folder_with_other_content_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="something else"):
        run_demo(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_an_edited_study_is_not_thrown_away(tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_text("q = 0.01")
    (tmp_path / "demo.json").write_text(json.dumps({"simulated": True, "study": "0" * 64}))
    with pytest.raises(InputError, match="has been edited"):
        run_demo(tmp_path)
    assert study.read_text() == "q = 0.01"
