"""NumPy archives, read without pickle and without unpacking a bomb."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from b2m_encoding.errors import InputError

MAX_EXPANSION, HARMLESS = 100.0, 1e9
"""Real measurements do not compress a hundredfold; what is no larger than a gigabyte does no harm."""


def check_archive(path: Path) -> None:
    """Raise if a NumPy archive would become far larger in memory than it is on disk: a bomb.

    Raises
    ------
    InputError
        If it expands more than a hundredfold, to over a gigabyte; files that are no archive pass.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > max(HARMLESS, MAX_EXPANSION * path.stat().st_size):
        raise InputError(
            "an archive expands to far more than it holds",
            file=path,
            found=f"{size / 1e9:.1f} GB in {path.stat().st_size / 1e6:.1f} MB",
            fix="save the arrays anew, without compression",
        )


def read_archive(path: Path, what: str, names: Iterable[str] | None = None, fix: str = "") -> dict[str, Any]:
    """Arrays of a NumPy archive; nothing that is pickled is loaded.

    Parameters
    ----------
    path : Path
    what : str
        What it is called in messages.
    names : iterable of str, optional
        Arrays that must be there; all that are by default.
    fix : str

    Raises
    ------
    InputError
        If it is missing, damaged, a bomb, or lacks an array.
    """
    check_archive(path)
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return {name: stored[name] for name in (stored.files if names is None else names)}
    except (OSError, ValueError, KeyError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{what} cannot be read", file=path, found=repr(error), fix=fix or None) from error
