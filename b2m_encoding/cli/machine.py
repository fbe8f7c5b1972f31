"""Command that checks the machine."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Any

from rich.table import Table

from b2m_encoding.cli.app import app, console


@app.command()
def doctor() -> None:
    """Check the machine: versions, GPU, broken optional packages, writable folders."""
    table = Table("item", "state")
    table.add_row("pycortex", _installed("pycortex"))  # importing it would write into the home folder
    for package in ("numpy", "torch", "nilearn", "nibabel", "matplotlib", "transformers", "diffusers"):
        table.add_row(package, _import_state(package))
    for package in ("torchaudio", "torchvision"):
        state = _import_state(package)
        table.add_row(
            package, "not installed (not needed)" if state == "not installed" else f"{state}; pip uninstall it"
        )
    table.add_row("device", _device())
    for folder in (Path.cwd(), Path(tempfile.gettempdir()), Path.home()):
        table.add_row(f"write to {folder}", "yes" if os.access(folder, os.W_OK) else "NO")
    console.print(table)


def _import_state(package: str) -> str:
    if importlib.util.find_spec(package) is None:
        return "not installed"
    try:
        return str(getattr(importlib.import_module(package), "__version__", "installed"))
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        return f"BROKEN: {type(error).__name__}: {str(error).splitlines()[0]}"


def _installed(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _device() -> str:
    torch: Any = importlib.import_module("torch")
    if torch.cuda.is_available():
        return f"CUDA: {torch.cuda.get_device_name()}"
    return f"CPU, {torch.get_num_threads()} threads"
