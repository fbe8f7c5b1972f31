"""Figure of one score on the inflated cortex, shaded and outlined, in the colours of the flatmap."""

from __future__ import annotations

from typing import Unpack

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import shared_limits
from b2m_encoding.figures.flatmap import BOTH
from b2m_encoding.figures.images import placed
from b2m_encoding.figures.layers import ScoreMap
from b2m_encoding.figures.maps import GUTTER, TITLE, MapFigure
from b2m_encoding.figures.options import MapKeywords, MapOptions
from b2m_encoding.figures.page import MARGIN, FigureResult
from b2m_encoding.figures.panels import NAMES, MapPainter, centred_colour_bar, keys
from b2m_encoding.figures.solid import Side, draw_solid
from b2m_encoding.spaces import Atlas, Space

FOOTER = 12.0
ASPECT = 0.72
"""Height of a view over its width."""


def surface(
    scores: Floating,
    space: Space | str | None = None,
    atlas: Atlas | str | None = None,
    *,
    label: str = "prediction accuracy (r)",
    limits: tuple[float | None, float | None] = (0.0, None),
    views: tuple[Side, ...] = ("lateral", "medial"),
    outline: str | None = None,
    **keywords: Unpack[MapKeywords],
) -> FigureResult:
    """One score on both inflated hemispheres, seen from the given sides.

    Parameters
    ----------
    scores, space, atlas, label, limits
        As in :func:`~b2m_encoding.figures.score_map`.
    views : tuple of {"lateral", "medial", "dorsal", "ventral", "anterior", "posterior"}
        Sides from which each hemisphere is drawn.
    outline : str, optional
        Region or region set whose regions are outlined.
    **keywords
        As in :func:`~b2m_encoding.figures.score_map`, without ``view`` and ``zoom``.
    """
    (scores,), space, atlas = placed([scores], space, atlas, keywords, solid=True)
    options = MapOptions(**keywords)
    style = options.style
    if not views:
        raise InputError("no view to draw")
    data = ScoreMap.of(space, (scores,), options.tested, options.significant)
    shared = shared_limits([data.scores[0][data.shown]], *limits)
    colours = shared.colours(style.colour_map, masked=data.significant is not None)
    panels = [(hemi, view) for hemi in BOTH for view in views]
    n_columns = min(len(views), 3)
    width = (style.width_mm - 2 * MARGIN - (n_columns - 1) * GUTTER) / n_columns
    header, n_rows = options.header, -(-len(panels) // n_columns)
    room = (style.max_height_mm - header - MARGIN - FOOTER) / n_rows - TITLE - GUTTER
    height = min(width * ASPECT, room)
    with style.context():
        page = options.page(header + MARGIN + n_rows * (height + TITLE + GUTTER) - GUTTER + FOOTER)
        for index, (hemi, view) in enumerate(panels):
            row, column = divmod(index, n_columns)
            left, top = MARGIN + column * (width + GUTTER), header + MARGIN / 2 + row * (height + TITLE + GUTTER)
            page.write(left + width / 2, top + TITLE / 2, f"{NAMES[hemi]}, {view}", ha="center", va="center_baseline")
            box = (left, top + TITLE, width, height)
            draw_solid(MapPainter(page, space, atlas, colours), data, box, hemi, view, outline)
        top = page.height - FOOTER + 1.5
        centred_colour_bar(page, top, colours, label, shared.clipped)
        keys(page, MARGIN, top - 0.5, [data], space)
    figure = MapFigure(data, space, atlas, options)
    sentences = [f"{label[:1].upper()}{label[1:]} on the inflated cortex of {space.name}.",
                 figure.counts()]  # fmt: skip
    return FigureResult(page, figure.caption(sentences, None, [shared.sentence()]), figure.table(("score",)))
