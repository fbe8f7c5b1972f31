"""Files of pycortex: volumes aligned with a subject, and mappers from voxels to flatmap and fsaverage.

Files are read directly. Importing pycortex would write into the home folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.spaces.files import image_data, load_image
from b2m_encoding.spaces.folders import pycortex_filestore
from b2m_encoding.spaces.registration import project
from b2m_encoding.spaces.surface import STANDARD, as_maps
from b2m_encoding.spaces.volume import VolumeSpace

REVERSED = np.eye(4)[[2, 1, 0, 3]]


def pycortex_volume(
    subject: str, transform: str, mask: str | None = "thick", filestore: str | Path | None = None
) -> VolumeSpace:
    """The voxels of a volume that pycortex has aligned with a subject's surfaces.

    Its targets come in the order of pycortex' masked arrays (z, y, x), and project to ``pycortex_subject(subject)``.

    Parameters
    ----------
    subject, transform : str
        As in ``cortex.Volume(data, subject, transform)``.
    mask : str, optional
        Name of a stored mask (``mask_thick.nii.gz``); all voxels of the reference if None.
    filestore : path, optional

    Raises
    ------
    InputError
        If the transform or the mask is not in the filestore, or cannot be read.
    """
    store = Path(filestore) if filestore else pycortex_filestore()
    folder = store.absolute() / subject / "transforms" / transform
    stored = folder / "matrices.xfm"
    try:
        to_voxel = np.array(parse_json(stored.read_text(encoding="utf-8"))["coord"], dtype=np.float64)
        affine = np.linalg.inv(to_voxel) @ REVERSED
    except (OSError, ValueError, KeyError, np.linalg.LinAlgError) as error:
        known = sorted(path.parent.name for path in folder.parent.glob("*/matrices.xfm"))
        raise InputError(
            "no such transform of pycortex", file=stored, found=repr(error), expected=", ".join(known) or None
        ) from error
    name = "reference.nii.gz" if mask is None else f"mask_{mask}.nii.gz"
    data = image_data(load_image(folder / name))
    inside = np.ones(data.shape[:3], dtype=bool) if mask is None else data != 0
    return VolumeSpace(inside.T, affine, subject)


@dataclass(frozen=True, eq=False)
class PycortexMapper:
    """The voxels of a data set that comes with a mapper file instead of coordinates; a space of its own.

    Parameters
    ----------
    to_pixels : csr_array, shape (n_pixels, n_voxels)
        From voxels to those pixels of the flatmap that show cortex.
    flatmap : array of bool, shape (width, height)
    to_fsaverage : csr_array, shape (327684, n_voxels), optional
    curvature : array, shape (width, height), optional
    rois : mapping of str to array of bool, shape (n_voxels,)
        Regions drawn by the laboratory.
    name : str
    """

    to_pixels: scipy.sparse.csr_array
    flatmap: NDArray[np.bool_]
    to_fsaverage: scipy.sparse.csr_array | None = None
    curvature: NDArray[np.float32] | None = None
    rois: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    name: str = "mapper"

    @classmethod
    def from_file(cls, path: str | Path) -> PycortexMapper:
        """Read an HDF5 mapper file as the Gallant lab publishes them (``voxel_to_flatmap_data`` ...).

        Raises
        ------
        InputError
            If h5py is missing, or the file is no mapper.
        """
        try:
            import h5py  # type: ignore[import-untyped, unused-ignore]
        except ImportError as error:
            raise InputError("h5py is not installed", fix='pip install "b2m-encoding[arrays]"') from error
        try:
            with h5py.File(path) as file:
                flatmap = np.asarray(file["flatmap_mask"], dtype=bool)
                curvature = np.asarray(file["flatmap_curvature"], "f4") if "flatmap_curvature" in file else None
                found = {key: _sparse(file, f"voxel_to_{key}") for key in ("flatmap", "fsaverage")}
                prefix = "roi_mask_"
                rois = {k.removeprefix(prefix): np.asarray(file[k], bool) for k in file if k.startswith(prefix)}
        except (OSError, ValueError, KeyError, TypeError) as error:
            expected = "HDF5 with voxel_to_flatmap_data, _indices, _indptr, _shape and flatmap_mask"
            raise InputError("not a mapper file", file=path, found=repr(error), expected=expected) from error
        _check_sizes(found, flatmap, Path(path))
        return cls(found["flatmap"], flatmap, found["fsaverage"], curvature, rois, Path(path).stem)

    @property
    def n_targets(self) -> int:
        """Number of voxels."""
        return int(self.to_pixels.shape[1])

    def picture(self, values: ArrayLike) -> NDArray[np.float32]:
        """Maps as pictures of the flatmap, shape (n_maps, rows, columns), top row first.

        NaN outside the cortex, and where less than half of a pixel's weight comes from voxels that are not NaN.
        """
        maps = as_maps(values, self.n_targets)
        out = np.full((len(maps), *self.flatmap.shape), np.nan, dtype=np.float32)
        out[:, self.flatmap] = project(self.to_pixels, maps.T).T
        return out.swapaxes(1, 2)[:, ::-1]


def _sparse(file: Any, key: str) -> scipy.sparse.csr_array | None:
    if f"{key}_data" not in file:
        return None
    parts = [np.asarray(file[f"{key}_{part}"]) for part in ("data", "indices", "indptr")]
    matrix = scipy.sparse.csr_array(
        tuple(parts), shape=tuple(np.asarray(file[f"{key}_shape"]).tolist()), dtype=np.float32
    )
    matrix.check_format(full_check=True)
    return matrix


def _check_sizes(found: Mapping[str, scipy.sparse.csr_array | None], flatmap: NDArray[np.bool_], path: Path) -> None:
    pixels, vertices = found["flatmap"], found["fsaverage"]
    if pixels is None or pixels.shape[0] != flatmap.sum():
        raise InputError(
            "a mapper's matrix does not fit its flatmap",
            file=path,
            found=None if pixels is None else pixels.shape,
            expected=f"({int(flatmap.sum())}, n_voxels)",
        )
    expected = (2 * STANDARD["fsaverage"], pixels.shape[1])
    if vertices is not None and vertices.shape != expected:
        problem = "a mapper's matrix to fsaverage has another size"
        raise InputError(problem, file=path, found=vertices.shape, expected=expected)
