"""Bridge to pycortex: maps as its data views, quickflat with traced outlines (without Inkscape), WebGL viewer.

Reading what pycortex users share needs no pycortex: see :mod:`b2m_encoding.spaces.pycortex`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import Colours, ScalarColours, over
from b2m_encoding.figures.layers import GYRUS, SULCUS
from b2m_encoding.figures.outlines import Line, trace_borders, without_specks
from b2m_encoding.figures.pycortex_store import add_subject, add_transform, load_pycortex, quiet
from b2m_encoding.figures.style import Style
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.removal import move, temporary_folder
from b2m_encoding.spaces import Atlas, SurfaceSpace, VolumeSpace
from b2m_encoding.spaces.pycortex import REVERSED

__all__ = [
    "add_subject",
    "add_transform",
    "from_view",
    "load_pycortex",
    "quickflat",
    "save_viewer",
    "to_vertex",
    "to_vertex_2d",
    "to_vertex_rgb",
    "to_volume",
]
HALO = "#202020"


def to_vertex(cortex: Any, values: Floating, subject: str, colours: ScalarColours, description: str = "") -> Any:
    """A map as ``cortex.Vertex``; NaN stays NaN and is drawn transparent.

    Parameters
    ----------
    cortex : module
        From :func:`load_pycortex`.
    values : array, shape (n_targets,)
        Left vertices, then right ones.
    subject : str
    colours : ScalarColours
        Its limits and its colour map; pycortex has no fading.
    description : str
        Shown by the WebGL viewer.
    """
    values = _fitting(cortex, values, subject)
    return cortex.Vertex(
        values, subject, vmin=colours.vmin, vmax=colours.vmax, cmap=colours.cmap, description=description
    )


def to_vertex_2d(
    cortex: Any,
    values: tuple[Floating, Floating],
    subject: str,
    *,
    limits: tuple[float, float] = (0.0, 0.5),
    cmap: str | None = None,
    description: str = "",
) -> Any:
    """Two maps as ``cortex.Vertex2D``, in one of pycortex' two-dimensional colour maps.

    Parameters
    ----------
    cortex : module
    values : tuple of two arrays, each of shape (n_targets,)
    subject : str
    limits : tuple of float
        Colour limits of both maps.
    cmap : str, optional
        By default that of pycortex' configuration.
    description : str
    """
    first, second = (_fitting(cortex, scores, subject) for scores in values)
    shared = dict(zip(("vmin", "vmax", "vmin2", "vmax2"), (*limits, *limits), strict=True))
    colours = {} if cmap is None else {"cmap": cmap}
    return cortex.Vertex2D(first, second, subject=subject, description=description, **shared, **colours)


def from_view(view: Any) -> tuple[NDArray[np.float32], SurfaceSpace]:
    """Read ``cortex.Vertex`` or ``cortex.Volume`` as a map on the subject's surface.

    Parameters
    ----------
    view : cortex.Vertex or cortex.Volume
        One map, not a movie.

    Returns
    -------
    values : array, shape (n_vertices,)
        Of a volume, sampled between white and pial surface.
    space : SurfaceSpace

    Raises
    ------
    InputError
        If it has two maps, several time points, or colours instead of values.
    """
    from b2m_encoding.spaces import pycortex_subject, pycortex_volume, resample

    kind, filestore = type(view).__name__, importlib.import_module("cortex").db.filestore
    if kind not in ("Vertex", "Volume"):
        fix = "give view.dim1 or view.dim2, or both to plot_preference" if hasattr(view, "dim1") else None
        raise InputError("one map of pycortex is read at a time", found=kind, expected="Vertex or Volume", fix=fix)
    data = np.asarray(view.vertices if kind == "Vertex" else view.volume)
    if len(data) != 1:
        raise InputError("one map is drawn at a time", found=f"a movie of {len(data)} maps", fix="give one of them")
    surface = pycortex_subject(view.subject, filestore)
    values = data[0].ravel().astype(np.float32)
    if kind == "Vertex":
        return values, surface
    volume = pycortex_volume(view.subject, view.xfmname, None, filestore)
    return resample(values, volume, surface)[0], surface


def to_vertex_rgb(
    cortex: Any,
    values: tuple[Floating, ...],
    subject: str,
    colours: Colours,
    *,
    shown: NDArray[np.bool_] | None = None,
    description: str = "",
) -> Any:
    """One or two maps in the colours of a printed figure, as ``cortex.VertexRGB``.

    Parameters
    ----------
    cortex : module
    values : tuple of arrays, each of shape (n_targets,)
    subject : str
    colours : Colours
    shown : array of bool, shape (n_targets,), optional
        Targets with a colour (the significant ones); the others, and NaN, are transparent.
    description : str
    """
    checked = [_fitting(cortex, scores, subject) for scores in values]
    visible = np.logical_and.reduce([np.isfinite(scores) for scores in checked])
    if shown is not None:
        visible &= shown
    red, green, blue, alpha = colours.table[colours.codes(*(np.nan_to_num(scores) for scores in checked))].T
    opaque = np.where(visible, alpha / 255, 0.0)
    channels = (np.ascontiguousarray(channel) for channel in (red, green, blue))
    return cortex.VertexRGB(*channels, subject, alpha=opaque, description=description)


def _fitting(cortex: Any, values: Floating, subject: str) -> NDArray[np.float32]:
    if subject not in cortex.db.subjects:
        known = ", ".join(cortex.db.subjects) or None
        raise InputError("no such subject of pycortex", file=cortex.db.filestore, found=subject, expected=known)
    left, right = cortex.db.get_surf(subject, "flat")
    if np.shape(values) != (expected := (len(left[0]) + len(right[0]),)):
        raise InputError(f"the map does not fit the subject {subject}", found=np.shape(values), expected=expected)
    return np.asarray(values, dtype=np.float32)


def to_volume(
    cortex: Any,
    values: Floating,
    space: VolumeSpace,
    subject: str,
    transform: str,
    colours: ScalarColours,
    description: str = "",
) -> Any:
    """A map of voxels as ``cortex.Volume``; NaN outside the mask.

    Parameters
    ----------
    cortex : module
    values : array, shape (n_targets,)
    space : VolumeSpace
        On the grid of the transform: of :func:`b2m_encoding.spaces.pycortex_volume`, or in the order of the image.
    subject, transform : str
    colours : ScalarColours
    description : str

    Raises
    ------
    InputError
        If the volume lies on another grid than the transform.
    """
    volume = np.full(space.mask.shape, np.nan, dtype=np.float32)
    volume[space.mask] = np.asarray(values, dtype=np.float32)
    stored = Path(cortex.db.filestore, subject, "transforms", transform, "matrices.xfm")
    try:
        order = np.array(parse_json(stored.read_text(encoding="utf-8"))["coord"]) @ space.affine
    except (OSError, ValueError, KeyError) as error:
        raise InputError("no such transform of pycortex", file=stored, found=repr(error)) from error
    if np.allclose(order, np.eye(4), atol=1e-3):
        volume = volume.T
    elif not np.allclose(order, REVERSED, atol=1e-3):
        raise InputError("the volume lies on another grid than the transform", file=stored, found=np.round(order, 3))
    limits = {"vmin": colours.vmin, "vmax": colours.vmax, "cmap": colours.cmap}
    return cortex.Volume(volume, subject, transform, description=description, **limits)


def quickflat(
    cortex: Any,
    data: Any,
    *,
    atlas: Atlas | None = None,
    outline: str | None = None,
    colours: ScalarColours | None = None,
    label: str = "",
    height: int = 1024,
    style: Style | None = None,
) -> Figure:
    """Draw pycortex' flatmap with traced outlines and a colour bar; Inkscape is not needed.

    Parameters
    ----------
    cortex : module
    data : cortex.Vertex, cortex.Volume, cortex.VertexRGB ...
    atlas : Atlas, optional
        On the subject's surface.
    outline : str, optional
        Region or set of the atlas to outline; default: all.
    colours : ScalarColours, optional
        Draws a colour bar below the map.
    label : str
        Label of the colour bar.
    height : int
        Pixels of pycortex' picture.
    style : Style, optional
        Width, font, outlines.
    """
    style = style or Style()
    points, triangles = cortex.db.get_surf(data.subject, "flat", merge=True, nudge=True)
    with style.context():
        figure = Figure(figsize=(style.width_mm / 25.4, style.width_mm / 25.4 * 0.55), dpi=style.dpi)
        bar = 0.12 if colours is not None else 0.0
        axes = figure.add_axes((0, bar, 1, 1 - bar))
        with quiet():
            parts = {"with_rois": False, "with_labels": False, "with_colorbar": False, "with_curvature": True}
            cortex.quickshow(data, fig=axes, height=height, **parts)
        axes.set_aspect("equal")
        if atlas is not None:
            lines = _outlines(atlas, np.asarray(points[:, :2], dtype=np.float64), triangles.astype(np.int64), outline)
            width = style.outline_width
            axes.add_collection(LineCollection(lines, colors=HALO, linewidths=2.2 * width, alpha=0.35))
            axes.add_collection(LineCollection(lines, colors=style.outline_colour, linewidths=width))
        if colours is not None:
            _colour_bar(figure.add_axes((0.35, 0.08, 0.3, 0.025)), colours, label)
    return figure


def _outlines(atlas: Atlas, points: Line, triangles: NDArray[np.int64], outline: str | None) -> list[Line]:
    if len(atlas.labels) != len(points):
        raise InputError("the atlas is on another surface", found=atlas.space.name, expected=f"{len(points)} vertices")
    names = atlas.regions if outline is None else atlas.members(outline)
    borders = trace_borders(points, triangles, without_specks(triangles, atlas.labels))
    return borders.around([atlas.regions.index(name) + 1 for name in names])


def _colour_bar(axes: Axes, colours: ScalarColours, label: str) -> None:
    table = over(colours.table, (GYRUS + SULCUS) / 2)
    axes.imshow(table[None], extent=(colours.vmin, colours.vmax, 0, 1), aspect="auto", interpolation="none")
    axes.set(yticks=[], xticks=[colours.vmin, colours.vmax])
    axes.spines[:].set_visible(False)
    axes.set_xlabel(label, labelpad=1.5, parse_math=False)


def save_viewer(cortex: Any, data: Any, folder: str | Path, title: str = "b2m_encoding") -> Path:
    """Write pycortex' WebGL viewer; it needs no network, but a web server (``python -m http.server``).

    Parameters
    ----------
    cortex : module
    data : data view, or mapping of name to data view
    folder : path
        A new folder.
    title : str

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        If the folder exists.
    """
    target = Path(folder).absolute()
    if target.exists():
        raise InputError("the folder of the viewer exists", file=target, fix="choose a new one")
    with temporary_folder(target) as partial:
        with quiet():
            cortex.webgl.make_static(
                str(partial), data, title=title, html_embed=True, overlays_visible=(), labels_visible=()
            )
        move(partial, target)
    return target / "index.html"
