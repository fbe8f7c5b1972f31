"""The documentation says what is there: pages of all public names, links that lead somewhere, errors that exist."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shutil
import sys
import tomllib
import warnings
from pathlib import Path
from types import ModuleType

import pytest

from b2m_encoding.gallery import KINDS
from b2m_encoding.results.schema import MAPS, TABLES, files

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
MADE = ("api/", "tutorials/", "commands.md", "results_folder.md", "study_keys.md")
"""Pages that are made from the code."""


sys.path.append(str(DOCS))


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def declared() -> dict[str, object]:
    """Every name in an ``__all__`` of the package, as ``module.name``; the command has a page of another kind."""
    found = {}
    for path in (ROOT / "b2m_encoding").rglob("__init__.py"):
        module = importlib.import_module(".".join(path.relative_to(ROOT).parent.parts))
        if not module.__name__.startswith("b2m_encoding.cli"):
            for name in getattr(module, "__all__", ()):
                found[f"{module.__name__}.{name}"] = getattr(module, name)
    return {name: thing for name, thing in found.items() if "__" not in name and not isinstance(thing, ModuleType)}


def test_public_functions_take_paths_as_texts() -> None:
    """The room of files and folders is for the others, which have made paths of them."""
    public = {name: thing for name, thing in declared().items() if not name.startswith("b2m_encoding.io.")}
    functions = {name: thing for name, thing in public.items() if inspect.isfunction(thing)}
    for name, thing in public.items():
        for method in ("open", "load", "save") if inspect.isclass(thing) else ():
            if callable(found := getattr(thing, method, None)):
                functions[f"{name}.{method}"] = found
    assert len(functions) > 150
    only_paths = [
        f"{name}({parameter.name})"
        for name, function in functions.items()
        for parameter in inspect.signature(function).parameters.values()
        if str(parameter.annotation) in ("Path", "Path | None")
    ]
    assert only_paths == []


def test_every_public_name_has_a_page(tmp_path: Path) -> None:
    generate = load("generate")
    shutil.copytree(ROOT / "tutorials", tmp_path / "tutorials", ignore=shutil.ignore_patterns("out"))
    generate.write_pages(tmp_path / "docs")
    api = tmp_path / "docs" / "api"
    pages, public = {path.stem for path in api.glob("*.md")}, declared()
    of_name: dict[str, list[str]] = {}
    for full, thing in public.items():
        module, _, name = full.rpartition(".")
        [page] = re.findall(rf"^\| \[{name}\]\((\S*)\.md\) \|", (api / f"{module}.md").read_text(), re.MULTILINE)
        assert page in pages
        described = getattr(importlib.import_module(page.rpartition(".")[0]), name)
        assert described is thing
        of_name.setdefault(f"{name} {id(thing)}", []).append(page)
    assert all(len(set(found)) == 1 for found in of_name.values())
    assert len(public) > 300
    assert {"b2m_encoding.study.Study", "b2m_encoding.models.EncodingModel", "b2m_encoding.runs.Runs"} <= pages
    assert "b2m_encoding.EncodingModel" not in pages
    commands = (tmp_path / "docs" / "commands.md").read_text()
    assert {"b2m run", "b2m report", "b2m models fetch"} <= set(re.findall(r"^## (.*)$", commands, re.MULTILINE))
    scripts = {path.stem for path in (ROOT / "tutorials").glob("[0-9]*.py")}
    assert scripts | {"index"} == {path.stem for path in (tmp_path / "docs" / "tutorials").glob("*.md")}
    gram = (tmp_path / "docs" / "tutorials" / "10_gram_form.md").read_text()
    assert gram.startswith("# The Gram form")
    assert "$$\\hat w" in gram
    assert gram.count("```") == 2 * (gram.count("```python") + gram.count("```text"))
    assert "```text\n20 penalties, 6 products" in gram
    assert "../outputs/01_first_map-1.webp" in (tmp_path / "docs" / "tutorials" / "01_first_map.md").read_text()


def test_every_kind_of_figure_is_in_the_gallery() -> None:
    text = (DOCS / "gallery.md").read_text(encoding="utf-8")
    for kind in KINDS:
        picture = f"images/gallery/{kind}.png"
        assert f"\n## `{kind}`\n" in text
        assert text.count(picture) == 2  # as a thumbnail that leads to its section, and there
        assert f"](#{kind})" in text
        assert (DOCS / picture).is_file(), f"python docs/gallery.py draws {kind}"


def test_pictures_of_the_pages_are_there_and_say_that_they_are_made_up() -> None:
    for page in (*DOCS.glob("*.md"), ROOT / "README.md"):
        for picture in re.findall(r"images/[\w/]+\.(?:png|svg)", page.read_text(encoding="utf-8")):
            assert (DOCS / picture).is_file(), f"{page.name}: {picture}"
    [alone] = re.findall(r"own_surface\.png\)\n\n\*(.+)\*", (DOCS / "own_surfaces.md").read_text(encoding="utf-8"))
    assert alone.startswith("Made-up scores on a made-up cortex")


def test_notebooks_have_the_cells_of_their_scripts(tmp_path: Path) -> None:
    """Valid notebooks, whose code is that of the script; kept outputs belong to the code they were made by."""
    nbformat = pytest.importorskip("nbformat")
    generate, outputs = load("generate"), load("outputs")
    for script in sorted((ROOT / "tutorials").glob("[0-9]*.py")):
        notebook = nbformat.reads(generate.notebook(script), as_version=4)
        nbformat.validate(notebook)
        setup = [source for kind, source in generate.setup_cells(script) if kind == "code"]
        cells = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
        assert cells[: len(setup)] == setup
        assert all(not Path(path).is_absolute() for path in re.findall(r"%%writefile (\S+)", "\n".join(setup)))
        code = "\n".join(cells[len(setup) :])
        written = {path.name for path in script.parent.iterdir() if f"%%writefile {path.name}\n" in "\n".join(setup)}
        assert ("from simulated import" in code) == ("simulated.py" in written)
        assert all(name in written for name in re.findall(r"TUTORIALS / \"(.+?)\"", code))
        compile(code, script.name, "exec")
        assert all(line in script.read_text() for line in code.splitlines())
        for one in outputs.kept_outputs(script):
            assert all((DOCS / "outputs" / name).is_file() for name in one["pictures"])
    assert sum(path.stat().st_size for path in (DOCS / "outputs").iterdir()) < 2.5e6
    changed = tmp_path / "10_gram_form.py"
    text = (ROOT / "tutorials" / changed.name).read_text()
    changed.write_text(text)
    assert any(one["text"] for one in outputs.kept_outputs(changed))
    first = text.index("\n", text.index("\n# %%") + 1)
    changed.write_text(text[:first] + "\nnumber = 1" + text[first:])
    assert not any(one["text"] for one in outputs.kept_outputs(changed))


def test_the_page_of_the_results_folder_has_all_of_the_schema() -> None:
    text = load("generate").results_folder()
    for table in TABLES:
        assert all(
            f"| `{name}` | {content} |" in text.split(f"### `{table.file}`")[1]
            for name, content in table.columns.items()
        )
    for kind in MAPS:
        assert re.search(rf"^\| `{kind.stat}` \| .* \| {re.escape(kind.description)} \|$", text, re.MULTILINE), kind
    for name in (files.STUDY, files.PROVENANCE, files.REPORT, files.WEIGHTS):
        assert f"| `{name}` | " in text


def test_the_page_of_the_study_file_has_every_key() -> None:
    generate = load("study_keys")
    text = generate.study_keys()
    tables = list(generate._study_tables())
    assert {'`[data]` with `reader = "bids"`', "`[data.clips]`", "`[model.alphas]`"} <= {table[0] for table in tables}
    assert sum(heading.startswith("`[features.NAME]`") for heading, _, _ in tables) >= 10
    for heading, model, _ in tables:
        rows = text.split(f"## {heading}\n")[1].split("\n## ")[0]
        for name, _, meaning in generate.study_fields(model):
            assert meaning, (heading, name)
            assert f"| `{name}` | " in rows
            [example] = [
                row.rpartition("| `")[2].removesuffix("` |")
                for row in rows.split("\n")
                if row.startswith(f"| `{name}` |")
            ]
            assert list(tomllib.loads(example)) == [name]


def test_the_rooms_are_those_of_the_contracts() -> None:
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    text = (DOCS / "architecture.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", text.split("## The rooms")[1].split("## ")[0], re.MULTILINE)
    rooms = [[name.strip("`/") for name in row.split(", ")] for row in rows]
    names = [layer.removeprefix("b2m_encoding.") for layer in reversed(layers)]
    assert set(rooms[0]) == set(names[: len(rooms[0])])
    assert [name for [name] in rooms[1:]] == names[len(rooms[0]) :]


def test_files_that_are_named_exist() -> None:
    for page in (DOCS / "architecture.md", ROOT / "CONTRIBUTING.md"):
        text = page.read_text()
        added = set(re.findall(r"^`(.*\.py)`:$", text, re.MULTILINE))
        named = set(re.findall(r"`([\w/]+\.py)`", text)) - added
        assert len(named) > 5
        roots = (ROOT, ROOT / "b2m_encoding", ROOT / "b2m_encoding/workflow")
        assert [name for name in named if not any((root / name).is_file() for root in roots)] == [], page.name
        assert not any((ROOT / name).exists() for name in added)


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


@pytest.mark.slow
def test_the_reference_builds_without_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Read every page and every docstring; writing HTML and showing sources is left to ``make docs``.

    In this process, where the package and all that it needs is imported already; keeping defaults as they are written
    would put them into the signatures that other tests see.
    """
    build = pytest.importorskip("sphinx.cmd.build", reason="sphinx is in the dependency group docs")
    for name in ("docs", "tutorials"):
        ignored = shutil.ignore_patterns("_build", "api", "out") if name == "docs" else shutil.ignore_patterns("out")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    extensions = "extensions=myst_parser,sphinx.ext.autodoc,sphinx.ext.napoleon"
    folders = str(tmp_path / "docs"), str(tmp_path / "out")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sphinx itself; what it finds in the pages is told on stderr
        failed = build.main(
            ["--fail-on-warning", "-q", "-b", "dummy", "-D", extensions, "-D", "autodoc_preserve_defaults=0", *folders]
        )
    assert not failed, capsys.readouterr().err
    assert len(list((tmp_path / "docs" / "api").glob("*.md"))) > 130
