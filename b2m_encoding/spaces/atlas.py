"""Atlases: a label per target, and named sets of regions, read through the definitions in ``atlases/``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.spaces.definition import AtlasDefinition, RegionSet, find_definition, list_atlases, read_definition
from b2m_encoding.spaces.grayordinates import GrayordinateSpace
from b2m_encoding.spaces.labels import Labelled, Labels
from b2m_encoding.spaces.meshes import Hemisphere
from b2m_encoding.spaces.names import as_space
from b2m_encoding.spaces.sources import label_files, locate, read_label_file, read_source, source_files

LABEL_FILES = (".dlabel.nii", ".annot", ".label.gii", ".gii", ".nii", ".nii.gz")


@dataclass(frozen=True, eq=False)
class Atlas:
    """Regions of a space.

    Parameters
    ----------
    name : str
    space : SurfaceSpace, GrayordinateSpace or VolumeSpace
    labels : array of int, shape (n_targets,)
        Index into ``regions`` plus one; 0 where there is no region. A region that both hemispheres have under one name
        has one label.
    regions : tuple of str
    sets : mapping of str to RegionSet
        Named groups of regions.
    citation, licence : str

    Examples
    --------
    >>> from b2m_encoding.spaces import surface_space
    >>> atlas = load_atlas("hcp-mmp1", surface_space("fsLR"))
    >>> atlas.mask("A1", "L").sum(), atlas.mask("A1", "R").sum()
    (np.int64(77), np.int64(66))
    >>> atlas.members("belt")
    ('LBelt', 'MBelt', 'PBelt', 'RI')
    """

    name: str
    space: Labelled
    labels: NDArray[np.int64]
    regions: tuple[str, ...]
    sets: Mapping[str, RegionSet] = field(default_factory=dict)
    citation: str = ""
    licence: str = ""

    def __repr__(self) -> str:
        sets = ", ".join(self.sets) or "none"
        return f"<Atlas {self.name} on {self.space.name}: {len(self.regions)} regions, sets: {sets}>"

    def __post_init__(self) -> None:
        for name, content in self.sets.items():
            if name in self.regions:
                raise InputError(f"a set of {self.name} has the name of a region", found=name)
            for parcel in content.parcels:
                if parcel not in self.regions and parcel not in self.sets:
                    raise self._unknown(parcel, f"the set {name} of {self.name} names an unknown region")
            self.members(name)

    def members(self, name: str) -> tuple[str, ...]:
        """Names of the regions of a region (itself) or of a set.

        Raises
        ------
        InputError
            If the name is unknown, with those nearest to it.
        """
        return self._members(name, ())

    def mask(
        self,
        name: str,
        hemi: Hemisphere | None = None,
        *,
        maps: Mapping[str, NDArray[np.floating]] | None = None,
    ) -> NDArray[np.bool_]:
        """Targets of a region or set, in one hemisphere or both, shape (n_targets,).

        Parameters
        ----------
        name : str
        hemi : {"L", "R"}, optional
        maps : mapping of str to array, shape (n_targets,)
            Maps that the thresholds of sets apply to; NaN is never inside.

        Raises
        ------
        InputError
            If the name is unknown, or a set needs a map that is not given.
        """
        mask = self._mask(name, maps or {})
        return mask if hemi is None else np.asarray(mask & self.space.in_hemisphere(hemi))

    def _mask(self, name: str, maps: Mapping[str, NDArray[np.floating]]) -> NDArray[np.bool_]:
        if name not in self.sets:
            return np.isin(self.labels, [self.regions.index(region) + 1 for region in self.members(name)])
        chosen = self.sets[name]
        mask: NDArray[np.bool_] = np.any([self._mask(parcel, maps) for parcel in chosen.parcels], axis=0)
        if chosen.hemispheres != ("L", "R"):
            mask &= np.any([self.space.in_hemisphere(hemi) for hemi in chosen.hemispheres], axis=0)
        if chosen.map is not None:
            if chosen.map not in maps:
                raise InputError(f"the set {name} needs a map", found=list(maps) or None, expected=chosen.map)
            mask &= self._passes(chosen, maps[chosen.map])
        return mask

    def _passes(self, chosen: RegionSet, values: NDArray[np.floating]) -> NDArray[np.bool_]:
        if np.shape(values) != self.labels.shape:
            found, expected = np.shape(values), self.labels.shape
            raise InputError(f"the map {chosen.map} has another shape", found=found, expected=expected)
        passes: NDArray[np.bool_] = np.isfinite(values)
        if chosen.above is not None:
            passes &= values > chosen.above
        if chosen.below is not None:
            passes &= values < chosen.below
        return passes

    def _members(self, name: str, inside: tuple[str, ...]) -> tuple[str, ...]:
        if name in self.regions:
            return (name,)
        if name not in self.sets:
            raise self._unknown(name, f"unknown region of {self.name}")
        if name in inside:
            raise InputError(f"a set of {self.name} contains itself", found=" > ".join([*inside, name]))
        found = [region for parcel in self.sets[name].parcels for region in self._members(parcel, (*inside, name))]
        return tuple(dict.fromkeys(found))

    def _unknown(self, name: str, problem: str) -> InputError:
        names = [*self.regions, *self.sets]
        lower = {known.lower(): known for known in names}
        near = [lower[match] for match in get_close_matches(name.lower(), lower, n=3)]
        return InputError(problem, found=name, expected=", ".join(near) or f"one of {len(names)} names")


def atlas_files(name: str, space: Labelled) -> tuple[Path, ...]:
    """Files that an atlas is read from: its definition and those of its bases, labels, and tables of their names.

    Parameters
    ----------
    name : str
        As in :func:`load_atlas`.
    space : SurfaceSpace, GrayordinateSpace or VolumeSpace
    """
    if name.endswith(LABEL_FILES):
        return label_files(name)
    path = find_definition(name)
    definition = read_definition(path)
    base = _base(path, definition)
    return (path, *(source_files(definition, path, space) if base is None else atlas_files(base, space)))


def load_atlas(name: str, space: Labelled | str) -> Atlas:
    """Load an atlas on a space; it is read once, and again when one of its files has changed.

    Parameters
    ----------
    name : str
        An atlas that comes with the package (``b2m atlases`` lists them), the path of a definition (``.toml``), or of
        label files: ``.dlabel.nii``, ``.annot`` or ``.label.gii`` with ``{hemi}``, ``{lh}`` or ``{left}`` in it,
        ``.nii.gz`` in MNI152 with a ``.tsv`` beside it.
    space : SurfaceSpace, GrayordinateSpace or VolumeSpace, or str
        Labels are moved to it by the largest weight.

    Raises
    ------
    InputError
        If there is no such atlas, its labels are not on this machine, or a set names a region that its labels lack.

    Examples
    --------
    >>> load_atlas("desikan-killiany", "fsaverage5").regions[:2]
    ('bankssts', 'caudalanteriorcingulate')
    """
    place: Labelled = as_space(space) if isinstance(space, str) else space  # type: ignore[assignment]
    files = atlas_files(name, place)
    return _load(name, place, tuple(_state(path) for path in files))


def _state(path: Path) -> tuple[str, int, int, int]:
    """Path, size and times of a file; zeros if there is none."""
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _base(path: Path, definition: AtlasDefinition) -> str | None:
    """Name or path of the atlas that a definition is based on."""
    if definition.base is None:
        return None
    local = path.parent / definition.base
    return str(local) if local.suffix == ".toml" else definition.base


@cache
def _load(name: str, space: Labelled, _states: tuple[tuple[str, int, int, int], ...]) -> Atlas:
    if name.endswith(LABEL_FILES):
        labels = _fitting(read_label_file(name, space), space)
        values, regions = _numbered(labels.on(space), labels, "", ("", "???", "unknown", "Unknown", "Background"))
        return Atlas(Path(name).name, space, values, regions)
    path = find_definition(name)
    definition = read_definition(path)
    if (name_of_base := _base(path, definition)) is not None:
        base = load_atlas(name_of_base, space)
        values, regions, sets = base.labels, base.regions, {**base.sets, **definition.sets}
    else:
        labels = _fitting(read_source(definition, path, space), space)
        values, regions = _numbered(labels.on(space), labels, definition.strip, definition.drop)
        sets = definition.sets
    try:
        return Atlas(definition.name, space, values, regions, sets, definition.citation, definition.licence)
    except InputError as error:
        raise InputError(error.problem, file=path, found=error.found, expected=error.expected) from error


def _fitting(labels: Labels, space: Labelled) -> Labels:
    """Labels for a space: without those below the cortex for a surface or a volume."""
    return labels if isinstance(space, GrayordinateSpace) else labels.of_cortex()


def _numbered(
    values: NDArray[np.int64], labels: Labels, strip: str, drop: tuple[str, ...]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels from 1 in the order of the names; equal names (of both hemispheres) become one region."""
    names = {number: re.sub(strip, "", name) for number, name in labels.names.items() if name not in drop}
    regions = tuple(dict.fromkeys(name for name in names.values() if name not in drop))
    place = {name: i for i, name in enumerate(regions, start=1)}
    numbers = np.unique(values)
    renumbered = np.array([place.get(names.get(number, ""), 0) for number in numbers.tolist()], dtype=np.int64)
    return renumbered[np.searchsorted(numbers, values)], regions


@dataclass(frozen=True)
class AtlasState:
    """Whether the labels of an atlas are on this machine."""

    definition: AtlasDefinition
    found: Path | None
    """File of its labels; None if they are not on this machine."""
    fetch: str
    """Advice where they are missing."""


def atlas_states() -> list[AtlasState]:
    """State of every atlas that comes with the package."""
    states = []
    for name in list_atlases():
        path = find_definition(name)
        definition = read_definition(path)
        found = next((files for source in definition.source if (files := locate(source, path, None))), None)
        fetch = " or ".join(source.fetch for source in definition.source if source.fetch)
        states.append(AtlasState(definition, next(iter(found.values())) if found else None, fetch))
    return states
