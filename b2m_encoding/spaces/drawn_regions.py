"""Regions that a laboratory drew on a subject's flatmap in pycortex (``overlays.svg``), as an atlas of that surface."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.path
import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float64
from b2m_encoding.errors import InputError
from b2m_encoding.spaces.atlas import Atlas
from b2m_encoding.spaces.definition import RegionSet
from b2m_encoding.spaces.meshes import HEMISPHERES, PycortexFiles
from b2m_encoding.spaces.surface import SurfaceSpace, pycortex_subject

SVG = "{http://www.w3.org/2000/svg}"
LABEL = "{http://www.inkscape.org/namespaces/inkscape}label"
STEPS = np.linspace(0, 1, 17)[1:, None]
"""Points of a curve."""


def pycortex_overlays(
    subject: str | SurfaceSpace,
    filestore: str | Path | None = None,
    *,
    layer: str = "rois",
    file: str | Path | None = None,
) -> Atlas:
    """Read the regions of a subject of pycortex; neither pycortex nor Inkscape is needed.

    Parameters
    ----------
    subject : str or SurfaceSpace
        Name in the filestore, or its surface.
    filestore : path, optional
    layer : str
        Layer of the drawing; ``rois`` as a rule.
    file : path, optional
        Drawing; by default ``overlays.svg`` of the subject.

    Returns
    -------
    Atlas
        Vertices of the flat mesh inside each outline; where outlines overlap, those of the smaller region. The set
        named after the layer has all regions.

    Raises
    ------
    InputError
        If there is no such drawing or layer.
    """
    space = pycortex_subject(subject, filestore) if isinstance(subject, str) else subject
    if file is None and not isinstance(space.files, PycortexFiles):
        raise InputError("not a subject of pycortex", found=space.name, fix='pycortex_subject("S1")')
    path = Path(file) if file is not None else space.files.folder / "overlays.svg"  # type: ignore[attr-defined]
    shapes, size = _shapes(path, layer)
    points, flat = _on_drawing(space, size)
    inside = {name: flat & _contained(points, outlines) for name, outlines in shapes.items()}
    inside = {name: mask for name, mask in inside.items() if mask.any()}
    names = tuple(sorted(inside))
    labels = np.zeros(space.n_targets, dtype=np.int64)
    for name in sorted(names, key=lambda name: -int(inside[name].sum())):
        labels[inside[name]] = names.index(name) + 1
    kept = tuple(name for name in names if (labels == names.index(name) + 1).any())
    order = np.array([0, *(kept.index(name) + 1 if name in kept else 0 for name in names)])
    sets = {layer: RegionSet(title=f"regions of {space.name}", parcels=kept)} if kept and layer not in kept else {}
    return Atlas(f"{space.name} {layer}", space, order[labels], kept, sets)


def _shapes(path: Path, layer: str) -> tuple[dict[str, list[Float64]], Float64]:
    """Outlines of the shapes of a layer in the units of the drawing, y downwards, and its width and height."""
    try:
        root = ElementTree.parse(path).getroot()
        size = np.array([float(str(root.get(side)).removesuffix("px")) for side in ("width", "height")])
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise InputError("a drawing of pycortex cannot be read", file=path, found=error) from error
    layers = {str(group.get(LABEL)): group for group in root.findall(f"{SVG}g")}
    if layer not in layers:
        known = ", ".join(name for name in layers if name != "data")
        raise InputError("the drawing has no such layer", file=path, found=layer, expected=known)
    drawn = next((group for group in layers[layer].findall(f"{SVG}g") if group.get(LABEL) == "shapes"), None)
    shapes: dict[str, list[Float64]] = {}
    for group in [] if drawn is None else drawn.findall(f"{SVG}g"):
        outlines = [line for one in group.iter(f"{SVG}path") for line in outlines_of(one.get("d") or "")]
        if outlines:
            shapes[str(group.get(LABEL))] = outlines
    return shapes, size


def outlines_of(path: str) -> list[Float64]:
    """Points of each outline of a path of SVG, shape (n_points, 2).

    Examples
    --------
    >>> [line.tolist() for line in outlines_of("m 1,1 h 2 v 2 z")]
    [[[1.0, 1.0], [3.0, 1.0], [3.0, 3.0], [1.0, 1.0]]]
    """
    from fontTools.pens.recordingPen import RecordingPen
    from fontTools.svgLib.path import parse_path

    pen = RecordingPen()
    parse_path(path, pen)
    lines: list[list[Float64]] = []
    for command, arguments in pen.value:
        points = np.array(arguments, dtype=np.float64)
        if command == "moveTo":
            lines.append([points])
        elif command == "lineTo":
            lines[-1].append(points)
        elif command in ("curveTo", "qCurveTo"):
            lines[-1].append(_curve(np.concatenate([lines[-1][-1][-1:], points])))
    return [np.concatenate(line) for line in lines]


def _curve(control: Float64) -> Float64:
    """Points of a Bézier curve after its first, by De Casteljau's construction."""
    level = [np.repeat(point[None], len(STEPS), axis=0) for point in control]
    while len(level) > 1:
        level = [(1 - STEPS) * a + STEPS * b for a, b in pairwise(level)]
    return np.asarray(level[0])


def _on_drawing(space: SurfaceSpace, size: Float64) -> tuple[Float64, NDArray[np.bool_]]:
    """Places of all vertices on the drawing, and whether they belong to the flat mesh.

    pycortex puts the hemispheres side by side, the edges of both at 0, and scales all vertices to the drawing.
    """
    meshes = [space.mesh("flat", hemi) for hemi in HEMISPHERES]
    left, right = (mesh.points[:, :2].copy() for mesh in meshes)
    left[:, 0] -= left[:, 0].max()
    right[:, 0] -= right[:, 0].min()
    points = np.concatenate([left, right])
    points = (points - points.min(axis=0)) / np.ptp(points, axis=0) * size
    points[:, 1] = size[1] - points[:, 1]
    flat = np.zeros(len(points), dtype=bool)
    flat[np.concatenate([meshes[0].triangles.ravel(), meshes[1].triangles.ravel() + len(left)])] = True
    return points, flat


def _contained(points: Float64, outlines: list[Float64]) -> NDArray[np.bool_]:
    """Whether each point lies in one of the outlines."""
    found = np.zeros(len(points), dtype=bool)
    for outline in outlines:
        if len(outline) > 2:
            found |= matplotlib.path.Path(outline).contains_points(points)
    return found
