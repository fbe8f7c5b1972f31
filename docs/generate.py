"""Pages that are made from the code: one per public name, the commands, the results folder, one per tutorial."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType

from outputs import KEPT, kept_outputs
from study_keys import study_keys

import b2m_encoding
from b2m_encoding.config import Config, one_line
from b2m_encoding.results.schema import MAPS, TABLES, files

ROOT = "b2m_encoding"
MODULES = (f"{ROOT}.runs", f"{ROOT}.errors")
"""Modules beside the rooms, all of whose own names have pages."""
WITHOUT = f"{ROOT}.cli"
"""The command has a page of another kind."""
REQUESTS = "set_fit_request, set_partial_fit_request, set_predict_request, set_score_request, set_transform_request"
"""Methods that scikit-learn adds."""
OWNERS = {
    "joint": "`joint`",
    "models": "`joint`, each feature space",
    "members": "`joint` (all feature spaces), each feature space",
    "spaces": "each feature space",
    "sets": "a set of feature spaces (`acoustic_text`)",
    "preference": "`preference`",
    "intersubject": "`intersubject`",
    "measured": "`measured`",
}
"""What a kind of map describes, as in ``desc`` of the file name."""
CELL = re.compile(r"^# %%[ ]?(.*)$", re.MULTILINE)
MARKDOWN = "[markdown]"


def write_pages(docs: Path) -> None:
    """Write everything below ``docs/api`` and ``docs/tutorials``, and the pages beside them; remove old pages."""
    pages = {docs / "commands.md": commands(), docs / "results_folder.md": results_folder(),
             docs / "study_keys.md": study_keys()}  # fmt: skip
    names, homes = public_names(), home_modules()
    for module, public in names.items():
        here = [name for name in public if homes[module, name] == module]
        pages |= {docs / "api" / f"{module}.{name}.md": page_of(module, name) for name in here}
        links = {name: f"{homes[module, name]}.{name}.md" for name in public}
        pages[docs / "api" / f"{module}.md"] = page_of_room(module, links)
    pages[docs / "api" / "index.md"] = _index("Reference", [f"{module}.md" for module in names])
    scripts = [path for path in sorted((docs.parent / "tutorials").glob("*.py")) if CELL.search(path.read_text())]
    pages |= {docs / "tutorials" / f"{script.stem}.md": tutorial(script) for script in scripts}
    pages |= {docs / "tutorials" / f"{script.stem}.ipynb": notebook(script) for script in scripts}
    pages[docs / "tutorials" / "index.md"] = _index("Tutorials", [f"{script.stem}.md" for script in scripts])
    for folder in ("api", "tutorials"):
        for old in {*(docs / folder).glob("*.md"), *(docs / folder).glob("*.ipynb")} - set(pages):
            old.unlink()
    for path, text in pages.items():
        _write(path, text)


def public_names() -> dict[str, list[str]]:
    """Public names of the package, of every room and drawer, and of some modules; names of modules are left out."""
    found = {}
    for module in (*packages(), *MODULES):
        room = importlib.import_module(module)
        names = list(_defined(room)) if module in MODULES else getattr(room, "__all__", [])
        found[module] = [n for n in names if not n.startswith("_") and not isinstance(getattr(room, n), ModuleType)]
    return {module: names for module, names in found.items() if names}


def packages() -> list[str]:
    """Packages, from the top down; those of the command are left out."""
    root = Path(b2m_encoding.__file__).parent
    folders = [path.parent.relative_to(root) for path in sorted(root.rglob("__init__.py"))]
    found = [".".join((ROOT, *folder.parts)) for folder in folders]
    return [module for module in found if not module.startswith(WITHOUT)]


def home_modules() -> dict[tuple[str, str], str]:
    """Module of the one page of every public name: a room rather than its drawers or the top of the package."""
    names = public_names()
    first: dict[tuple[str, int], str] = {}
    homes = {}
    for module in sorted(names, key=lambda module: (module == ROOT, module.count("."))):
        for name in names[module]:
            thing = getattr(importlib.import_module(module), name)
            homes[module, name] = first.setdefault((name, id(thing)), module)
    return homes


def _defined(module: ModuleType) -> Iterator[str]:
    for name, thing in vars(module).items():
        if not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__:
            yield name


def page_of(module: str, name: str) -> str:
    """Make the page of a name."""
    thing = getattr(importlib.import_module(module), name)
    if inspect.isclass(thing):
        # members of our own bases too, not those of other packages and of tables of options
        others = ", ".join(b.__name__ for b in thing.__mro__ if not b.__module__.startswith(ROOT) or b is Config)
        directive = (
            f"autoclass:: {name}\n   :members:\n   :inherited-members: {others}\n   :exclude-members: {REQUESTS}"
        )
    elif inspect.isroutine(thing):
        directive = f"autofunction:: {name}"
    else:  # sphinx would show the text of its class
        directive = f"py:data:: {name}\n\n   {_constant_text(name, thing)}"
    return f"# {name}\n\n```{{eval-rst}}\n.. currentmodule:: {module}\n.. {directive}\n```\n"


def page_of_room(module: str, links: dict[str, str]) -> str:
    """Make the page of a room: its docstring, and its names with their first lines and the pages they have."""
    room = importlib.import_module(module)
    rows = [f"| [{name}]({link}) | {_first_line(name, getattr(room, name))} |" for name, link in links.items()]
    table = "\n".join(["| name | |", "|---|---|", *rows])
    tree = "\n".join(link for name, link in links.items() if link == f"{module}.{name}.md")
    hidden = f"\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n" if tree else ""
    about = f"```{{eval-rst}}\n.. automodule:: {module}\n   :no-members:\n```"
    return f"# {module}\n\n{about}\n\n{table}\n{hidden}"


def _first_line(name: str, thing: object) -> str:
    described = inspect.isclass(thing) or inspect.isroutine(thing)
    text = inspect.getdoc(thing) if described else _constant_text(name, thing)
    return one_line((text or "").split("\n")[0]).replace("|", "\\|")


def _constant_text(name: str, thing: object) -> str:
    """Text below a constant in the module that defines it."""
    modules = [module for full, module in sorted(sys.modules.items()) if full.startswith(f"{ROOT}.")]
    with_it = [module for module in modules if vars(module).get(name) is thing]
    return next((" ".join(texts[name].split()) for module in with_it if name in (texts := _texts(module))), "")


@cache
def _texts(module: ModuleType) -> dict[str, str]:
    """Texts below the constants of a module."""
    body = ast.parse(inspect.getsource(module)).body
    return {
        ast.unparse(named.targets[0] if isinstance(named, ast.Assign) else named.target): str(text.value.value)
        for named, text in pairwise(body)
        if isinstance(named, ast.Assign | ast.AnnAssign) and isinstance(text, ast.Expr)
        if isinstance(text.value, ast.Constant)
    }


def commands() -> str:
    """Every command with its help, as the terminal shows it."""
    import click
    import typer

    from b2m_encoding.cli import app

    group = typer.main.get_command(app)
    parts = ["# Commands\n\nWhat `b2m COMMAND --help` says.\n"]
    for name, command in sorted(_leaves(group, "b2m")):
        context = click.Context(command, info_name=name, max_content_width=100)
        parts.append(f"## {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def results_folder() -> str:
    """Make the page of the results folder from its schema: files, maps, and tables with their columns."""
    file_rows = [f"| `{name}` | {one_line(text)} |" for name, text in _described_files()]
    map_rows = [f"| `{kind.stat}` | {OWNERS[kind.of]} | {kind.description} |" for kind in MAPS]
    parts = [
        "# The results folder",
        "Where a name holds a field in braces, there is a file for each of its values.",
        "## Files",
        "\n".join(["| file | content |", "|---|---|", *file_rows]),
        "## Maps",
        "`desc` and `stat` are entities of the file name; `Results.map(subject, desc, stat)` reads a map.",
        "\n".join(["| stat | desc | content |", "|---|---|---|", *map_rows]),
        "## Tables",
    ]
    for table in TABLES:
        rows = [f"| `{name}` | {text} |" for name, text in table.columns.items()]
        parts += [f"### `{table.file}`", "\n".join(["| column | content |", "|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"


def _described_files() -> Iterator[tuple[str, str]]:
    """File names of the schema, with the text below each."""
    for name, text in _texts(files).items():
        value = getattr(files, name)
        if isinstance(value, str) and "." in value:
            yield value, text


def _leaves(group: object, name: str) -> Iterator[tuple[str, object]]:
    for key, command in getattr(group, "commands", {}).items():
        if getattr(command, "commands", None):
            yield from _leaves(command, f"{name} {key}")
        else:
            yield f"{name} {key}", command


def tutorial(script: Path) -> str:
    """A tutorial as a page: its cells in order, texts as texts, code as code, with kept outputs below."""
    title, text, cells = _parts(script)
    parts = [f"# {title}", f"{{download}}`Download as a notebook <{script.stem}.ipynb>`", text]
    for (heading, prose, code), output in zip(cells, kept_outputs(script), strict=True):
        parts += [f"## {heading}"] if heading else []
        parts += [part for part in (prose, code and f"```python\n{code}\n```", *_output(output)) if part]
    parts.append(f"The whole script: `tutorials/{script.name}`.")
    return "\n\n".join(part for part in parts if part) + "\n"


def notebook(script: Path) -> str:
    """A tutorial as a notebook (nbformat 4.5), without outputs: to be run beside ``tutorials/simulated.py``."""
    title, text, parts = _parts(script)
    cells = [("markdown", f"# {title}\n\n{text}")]
    for heading, prose, code in parts:
        words = "\n\n".join(part for part in (heading and f"## {heading}", prose) if part)
        cells += [("markdown", words)] if words else []
        cells += [("code", code)] if code else []
    content = {
        "cells": [
            {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": source.splitlines(keepends=True)}
            | ({"execution_count": None, "outputs": []} if kind == "code" else {})
            for number, (kind, source) in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _parts(script: Path) -> tuple[str, str, list[tuple[str, str, str]]]:
    """Title and text of a tutorial, then heading, prose and code of every cell."""
    head, *rest = CELL.split(script.read_text(encoding="utf-8"))
    about = inspect.cleandoc(re.sub(r'^"""|"""\s*$', "", head.strip()))
    title, _, text = about.partition("\n")
    headings = [heading.strip() if heading.strip() != MARKDOWN else "" for heading in rest[::2]]
    cells = [(heading, *_cell(body)) for heading, body in zip(headings, rest[1::2], strict=True)]
    return title.rstrip("."), text.strip().replace("``", "`"), cells


def _output(output: dict[str, object]) -> Iterator[str]:
    """What a cell printed and drew."""
    if output["text"]:
        yield f"```text\n{output['text']}\n```"
    for picture in output["pictures"]:  # type: ignore[attr-defined]
        yield f"![what the cell draws](../{KEPT.name}/{picture})"


def _cell(body: str) -> tuple[str, str]:
    """The comment at the top of a cell, and the code below it."""
    lines = body.strip("\n").split("\n")
    count = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    prose = "\n".join(line[2:] if line.startswith("# ") else line[1:] for line in lines[:count])
    return prose.replace("``", "`").strip(), "\n".join(lines[count:]).strip("\n")


def _index(title: str, pages: list[str]) -> str:
    return f"# {title}\n\n```{{toctree}}\n:maxdepth: 1\n\n" + "\n".join(pages) + "\n```\n"


def _write(path: Path, text: str) -> None:
    """Write what has changed: unchanged pages need not be built again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
