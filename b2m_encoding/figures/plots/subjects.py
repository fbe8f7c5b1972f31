"""Figure of one score in several subjects: a grid of flatmaps or zooms with shared limits."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import ScalarColours, shared_limits
from b2m_encoding.figures.grid import Grid
from b2m_encoding.figures.layers import ScoreMap
from b2m_encoding.figures.maps import MapFigure, Mask
from b2m_encoding.figures.page import MARGIN, FigureResult, Page, header_height
from b2m_encoding.figures.panels import MapPainter, colour_bar, keys, scale_bar
from b2m_encoding.figures.plots.score_map import Floats
from b2m_encoding.figures.style import Style
from b2m_encoding.spaces import Atlas, SurfaceSpace

FOOTER = 12.0


def subjects(
    scores: Mapping[str, Floats],
    space: SurfaceSpace,
    atlas: Atlas,
    *,
    tested: Mapping[str, Mask] | None = None,
    significant: Mapping[str, Mask] | None = None,
    label: str = "prediction accuracy (r)",
    title: str | None = None,
    note: str | None = None,
    zoom: str | None = None,
    limits: tuple[float | None, float | None] = (0.0, None),
    criterion: str = "significant",
    style: Style | None = None,
) -> FigureResult:
    """A grid of subjects, left and right hemisphere side by side, with the same colour limits in all.

    Parameters
    ----------
    scores : mapping of str to array, shape (n_targets,)
        A score per subject.
    space : SurfaceSpace
    atlas : Atlas
        Atlas on the same surface.
    tested, significant : mapping of str to array of bool, optional
        Per subject, as in :func:`~b2m_encoding.figures.score_map`.
    label, title, note, limits, criterion, style
        As in :func:`~b2m_encoding.figures.score_map`.
    zoom : str, optional
        Region or set to zoom into, with its outlines; default: the whole cortex with the outline of no region.
    """
    if not scores:
        raise InputError("no subject to draw")
    style = style or Style()
    maps = {
        name: ScoreMap.of(space, (values,), (tested or {}).get(name), (significant or {}).get(name))
        for name, values in scores.items()
    }
    found = shared_limits([one.scores[0][one.shown] for one in maps.values()], *limits)
    fade = None if significant else found.faded
    colours = ScalarColours(found.vmin, found.vmax, style.colour_map, fade)
    header = header_height(title, note)
    grid = Grid.fit(len(maps), space, atlas, zoom, style, style.max_height_mm - header - MARGIN - FOOTER)
    with style.context():
        page = Page(style, header + MARGIN + FOOTER + grid.height, title=title, note=note)
        painter = MapPainter(page, space, atlas, colours)
        for index, (name, data) in enumerate(maps.items()):
            scale = grid.draw(painter, index, name, data, header + MARGIN / 2)
        width = min(50.0, 0.36 * style.width_mm)
        clipped = found.n_below > 0, found.n_above > 0
        top = page.height - FOOTER + 1.5
        colour_bar(page, (style.width_mm - width) / 2, top, width, colours, label, clipped)
        keys(page, MARGIN, top - 0.5, list(maps.values()), space)
        length = scale_bar(page, style.width_mm - MARGIN, top, scale, space)
    sentences = [f"{label[:1].upper()}{label[1:]} in {len(maps)} subjects.", found.sentence()]
    figures = {
        name: MapFigure(one, space, atlas, "zoom" if zoom else "whole", zoom or "", title, note, style)
        for name, one in maps.items()
    }
    sentences.append(_counts(maps, space, criterion))
    caption = next(iter(figures.values())).caption(sentences, [] if length is None else [length])
    return FigureResult(page, caption, _table(figures))


def _counts(maps: Mapping[str, ScoreMap], space: SurfaceSpace, criterion: str) -> str:
    """What was tested and what is significant in every subject, for a caption."""
    parts = []
    for name, data in maps.items():
        n = int(data.tested.sum())
        parts.append(f"{name} {n}" if data.significant is None else f"{name} {int(data.significant.sum())} of {n}")
    what = "tested" if all(data.significant is None for data in maps.values()) else f"{criterion}, of those tested"
    return f"Vertices of {space.name} (of {space.n_targets}) {what}: {', '.join(parts)}."


def _table(figures: Mapping[str, MapFigure]) -> pd.DataFrame:
    """One row per target, and the columns of every subject."""
    tables = {name: figure.table(("score",)) for name, figure in figures.items()}
    places = ["hemisphere", "vertex", "region"]
    shared = next(iter(tables.values()))[places]
    columns = [table.drop(columns=places).add_prefix(f"{name}_") for name, table in tables.items()]
    return pd.concat([shared, *columns], axis=1)
