"""Volumes: the voxels of a mask, and their projection to a cortical surface."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from b2m_encoding.errors import InputError
from b2m_encoding.spaces.resample import surface_to_surface
from b2m_encoding.spaces.surface import HEMISPHERES, SurfaceSpace, surface_space

DEPTHS = np.linspace(0.1, 0.9, 7)


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
    """

    mask: NDArray[np.bool_]
    affine: NDArray[np.float64]
    name: str = "MNI152NLin2009cAsym"

    def __post_init__(self) -> None:
        if self.mask.ndim != 3 or not self.mask.any():
            raise InputError("a mask must be a volume with at least one voxel", found=self.mask.shape)
        if not np.isfinite(self.affine).all():
            raise InputError("the affine of the mask holds values that are not finite")

    @classmethod
    def from_file(cls, path: str | Path, name: str = "MNI152NLin2009cAsym") -> VolumeSpace:
        """Read a mask image; every voxel above zero is inside."""
        image = nib.load(path)
        return cls(np.asarray(image.dataobj) > 0, image.affine, name)

    @property
    def n_targets(self) -> int:
        """Voxels inside the mask."""
        return int(self.mask.sum())

    def to_image(self, values: NDArray[np.float32]) -> nib.Nifti1Image:
        """Values per voxel, shape (n_targets,) or (n_maps, n_targets), as an image; NaN outside the mask."""
        values = np.asarray(values, dtype=np.float32)
        volume = np.full((*self.mask.shape, *values.shape[:-1]), np.nan, dtype=np.float32)
        volume[self.mask] = values.T
        return nib.Nifti1Image(volume, self.affine)


def volume_to_surface(volume: VolumeSpace, surface: SurfaceSpace) -> csr_array:
    """Sparse matrix from the voxels of an MNI152 volume to a surface, shape (n_vertices, n_voxels).

    Trilinear interpolation, averaged over seven depths between white and pial surface. The fsLR surfaces lie in
    MNI152 space, fsaverage lies in MNI305; so fsaverage is reached through fsLR. Rows are normalised over the
    voxels inside the mask; a row with less than half of its weight inside is empty.
    """
    fslr = surface_space("fsLR")
    to_fslr = _sample_between_surfaces(volume, fslr)
    if surface == fslr:
        return to_fslr
    through = csr_array(surface_to_surface("fsLR", surface.name) @ to_fslr)
    return _normalised(through)


def project(matrix: csr_array, values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Apply a resampling matrix to maps with NaN: missing sources are left out of the mean.

    Parameters
    ----------
    matrix : csr_array, shape (n_target, n_source)
    values : array, shape (n_source,) or (n_source, n_maps)

    Returns
    -------
    array, shape (n_target,) or (n_target, n_maps)
        NaN where less than half of a target's weight comes from sources that are not NaN.
    """
    valid = np.isfinite(values)
    weight = matrix @ valid.astype(np.float64)
    total = matrix @ np.where(valid, values, 0.0)
    projected = np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0.5)
    return np.asarray(projected, dtype=np.float32)


def _sample_between_surfaces(volume: VolumeSpace, surface: SurfaceSpace) -> csr_array:
    column = np.full(volume.mask.shape, -1)
    column[volume.mask] = np.arange(volume.n_targets)
    to_voxel = np.linalg.inv(volume.affine)
    rows, columns, weights = [], [], []
    for hemi in HEMISPHERES:
        white, pial = surface.mesh("white", hemi).points, surface.mesh("pial", hemi).points
        row = np.arange(surface.n_targets)[surface.hemisphere(hemi)]
        for depth in DEPTHS:
            position = (white + depth * (pial - white)) @ to_voxel[:3, :3].T + to_voxel[:3, 3]
            low = np.floor(position).astype(int)
            for corner in np.ndindex(2, 2, 2):
                index = low + corner
                weight = np.prod(1 - np.abs(position - index), axis=1) / len(DEPTHS)
                inside = ((index >= 0) & (index < volume.mask.shape)).all(axis=1)
                voxel = np.full(len(index), -1)
                voxel[inside] = column[tuple(index[inside].T)]
                keep = voxel >= 0
                rows.append(row[keep])
                columns.append(voxel[keep])
                weights.append(weight[keep])
    entries = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    return _normalised(csr_array(entries, shape=(surface.n_targets, volume.n_targets)))


def _normalised(matrix: csr_array) -> csr_array:
    """Rows scaled to sum to one; rows with less than half their weight are emptied."""
    total = np.asarray(matrix.sum(axis=1)).ravel()
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0.5)
    return csr_array(matrix.multiply(scale[:, None]))
