"""Views of the inflated cortex: projected, shaded and outlined, with the pixels of the flatmap renderer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from b2m_encoding.figures.flatmap import PixelMap, Window, rasterised
from b2m_encoding.figures.layers import ScoreMap, compose
from b2m_encoding.figures.outlines import trace_borders, without_specks
from b2m_encoding.figures.page import MM
from b2m_encoding.figures.panels import FULL_LINE, HALO, MapPainter
from b2m_encoding.spaces import Hemisphere, SurfaceSpace

Side = Literal["lateral", "medial", "dorsal", "ventral", "anterior", "posterior"]
FILL, FINE = 1.06, 2
"""Width of a window over that of the hemisphere; pixels of the renderer per pixel of the picture, in each direction."""
LIGHT = np.array([-0.3, 0.5, 1.0]) / np.linalg.norm([-0.3, 0.5, 1.0])
"""Direction of the light: from the upper left, in front."""
AMBIENT = 0.62
"""Brightness of what faces away from the light."""
FACING = {"lateral": (-1, 0, 0), "medial": (1, 0, 0), "dorsal": (0, 0, 1), "ventral": (0, 0, -1),
          "anterior": (0, 1, 0), "posterior": (0, -1, 0)}  # fmt: skip
"""Directions towards the reader, of the left hemisphere (x to the right, y to the front, z upwards)."""


@dataclass(frozen=True, eq=False)
class SolidView:
    """A hemisphere as it is seen from one side.

    Parameters
    ----------
    points : array, shape (n_targets, 2)
        Projected positions, mm, y upwards; those of the other hemisphere are zero.
    triangles : array of int, shape (n_triangles, 3)
        The triangles that are seen.
    pixels : PixelMap
    light : array, shape (n_pixels,)
        Brightness of the listed pixels.
    """

    points: NDArray[np.float64]
    triangles: NDArray[np.int64]
    pixels: PixelMap
    light: NDArray[np.float64]


@lru_cache(maxsize=16)
def solid_view(space: SurfaceSpace, hemi: Hemisphere, side: Side, rows: int, aspect: float) -> SolidView:
    """Project a hemisphere, in parallel lines, into a picture with so many rows and a width over height."""
    axes = _screen(hemi, side)
    mesh = space.mesh("inflated", hemi)
    seen = mesh.points @ axes.T
    corners = seen[mesh.triangles]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(seen)
    for corner in range(3):
        np.add.at(normals, mesh.triangles[:, corner], across)
    normals *= np.sign((normals * (seen - seen.mean(axis=0))).sum())  # outwards, whatever the order of corners
    outwards = np.sign((across * (corners.mean(axis=1) - seen.mean(axis=0))).sum())
    facing = np.flatnonzero(outwards * across[:, 2] > 0)
    facing = facing[np.argsort(corners[facing, :, 2].mean(axis=1), kind="stable")]
    box = Window.around(seen[:, :2])
    height = FILL * max(box.height, box.width / aspect)
    window = box.resized(height * aspect, height)
    scale, shape = rows / height, (rows, max(1, round(rows * aspect)))
    places = (seen[:, :2] - (window.left, window.top)) * (scale, -scale)
    start = space.hemisphere(hemi).start
    pixels = rasterised(space, mesh.triangles[facing] + start, places[mesh.triangles[facing]], window, shape)
    points, directions = np.zeros((space.n_targets, 2)), np.zeros((space.n_targets, 3))
    points[space.hemisphere(hemi)], directions[space.hemisphere(hemi)] = seen[:, :2], normals
    smooth = pixels.weights @ directions
    smooth /= np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-9)
    light = AMBIENT + (1.06 - AMBIENT) * np.clip(smooth @ LIGHT, 0, 1)
    visible = pixels.triangles[np.unique(pixels.triangle)]
    return SolidView(points, visible, pixels, light)


def _screen(hemi: Hemisphere, side: Side) -> NDArray[np.float64]:
    """Right, up, and towards the reader, as rows."""
    towards = np.array(FACING[side], dtype=float) * ((-1 if hemi == "R" else 1), 1, 1)
    up = np.array([0.0, 1, 0]) if abs(towards[2]) else np.array([0.0, 0, 1])
    return np.stack([np.cross(up, towards), up, towards])


def draw_solid(
    painter: MapPainter,
    data: ScoreMap,
    box: tuple[float, float, float, float],
    hemi: Hemisphere,
    side: Side,
    outline: str | None = None,
) -> None:
    """Draw one view at a place of the page: left, top, width and height in mm."""
    style, (left, top, width, height) = painter.page.style, box
    rows = FINE * max(1, round(height / MM * style.dpi))
    view = solid_view(painter.space, hemi, side, rows, width / height)
    flat = compose(painter.space, view.pixels, data, painter.colours, underlay=style.underlay)
    picture: NDArray[np.float32] = np.divide(flat, 255, dtype=np.float32)
    inside = view.pixels.cortex
    picture[inside, :3] = np.clip(picture[inside, :3] * view.light[:, None], 0, 1)
    picture[..., 3] = inside
    axes = painter.page.panel(left, top, width, height)
    window = view.pixels.window
    extent = window.left, window.right, window.bottom, window.top
    axes.imshow(_averaged(picture), extent=extent, interpolation="none", aspect="auto")
    axes.set(xlim=(window.left, window.right), ylim=(window.bottom, window.top))
    axes.axis("off")
    if outline is None or not style.outlines:
        return
    atlas = painter.atlas
    labels = without_specks(view.triangles, atlas.labels)
    members = [atlas.regions.index(name) + 1 for name in atlas.members(outline)]
    lines = trace_borders(view.points, view.triangles, labels).around(members)
    line = style.outline_width * float(np.clip(width / FULL_LINE, 0.4, 1.0))
    axes.add_collection(LineCollection(lines, colors=HALO, linewidths=2.2 * line, alpha=0.35, capstyle="round"))
    axes.add_collection(LineCollection(lines, colors=style.outline_colour, linewidths=line, capstyle="round"))


def _averaged(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of blocks of pixels, weighted by their opacity: smooth edges."""
    rows, columns = (size - size % FINE for size in picture.shape[:2])
    blocks = picture[:rows, :columns].reshape(rows // FINE, FINE, columns // FINE, FINE, 4)
    opacity = blocks[..., 3:].mean(axis=(1, 3))
    colour = (blocks[..., :3] * blocks[..., 3:]).mean(axis=(1, 3)) / np.maximum(opacity, 1e-6)
    return np.concatenate([colour, opacity], axis=-1)
