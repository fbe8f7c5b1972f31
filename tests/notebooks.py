"""Scripts in cells, run as notebooks by nbclient: one kernel for several, so that packages are imported once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FIRST = """%reset -f
import warnings
for category in (FutureWarning, RuntimeWarning, UserWarning):
    warnings.simplefilter("error", category)"""
"""What stands before every script: no names of the one before it, and warnings that are errors, as in all tests."""


def cells_of(script: Path) -> list[tuple[str, str]]:
    """Kind ("markdown", "code") and text of the cells of a script, which begin with ``# %%``: comments are prose."""
    head, *parts = script.read_text(encoding="utf-8").split("\n# %%")
    cells = [("code", head)]
    for part in parts:
        title, _, body = part.partition("\n")
        prose = re.match(r"(#.*(\n|$))*", body)
        assert prose is not None
        lines = [title.replace("[markdown]", "").strip(), *(line[2:] for line in prose.group().splitlines())]
        cells += [("markdown", "\n".join(lines)), ("code", body[prose.end() :].strip("\n"))]
    return [(kind, text) for kind, text in cells if text.strip()]


class Kernel:
    """A running kernel; a cell that fails is an error, with its traceback."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    def run(self, script: Path, *after: str, before: str = "") -> Any:
        """Execute a script as a notebook, between cells of one's own; returns it with its outputs."""
        import nbclient
        from nbformat import v4

        new = {"code": v4.new_code_cell, "markdown": v4.new_markdown_cell}
        cells = [new[kind](text) for kind, text in cells_of(script)]
        own = [v4.new_code_cell(text) for text in (FIRST, before) if text]
        notebook = v4.new_notebook(cells=[*own, *cells, *map(v4.new_code_cell, after)])
        client = nbclient.NotebookClient(notebook, km=self._manager)
        try:
            return client.execute()
        finally:
            client.kc.stop_channels()


@contextmanager
def kernel(folder: Path, **environment: str) -> Iterator[Kernel]:
    """Start a kernel in a folder, which finds the modules there and this package."""
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(folder), env={**os.environ, "PYTHONPATH": str(ROOT), **environment})
    try:
        yield Kernel(manager)
    finally:
        manager.shutdown_kernel(now=True)
