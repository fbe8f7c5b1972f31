"""Flatmap renderer: both hemispheres side by side, and the map from pixels to targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from b2m_encoding.errors import InputError
from b2m_encoding.spaces import Hemisphere, SurfaceSpace

GAP = 12.0
"""Distance between the two flat hemispheres, mm."""
AT_ONCE = 4096
"""Triangles that are painted at once, to save memory."""
ROUNDING = 1e-6
"""Distance, in pixels, below which a centre counts as within a triangle: no pixel between two triangles is missed."""
BAND = 200_000
"""Pixels of a band."""
BOTH: tuple[Hemisphere, ...] = ("L", "R")


@dataclass(frozen=True)
class Window:
    """A rectangle of the flatmap, in mm, y upwards."""

    left: float
    right: float
    bottom: float
    top: float

    @classmethod
    def around(cls, points: NDArray[np.float64], margin: float = 0.0) -> Window:
        """The bounding box of points, shape (n, 2), widened by a margin."""
        (left, bottom), (right, top) = points.min(axis=0) - margin, points.max(axis=0) + margin
        return cls(float(left), float(right), float(bottom), float(top))

    @property
    def width(self) -> float:
        """Width in mm."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height in mm."""
        return self.top - self.bottom

    def resized(self, width: float, height: float) -> Window:
        """The window of another size with the same centre."""
        x, y = (self.left + self.right) / 2, (self.bottom + self.top) / 2
        return Window(x - width / 2, x + width / 2, y - height / 2, y + height / 2)


@dataclass(frozen=True, eq=False)
class FlatLayout:
    """Flat coordinates of every target of a surface, with the hemispheres set apart.

    Parameters
    ----------
    points : array, shape (n_targets, 2)
        Position in mm, y upwards.
    triangles : array, shape (n_triangles, 3)
        Targets at the corners of the triangles of both flat hemispheres.
    sides : array of int, shape (n_triangles,)
        0 for left, 1 for right.
    """

    points: NDArray[np.float64]
    triangles: NDArray[np.int64]
    sides: NDArray[np.int64]

    @property
    def window(self) -> Window:
        """The bounding box of both hemispheres."""
        return Window.around(self.points[np.unique(self.triangles)])

    def of(self, hemispheres: Sequence[Hemisphere]) -> NDArray[np.int64]:
        """The triangles of the given hemispheres."""
        return self.triangles[np.isin(self.sides, [BOTH.index(hemi) for hemi in hemispheres])]


@lru_cache(maxsize=8)
def flat_layout(space: SurfaceSpace) -> FlatLayout:
    """Lay the two flat hemispheres of a surface side by side, ``GAP`` mm apart, on a common vertical centre."""
    points, triangles, sides, edge = [], [], [], 0.0
    for side, hemi in enumerate(BOTH):
        mesh = space.mesh("flat", hemi)
        xy = mesh.points[:, :2]
        box = Window.around(xy[np.unique(mesh.triangles)])
        points.append(xy - (box.left - edge, (box.bottom + box.top) / 2))
        triangles.append(mesh.triangles + space.hemisphere(hemi).start)
        sides.append(np.full(len(mesh.triangles), side))
        edge += box.width + GAP
    return FlatLayout(np.concatenate(points), np.concatenate(triangles), np.concatenate(sides))


@dataclass(frozen=True, eq=False)
class PixelMap:
    """Targets of every pixel of a window, with barycentric weights.

    Get one from :func:`pixel_map`. Pixels of the window that show cortex are listed row by row.

    Parameters
    ----------
    window : Window
    shape : tuple of int
        Rows and columns of the picture.
    cortex : array of bool, shape (rows, columns)
        Pixels that show cortex.
    weights : csr_array, shape (n_pixels, n_targets)
        Three weights per row that sum to one.
    nearest : array, shape (n_pixels,)
        The target with the largest weight.
    triangles : array, shape (n_triangles, 3)
        Corners of the visible triangles.
    triangle : array, shape (n_pixels,)
        The triangle of every listed pixel.
    neighbours : csr_array, shape (n_targets, n_targets)
        One where two targets share an edge of the flatmap.
    """

    window: Window
    shape: tuple[int, int]
    cortex: NDArray[np.bool_]
    weights: csr_array
    nearest: NDArray[np.int32]
    triangles: NDArray[np.int64]
    triangle: NDArray[np.int32]
    neighbours: csr_array

    @cached_property
    def bands(self) -> tuple[PixelMap, ...]:
        """Bands of rows as pixel maps, so small that arrays of a band fit into the cache of a core."""
        counts = self.cortex.sum(axis=1).cumsum()
        n_bands = max(1, round(int(counts[-1]) / BAND))
        rows = np.searchsorted(counts, np.arange(1, n_bands) * int(counts[-1]) // n_bands).tolist()
        edges = list(dict.fromkeys([0, *rows, self.shape[0]]))
        return tuple(self._band(top, bottom, counts) for top, bottom in pairwise(edges)) if len(edges) > 2 else (self,)

    def _band(self, top: int, bottom: int, counts: NDArray[np.int64]) -> PixelMap:
        listed = slice(int(counts[top - 1]) if top else 0, int(counts[bottom - 1]))
        seen = np.zeros(len(self.triangles), dtype=bool)
        seen[self.triangle[listed]] = True
        return replace(
            self,
            shape=(bottom - top, self.shape[1]),
            cortex=self.cortex[top:bottom],
            weights=_three_per_row(self.weights, listed),
            nearest=self.nearest[listed],
            triangles=self.triangles[seen],
            triangle=(np.cumsum(seen, dtype=np.int32) - 1)[self.triangle[listed]],
        )

    def sample(self, values: NDArray[np.floating], valid: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Values at the listed pixels; NaN where less than half of the weight is valid.

        Parameters
        ----------
        values : array, shape (n_targets,)
        valid : array of bool, shape (n_targets,), optional
            Targets to interpolate between; default: the finite ones. The others have no influence.
        """
        values = np.asarray(values, dtype=np.float32)
        valid = np.isfinite(values) if valid is None else valid & np.isfinite(values)
        # a corner that is not valid makes the pixel NaN; pixels with other valid corners are weighted again
        sampled = np.asarray(self.weights @ np.where(valid, values, np.float32(np.nan)))
        n_valid = valid[self.triangles].sum(axis=1, dtype=np.int8)
        mixed = np.flatnonzero(((n_valid > 0) & (n_valid < 3)).take(self.triangle))
        if len(mixed):
            share = self._share(valid, mixed)
            share[share <= 0.5] = np.nan
            sampled[mixed] = self._share(np.where(valid, values, np.float32(0)), mixed) / share
        return sampled

    def covered(self, mask: NDArray[np.bool_], among: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Listed pixels inside a mask, among the targets for which the mask is defined.

        The edge runs between the targets of both sides, nearer to those with fewer neighbours on their side: it is
        smooth, and no target changes side.
        """
        mask = mask & among
        corners, counted = (inside[self.triangles].sum(axis=1, dtype=np.int8) for inside in (mask, among))
        code = np.where(corners == 0, 0, np.where(corners == counted, 1, 2)).astype(np.int8).take(self.triangle)
        result = np.asarray(code == 1)
        mixed = np.flatnonzero(code == 2)
        around = (self.neighbours @ mask.astype(np.float32)) / np.maximum(self.neighbours @ among.astype(np.float32), 1)
        result[mixed] = self._share((0.7 * mask + 0.3 * around) * among, mixed) > 0.5 * self._share(among, mixed)
        return result

    def _share(self, mask: NDArray[np.generic], pixels: NDArray[np.int64]) -> NDArray[np.float32]:
        """Weight of the masked targets at a selection of the listed pixels, from 0 to 1."""
        share: NDArray[np.float32] = np.zeros(len(pixels), dtype=np.float32)
        weights = self.weights.data.reshape(-1, 3)[pixels]
        for corner, inside in enumerate(mask[self.triangles[self.triangle[pixels]]].T):
            share += weights[:, corner] * inside
        return share

    def picture(self, pixels: NDArray[np.generic], background: object) -> NDArray[np.generic]:
        """Set the values of the listed pixels into a picture, shape (rows, columns)."""
        picture = np.full(self.shape, background, dtype=pixels.dtype)
        picture[self.cortex] = pixels
        return picture


def pixel_map(
    space: SurfaceSpace,
    height: int,
    *,
    window: Window | None = None,
    hemispheres: tuple[Hemisphere, ...] = BOTH,
) -> PixelMap:
    """Find the targets of every pixel of a flatmap; cached for later calls with the same arguments.

    Parameters
    ----------
    space : SurfaceSpace
    height : int
        Rows of the picture; the columns follow from the window.
    window : Window, optional
        Part of the flatmap to show; default: both hemispheres.
    hemispheres : tuple of {"L", "R"}
        Hemispheres to draw.
    """
    if height < 1:
        raise InputError("a picture needs at least one row of pixels", found=height)
    return _pixel_map(space, height, window or flat_layout(space).window, hemispheres)


@lru_cache(maxsize=6)  # up to 100 MB each
def _pixel_map(space: SurfaceSpace, height: int, window: Window, hemispheres: tuple[Hemisphere, ...]) -> PixelMap:
    layout = flat_layout(space)
    scale = height / window.height
    shape = (height, max(1, round(window.width * scale)))
    xy = (layout.points - (window.left, window.top)) * (scale, -scale)
    triangles = layout.of(hemispheres)
    corners = xy[triangles]
    seen = ((corners.max(axis=1) >= 0) & (corners.min(axis=1) <= shape[::-1])).all(axis=1)
    return rasterised(space, triangles[seen], corners[seen], window, shape)


def rasterised(
    space: SurfaceSpace,
    triangles: NDArray[np.int64],
    corners: NDArray[np.float64],
    window: Window,
    shape: tuple[int, int],
) -> PixelMap:
    """The pixel map of triangles at their places in a picture.

    Parameters
    ----------
    space : SurfaceSpace
    triangles : array of int, shape (n_triangles, 3)
        Targets at the corners; where triangles overlap, the later one is seen.
    corners : array, shape (n_triangles, 3, 2)
        Column and row of the corners in the picture.
    window : Window
    shape : tuple of int
        Rows and columns.
    """
    painted = _paint(corners, shape)
    inside = np.flatnonzero(painted)
    triangle = painted[inside] - 1
    weights = np.clip(_barycentric(_barycentric_transform(corners), triangle, inside, shape[1]), 0, 1)
    weights /= weights.sum(axis=0)

    columns = triangles[triangle]
    first, second, third = weights
    largest = np.where(first >= second, np.where(first >= third, 0, 2), np.where(second >= third, 1, 2))
    nearest = np.take_along_axis(columns, largest[:, None], axis=1)[:, 0].astype(np.int32)  # kept for every pixel
    entries = (weights.T.astype(np.float32).ravel(), columns.astype(np.int32).ravel())
    starts = np.arange(0, 3 * len(inside) + 1, 3, dtype=np.int32)
    matrix = csr_array((*entries, starts), (len(inside), space.n_targets))
    cortex = (painted > 0).reshape(shape)
    return PixelMap(window, shape, cortex, matrix, nearest, triangles, triangle.astype(np.int32), _neighbours(space))


def _three_per_row(matrix: csr_array, rows: slice) -> csr_array:
    """Some rows of a matrix with three entries in each, which share its memory: pixel maps are large."""
    entries = slice(3 * rows.start, 3 * rows.stop)
    starts = np.arange(0, 3 * (rows.stop - rows.start) + 1, 3, dtype=np.int32)
    return csr_array((matrix.data[entries], matrix.indices[entries], starts), (len(starts) - 1, matrix.shape[1]))


@lru_cache(maxsize=8)
def _neighbours(space: SurfaceSpace) -> csr_array:
    """One where two targets share an edge of the flatmap, shape (n_targets, n_targets)."""
    triangles = flat_layout(space).triangles
    rows, columns = (triangles[:, order].T.ravel() for order in ([0, 1, 2, 1, 2, 0], [1, 2, 0, 0, 1, 2]))
    edges = csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), (space.n_targets, space.n_targets))
    edges.sum_duplicates()  # an edge inside the map belongs to two triangles
    edges.data[:] = 1
    return edges


def _paint(corners: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Triangle number plus one at every pixel whose centre is in a triangle, 0 outside; the last one of several."""
    painted = np.zeros(shape[0] * shape[1], dtype=np.int32)
    for start in range(0, len(corners), AT_ONCE):
        x, y = np.moveaxis(corners[start : start + AT_ONCE], -1, 0)
        triangle, row = _steps(y.min(axis=1), y.max(axis=1), shape[0])
        span, column = _steps(*_extents(x[triangle], y[triangle], row + 0.5), shape[1])
        painted[row[span] * shape[1] + column] = triangle[span] + start + 1
    return painted


def _extents(
    x: NDArray[np.float64], y: NDArray[np.float64], height: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where a horizontal line enters a triangle and leaves it: x, y of shape (n, 3), one height each."""
    left, right = np.full(len(x), np.inf), np.full(len(x), -np.inf)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        crossed = (np.minimum(y[:, a], y[:, b]) <= height) & (height <= np.maximum(y[:, a], y[:, b]))
        crossed &= y[:, a] != y[:, b]
        share = np.divide(height - y[:, a], y[:, b] - y[:, a], out=np.zeros_like(left), where=crossed)
        at = x[:, a] + share * (x[:, b] - x[:, a])
        np.minimum(left, at, out=left, where=crossed)
        np.maximum(right, at, out=right, where=crossed)
    return left, right


def _steps(low: NDArray[np.float64], high: NDArray[np.float64], stop: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pixels below ``stop`` whose centres are in each interval: number of the interval and of the pixel."""
    first = np.clip(np.ceil(low - 0.5 - ROUNDING), 0, stop).astype(int)
    n = np.maximum(np.clip(np.floor(high + 0.5 + ROUNDING), 0, stop).astype(int) - first, 0)
    number = np.repeat(np.arange(len(n)), n)
    return number, np.arange(len(number)) + np.repeat(first - np.cumsum(n) + n, n)


def _barycentric_transform(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per triangle the affine map from a position to its second and third weight, shape (6, n_triangles)."""
    (x, y), (ux, uy), (vx, vy) = corners[:, 0].T, (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
    area = ux * vy - uy * vx
    area[area == 0] = np.inf
    a, b, c, d = vy / area, -vx / area, -uy / area, ux / area
    return np.stack([a, b, -a * x - b * y, c, d, -c * x - d * y])


def _barycentric(
    inverse: NDArray[np.float64], triangle: NDArray[np.int32], pixels: NDArray[np.int64], columns: int
) -> NDArray[np.float64]:
    """Weights of the corners of the triangle named for every pixel centre, shape (3, n_pixels)."""
    row, column = np.divmod(pixels.astype(np.int32), np.int32(columns))
    x, y = column + 0.5, row + 0.5
    weights = np.empty((3, len(pixels)))
    for corner, (a, b, c) in enumerate((inverse[:3], inverse[3:]), start=1):
        weights[corner] = a.take(triangle) * x + b.take(triangle) * y + c.take(triangle)
    weights[0] = 1 - weights[1] - weights[2]
    return weights
