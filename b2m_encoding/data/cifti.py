"""CIFTI dense time series: grayordinates, with the structures below the cortex kept apart from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data.files import check_complete, open_image, reading
from b2m_encoding.data.recording import Series
from b2m_encoding.errors import InputError
from b2m_encoding.spaces.files import quiet_nibabel
from b2m_encoding.spaces.grayordinates import GrayordinateSpace, brain_models, cifti_axis


def open_cifti(path: Path, space: GrayordinateSpace) -> Series:
    """Open one ``dtseries.nii``; its header and its length are checked, its series is not read.

    ``space.cortex`` and ``space.structures`` hold which targets are cortex and which are subcortical.

    Raises
    ------
    InputError
        If it is no dense time series, is cut short, or holds other grayordinates than ``space``.
    """
    image = open_image(path, "a CIFTI series")
    axis = brain_models(image, path)
    rows = cifti_axis(image, 0, path)
    if not hasattr(rows, "step"):
        raise InputError("not a CIFTI time series", file=path, found=type(rows).__name__, expected="dtseries")
    if axis != space.axis:
        raise InputError(
            "runs differ in their grayordinates", file=path, found=f"{len(axis)} of its own", expected=space.name
        )
    dtype = image.get_data_dtype()
    check_complete(path, int(image.dataobj.offset) + int(np.prod(image.shape)) * dtype.itemsize)
    seconds, start = (float(rows.step), float(rows.start)) if rows.unit == "SECOND" else (None, 0.0)
    return Series(image.shape[0], seconds, lambda: read_cifti(path, space), (path,), start or None)


def read_cifti(path: Path, space: GrayordinateSpace) -> NDArray[np.float32]:
    """Responses of all grayordinates, shape (n_samples, n_targets)."""
    with quiet_nibabel(), reading(path):
        return space.from_image(open_image(path, "a CIFTI series"))
