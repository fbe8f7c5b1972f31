"""Tutorials, README and documentation import public names only: what ``__all__`` of a package holds."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "b2m_encoding"
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SCRIPTS = [*sorted((ROOT / "tutorials").glob("*.py")), ROOT / "docs" / "gallery.py"]
PAGES = [ROOT / "README.md", ROOT / "tutorials" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def is_room(module: str) -> bool:
    """Whether a module is a package that says what is public in it."""
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError:
        return False
    return hasattr(found, "__path__") and hasattr(found, "__all__")


def is_public(module: str, name: str) -> bool:
    return is_room(module) and (name in importlib.import_module(module).__all__ or is_room(f"{module}.{name}"))


def private_names(code: str) -> Iterator[str]:
    """Names of this package that a script imports, or reads of a package, though they are not public."""
    tree = ast.parse(code)
    rooms: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.split(".")[0] == PACKAGE and not is_room(one.name))
            rooms |= {one.asname or one.name: one.name for one in node.names if one.name == PACKAGE}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            module = str(node.module)
            for one in node.names:
                if not is_public(module, one.name):
                    yield f"{module}.{one.name}"
                elif isinstance(getattr(importlib.import_module(module), one.name, None), ModuleType):
                    rooms[one.asname or one.name] = f"{module}.{one.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in rooms:
            room = rooms[node.value.id]
            if not is_public(room, node.attr):
                yield f"{room}.{node.attr}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_use_public_names(script: Path) -> None:
    assert list(private_names(script.read_text(encoding="utf-8"))) == []


def test_pages_use_public_names() -> None:
    blocks = [(page.name, code) for page in PAGES for code in PYTHON.findall(page.read_text(encoding="utf-8"))]
    assert {name for name, _ in blocks} >= {"README.md"}
    assert [(name, found) for name, code in blocks for found in private_names(code)] == []


def test_no_file_hides_a_public_name() -> None:
    """The import of a file sets the attribute of its name in the package."""
    hidden = [
        f"{path.parent.relative_to(ROOT)}: {one.name}"
        for path in (ROOT / PACKAGE).rglob("__init__.pyi")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom) and node.module
        for one in node.names
        if (path.parent / one.name).is_dir() or (path.parent / f"{one.name}.py").is_file()
    ]
    assert hidden == []


@pytest.mark.parametrize(
    "code",
    [
        "from b2m_encoding.models.solver.filters import compress",
        "from b2m_encoding.models import Tensor",
        "import b2m_encoding.models.model",
        "from b2m_encoding import figures\nfigures.maps",
        "import b2m_encoding as b\nb.numpy",
    ],
)
def test_private_names_are_found(code: str) -> None:
    assert len(list(private_names(code))) == 1


def test_public_names_pass() -> None:
    code = "import b2m_encoding, numpy as np\nfrom b2m_encoding import figures, Runs"
    assert list(private_names(f"{code}\nfigures.score_map\nnp.linalg\nb2m_encoding.Runs")) == []
