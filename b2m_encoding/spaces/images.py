"""Maps on disk: every space writes its own kind of image and reads it back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.io.removal import replacing_path
from b2m_encoding.spaces.files import load_image, quiet_nibabel
from b2m_encoding.spaces.grayordinates import GrayordinateSpace
from b2m_encoding.spaces.meshes import HEMISPHERES
from b2m_encoding.spaces.names import as_space
from b2m_encoding.spaces.surface import SurfaceSpace
from b2m_encoding.spaces.volume import VolumeSpace

ImageSpace = SurfaceSpace | VolumeSpace | GrayordinateSpace
"""A space with a kind of image."""


def image_suffix(space: ImageSpace, *, tr: float | None = None) -> str:
    """End of the name of an image: ``.func.gii``, ``.nii.gz``, ``.dscalar.nii`` or ``.dtseries.nii``."""
    if isinstance(space, SurfaceSpace):
        return ".func.gii"
    if isinstance(space, VolumeSpace):
        return ".nii.gz"
    return ".dscalar.nii" if tr is None else ".dtseries.nii"


def write_maps(
    space: ImageSpace | str, path: str | Path, values: ArrayLike, *, names: Sequence[str] = (), tr: float | None = None
) -> tuple[Path, ...]:
    """Write maps as the image of their space; each file appears complete or not at all.

    Parameters
    ----------
    space : SurfaceSpace, VolumeSpace or GrayordinateSpace, or str
    path : path
        With the suffix of :func:`image_suffix`. For a surface ``{hemi}`` in it stands for L and R.
    values : array, shape (n_targets,) or (n_maps, n_targets)
    names : sequence of str
        One per map; NIfTI has no place for them.
    tr : float, optional
        Seconds between maps, if they are a time series.

    Returns
    -------
    tuple of Path
        The files: left and right for a surface, else one.

    Raises
    ------
    InputError
        If the maps do not fit the space, or the path is not one of its images.

    Examples
    --------
    >>> import tempfile
    >>> from b2m_encoding.spaces import read_maps, write_maps
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/hemi-{{hemi}}_stat-r.func.gii"
    ...     files = write_maps("fsaverage5", path, np.ones(20484))
    ...     print([file.name for file in files], read_maps("fsaverage5", path).shape)
    ['hemi-L_stat-r.func.gii', 'hemi-R_stat-r.func.gii'] (1, 20484)
    """
    space = _with_images(space)
    paths = _paths(space, path)
    if not str(path).endswith(suffix := image_suffix(space, tr=tr)):
        raise InputError(f"an image of {space.name} has another suffix", file=path, expected=suffix)
    if isinstance(space, SurfaceSpace):
        images = space.to_images(values, names, tr=tr)
        for hemi, target in zip(HEMISPHERES, paths, strict=True):
            save_image(images[hemi], target)
    elif isinstance(space, VolumeSpace):
        save_image(space.to_image(values, tr=tr), paths[0])
    else:
        save_image(space.to_image(values, names, tr=tr), paths[0])
    return paths


def read_maps(space: ImageSpace | str, path: str | Path) -> NDArray[np.float32]:
    """Read maps of a space, shape (n_maps, n_targets); the path is as in :func:`write_maps`.

    Raises
    ------
    InputError
        If a file is missing, damaged, or of another space.
    """
    space = _with_images(space)
    images = [load_image(file) for file in _paths(space, path)]
    try:
        if isinstance(space, SurfaceSpace):
            return space.from_images(dict(zip(HEMISPHERES, images, strict=True)))
        return space.from_image(images[0])
    except InputError as error:
        raise InputError(error.problem, file=path, found=error.found, expected=error.expected, fix=error.fix) from error


def save_image(image: Any, path: str | Path) -> None:
    """Save an image so that it appears complete or not at all."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing_path(target) as temporary, quiet_nibabel():
        nib.save(image, temporary)


def _with_images(space: ImageSpace | str) -> ImageSpace:
    found = as_space(space)
    if not isinstance(found, ImageSpace):
        raise InputError("targets of this space have no image", found=found.name)
    return found


def _paths(space: ImageSpace, path: str | Path) -> tuple[Path, ...]:
    if not isinstance(space, SurfaceSpace):
        return (Path(path),)
    if "{hemi}" not in str(path):
        raise InputError("a surface has one image per hemisphere", file=path, expected="a path with {hemi} in it")
    return tuple(Path(str(path).replace("{hemi}", hemi)) for hemi in HEMISPHERES)
