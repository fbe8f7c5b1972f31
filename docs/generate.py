"""Pages that are made from the code: one per public name, one of all commands, one per tutorial."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import b2m_encoding

MORE = (
    "b2m_encoding.runs", "b2m_encoding.errors", "b2m_encoding.features.space", "b2m_encoding.results.reader",
    "b2m_encoding.study",
)  # fmt: skip
"""Modules beside the rooms whose own names have pages."""
WITHOUT = ("b2m_encoding.cli",)
"""The command has pages of another kind."""
REQUESTS = "set_fit_request, set_partial_fit_request, set_predict_request, set_score_request"
"""Methods that scikit-learn adds."""
CELL = re.compile(r"^# %%[ ]?(.*)$", re.MULTILINE)
MARKDOWN = "[markdown]"


def write_pages(docs: Path) -> None:
    """Write everything below ``docs/api`` and ``docs/tutorials``, and ``docs/commands.md``; remove old pages."""
    pages = {docs / "commands.md": commands()}
    names = public_names()
    for module, own in names.items():
        pages |= {docs / "api" / f"{module}.{name}.md": page_of(module, name) for name in own}
        pages[docs / "api" / f"{module}.md"] = page_of_room(module, own)
    pages[docs / "api" / "index.md"] = _index("Reference", [f"{module}.md" for module in names])
    scripts = [path for path in sorted((docs.parent / "tutorials").glob("*.py")) if CELL.search(path.read_text())]
    pages |= {docs / "tutorials" / f"{script.stem}.md": tutorial(script) for script in scripts}
    pages[docs / "tutorials" / "index.md"] = _index("Tutorials", [f"{script.stem}.md" for script in scripts])
    for folder in ("api", "tutorials"):
        for old in set((docs / folder).glob("*.md")) - set(pages):
            old.unlink()
    for path, text in pages.items():
        _write(path, text)


def public_names() -> dict[str, list[str]]:
    """Public names of every room that says what is public, and of some modules; names of modules are left out."""
    found = {}
    for room in (*rooms(), *MORE):
        module = importlib.import_module(room)
        names = getattr(module, "__all__", None) or list(_defined(module))
        found[room] = [n for n in names if not n.startswith("__") and not isinstance(getattr(module, n), ModuleType)]
    return {room: names for room, names in found.items() if names}


def rooms() -> list[str]:
    """Packages with an ``__all__``, from the top down."""
    root = Path(b2m_encoding.__file__).parent
    named = [path.parent for path in sorted(root.rglob("__init__.py")) if "__all__ = " in path.read_text("utf-8")]
    found = [".".join(("b2m_encoding", *folder.relative_to(root).parts)) for folder in named]
    return [room for room in found if not room.startswith(WITHOUT)]


def _defined(module: ModuleType) -> Iterator[str]:
    for name, thing in vars(module).items():
        if not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__:
            yield name


def page_of(module: str, name: str) -> str:
    """The page of a name."""
    thing = getattr(importlib.import_module(module), name)
    kind = "autoclass" if inspect.isclass(thing) else "autofunction" if callable(thing) else "autodata"
    members = f"\n   :members:\n   :exclude-members: {REQUESTS}" if inspect.isclass(thing) else ""
    members += (
        "\n   :no-index:" if module in ("b2m_encoding", "b2m_encoding.decoding") else ""
    )  # each has its place in a room
    return f"# {name}\n\n```{{eval-rst}}\n.. currentmodule:: {module}\n.. {kind}:: {name}{members}\n```\n"


def page_of_room(module: str, names: list[str]) -> str:
    """The page of a room: what it is, and its names with what each one does in a line."""
    room = importlib.import_module(module)
    rows = [f"| [{name}]({module}.{name}.md) | {_first_line(getattr(room, name))} |" for name in names]
    table = "\n".join(["| name | |", "|---|---|", *rows])
    tree = "\n".join(f"{module}.{name}.md" for name in names)
    about = inspect.getdoc(room) or ""
    return f"# {module}\n\n{about}\n\n{table}\n\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n"


def _first_line(thing: object) -> str:
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        return ""
    line = (inspect.getdoc(thing) or "").split("\n")[0].replace("|", "\\|")
    return re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", line).replace("``", "`")


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


def _leaves(group: object, name: str) -> Iterator[tuple[str, object]]:
    for key, command in getattr(group, "commands", {}).items():
        if getattr(command, "commands", None):
            yield from _leaves(command, f"{name} {key}")
        else:
            yield f"{name} {key}", command


def tutorial(script: Path) -> str:
    """A tutorial as a page: its cells in order, texts as texts and code as code."""
    head, *rest = CELL.split(script.read_text(encoding="utf-8"))
    about = inspect.cleandoc(re.sub(r'^"""|"""\s*$', "", head.strip()))
    title, _, text = about.partition("\n")
    parts = [f"# {title.rstrip('.')}", text.strip().replace("``", "`")]
    for heading, body in zip(rest[::2], rest[1::2], strict=True):
        prose, code = _cell(body)
        if heading.strip() and heading.strip() != MARKDOWN:
            parts.append(f"## {heading.strip()}")
        parts += [part for part in (prose, code and f"```python\n{code}\n```") if part]
    parts.append(f"The whole script: `tutorials/{script.name}`.")
    return "\n\n".join(part for part in parts if part) + "\n"


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
