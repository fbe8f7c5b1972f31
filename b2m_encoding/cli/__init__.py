"""The command ``b2m``: parse, call, print."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from b2m_encoding import __version__
from b2m_encoding.cli import study  # help lists the commands in the order of these imports

# isort: split
from b2m_encoding.cli import decoding, figures, machine, models
from b2m_encoding.cli.app import app, console
from b2m_encoding.errors import InputError, ProblemList, merged

__all__ = ["app", "console", "decoding", "figures", "machine", "main", "models", "study"]
BAD_INPUT = 2
# On shared cores, threads that spin while they wait slow small eigenproblems down fifty-fold.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
_debug = False


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"b2m_encoding {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    """Voxel-wise encoding models for music: map auditory cortex, compare feature spaces, decode what was heard."""
    global _debug
    _debug = debug


def main() -> None:
    """Entry point: an error a user can put right ends with exit code 2 and no traceback."""
    try:
        app(standalone_mode=True)
    except InputError as error:
        if _debug:
            raise
        problems = merged(error.problems) if isinstance(error, ProblemList) else [error]
        errors = Console(stderr=True, highlight=False)
        for problem in problems:
            errors.print("error: ", style="bold red", end="")
            errors.print(str(problem), markup=False, soft_wrap=True)
        sys.exit(BAD_INPUT)
