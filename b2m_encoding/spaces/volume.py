"""Volumes: the voxels of a mask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.spaces.files import check_volume, image_data, load_image
from b2m_encoding.spaces.meshes import Hemisphere
from b2m_encoding.spaces.surface import as_maps

MNI = "MNI152"
"""Prefix of the names of its templates."""


@dataclass(frozen=True, eq=False)
class VolumeSpace:
    """The voxels inside a mask, in the order of ``numpy.flatnonzero`` of the mask.

    Parameters
    ----------
    mask : array of bool, shape (x, y, z)
    affine : array, shape (4, 4)
        Voxel indices to mm.
    name : str
        Name of the reference (``MNI152NLin2009cAsym``, ``T1w`` ...).

    Examples
    --------
    >>> mask = np.zeros((2, 2, 2), dtype=bool)
    >>> mask[0, 1] = True
    >>> space = VolumeSpace(mask, np.eye(4))
    >>> space.from_image(space.to_image([1.0, 2.0]))
    array([[1., 2.]], dtype=float32)
    """

    mask: NDArray[np.bool_]
    affine: NDArray[np.float64]
    name: str = "MNI152NLin2009cAsym"

    @property
    def in_mni(self) -> bool:
        """Whether its millimetres are those of an MNI152 template, which is registered with cortical surfaces."""
        return self.name.startswith(MNI)

    def __repr__(self) -> str:
        return f"<VolumeSpace {self.name}: {self.n_targets} of {' x '.join(map(str, self.mask.shape))} voxels>"

    def __post_init__(self) -> None:
        if self.mask.ndim != 3 or not self.mask.any():
            raise InputError("a mask must be a volume with at least one voxel", found=self.mask.shape)
        if not np.isfinite(self.affine).all():
            raise InputError("the affine of the mask holds values that are not finite")

    @classmethod
    def from_file(cls, path: str | Path, name: str = "MNI152NLin2009cAsym") -> VolumeSpace:
        """Read a mask image; every voxel above zero is inside."""
        image = load_image(path)
        check_volume(image, path)
        return cls(image_data(image, path) > 0, image.affine, name)

    @property
    def n_targets(self) -> int:
        """Voxels inside the mask."""
        return int(self.mask.sum())

    @property
    def points(self) -> NDArray[np.float64]:
        """Centres of the voxels in mm, shape (n_targets, 3)."""
        centres: NDArray[np.float64] = np.argwhere(self.mask) @ self.affine[:3, :3].T + self.affine[:3, 3]
        return centres

    def in_hemisphere(self, hemi: Hemisphere) -> NDArray[np.bool_]:
        """Whether a voxel lies in a hemisphere (the midline in none), shape (n_targets,)."""
        x = self.points[:, 0]
        return x < 0 if hemi == "L" else x > 0

    def to_image(self, values: ArrayLike, *, tr: float | None = None) -> Any:
        """Values per voxel, shape (n_targets,) or (n_maps, n_targets), as an image; NaN outside the mask.

        Parameters
        ----------
        values : array
        tr : float, optional
            Seconds between maps, if they are a time series.
        """
        maps = as_maps(values, self.n_targets)
        volume = np.full((*self.mask.shape, len(maps)), np.nan, dtype=np.float32)
        volume[self.mask] = maps.T
        image = nib.Nifti1Image(volume if np.ndim(values) == 2 else volume[..., 0], self.affine)
        if tr is not None and np.ndim(values) == 2:
            image.header.set_zooms((*image.header.get_zooms()[:3], tr))
            image.header.set_xyzt_units("mm", "sec")
        return image

    def from_image(self, image: Any) -> NDArray[np.float32]:
        """Values of the voxels of an image on the same grid, shape (n_maps, n_targets).

        Raises
        ------
        InputError
            If the image lies on another grid, or is no volume.
        """
        check_volume(image)
        if image.shape[:3] != self.mask.shape or not np.allclose(image.affine, self.affine, atol=1e-3):
            raise InputError(
                "the image lies on another grid than the mask",
                found=f"shape {image.shape[:3]}, affine {np.round(image.affine, 3).tolist()}",
                expected=f"shape {self.mask.shape}, affine {np.round(self.affine, 3).tolist()}",
            )
        inside = image_data(image)[self.mask]
        return np.asarray(inside.reshape(self.n_targets, -1).T, dtype=np.float32)
