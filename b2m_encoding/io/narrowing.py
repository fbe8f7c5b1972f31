"""Numbers of files as float32, unless that would round away what varies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDED = 1e-4
"""Share of the range of numbers that rounding them may cost."""


def narrowed(values: NDArray[Any], axis: int = 0) -> NDArray[np.floating]:
    """Numbers as float32; as float64 where float32 would round away what varies beside a large mean.

    Parameters
    ----------
    values : array
    axis : int
        Axis of the samples.

    Examples
    --------
    >>> narrowed(np.array([[1.0], [2.0]])).dtype, narrowed(1.7e9 + np.array([[1.0], [2.0]])).dtype
    (dtype('float32'), dtype('float64'))
    """
    exact = values.dtype.itemsize < 4 or values.dtype == np.float32
    return values.astype(np.float64 if not exact and lost_digits(values, axis).any() else np.float32)


def lost_digits(values: NDArray[Any], axis: int = 0) -> NDArray[np.bool_]:
    """Whether float32 would round away what varies in each series."""
    low, high = (end.astype(np.float64) for end in (values.min(axis=axis), values.max(axis=axis)))
    with np.errstate(invalid="ignore"):
        spread = high - low
    return np.asarray((spread > 0) & (np.maximum(np.abs(low), np.abs(high)) * 2.0**-24 > ROUNDED * spread))
