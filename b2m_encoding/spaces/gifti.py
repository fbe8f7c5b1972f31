"""GIfTI images of one hemisphere, checked against the hemisphere that their metadata state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.spaces.meshes import Hemisphere

STRUCTURE = "AnatomicalStructurePrimary"
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


def gifti_arrays(image: Any, hemi: Hemisphere, path: str | Path | None = None) -> list[NDArray[Any]]:
    """Arrays of a GIfTI image of one hemisphere.

    Raises
    ------
    InputError
        If it is another kind of image, is empty, holds arrays of several sizes, or states the other hemisphere.
    """
    if not isinstance(image, nib.gifti.GiftiImage) or not image.darrays:
        raise InputError("not a GIfTI file with data", file=path, found=type(image).__name__)
    arrays = [np.asarray(array.data) for array in image.darrays]
    if len({array.shape for array in arrays}) > 1:
        raise InputError("the arrays of a GIfTI file differ in size", file=path, found=[a.shape for a in arrays])
    for meta in (image.meta, *(array.meta for array in image.darrays)):
        check_structure(meta.get(STRUCTURE, ""), hemi, path)
    return arrays


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
