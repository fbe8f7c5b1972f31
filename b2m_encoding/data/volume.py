"""NIfTI volumes and a mask: voxel responses, read run by run."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from b2m_encoding.data.recording import Recording
from b2m_encoding.data.responses import Responses
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.spaces.volume import VolumeSpace

TIME_UNITS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}


def read_volumes(
    files: Mapping[str, Path],
    mask: Path,
    subject: str,
    *,
    space_name: str = "MNI152NLin2009cAsym",
    tr: float | None = None,
    trust_header: bool = True,
) -> Recording:
    """Read the voxels inside a mask from one image per run.

    Parameters
    ----------
    files : mapping of str to Path
        Run name to 4-D image.
    mask : Path
        3-D image on the same grid; voxels above zero are read.
    space_name : str
        The reference the volumes lie in.
    tr : float, optional
        Seconds; by default the header's.
    trust_header : bool
        Whether a header that says otherwise is an error. Set it to false only if the header is known to be wrong.

    Raises
    ------
    InputError
        If a file is missing, unreadable or truncated, is not 4-D, lies on another grid than the mask, or its
        header disagrees with ``tr``.
    """
    space = _read_mask(mask, space_name)
    lengths, seconds = {}, tr
    for name, path in files.items():
        image = open_image(path)
        if len(image.shape) != 4:
            raise InputError("expected a series of volumes", file=path, found=f"shape {image.shape}", expected="4-D")
        _check_grid(image, path, space, mask)
        header_tr = header_repetition_time(image, path) if trust_header or tr is None else tr
        if seconds is not None and trust_header and abs(header_tr - seconds) > 1e-3:
            raise InputError(
                "repetition times disagree",
                file=path,
                found=f"{header_tr:g} s in the header",
                expected=f"{seconds:g} s",
                fix="correct the header, or set trust_header = false under [data] if the study's tr is right",
            )
        seconds = seconds if seconds is not None else header_tr
        lengths[name] = image.shape[3]
    if seconds is None:
        raise InputError("no images given for a subject", found=subject)
    runs = Runs.from_lengths(lengths, seconds)
    return Recording(subject, Responses(runs, space, lambda name: _masked(files[name], space)), files=dict(files))


def open_image(path: Path) -> Any:
    """Open an image (header only), turning every reader's complaint into one kind of error."""
    if not path.exists():
        broken = path.is_symlink()
        raise InputError(
            "an image is missing" if not broken else "an image is not downloaded (a broken link of git-annex)",
            file=path,
            fix=f"datalad get {path}" if broken else None,
        )
    try:
        return nib.load(path)
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError("an image cannot be read", file=path, found=_first_line(error)) from error


def header_repetition_time(image: Any, path: Path) -> float:
    """Repetition time of a NIfTI header in seconds; nonsense raises."""
    unit = image.header.get_xyzt_units()[1]
    seconds = float(image.header.get_zooms()[3]) * TIME_UNITS.get(unit, 1.0)
    if not (np.isfinite(seconds) and 0.1 <= seconds <= 30):
        raise InputError(
            "the header's repetition time is impossible",
            file=path,
            found=f"{seconds:g} s",
            expected="0.1 to 30 s",
            fix="give tr and trust_header = false under [data]",
        )
    return seconds


def _read_mask(path: Path, name: str) -> VolumeSpace:
    image = open_image(path)
    return VolumeSpace(_data(image, path) > 0, np.asarray(image.affine, dtype=float), name)


def _check_grid(image: Any, path: Path, space: VolumeSpace, mask: Path) -> None:
    if image.shape[:3] != space.mask.shape or not np.allclose(image.affine, space.affine, atol=1e-3):
        raise InputError(
            "image and mask lie on different grids",
            file=path,
            found=f"shape {image.shape[:3]}, affine {np.round(image.affine, 3).tolist()}",
            expected=f"shape {space.mask.shape}, affine {np.round(space.affine, 3).tolist()} (of {mask})",
            fix="resample the mask to the images, for example with nilearn.image.resample_to_img",
        )


def _masked(path: Path, space: VolumeSpace) -> NDArray[np.float32]:
    return np.asarray(_data(open_image(path), path)[space.mask], dtype=np.float32).T


def _data(image: Any, path: Path) -> NDArray[Any]:
    try:
        return np.asarray(image.dataobj)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(
            "an image is damaged or truncated", file=path, found=_first_line(error), fix="fetch or copy it again"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
