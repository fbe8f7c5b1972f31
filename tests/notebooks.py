"""Scripts in cells, run as notebooks in a kernel of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SHOWN = "from b2m_encoding import plot_flatmap\nplot_flatmap([0.5] * 20484)"


def cells_of(script: Path) -> list[str]:
    """Text of the cells of a script, which begin with ``# %%``."""
    head, *parts = script.read_text(encoding="utf-8").split("\n# %%")
    return [head, *(part.partition("\n")[2] for part in parts)]


def run_as_notebook(script: Path, *more: str) -> Any:
    """Execute the cells of a script, and more after them, beside the script; returns the notebook with its outputs."""
    import nbclient
    import nbformat

    cells = [nbformat.v4.new_code_cell(text) for text in (*cells_of(script), *more)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    place = {"metadata": {"path": str(script.parent)}}
    return nbclient.NotebookClient(notebook, kernel_name="python3", resources=place).execute()
