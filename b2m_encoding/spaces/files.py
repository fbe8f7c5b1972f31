"""Reading of images, with damaged files reported as input errors."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import error as ZlibError  # noqa: N812

import nibabel as nib
import numpy as np
from nibabel.openers import ImageOpener

from b2m_encoding.errors import InputError
from b2m_encoding.io.presence import require_file

EXTERNAL = re.compile(rb"""ExternalFileName\s*=\s*["']\s*([^"'\s][^"']*)["']""")
"""Name of a file with values, in the tag of an array."""


@contextmanager
def quiet_nibabel() -> Iterator[None]:
    """Silence nibabel's message on a corrected header (the ``pixdim`` of every CIFTI file)."""
    logger = logging.getLogger("nibabel.global")
    logger.addFilter(_is_error)  # a change of level would empty the caches of all loggers, for every image
    try:
        yield
    finally:
        logger.removeFilter(_is_error)


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def load_image(path: str | Path, what: str = "an image", **options: Any) -> Any:
    """Open an image of any format that nibabel reads.

    Parameters
    ----------
    path : path
    what : str
        Name of the image in error messages.
    **options
        Options of ``nibabel.load``.

    Raises
    ------
    InputError
        If the file is missing, damaged or of no known format.
    """
    require_file(Path(path), what, folder=False)
    try:
        if ".gii" in Path(path).name.lower():
            with ImageOpener(path) as stream:
                check_self_contained(stream.read(), path)
        with quiet_nibabel():
            return nib.load(path, **options)
    except InputError:
        raise
    except Exception as error:  # nibabel does not document its errors for damaged files
        found = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{what} cannot be read", file=path, found=found, fix=_renamed(Path(path))) from error


def _renamed(path: Path) -> str:
    """What to do about an image that cannot be read: a name that is wrong on whether it is compressed, or damage."""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    if packed == (path.suffix.lower() == ".gz"):
        return "fetch or copy it again"
    name, what = (f"{path.name}.gz", "compressed") if packed else (path.stem, "not compressed")
    return f"rename it to {name}: it is {what}"


def check_self_contained(xml: bytes, path: str | Path) -> None:
    """Raise if arrays of a GIfTI file lie in other files: these could change unseen, or lie anywhere.

    Parameters
    ----------
    xml : bytes
        The file, or its beginning.
    path : path
        For the message.
    """
    if (found := EXTERNAL.search(xml)) is not None:
        raise InputError(
            "values of a GIfTI file lie in another file",
            file=path,
            found=found[1].decode("utf-8", "replace"),
            expected="values in the file itself",
            fix="wb_command -gifti-convert GZIP_BASE64_BINARY IN OUT, or export it again without ExternalFileBinary",
        )


def image_data(image: Any, path: str | Path | None = None) -> Any:
    """Read the array of an image.

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


def valid_code(code: Any) -> bool:
    """Whether a form code of NIfTI states what an affine refers to."""
    return 1 <= int(code) <= 5


def check_orientation(image: Any, path: str | Path | None = None, chosen: str | None = None) -> None:
    """Raise if the header of a NIfTI volume does not say where its voxels are: readers then invent a place.

    Parameters
    ----------
    image : nibabel image
    path : path, optional
    chosen : str, optional
        "sform" or "qform" where the user chose one of the affines.
    """
    header = getattr(image, "header", None)
    if chosen is not None or header is None or "sform_code" not in getattr(header, "keys", lambda: ())():
        return
    codes = {name: int(header[f"{name}_code"]) for name in ("sform", "qform")}
    if not any(map(valid_code, codes.values())):
        raise InputError(
            "the header of a volume does not say where its voxels are, not even which side is left",
            file=path,
            found=", ".join(f"{name}_code {code}" for name, code in codes.items()),
            expected="a code from 1 to 5 (scanner, aligned, Talairach, MNI152, template)",
            fix="set it if the affine is right (fslorient -setsformcode 1 FILE), or make the image anew; or choose "
            'affine = "sform" or "qform" under [data] (reader = "volume")',
        )


def check_volume(image: Any, path: str | Path | None = None) -> None:
    """Raise unless an image is a volume: GIfTI and CIFTI files have no voxels on a grid."""
    if not hasattr(image, "affine"):
        raise InputError("not a volume", file=path, found=type(image).__name__, expected="NIfTI")
    check_orientation(image, path)
