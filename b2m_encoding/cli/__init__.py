"""The command ``b2m``: parse, call, print."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from b2m_encoding import __version__
from b2m_encoding.cli import study  # help lists the commands in the order of these imports

# isort: split
from b2m_encoding.cli import compare, decoding, figures, machine, models
from b2m_encoding.cli.app import app, console
from b2m_encoding.errors import InputError, ProblemList, merged
from b2m_encoding.io.writing import is_full

__all__ = ["app", "compare", "console", "decoding", "figures", "machine", "main", "models", "study"]
BAD_INPUT = 2
DISK = (errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)
"""Errors of the system, beside full disks, that are no mistake of the program."""
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
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Encoding models of fMRI: map cortex, compare feature spaces, decode what was presented."""
    global _debug
    _debug = debug


def _for_the_user(error: BaseException) -> InputError | None:
    """Error that a user can correct, printed without a traceback; None for any other one."""
    if isinstance(error, InputError):
        return error
    if isinstance(error, MemoryError):
        return InputError(
            "there is not enough memory",
            found=str(error) or None,
            fix="close other programs, or lower model.memory in the study file; b2m check estimates what a run needs",
        )
    if isinstance(error, OSError) and (is_full(error) or error.errno in DISK):
        return InputError(
            "a file, or what the command prints, cannot be written",
            file=error.filename,
            found=error.strerror or error,
            fix="free space or let it be written, then repeat the command",
        )
    return None


def main() -> None:
    """Entry point: an error a user can put right ends with exit code 2 and no traceback."""
    try:
        try:
            app(standalone_mode=True)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except (InputError, OSError, MemoryError) as error:
        shown = _for_the_user(error)
        if _debug or shown is None:
            raise
        problems = merged(shown.problems) if isinstance(shown, ProblemList) else [shown]
        errors = Console(stderr=True, highlight=False)
        for problem in problems:
            errors.print("error: ", style="bold red", end="")
            errors.print(str(problem), markup=False, soft_wrap=True)
        sys.exit(BAD_INPUT)
