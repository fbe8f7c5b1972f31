"""Places of region names in a zoom: inside their regions where there is room, else beside the set with a line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from b2m_encoding.figures.outlines import label_position

MIN_TEXT = 5.0
"""Smallest text, points."""
HEIGHT, WIDTH = 0.55, 0.54
"""Half height and half width that a name takes, in its size and in its length."""
CLEAR = 0.9
"""Height of the letters over the size of the font, with some air."""


@dataclass(frozen=True)
class NamePlace:
    """Where a name is written, in pixels and points.

    Parameters
    ----------
    name : str
    row, column : float
        Its centre.
    size : float
        Size of the text, points.
    target : tuple of float, optional
        Row and column to which a line leads.
    """

    name: str
    row: float
    column: float
    size: float
    target: tuple[float, float] | None = None


def place_names(
    texts: Iterable[tuple[str, NDArray[np.bool_], float]], points: float, largest: float
) -> list[NamePlace]:
    """Find a place for every name; none of them touches another.

    Parameters
    ----------
    texts : iterable of (str, array of bool, float)
        Name, pixels of its region, and width of the text over its size.
    points : float
        Points per pixel.
    largest : float
        Size of a name that has room, points.

    Returns
    -------
    list of NamePlace
        A name that would not fit beside the set either stands in its region all the same.
    """
    texts = sorted(texts, key=lambda text: int(text[1].sum()))
    places: list[NamePlace] = []
    homeless = []
    for name, mask, em in texts:
        row, column, _ = label_position(mask, 1.15 * em / CLEAR)
        for size in np.linspace(largest, MIN_TEXT, 4):
            if (found := _nearest(~_dilated(~mask, *_half_size(size, em, points)), row, column)) is not None:
                places.append(NamePlace(name, *found, float(size)))
                break
        else:
            homeless.append((name, (row, column), em))
    if not homeless:
        return places
    taken = np.logical_or.reduce([mask for _, mask, _ in texts])
    half = 0.5 * MIN_TEXT / points
    taken = _dilated(taken, half, half)
    for place in places:
        em = next(em for name, _, em in texts if name == place.name)
        _block(taken, place.row, place.column, *_half_size(place.size, em, points))
    for name, (row, column), em in homeless:
        height, width = _half_size(MIN_TEXT, em, points)
        free = ~_dilated(taken, height, width)
        free[: int(height) + 1] = free[-int(height) - 1 :] = False
        free[:, : int(width) + 1] = free[:, -int(width) - 1 :] = False
        if (found := _nearest(free, row, column)) is None:
            places.append(NamePlace(name, row, column, MIN_TEXT))
            continue
        places.append(NamePlace(name, *found, MIN_TEXT, (row, column)))
        _block(taken, *found, height, width)
    return places


def _nearest(free: NDArray[np.bool_], row: float, column: float) -> tuple[float, float] | None:
    """The free pixel nearest to a place; None: there is none."""
    rows, columns = np.nonzero(free)
    if not len(rows):
        return None
    nearest = int(np.argmin((rows - row) ** 2 + (columns - column) ** 2))
    return float(rows[nearest]), float(columns[nearest])


def _half_size(size: float, em: float, points: float) -> tuple[float, float]:
    """Half height and half width of a name, pixels."""
    return 1.15 * HEIGHT * size / points, 1.1 * WIDTH * em * size / points


def _dilated(mask: NDArray[np.bool_], height: float, width: float) -> NDArray[np.bool_]:
    """Pixels at which the centre of a box of a half size would touch the mask."""
    wide = maximum_filter1d(mask, 2 * int(np.ceil(width)) + 1, axis=1, mode="constant")
    return np.asarray(maximum_filter1d(wide, 2 * int(np.ceil(height)) + 1, axis=0, mode="constant"), dtype=bool)


def _block(mask: NDArray[np.bool_], row: float, column: float, height: float, width: float) -> None:
    """Mark a box of a half size as taken."""
    top, left = max(int(row - height), 0), max(int(column - width), 0)
    mask[top : int(row + height) + 2, left : int(column + width) + 2] = True
