"""The documentation says what is there: pages of all public names, links that lead somewhere, errors that exist."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
MADE = ("api/", "tutorials/", "commands.md")
"""Pages that are made from the code."""


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def declared() -> set[str]:
    """Every name in an ``__all__`` of a room, as ``module.name``; the command has pages of another kind."""
    found = set()
    for path in (ROOT / "b2m_encoding").rglob("__init__.py"):
        module = ".".join(path.relative_to(ROOT).parent.parts)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                found |= {f"{module}.{name}" for name in ast.literal_eval(node.value)}
    return {name for name in found if not name.startswith("b2m_encoding.cli.") and "__" not in name}


def test_every_public_name_has_a_page(tmp_path: Path) -> None:
    generate = load("generate")
    shutil.copytree(ROOT / "tutorials", tmp_path / "tutorials", ignore=shutil.ignore_patterns("out"))
    generate.write_pages(tmp_path / "docs")
    pages = {path.stem for path in (tmp_path / "docs" / "api").glob("*.md")}
    assert declared() <= pages
    assert len(declared()) > 100
    assert "b2m_encoding.study.Study" in pages
    commands = (tmp_path / "docs" / "commands.md").read_text()
    assert {"b2m run", "b2m report", "b2m models fetch"} <= set(re.findall(r"^## (.*)$", commands, re.MULTILINE))
    scripts = {path.stem for path in (ROOT / "tutorials").glob("[0-9]*.py")}
    assert scripts | {"index"} == {path.stem for path in (tmp_path / "docs" / "tutorials").glob("*.md")}
    gram = (tmp_path / "docs" / "tutorials" / "10_gram_form.md").read_text()
    assert gram.startswith("# The Gram form")
    assert "$$\\hat w" in gram
    assert gram.count("```") == 2 * gram.count("```python")


def test_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md"), ROOT / "tutorials" / "README.md"]
    lost = [
        f"{page.name}: {link}"
        for page in pages
        for link in LINK.findall(FENCE.sub("", page.read_text()))
        if not link.startswith(("http", "#", *MADE)) and not (page.parent / link.split("#")[0]).exists()
    ]
    assert lost == []


def test_errors_that_are_explained_exist() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "b2m_encoding").rglob("*.py"))
    said = re.findall(r"\*\*([a-z][^*]+)\*\*", (DOCS / "troubleshooting.md").read_text().replace("\n", " "))
    assert len(said) > 15
    unknown = [text for text in said if not all(part.strip(" .") in code for part in text.split("..."))]
    assert unknown == []


def test_the_glossary_is_sorted_and_whole() -> None:
    text = (DOCS / "glossary.md").read_text()
    terms = re.findall(r"^(\S.*)\n: ", text, re.MULTILINE)
    assert terms == sorted(terms, key=str.lower)
    words = (
        "feature space, sample, run, delays, banded ridge, prediction accuracy, noise ceiling, component preference, "
    )
    for word in f"{words}inverse map, decoder, identification, reconstruction, space".split(", "):
        assert word in ", ".join(terms).lower(), word


def test_charts_are_those_of_the_script() -> None:
    charts = load("charts")
    assert (DOCS / "images/flow.svg").read_text() == charts.chart(
        charts.FLOW, charts.FLOW_ARROWS, "How a study flows through the rooms"
    )
    assert (DOCS / "images/choose.svg").read_text() == charts.chart(
        charts.CHOICE, charts.CHOICE_ARROWS, "Which model to use"
    )


def test_the_reference_builds_without_warnings(tmp_path: Path) -> None:
    """Read every page and every docstring; writing HTML is left to ``make docs``."""
    pytest.importorskip("sphinx", reason="sphinx is in the dependency group docs")
    for name in ("docs", "tutorials"):
        ignored = shutil.ignore_patterns("_build", "api", "out") if name == "docs" else shutil.ignore_patterns("out")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "-q", "-b", "dummy", "docs", "out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "docs" / "api").glob("*.md"))) > 130
