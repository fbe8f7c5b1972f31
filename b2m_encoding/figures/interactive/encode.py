"""Encoding of arrays, outlines and colours for the page: deflated, base64, SVG paths."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Floating
from b2m_encoding.figures.colours import Colours, PreferenceColours, ScalarColours
from b2m_encoding.figures.flatmap import BOTH, GAP, Window, flat_layout, pixel_map
from b2m_encoding.figures.interactive.content import LevelColours
from b2m_encoding.figures.layers import GREYS, PALE
from b2m_encoding.figures.outlines import Line, boundary, label_position
from b2m_encoding.figures.panels import NAME_ROWS, atlas_borders
from b2m_encoding.spaces import Atlas, SurfaceSpace

MISSING = 65_535
"""Code of NaN."""
UNITS = 10
"""Steps of drawn lines per mm."""
PLACE, COARSE = 0.05, 0.1
"""Steps of the positions of vertices, on the flatmap and on the inflated cortex, mm."""


def packed(values: NDArray[np.generic], kind: str) -> str:
    """Little-endian numbers, deflated, in base64."""
    content = np.ascontiguousarray(values, dtype=np.dtype(kind).newbyteorder("<")).tobytes()
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")


def coded(values: Floating, least: float = 0.0) -> dict[str, Any]:
    """Numbers quantised in equal steps from the smallest; NaN is code 65,535.

    Parameters
    ----------
    values : array
    least : float
        Smallest step; fewer steps need less space. Whole numbers stay exact with 1.
    """
    values = np.asarray(values, dtype=np.float64).ravel()
    finite = np.isfinite(values)
    low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 0.0)
    if least:
        low = np.floor(low / least) * least  # so that every number is rounded to a multiple of the step
    step = max((high - low) / (MISSING - 1), least)
    codes = np.full(len(values), MISSING)
    codes[finite] = np.rint((values[finite] - low) / step) if step else 0
    return {"low": float(low), "step": float(step), "data": packed(codes, "u2")}


def indices(values: NDArray[np.integer]) -> str:
    """Indices from 0; negative values get the code of NaN."""
    return packed(np.where(values < 0, MISSING, values), "u2")


def surface(space: SurfaceSpace, atlas: Atlas, zoom: str | None) -> dict[str, Any]:
    """The flatmap of a surface: vertices, triangles, underlay, and the regions of its atlas."""
    layout = flat_layout(space)
    window, drawn = layout.window, np.unique(layout.triangles)
    points = (layout.points - (window.left, window.top)) * (1, -1) / PLACE
    middle = float(layout.points[layout.of(["L"])][..., 0].max()) + GAP / 2
    depth = np.concatenate([space.sulcal_depth(hemi) for hemi in BOTH])
    depth = 127 * np.nan_to_num(depth / max(np.nanmax(np.abs(depth)), 1e-9))
    return {
        "name": space.name,
        "counts": space.counts,
        "size": [window.width, window.height],
        "place": PLACE,
        "points": packed(np.clip(np.rint(points), 0, MISSING).T, "u2"),
        "triangles": packed(_differences(layout.triangles), "i4"),
        "depth": packed(np.rint(depth), "i1"),
        "depths": np.percentile(depth, [5, 95]).round(2).tolist(),
        **_solid(space, layout.triangles),
        "labels": packed(atlas.labels, "u2"),
        "drawn": len(drawn),
        "regions": ["", *atlas.regions],
        "groups": _groups(atlas, drawn),
        "zoom": zoom,
        "arcs": [
            [*arc.labels, "L" if arc.points[0, 0] < middle else "R", path(arc.points, window)]
            for arc in atlas_borders(atlas).arcs
        ],
        "rim": "".join(path(line, window) for line in boundary(layout.points, layout.triangles)),
        "places": _places(space, atlas),
        "atlas": atlas.name,
        "citation": atlas.citation,
    }


def _solid(space: SurfaceSpace, flat: NDArray[np.int64]) -> dict[str, Any]:
    """The inflated hemispheres side by side: positions, and the triangles that the flatmap lacks; none: nothing."""
    if not all(space.has_mesh("inflated", hemi) for hemi in BOTH):
        return {"solid": None, "wall": None}
    points, triangles = [], []
    for hemi, side in zip(BOTH, (-1, 1), strict=True):
        mesh = space.mesh("inflated", hemi)
        middle = (mesh.points.max(axis=0) + mesh.points.min(axis=0)) / 2
        centred = mesh.points - middle
        points.append(centred + np.array([side * (np.ptp(mesh.points[:, 0]) / 2 + GAP / 2), 0, 0]))
        triangles.append(mesh.triangles + space.hemisphere(hemi).start)
    whole, n = np.concatenate(triangles), np.int64(space.n_targets)
    known, keys = (np.sort(some, axis=1) @ np.array([n * n, n, 1]) for some in (flat, whole))
    wall = _differences(whole[~np.isin(keys, known)])
    return {
        "solid": packed(np.rint(np.concatenate(points).T / COARSE), "i2"),
        "coarse": COARSE,
        "wall": packed(wall, "i4"),
    }


def _differences(triangles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Corners as differences, which deflate well, shape (3, n_triangles).

    Triangles are sorted, and each begins with its least corner.
    """
    turned = np.take_along_axis(triangles, (triangles.argmin(axis=1)[:, None] + np.arange(3)) % 3, axis=1)
    turned = turned[np.lexsort(turned.T[::-1])]
    return np.stack([np.diff(turned[:, 0], prepend=0), turned[:, 1] - turned[:, 0], turned[:, 2] - turned[:, 1]])


def path(line: Line, window: Window) -> str:
    """A line as an SVG path in whole tenths of a millimetre from the upper left corner of the flatmap."""
    steps = np.rint(np.column_stack([line[:, 0] - window.left, window.top - line[:, 1]]) * UNITS).astype(int)
    moves = np.diff(steps, axis=0)
    return f"M{steps[0, 0]} {steps[0, 1]}l{' '.join(map(str, moves[moves.any(axis=1)].ravel().tolist()))}"


def _groups(atlas: Atlas, drawn: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Regions and sets that the page can search: name, title, labels."""
    there = set(np.unique(atlas.labels[drawn]).tolist())
    numbers = {name: number for number, name in enumerate(atlas.regions, start=1)}
    groups = [{"name": name, "title": "", "labels": [number]} for name, number in numbers.items() if number in there]
    for name, content in atlas.sets.items():
        labels = sorted({numbers[region] for region in atlas.members(name)} & there)
        if labels:
            groups.append({"name": name, "title": content.title, "labels": labels})
    return groups


def _places(space: SurfaceSpace, atlas: Atlas) -> list[list[float]]:
    """Positions of region names: label, position (mm from the upper left corner), half height (mm)."""
    pixels = pixel_map(space, NAME_ROWS)
    right = pixels.nearest >= space.counts[0]
    label = np.asarray(pixels.picture(2 * atlas.labels[pixels.nearest] + right, 0))
    scale = pixels.window.height / pixels.shape[0]
    places = []
    for number, box in _boxes(label).items():
        if number < 2:
            continue
        name = atlas.regions[number // 2 - 1]
        row, column, room = label_position(label[box] == number, max(1.0, 0.7 * len(name)))
        x, y = (column + 0.5 + box[1].start) * scale, (row + 0.5 + box[0].start) * scale
        places.append([number // 2, round(x, 1), round(y, 1), round(room * scale, 2)])
    return places


def _boxes(label: NDArray[np.int64]) -> dict[int, tuple[slice, slice]]:
    """The bounding box of every label of a picture, one pixel wider."""
    rows, columns = np.nonzero(label)
    numbered = label[rows, columns]
    order = np.argsort(numbered, kind="stable")
    numbers, starts = np.unique(numbered[order], return_index=True)
    boxes = {}
    for number, part in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
        top, left = max(rows[part].min() - 1, 0), max(columns[part].min() - 1, 0)
        boxes[number] = slice(top, rows[part].max() + 2), slice(left, columns[part].max() + 2)
    return boxes


def encoded_colours(colours: Colours) -> dict[str, Any]:
    """The table of a colour function, and the parameters to look up its entries."""
    table: dict[str, Any] = {"n": len(colours.table), "table": packed(colours.table, "u1")}
    if isinstance(colours, ScalarColours):
        return {"kind": "scalar", "low": colours.vmin, "high": colours.vmax, **table}
    if isinstance(colours, PreferenceColours):
        return {
            "kind": "pair",
            "difference": colours.difference,
            "low": 0.0,
            "high": colours.vmax,
            "side": colours.N,
            **table,
        }
    assert isinstance(colours, LevelColours)
    return {"kind": "levels", "levels": list(colours.names), **table}


UNDERLAY: Mapping[str, list[int]] = {
    "levels": [round(255 * grey) for grey in GREYS["continuous"]],
    "pale": [round(255 * (1 - PALE * (1 - grey))) for grey in GREYS["continuous"]],
}
"""Greys of the printed maps from gyrus to sulcus: of the cortex, and of what was not tested."""


def data_uri(content: bytes, kind: str) -> str:
    """A file as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def sha256_source(texts: Sequence[str]) -> str:
    """Hashes of inline texts for a content security policy."""
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii") for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)
