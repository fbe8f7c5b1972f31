"""Checks of files: missing, not downloaded, damaged or truncated, each reported with what to do."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from b2m_encoding.errors import InputError
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.text_tables import decoded
from b2m_encoding.spaces.files import load_image

ANNEX = "annex/objects/"
DAMAGE = (OSError, EOFError, ValueError, RuntimeError, zlib.error, ExpatError)


def require_file(path: Path, what: str = "a file", *, folder: bool = True) -> Path:
    """Return the path of a file (or a folder, for zarr) whose content is here and may be read.

    Raises
    ------
    InputError
        If it is missing, may not be read, is a link of git-annex (datalad) without its content, a pipe or a device, or
        a folder where a file is expected.
    """
    if path.is_symlink() and not path.exists():
        target = os.readlink(path)
        if ANNEX in target.replace(os.sep, "/"):
            raise _not_downloaded(path, what)
        raise InputError(f"{what} is a link to nothing", file=path, found=target)
    if not path.exists():
        raise InputError(f"{what} is missing", file=path, **_instead(path))
    if path.is_dir() and not folder:
        raise InputError(f"{what} is a folder", file=path)
    if not path.is_file() and not path.is_dir():
        raise InputError(f"{what} is no regular file", file=path, found="a pipe, a socket or a device")
    if not os.access(path, os.R_OK):
        raise InputError(f"{what} may not be read", file=path, fix="change its permissions")
    if path.is_file() and path.stat().st_size < 4096 and ANNEX.encode() in path.read_bytes()[:64]:
        raise _not_downloaded(path, what)  # an unlocked annex file is a short text that names its key
    return path


def _instead(path: Path) -> dict[str, str]:
    """What is wrong with the path of a missing file: its folder, its letters, or its separators."""
    if "\\" in path.name:
        return {"fix": "write / between folders"}
    there = next(folder for folder in path.absolute().parents if folder.is_dir())
    wanted = path.absolute().parts[len(there.parts)]
    try:
        names = sorted(one.name for one in there.iterdir())
    except OSError:
        return {}
    if there != path.absolute().parent:
        if wanted in names:
            return {"found": f"{there / wanted} is a file, not a folder"}
        near = get_close_matches(wanted, names, n=1)
        return {
            "found": f"no folder {wanted} in {there}",
            **({"expected": f"{near[0]}, which is there"} if near else {}),
        }
    alike = next((name for name in names if name.casefold() == wanted.casefold()), None)
    return {} if alike is None else {"found": f"{alike}: capital letters differ"}


def _not_downloaded(path: Path, what: str) -> InputError:
    return InputError(f"{what} is not downloaded (git-annex)", file=path, fix=f"datalad get {path}")


def open_image(path: Path, what: str = "an image") -> Any:
    """Open an image (header only); whatever its reader raises becomes an input error."""
    require_file(path, what, folder=False)
    nifti = path.name.endswith((".nii", ".nii.gz"))
    return load_image(path, what, **({"mmap": False, "keep_file_open": True} if nifti else {}))


def check_complete(path: Path, n_bytes: int) -> None:
    """Raise if an image file ends before its ``n_bytes`` (uncompressed), without reading it.

    The last four bytes of a gzip file state its length. Where they disagree (a file made of several parts may), it
    is decompressed to be sure.
    """
    if path.suffix != ".gz":
        found = path.stat().st_size
    else:
        with path.open("rb") as stream:
            stream.seek(-4, os.SEEK_END)
            found = n_bytes if int.from_bytes(stream.read(4), "little") == n_bytes % 2**32 else _decompressed(path)
    if found < n_bytes:
        raise damaged(path, f"{found} bytes of {n_bytes}")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Report errors of reading the values of a file as input errors."""
    try:
        yield
    except InputError:
        raise
    except DAMAGE as error:
        raise damaged(path, first_line(error)) from error


def damaged(path: Path, found: object) -> InputError:
    """The error of a file that cannot be read to its end."""
    return InputError("a file is damaged or truncated", file=path, found=found, fix="fetch or copy it again")


def read_json(path: Path) -> dict[str, Any]:
    """A sidecar as a dictionary; its text may be in Latin-1, as converters write the name of a hospital.

    Raises
    ------
    InputError
        If it is not downloaded, or no JSON object.
    """
    require_file(path, "a sidecar", folder=False)
    try:
        content = parse_json(decoded(path, "a sidecar"))
    except InputError:
        raise
    except ValueError as error:
        raise InputError("a sidecar cannot be read", file=path, found=first_line(error)) from error
    if not isinstance(content, dict):
        raise InputError("a sidecar is no JSON object", file=path, found=type(content).__name__)
    return content


def first_line(error: Exception) -> str:
    """First line of the message of an exception."""
    return (str(error) or type(error).__name__).splitlines()[0]


def _decompressed(path: Path) -> int:
    total = 0
    try:
        with gzip.open(path) as stream:
            while piece := stream.read(1 << 22):
                total += len(piece)
    except DAMAGE:
        pass
    return total
