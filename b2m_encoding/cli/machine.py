"""Command that checks the machine."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Any

from rich.table import Table

from b2m_encoding import __version__
from b2m_encoding.cli.app import app, console
from b2m_encoding.io.memory import available_memory

NEEDED = ("numpy", "torch", "nilearn", "nibabel", "matplotlib")
OPTIONAL = ("transformers", "diffusers")
LITTLE_MEMORY, LITTLE_DISK = 2e9, 2e9
"""Bytes with which studies of common size fail."""


@app.command()
def doctor() -> None:
    """Check the machine, and end with a verdict."""
    table = Table("item", "state")
    table.add_row("b2m_encoding", __version__)
    table.add_row("Python", platform.python_version())
    table.add_row("pycortex", _installed("pycortex"))  # importing it would write into the home folder
    states = {name: _import_state(name) for name in (*NEEDED, *OPTIONAL)}
    for package, state in states.items():
        table.add_row(package, state)
    unwanted = [name for name in ("torchaudio", "torchvision") if importlib.util.find_spec(name) is not None]
    for package in unwanted:
        table.add_row(package, f"{_installed(package)}; breaks transformers beside this torch: pip uninstall it")
    table.add_row("device", _device())
    memory, free = available_memory(), shutil.disk_usage(Path.cwd()).free
    table.add_row("cores", str(os.cpu_count()))
    table.add_row("memory", "unknown" if memory is None else f"{memory / 1e9:.1f} GB available")
    table.add_row("disk here", f"{free / 1e9:.1f} GB free")
    ffmpeg = shutil.which("ffmpeg")
    table.add_row("ffmpeg", ffmpeg or "not found (needed for video and rare sound formats alone)")
    folders = {folder: os.access(folder, os.W_OK) for folder in (Path.cwd(), Path(tempfile.gettempdir()), Path.home())}
    for folder, writable in folders.items():
        table.add_row(f"write to {folder}", "yes" if writable else "NO")
    console.print(table)
    problems = [f"{name}: {states[name]}" for name in NEEDED if states[name].startswith(("not", "BROKEN"))]
    problems += [f"{name}: {states[name]}" for name in OPTIONAL if states[name].startswith("BROKEN")]
    problems += [f"{name} is installed: pip uninstall {name}" for name in unwanted]
    problems += [f"{folder} cannot be written" for folder, writable in folders.items() if not writable]
    if memory is not None and memory < LITTLE_MEMORY:
        problems.append(f"{memory / 1e9:.1f} GB of memory are little: close other programs, or lower model.memory")
    if free < LITTLE_DISK:
        problems.append(f"{free / 1e9:.1f} GB of disk are little: results of a study take one to ten")
    console.print("All is well: this machine can run studies." if not problems else "To put right:", style="bold")
    for problem in problems:
        console.print(f"- {problem}", markup=False, soft_wrap=True)


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
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'' if threads == 1 else 's'}"
