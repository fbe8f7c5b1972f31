"""Figures of one score: whole cortex, a zoom with named regions, or both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.figures.colours import ScalarColours, shared_limits
from b2m_encoding.figures.layers import ScoreMap
from b2m_encoding.figures.maps import ZOOM, MapFigure, Mask, View
from b2m_encoding.figures.page import FigureResult
from b2m_encoding.figures.panels import colour_bar
from b2m_encoding.figures.style import Style
from b2m_encoding.spaces import Atlas, SurfaceSpace

Floats = NDArray[np.floating]


def score_map(
    scores: Floats,
    space: SurfaceSpace,
    atlas: Atlas,
    *,
    tested: Mask | None = None,
    significant: Mask | None = None,
    label: str = "prediction accuracy (r)",
    title: str | None = None,
    note: str | None = None,
    view: View = "whole",
    zoom: str = ZOOM,
    limits: tuple[float | None, float | None] = (0.0, None),
    criterion: str = "significant",
    contour: bool = False,
    ceiling: Floats | None = None,
    missing: str = "not tested",
    style: Style | None = None,
) -> FigureResult:
    """A flatmap of one score: the whole cortex, a zoom into a region set with outlines and names, or both.

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
    view : {"whole", "zoom", "overview"}
        The whole cortex, a zoom into both hemispheres, or both, one above the other.
    zoom : str
        Region or region set to zoom into.
    limits : tuple of float or None
        Colour limits; None: from the percentiles of what is drawn.
    criterion : str
        What significant means (``"significant at q < .05 (FDR)"``), for the caption.
    contour : bool
        Outline what is significant instead of hiding the rest.
    ceiling : array, shape (n_targets,), optional
        Highest r to expect: told in the caption, and beside the scores in the table.
    missing : str
        What the targets without a score are, for the key: a share of the ceiling has none where there is no ceiling.
    style : Style, optional
    """
    style = style or Style()
    data = ScoreMap.of(space, (scores,), tested, significant)
    outlined = data.significant if contour else None
    figure = MapFigure(data, space, atlas, view, zoom, title, note, style, contour=outlined, missing=missing)
    found = shared_limits([data.scores[0][figure.coloured]], *limits)
    masked = data.significant is not None and not contour
    colours = ScalarColours(found.vmin, found.vmax, style.colour_map, None if masked else found.faded)
    with style.context():
        page, lengths = figure.draw(colours)
        width = min(50.0, 0.36 * style.width_mm)
        clipped = found.n_below > 0, found.n_above > 0
        colour_bar(
            page, (style.width_mm - width) / 2, page.height - figure.footer + 1.5, width, colours, label, clipped
        )
    sentences = [f"{label[:1].upper()}{label[1:]}.", found.sentence(), figure.counts(criterion)]
    table = figure.table(("score",))
    if ceiling is not None:
        table["ceiling"] = np.asarray(ceiling, dtype=np.float32)
        sentences.append(_ceiling_sentence(np.asarray(ceiling)[figure.coloured]))
    return FigureResult(page, figure.caption(sentences, lengths), table)


def _ceiling_sentence(ceiling: Floats) -> str:
    """The ceiling of what is in colour, for a caption."""
    known = ceiling[np.isfinite(ceiling)]
    if not known.size:
        return "Noise ceiling: unknown for the vertices in colour."
    low, middle, high = np.percentile(known, [25, 50, 75])
    return (
        f"Noise ceiling of r in the {known.size} vertices in colour that have one: median {middle:.2f}, middle half "
        f"{low:.2f} to {high:.2f}."
    )
