"""NumPy archives, written and read without pickle; decompression bombs are refused."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from b2m_encoding.errors import InputError

MAX_EXPANSION, HARMLESS = 100.0, 1e9
"""Largest ratio of compression of real measurements; size of arrays that is always accepted, bytes."""


def check_archive(path: Path) -> None:
    """Raise if a NumPy archive would become far larger in memory than it is on disk (a decompression bomb).

    Raises
    ------
    InputError
        If it expands more than a hundredfold, to over a gigabyte. Other files than archives pass.
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
    """Read arrays of a NumPy archive; pickled objects are refused.

    Parameters
    ----------
    path : Path
    what : str
        Name of the content in error messages.
    names : iterable of str, optional
        Arrays to read; all by default.
    fix : str
        Advice in the error message.

    Returns
    -------
    dict of str to array

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


def write_compressed(path: Path, arrays: Mapping[str, Any], halved: Collection[str] = ()) -> None:
    """Write arrays, strings and numbers into a compressed NumPy archive.

    Parameters
    ----------
    path : Path
    arrays : mapping of str to array, str or number
    halved : collection of str
        Arrays that are kept in half precision.
    """
    kept: dict[str, Any] = {
        name: np.asarray(value, dtype=np.float16 if name in halved else None) for name, value in arrays.items()
    }
    with path.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **kept)
