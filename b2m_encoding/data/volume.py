"""NIfTI volumes and a mask: voxel responses, read run by run and a few volumes at a time."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data.files import check_complete, check_end, first_line, open_image, reading
from b2m_encoding.data.recording import Recording, Series, assemble
from b2m_encoding.errors import InputError, Problems, notice
from b2m_encoding.spaces.files import check_orientation, valid_code
from b2m_encoding.spaces.volume import VolumeSpace

Affine = Literal["sform", "qform"]
TIME_UNITS = {"unknown": 1.0, "sec": 1.0, "msec": 1e-3, "usec": 1e-6}
CHUNK_BYTES = 64_000_000
GRID_TOLERANCE = 1e-3  # mm, of affines
PROBABLE = 0.5
"""Value below which a voxel of a mask that holds probabilities is more likely outside."""
OTHER_IMAGES = {
    "GiftiImage": ("a surface (GIfTI)", 'surfaces are read by reader = "bids" with space = "fsaverage5" or the like'),
    "Cifti2Image": ("grayordinates (CIFTI)", 'these are read by reader = "bids" with space = "fsLR:den-91k"'),
    "MGHImage": ("a FreeSurfer volume (MGH or MGZ)", "convert it: mri_convert FILE.mgz FILE.nii.gz"),
}


def read_volumes(
    files: Mapping[str, Path],
    mask: str | Path,
    subject: str,
    *,
    space_name: str = "MNI152NLin2009cAsym",
    tr: float | None = None,
    trust_header: bool = True,
    affine: Affine | None = None,
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
        Whether a header that states another one is an error. Set it to false only if the header is known to be wrong.
    affine : {"sform", "qform"}, optional
        Affine to use where an image has both and they disagree; by default that is an error.

    Raises
    ------
    InputError, ProblemList
        If a file is missing, unreadable or truncated, is not 4-D, lies on another grid than the mask, or its
        header disagrees with ``tr``.
    """
    mask = Path(mask)
    space = read_mask(mask, space_name, affine)
    series, problems = {}, Problems()
    for name, path in files.items():
        with problems.collect():
            series[name] = open_volumes(path, space, mask, affine)
    problems.raise_any()
    return assemble(subject, series, space, tr=tr, trust_header=trust_header, more_inputs=(mask,))


def open_volumes(path: Path, space: VolumeSpace, mask: Path | None = None, affine: Affine | None = None) -> Series:
    """Open one 4-D image; its header and its length are checked, its volumes are not read.

    Parameters
    ----------
    path : Path
    space : VolumeSpace
        The voxels to read.
    mask : Path, optional
        File of the space, for messages.
    affine : {"sform", "qform"}, optional
        As in :func:`read_volumes`.

    Raises
    ------
    InputError
        If it cannot be read, is cut short, is not 4-D, holds a broken affine or scaling, or lies on another grid
        than ``space``.
    """
    image = open_nifti(path)
    if len(image.shape) != 4:
        fix = "join the volumes of a run (fslmerge -t), or drop axes of length 1 (numpy.squeeze)"
        found = f"shape {image.shape}"
        raise InputError("expected a series of volumes", file=path, found=found, expected="4-D", fix=fix)
    check_orientation(image, path, affine)
    place = _checked_affine(image, path, affine)
    if image.shape[:3] != space.mask.shape or not np.allclose(place, space.affine, atol=GRID_TOLERANCE):
        raise InputError(
            "image and mask lie on different grids",
            file=path,
            found=f"shape {image.shape[:3]}, affine {np.round(place, 3).tolist()}",
            expected=f"shape {space.mask.shape}, affine {np.round(space.affine, 3).tolist()} (of {mask})",
            fix="resample the mask to the images, for example with nilearn.image.resample_to_img",
        )
    return Series(image.shape[3], _repetition_time(image), lambda: read_masked(path, space), (path,))


def open_nifti(path: Path, what: str = "an image") -> Any:
    """Open a NIfTI volume (header only).

    Raises
    ------
    InputError
        If it cannot be read, or is an image of another kind.
    """
    image = open_image(path, what)
    if not isinstance(image, nib.Nifti1Pair):  # what every NIfTI class is derived from
        kind = type(image).__name__
        found, fix = OTHER_IMAGES.get(kind, (kind, "convert it, for example with nib-convert"))
        raise InputError(f"{what} is no NIfTI volume", file=path, found=found, expected=".nii or .nii.gz", fix=fix)
    if image.get_data_dtype().kind not in "iuf":
        raise InputError(f"{what} does not hold real numbers", file=path, found=image.get_data_dtype())
    return image


def read_mask(path: Path, name: str, affine: Affine | None = None) -> VolumeSpace:
    """The voxels above zero of a 3-D image (or of a 4-D one with a single volume).

    Raises
    ------
    InputError
        If it cannot be read, is not a volume, or holds no voxel above zero (NaN is outside).
    """
    image = open_nifti(path, "a mask")
    place = _checked_affine(image, path, affine)
    with reading(path):
        values = np.asarray(image.dataobj)
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3 or not (values > 0).any():
        raise InputError(
            "a mask must be a volume with at least one voxel above zero", file=path, found=f"shape {values.shape}"
        )
    inside = values > 0
    if (doubtful := int((inside & (values < PROBABLE)).sum())) > 0:
        notice(f"{path}: voxels above zero are in the mask, also {doubtful:,} of {inside.sum():,} below {PROBABLE:g}; "
               "if these are probabilities, threshold them")  # fmt: skip
    return VolumeSpace(inside, place, name)


def read_masked(path: Path, space: VolumeSpace) -> NDArray[np.float32]:
    """Voxels of a mask from a 4-D image, shape (n_samples, n_voxels).

    A few volumes are in memory at a time: an image of 4 GB as float64 needs 100 MB for 60,000 voxels.
    """
    image = open_image(path)
    inside = np.ravel_multi_index(np.nonzero(space.mask), space.mask.shape, order="F")
    n_samples = image.shape[3]
    out = np.empty((n_samples, len(inside)), dtype=np.float32)
    step = max(1, CHUNK_BYTES // (8 * space.mask.size))
    with ExitStack() as stack:
        stack.enter_context(reading(path))
        if packed := path.suffix.lower() == ".gz" and isinstance(image, nib.Nifti1Image):
            stream = stack.enter_context(gzip.open(path))
            image = type(image).from_stream(stream)
        for start in range(0, n_samples, step):
            chunk = np.asarray(image.dataobj[..., start : start + step])
            out[start : start + step] = chunk.reshape(space.mask.size, -1, order="F").T[:, inside]
        if packed:
            check_end(stream, path)
    return out


def _repetition_time(image: Any) -> float | None:
    """Repetition time of the header, s; None if it states none."""
    try:
        unit = image.header.get_xyzt_units()[1]
    except KeyError:  # not a code of NIfTI
        unit = "unknown"
    step = float(image.header.get_zooms()[3])
    return step * TIME_UNITS[unit] if unit in TIME_UNITS else None  # an axis of frequencies or angles


def _checked_affine(image: Any, path: Path, wanted: Affine | None) -> NDArray[np.float64]:
    """The affine of an image; raise on what makes it unusable although it opens."""
    if not np.isfinite(image.affine).all() or abs(np.linalg.det(image.affine[:3, :3])) < 1e-9:
        raise InputError(
            "the affine of an image cannot be used",
            file=path,
            found=np.round(image.affine, 3).tolist(),
            expected="finite numbers that span a volume",
            fix="repair its sform and qform (fslorient, nib-convert)",
        )
    (sform, s_code), (qform, q_code) = image.header.get_sform(coded=True), _qform(image, path)
    s_code, q_code = s_code if valid_code(s_code) else 0, q_code if valid_code(q_code) else 0
    differ = s_code and q_code and not np.allclose(sform, qform, atol=0.1)
    if differ and wanted is None:
        raise InputError(
            "the sform and the qform of an image disagree, so that its place is not known",
            file=path,
            found=f"sform {np.round(sform, 2).tolist()}",
            expected=f"qform {np.round(qform, 2).tolist()}",
            fix="copy the right one over the other (fslorient -copysform2qform or -copyqform2sform), "
            'or choose one: affine = "sform" or "qform" under [data]',
        )
    slope, intercept = image.header.get_slope_inter()
    if not all(value is None or np.isfinite(value) for value in (slope, intercept)):
        raise InputError("the scaling of an image is not finite", file=path, found=f"{slope}, {intercept}")
    if isinstance(image, nib.Nifti1Image) and image.dataobj.offset < image.header["sizeof_hdr"]:
        raise InputError(
            "the values of an image would begin within its header",
            file=path,
            found=f"vox_offset {image.dataobj.offset}",
            expected=f"at least {image.header.single_vox_offset}",
            fix="make the image anew, with a program that writes vox_offset",
        )
    n_bytes = int(image.dataobj.offset) + int(np.prod(image.shape)) * image.get_data_dtype().itemsize
    check_complete(Path(image.file_map["image"].filename), n_bytes)
    chosen = {"qform": image.header.get_qform, "sform": image.header.get_sform}.get(wanted or "")
    if chosen is None and not s_code:
        chosen = image.header.get_qform
    return np.asarray(image.affine if chosen is None else chosen(), dtype=np.float64)


def _qform(image: Any, path: Path) -> tuple[Any, int]:
    try:
        qform, code = image.header.get_qform(coded=True)
    except ValueError as error:  # quaternions that are no rotation
        raise InputError("the qform of an image cannot be used", file=path, found=first_line(error)) from error
    return qform, int(code)
