"""The examples of CONTRIBUTING.md are run as they stand."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from b2m_encoding.features.clips import StimulusTimeline
from b2m_encoding.features.extractors import build_spaces
from b2m_encoding.gallery.context import FigureRequest
from b2m_encoding.gallery.draw import draw_kind
from b2m_encoding.gallery.kinds import KINDS
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import RegionSpace, load_atlas, surface_space

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def example(heading: str, language: str = "python") -> str:
    """The block of code under a heading."""
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


def names_of(code: str, name: str = "example") -> dict[str, Any]:
    found: dict[str, Any] = {"__name__": name}
    exec(compile(code, f"CONTRIBUTING.md, {name}", "exec", dont_inherit=True), found)
    return found


def test_a_feature_space() -> None:
    position = names_of(example("A feature space"))["Position"]
    table = TypeAdapter(position).validate_python({"extractor": "position"})
    events = pd.DataFrame([(0, 15, "jazz", "1", "2.0")], columns=["onset", "duration", "genre", "track", "start"])
    spaces = build_spaces({"position": table}, StimulusTimeline(Runs.from_lengths({"a": 12}, 1.5), {"a": events}))
    assert np.allclose(spaces["position"].values[:10, 0], 1.5 * np.arange(10))
    assert spaces["position"].provenance["extractor"] == "position"


def test_an_atlas(tmp_path: Path) -> None:
    (tmp_path / "planum.toml").write_text(example("An atlas", "toml"))
    space = surface_space("fsaverage5")
    atlas, whole = load_atlas(str(tmp_path / "planum.toml"), space), load_atlas("hcp-mmp1", space)
    assert atlas.mask("plane", "L").sum() > whole.mask("A1", "L").sum() > 0


def test_a_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "histogram", None)
    names_of(example("A figure"))
    with ResultsWriter(tmp_path / "results", "test", ["01"]) as writer:
        writer.write_map("01", "joint", "r", np.array([0.1, 0.4, np.nan]), RegionSpace(("A1", "V1", "V2")), {})
        writer.file("study.toml").write_text('name = "A study"\n[features.text]\n')
    [png, *_] = draw_kind(tmp_path / "results", "histogram", FigureRequest(), {"formats": ("png",)})
    assert png.stat().st_size > 5000
    assert "2 tested targets, median 0.250" in png.with_suffix(".txt").read_text()


def test_a_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    monkeypatch.setattr(sys, "argv", ["correlation", "--quick"])
    import harness

    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    names_of(example("A benchmark"))["main"]()
    [row] = json.loads((tmp_path / "correlation-quick.json").read_text())["rows"]
    assert row["agreement"]["largest difference"] < 1e-5
    assert "200 samples" in capsys.readouterr().out


def test_the_hooks_are_those_of_make_lint() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    for tool in ("ruff format", "ruff check", "mypy", "lint-imports"):
        assert tool in hooks
        assert f"$(BIN)/{tool}" in (ROOT / "Makefile").read_text()
