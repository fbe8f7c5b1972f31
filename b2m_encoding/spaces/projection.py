"""Projection: maps moved from one space to another, and volumes sampled between white and pial surface."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.io.cache import cached_matrix
from b2m_encoding.spaces.grayordinates import GrayordinateSpace
from b2m_encoding.spaces.meshes import HEMISPHERES, digest
from b2m_encoding.spaces.names import as_space, as_surface
from b2m_encoding.spaces.pycortex import PycortexMapper
from b2m_encoding.spaces.registration import normalised, project, sizes, surface_to_surface
from b2m_encoding.spaces.space import RegionSpace, Space, Unplaced
from b2m_encoding.spaces.surface import SurfaceSpace, as_maps, surface_space
from b2m_encoding.spaces.volume import MNI, VolumeSpace

DEPTHS: tuple[float, ...] = tuple(np.linspace(0.1, 0.9, 7).tolist())
"""Depths at which the cortex is sampled, from white (0) to pial surface (1)."""


@lru_cache(maxsize=32)
def volume_to_surface(
    volume: VolumeSpace, surface: SurfaceSpace | str, depths: Sequence[float] = DEPTHS
) -> scipy.sparse.csr_array:
    """Sparse matrix from the voxels of a volume to a surface, shape (n_vertices, n_voxels).

    Trilinear interpolation, averaged over depths between white and pial surface. Rows are normalised over the voxels
    inside the mask; a row with less than half of its weight inside is empty. Built once and kept on disk.

    The fsLR surfaces lie in MNI152 space, fsaverage lies in MNI305: so MNI152 volumes reach fsaverage, and the surfaces
    of single subjects, through fsLR. Volumes on a subject's T1w image are sampled between the subject's own surfaces.

    Parameters
    ----------
    volume : VolumeSpace
    surface : SurfaceSpace or str
    depths : sequence of float
        0 is the white, 1 the pial surface.

    Raises
    ------
    InputError
        If the volume lies in none of the spaces from which the surface can be reached.

    Notes
    -----
    A volume of 2-3 mm voxels does not separate the banks of the Sylvian fissure: what lies on the superior temporal
    plane shows on the operculum too. Where it matters, start from data that fMRIPrep or the HCP pipelines sampled on
    the surface.
    """
    surface = as_surface(surface)
    if lies_in(volume.name, surface):
        return _between_surfaces(volume, surface, tuple(depths))
    if not volume.in_mni:
        raise InputError(
            f"a volume cannot be projected to {surface.name}: they lie in no common space",
            found=volume.name,
            expected=" or ".join(dict.fromkeys([MNI, *surface.references])),
        )
    fslr = surface_space("fsLR")
    return normalised(
        scipy.sparse.csr_array(surface_to_surface(fslr, surface) @ _between_surfaces(volume, fslr, tuple(depths)))
    )


def lies_in(reference: str, surface: SurfaceSpace) -> bool:
    """Whether the millimetres of a volume are those of a surface."""
    return any(reference == name or (name == MNI and reference.startswith(MNI)) for name in surface.references)


def trilinear_matrix(volume: VolumeSpace, points: NDArray[np.float64]) -> scipy.sparse.csr_array:
    """Weights of the eight voxels around each point, shape (n_points, n_voxels).

    Voxels outside the mask are left out, so that rows sum to what lies inside.

    Parameters
    ----------
    volume : VolumeSpace
    points : array, shape (n_points, 3)
        mm
    """
    column = np.full(volume.mask.shape, -1)
    column[volume.mask] = np.arange(volume.n_targets)
    to_voxel = np.linalg.inv(volume.affine)
    position = points @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    low = np.floor(position).astype(int)
    rows, columns, weights = [], [], []
    for corner in np.ndindex(2, 2, 2):
        index = low + corner
        inside = ((index >= 0) & (index < volume.mask.shape)).all(axis=1)
        voxel = np.full(len(index), -1)
        voxel[inside] = column[tuple(index[inside].T)]
        row = np.flatnonzero(voxel >= 0)
        rows.append(row)
        columns.append(voxel[row])
        weights.append(np.prod(1 - np.abs(position[row] - index[row]), axis=1))
    entries = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    return scipy.sparse.csr_array(entries, shape=(len(points), volume.n_targets))


def resampling_matrix(source: Space | str, target: Space | str) -> scipy.sparse.csr_array:
    """The sparse matrix from one space to another, shape (n_target, n_source).

    Surfaces, grayordinates and volumes reach surfaces and grayordinates; volumes reach volumes of the same reference.
    Targets that the source does not cover (below the cortex, outside a mask) have an empty row.

    Raises
    ------
    InputError
        If there is no way between them.
    """
    source, target = as_space(source), as_space(target)
    if isinstance(source, GrayordinateSpace) and isinstance(target, SurfaceSpace):
        rows = source.vertices
        places = (np.ones(len(rows), dtype=np.float32), (rows, np.flatnonzero(source.cortex)))
        cortex = scipy.sparse.csr_array(places, shape=(source.surface.n_targets, source.n_targets))
        return (
            cortex
            if target == source.surface
            else scipy.sparse.csr_array(surface_to_surface(source.surface, target) @ cortex)
        )
    if isinstance(target, GrayordinateSpace) and isinstance(source, SurfaceSpace | VolumeSpace):
        return _to_grayordinates(source, target)
    if isinstance(source, SurfaceSpace) and isinstance(target, SurfaceSpace):
        return surface_to_surface(source, target)
    if isinstance(source, VolumeSpace) and isinstance(target, SurfaceSpace):
        return volume_to_surface(source, target)
    if isinstance(source, PycortexMapper) and isinstance(target, SurfaceSpace):
        fsaverage = surface_space("fsaverage")
        matrix = source.to_fsaverage
        if target == fsaverage:
            return matrix
        return normalised(scipy.sparse.csr_array(surface_to_surface(fsaverage, target) @ matrix))
    if isinstance(source, VolumeSpace) and isinstance(target, VolumeSpace):
        if source.name != target.name:
            raise InputError("volumes lie in different spaces", found=source.name, expected=target.name)
        return normalised(trilinear_matrix(source, target.points))
    raise InputError("maps cannot move between these spaces", found=f"{source.name} to {target.name}")


def resample(values: ArrayLike, source: Space | str, target: Space | str) -> NDArray[np.float32]:
    """Move maps, shape (n_source,) or (n_maps, n_source), to another space; spaces may be given by name.

    Returns
    -------
    array, shape (n_maps, n_target)
        NaN where less than half of a target's weight comes from sources that are not NaN.

    Raises
    ------
    InputError
        If there is no way between the spaces.

    Examples
    --------
    >>> moved = resample(np.arange(91282), "fsLR_den-91k", "fsaverage5")
    >>> moved.shape, bool(np.isnan(moved).any())
    ((1, 20484), True)
    """
    source, target = as_space(source), as_space(target)
    maps = as_maps(values, source.n_targets)
    if source == target:
        return maps
    return project(resampling_matrix(source, target), maps.T).T


def drawing_surface(space: Space | str) -> SurfaceSpace | None:
    """Surface on which maps of a space are drawn: its own if that has a flat map, else fsaverage5.

    None where there is no way to the cortex: regions, unplaced targets, a volume in a space of its own.

    Examples
    --------
    >>> from b2m_encoding.spaces import RegionSpace
    >>> drawing_surface("fsLR_den-91k").name, drawing_surface("fsaverage6").name
    ('fsLR', 'fsaverage5')
    >>> drawing_surface(RegionSpace(("A1",)))
    """
    space = as_space(space)
    if isinstance(space, GrayordinateSpace):
        return space.surface
    standard = surface_space("fsaverage5")
    if isinstance(space, SurfaceSpace):
        if all(space.has_mesh("flat", hemi) for hemi in HEMISPHERES):
            return space
        return standard if space.files.frame else None
    if isinstance(space, PycortexMapper):
        return standard if space.to_fsaverage is not None else None
    return standard if isinstance(space, VolumeSpace) and space.in_mni else None


def reason_not_drawn(space: Space | str) -> str | None:
    """Reason why maps of a space cannot be drawn on the cortex, as a sentence; None if they can.

    Examples
    --------
    >>> from b2m_encoding.spaces import Unplaced
    >>> reason_not_drawn("fsaverage5")
    >>> reason_not_drawn(Unplaced(100))
    'no maps: the responses have no known location in the brain; models and decoding need none'
    """
    space = as_space(space)
    if isinstance(space, Unplaced):
        return "no maps: the responses have no known location in the brain; models and decoding need none"
    if isinstance(space, RegionSpace):
        return "no maps: responses are means of regions; they are drawn as regions"
    if isinstance(space, VolumeSpace) and not space.in_mni:
        return f"no flatmaps: volumes in {space.name} are not registered to a cortical surface; NIfTI maps are written"
    return None


def _between_surfaces(volume: VolumeSpace, surface: SurfaceSpace, depths: tuple[float, ...]) -> scipy.sparse.csr_array:
    def build() -> scipy.sparse.csr_array:
        blocks = []
        for hemi in HEMISPHERES:
            white, pial = surface.mesh("white", hemi).points, surface.mesh("pial", hemi).points
            sampled = [trilinear_matrix(volume, white + depth * (pial - white)) for depth in depths]
            blocks.append(sum(sampled[1:], start=sampled[0]) / len(depths))
        return normalised(scipy.sparse.csr_array(scipy.sparse.vstack(blocks, format="csr")))

    meshes = (digest(surface.files, "white", "pial"), *sizes(surface), str(depths))
    ingredients: tuple[str | NDArray[np.generic], ...] = (*meshes, volume.mask, volume.affine)
    return cached_matrix("volume-to-surface", ingredients, build)


def _to_grayordinates(source: SurfaceSpace | VolumeSpace, target: GrayordinateSpace) -> scipy.sparse.csr_array:
    """The cortex as on its surface; voxels from the volume, if there is one."""
    if isinstance(source, SurfaceSpace) and source == target.surface:
        ones = np.ones(source.n_targets, dtype=np.float32)
        cortex = scipy.sparse.csr_array(
            (ones, (np.arange(len(ones)), np.arange(len(ones)))), shape=(len(ones), len(ones))
        )
    else:
        cortex = resampling_matrix(source, target.surface)
    blocks = [cortex[target.vertices]]
    if not target.cortex.all():
        voxels = ~target.cortex
        if isinstance(source, VolumeSpace):
            affine = np.asarray(target.axis.affine)
            points = target.axis.voxel[voxels] @ affine[:3, :3].T + affine[:3, 3]
            blocks.append(normalised(trilinear_matrix(source, points)))
        else:
            blocks.append(scipy.sparse.csr_array((int(voxels.sum()), source.n_targets), dtype=np.float32))
    stacked = scipy.sparse.csr_array(scipy.sparse.vstack(blocks, format="csr"))
    place = np.empty(target.n_targets, dtype=np.int64)
    place[np.concatenate([np.flatnonzero(target.cortex), np.flatnonzero(~target.cortex)])] = np.arange(target.n_targets)
    return stacked[place]
