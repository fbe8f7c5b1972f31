"""Figures of one score: whole cortex, a zoom with named regions, or both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.figures.colours import ScalarColours, shared_limits
from b2m_encoding.figures.layers import ScoreMap
from b2m_encoding.figures.maps import ZOOM, MapFigure, Mask, Row
from b2m_encoding.figures.page import FigureResult
from b2m_encoding.figures.panels import colour_bar
from b2m_encoding.figures.style import Style
from b2m_encoding.spaces import Atlas, SurfaceSpace

Floats = NDArray[np.floating]


def accuracy(
    scores: Floats,
    space: SurfaceSpace,
    atlas: Atlas,
    *,
    tested: Mask | None = None,
    significant: Mask | None = None,
    label: str = "prediction accuracy (r)",
    title: str | None = None,
    note: str | None = None,
    zoom: str | None = None,
    limits: tuple[float | None, float | None] = (0.0, None),
    criterion: str = "significant",
    contour: bool = False,
    style: Style | None = None,
) -> FigureResult:
    """A flatmap of one score: the whole cortex, or a zoom into a region set with outlines and names.

    Parameters
    ----------
    scores : array, shape (n_targets,)
        Any score; NaN is not tested.
    space : SurfaceSpace
    atlas : Atlas
        Atlas on the same surface.
    tested, significant : array of bool, shape (n_targets,), optional
        What was not tested is light grey; what is not significant shows the underlay. Without ``significant``, or
        with ``contour``, every tested target is drawn, and low scores fade into the underlay.
    label : str
        Name and unit of the score, on the colour bar.
    title, note : str, optional
        Top line; a note such as "simulated data" stands on the right.
    zoom : str, optional
        Region or region set to zoom into, both hemispheres; default: the whole cortex.
    limits : tuple of float or None
        Colour limits; None: from the percentiles of what is drawn.
    criterion : str
        What significant means (``"significant at q < .05 (FDR)"``), for the caption.
    contour : bool
        Outline what is significant instead of hiding the rest.
    style : Style, optional
    """
    data = ScoreMap.of(space, (scores,), tested, significant)
    rows: tuple[Row, ...] = ("zoom",) if zoom else ("whole",)
    figure = _spec(data, space, atlas, rows, zoom or ZOOM, title, note, contour, style or Style())
    return _accuracy(figure, data, label, limits, criterion)


def accuracy_overview(
    scores: Floats,
    space: SurfaceSpace,
    atlas: Atlas,
    *,
    tested: Mask | None = None,
    significant: Mask | None = None,
    label: str = "prediction accuracy (r)",
    title: str | None = None,
    note: str | None = None,
    zoom: str = ZOOM,
    limits: tuple[float | None, float | None] = (0.0, None),
    criterion: str = "significant",
    contour: bool = False,
    style: Style | None = None,
) -> FigureResult:
    """Whole cortex above, and a zoom into a region set of both hemispheres below; else as :func:`accuracy`."""
    data = ScoreMap.of(space, (scores,), tested, significant)
    figure = _spec(data, space, atlas, ("whole", "zoom"), zoom, title, note, contour, style or Style())
    return _accuracy(figure, data, label, limits, criterion)


def _spec(data: ScoreMap, space: SurfaceSpace, atlas: Atlas, rows: tuple[Row, ...], zoom: str, title: str | None,
          note: str | None, contour: bool, style: Style) -> MapFigure:  # fmt: skip
    outlined = data.significant if contour else None
    return MapFigure(data, space, atlas, rows, zoom, title, note, style, contour=outlined)


def _accuracy(
    figure: MapFigure, data: ScoreMap, label: str, limits: tuple[float | None, float | None], criterion: str
) -> FigureResult:
    style = figure.style
    found = shared_limits([data.scores[0][figure.coloured]], *limits)
    masked = data.significant is not None and figure.contour is None
    fade = None if masked else found.vmin + 0.3 * (found.vmax - found.vmin)
    colours = ScalarColours(found.vmin, found.vmax, style.cmap, fade)
    with style.context():
        page, lengths = figure.draw(colours)
        width = min(50.0, 0.36 * style.width)
        clipped = found.n_below > 0, found.n_above > 0
        colour_bar(page, (style.width - width) / 2, page.height - figure.footer + 1.5, width, colours, label, clipped)
    sentences = [f"{label[:1].upper()}{label[1:]}.", found.sentence(), figure.counts(criterion)]
    return FigureResult(page, figure.caption(sentences, lengths), figure.table(("score",)))
