"""GIfTI images of one hemisphere, checked against the hemisphere that their metadata state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.spaces.meshes import Hemisphere

STRUCTURE = "AnatomicalStructurePrimary"
NODES = "NODE_INDEX"
NO_VALUES = (NODES, "POINTSET", "TRIANGLE", "GENMATRIX", "VECTOR", "QUATERNION")
"""Intents of arrays that hold no value per vertex."""
Kind = Literal["values", "series", "labels"]
STRUCTURES: dict[Hemisphere, str] = {"L": "CortexLeft", "R": "CortexRight"}


def gifti_image(maps: NDArray[np.float32], hemi: Hemisphere, names: Sequence[str] = (), tr: float | None = None) -> Any:
    """Make a GIfTI image of maps of one hemisphere.

    Parameters
    ----------
    maps : array, shape (n_maps, n_vertices)
    hemi : {"L", "R"}
    names : sequence of str
        One per map.
    tr : float, optional
        Seconds between maps, if they are a time series.
    """
    intent = "NIFTI_INTENT_ESTIMATE" if tr is None else "NIFTI_INTENT_TIME_SERIES"
    step = {} if tr is None else {"TimeStep": f"{1000 * tr:g}"}
    arrays = [
        nib.gifti.GiftiDataArray(
            row,
            intent=intent,
            datatype="NIFTI_TYPE_FLOAT32",
            meta=nib.gifti.GiftiMetaData({**({"Name": name} if name else {}), **step}),
        )
        for row, name in zip(maps, names or [""] * len(maps), strict=True)
    ]
    return nib.gifti.GiftiImage(meta=nib.gifti.GiftiMetaData({STRUCTURE: STRUCTURES[hemi], **step}), darrays=arrays)


def gifti_arrays(
    image: Any,
    hemi: Hemisphere,
    path: str | Path | None = None,
    *,
    kind: Kind = "values",
    n_vertices: int | None = None,
) -> list[NDArray[Any]]:
    """Arrays of a GIfTI image of one hemisphere that hold one value per vertex, in the order of the vertices.

    Coordinates, triangles and lists of nodes are no values; a list of nodes states which vertices the values are of.

    Parameters
    ----------
    image : GiftiImage
    hemi : {"L", "R"}
    path : path, optional
        For messages.
    kind : {"values", "series", "labels"}
        Series are the arrays with the intent of a time series, if there are any; labels those with that of labels.
    n_vertices : int, optional
        Vertices of the surface; values that are not there become NaN, labels 0.

    Raises
    ------
    InputError
        If it is another kind of image, is empty, holds arrays of several sizes, or states the other hemisphere.
    """
    if not isinstance(image, nib.gifti.GiftiImage) or not image.darrays:
        raise InputError("not a GIfTI file with data", file=path, found=type(image).__name__)
    intents = [intent_of(array) for array in image.darrays]
    arrays = [_without_last_axis(np.asarray(image.darrays[i].data)) for i in chosen_arrays(intents, kind)]
    if not arrays:
        found = ", ".join(dict.fromkeys(intents))
        raise InputError(f"a GIfTI file holds no {kind}", file=path, found=found, expected="one value per vertex")
    if len({array.shape for array in arrays}) > 1:
        raise InputError("the arrays of a GIfTI file differ in size", file=path, found=[a.shape for a in arrays])
    if NODES in intents:
        nodes = np.asarray(image.darrays[intents.index(NODES)].data).ravel()
        arrays = [_placed(array, nodes, n_vertices, path) for array in arrays]
    for meta in (image.meta, *(array.meta for array in image.darrays)):
        check_structure(meta.get(STRUCTURE, ""), hemi, path)
    return arrays


def intent_of(array: Any) -> str:
    """Name of the intent of an array, without ``NIFTI_INTENT_``."""
    return str(nib.nifti1.intent_codes.niistring[array.intent]).removeprefix("NIFTI_INTENT_")


def chosen_arrays(intents: Sequence[str], kind: Kind = "values") -> list[int]:
    """Numbers of the arrays that hold values per vertex.

    Examples
    --------
    >>> chosen_arrays(["NODE_INDEX", "TIME_SERIES", "TIME_SERIES", "SHAPE"], "series")
    [1, 2]
    >>> chosen_arrays(["POINTSET", "TRIANGLE", "SHAPE"])
    [2]
    """
    wanted = {"series": ("TIME_SERIES",), "labels": ("LABEL",)}.get(kind, ())
    values = [i for i, intent in enumerate(intents) if intent not in NO_VALUES]
    return [i for i in values if intents[i] in wanted] or [
        i for i in values if kind == "labels" or intents[i] != "LABEL"
    ]


def _without_last_axis(array: NDArray[Any]) -> NDArray[Any]:
    """An array of shape (n, 1) as one of shape (n,)."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _placed(array: NDArray[Any], nodes: NDArray[Any], n_vertices: int | None, path: str | Path | None) -> NDArray[Any]:
    """Values at the vertices that a list of nodes names."""
    axis = 0 if array.shape[0] == len(nodes) else array.ndim - 1
    size = n_vertices or (int(nodes.max()) + 1 if len(nodes) else 0)
    if (
        array.shape[axis] != len(nodes)
        or len(set(nodes.tolist())) != len(nodes)
        or nodes.min() < 0
        or nodes.max() >= size
    ):
        raise InputError(
            "the nodes of a GIfTI file are no vertices of its surface",
            file=path,
            found=f"{len(nodes)} nodes, {nodes.min()} to {nodes.max()}, values of shape {array.shape}",
            expected=f"each of 0 to {size - 1} once at most",
        )
    filler = np.nan if array.dtype.kind == "f" else 0
    out = np.full((*array.shape[:axis], size, *array.shape[axis + 1 :]), filler, dtype=array.dtype)
    out[(slice(None),) * axis + (nodes.astype(np.intp),)] = array
    return out


def check_structure(stated: str, hemi: Hemisphere, path: str | Path | None = None) -> None:
    """Raise if the structure that a file states is the other hemisphere; many files state none.

    Examples
    --------
    >>> check_structure("CortexLeft", "L"), check_structure("", "L")
    (None, None)
    """
    sides = {side for side, word in (("L", "left"), ("R", "right")) if word in stated.lower()}
    if sides and hemi not in sides:
        raise InputError(
            "a file states the other hemisphere",
            file=path,
            found=f"{STRUCTURE} {stated}",
            expected=STRUCTURES[hemi],
            fix="check which file is left and which is right; correct the name or the metadata",
        )
