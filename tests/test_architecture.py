"""The house as it stands: no circle among files, rooms that one screen shows, tests that look at no clock."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "b2m_encoding"
MOST_FILES = 24
REMOVERS = {PACKAGE / "io/removal.py"}
REMOVING = {
    "os": {"remove", "unlink", "rmdir", "removedirs", "rename", "renames", "replace"},
    "shutil": {"rmtree", "move"},
}
CLOCKS = {"perf_counter", "monotonic", "process_time", "time_ns", "perf_counter_ns"}


def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, by Tarjan's algorithm."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for other in imports.get(module, ()):
            if other not in order:
                visit(other)
            if other in stack:
                lowest[module] = min(lowest[module], lowest[other])
        if lowest[module] == order[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in imports:
        if module not in order:
            visit(module)
    return found


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}}) == [["b", "c"]]


def test_no_circle_among_files() -> None:
    """Imports for type checking count too."""
    graph = grimp.build_graph("b2m_encoding", exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 200
    assert circles(imports) == []


def test_a_room_fits_on_a_screen() -> None:
    counts = Counter(path.parent for path in PACKAGE.rglob("*.py"))
    assert {str(folder): n for folder, n in counts.items() if n > MOST_FILES} == {}


def test_no_test_looks_at_a_clock() -> None:
    """Bounds of time are rows of benchmarks: a busy machine must not fail a test."""
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assert):
                called = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
                assert not called & CLOCKS, f"{path}:{node.lineno}"


def removals(source: str) -> list[int]:
    """Lines that rename or remove files: functions of os and shutil, and methods of paths."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and {name.name for name in node.names} & REMOVING.get(
            node.module or "", set()
        ):
            lines.append(node.lineno)
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name, owner, arguments = node.func.attr, node.func.value, [ast.unparse(one) for one in node.args]
        single = len(arguments) == 1 and not node.keywords and not arguments[0].startswith(("{", "dict"))
        of_module = isinstance(owner, ast.Name) and name in REMOVING.get(owner.id, set())
        # str.replace has two arguments, Series.replace is given a dictionary, DataFrame.rename keywords
        if of_module or name in ("unlink", "rmdir") or (name in ("rename", "replace") and single):
            lines.append(node.lineno)
    return lines


def test_removals_are_found() -> None:
    for line in (
        "os.remove(a)", "import shutil\nshutil.rmtree(a)", "path.unlink(missing_ok=True)", "Path(a).rmdir()",
        "a.rename(b)", "(a / b).replace(c)", "from os import unlink", "os.replace(a, b)", "shutil.move(a, b)",
    ):  # fmt: skip
        assert removals(line), line
    assert not removals("a.replace('b', 'c'); t.rename(columns={}); shutil.copy(a, b); replace(a, b=c)")


def test_one_module_renames_and_removes() -> None:
    found = {path: removals(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
    assert {str(path): lines for path, lines in found.items() if lines and path not in REMOVERS} == {}
