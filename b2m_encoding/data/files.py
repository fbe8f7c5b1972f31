"""Checks of images and sidecars: damaged or truncated, each reported with what to do."""

from __future__ import annotations

import bz2
import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from b2m_encoding.errors import InputError
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.presence import require_file
from b2m_encoding.io.text_tables import decoded
from b2m_encoding.spaces.files import load_image

PACKED: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open}
"""How compressed images are opened, by their ending in small letters."""
DAMAGE = (OSError, EOFError, ValueError, RuntimeError, zlib.error, ExpatError)


def open_image(path: Path, what: str = "an image") -> Any:
    """Open an image (header only); whatever its reader raises becomes an input error."""
    require_file(path, what, folder=False)
    nifti = path.name.endswith((".nii", ".nii.gz"))
    return load_image(path, what, **({"mmap": False, "keep_file_open": True} if nifti else {}))


def check_complete(path: Path, n_bytes: int) -> None:
    """Raise if an image file ends before its ``n_bytes`` (uncompressed), without reading it.

    The last four bytes of a gzip file state its length. Where they disagree (a file made of several parts may), it
    is decompressed to be sure, as are files of other compressions.
    """
    if (suffix := path.suffix.lower()) not in PACKED:
        found = path.stat().st_size
    elif suffix != ".gz":
        found = _decompressed(path)
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


def check_end(stream: Any, path: Path) -> None:
    """Raise if the checksum of a gzip file, whose values were read, is wrong: it is seen behind the values only."""
    try:
        while stream.read(1 << 22):
            pass
    except (OSError, zlib.error, EOFError) as error:  # what follows a whole file, and is no gzip, is none of its values
        if "CRC" in str(error) or not isinstance(error, gzip.BadGzipFile):
            raise damaged(path, first_line(error)) from error


def damaged(path: Path, found: object) -> InputError:
    """The error of a file that cannot be read to its end."""
    return InputError("a file is damaged or truncated", file=path, found=found, fix="fetch or copy it again")


def read_json(path: Path) -> dict[str, Any]:
    """A sidecar as a dictionary; its text may be no UTF-8, as converters write the name of a hospital.

    Raises
    ------
    InputError
        If it is not downloaded, or no JSON object.
    """
    require_file(path, "a sidecar", folder=False)
    try:
        content = parse_json(decoded(path, "a sidecar", names=False))
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
    """Length of a compressed file, up to where it is damaged; what follows a whole file, and is none of it, is left."""
    total = 0
    try:
        with PACKED[path.suffix.lower()](path) as stream:
            while piece := stream.read1(1 << 22):
                total += len(piece)
    except EOFError as error:
        raise damaged(path, f"{total} bytes, then it breaks off") from error
    except DAMAGE:
        pass
    return total
