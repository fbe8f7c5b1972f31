"""Figure of one score in several subjects: a grid of flatmaps or zooms with shared limits."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from b2m_encoding.errors import InputError
from b2m_encoding.figures.accuracy import Floats
from b2m_encoding.figures.colours import ScalarColours, shared_limits
from b2m_encoding.figures.flatmap import BOTH, flat_layout
from b2m_encoding.figures.layers import ScoreMap
from b2m_encoding.figures.maps import GUTTER, TITLE, MapFigure, Mask
from b2m_encoding.figures.page import MARGIN, FigureResult, Page, header_height, shortened
from b2m_encoding.figures.panels import MapPainter, colour_bar, keys, scale_bar, zoom_windows
from b2m_encoding.figures.style import Style
from b2m_encoding.spaces import Atlas, SurfaceSpace

FOOTER = 12.0
MIN_CELL = 15.0
"""Least width of a subject, mm."""
BETWEEN = 1.0
"""Space between the zooms of the two hemispheres, mm."""


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
        Per subject, as in :func:`~b2m_encoding.figures.accuracy.accuracy`.
    label, title, note, limits, criterion, style
        As in :func:`~b2m_encoding.figures.accuracy.accuracy`.
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
    fade = None if significant else found.vmin + 0.3 * (found.vmax - found.vmin)
    colours = ScalarColours(found.vmin, found.vmax, style.cmap, fade)
    n_columns, cell, aspect = _grid(len(maps), space, atlas, zoom, style, header_height(title, note))
    with style.context():
        height = header_height(title, note) + MARGIN + FOOTER
        height += math.ceil(len(maps) / n_columns) * (cell * aspect + TITLE + GUTTER) - GUTTER
        page = Page(style, height, title=title, note=note)
        painter = MapPainter(page, space, atlas, colours)
        for index, (name, data) in enumerate(maps.items()):
            row, column = divmod(index, n_columns)
            left = MARGIN + column * (cell + GUTTER)
            top = header_height(title, note) + MARGIN / 2 + row * (cell * aspect + TITLE + GUTTER)
            short = shortened(name, style.text_size, cell, style)
            page.write(left + cell / 2, top + TITLE / 2, short, ha="center", va="center_baseline")
            scale = _draw(painter, data, left, top + TITLE, cell, zoom)
        width = min(50.0, 0.36 * style.width)
        clipped = found.n_below > 0, found.n_above > 0
        top = page.height - FOOTER + 1.5
        colour_bar(page, (style.width - width) / 2, top, width, colours, label, clipped)
        keys(page, MARGIN, top - 0.5, list(maps.values()), space)
        length = scale_bar(page, style.width - MARGIN, top, scale, space)
    sentences = [f"{label[:1].upper()}{label[1:]} of {len(maps)} subjects.", found.sentence()]
    figures = {
        name: MapFigure(one, space, atlas, ("zoom",) if zoom else ("whole",), zoom or "", title, note, style)
        for name, one in maps.items()
    }
    sentences.append(_counts(maps, space, criterion))
    caption = next(iter(figures.values())).caption(sentences, [] if length is None else [length])
    return FigureResult(page, caption, _table(figures))


def _grid(
    n: int, space: SurfaceSpace, atlas: Atlas, zoom: str | None, style: Style, header: float
) -> tuple[int, float, float]:
    """Fewest columns that keep the height limit, width of a cell in mm, and its height over its width."""
    full, room = style.width - 2 * MARGIN, style.max_height - header - MARGIN - FOOTER
    for n_columns in range(1, n + 1):
        cell = (full - (n_columns - 1) * GUTTER) / n_columns
        if cell < MIN_CELL:
            break
        if zoom:
            window = zoom_windows(space, atlas, zoom)["L"]
            aspect = window.height / window.width * (cell - BETWEEN) / 2 / cell
        else:
            aspect = flat_layout(space).window.height / flat_layout(space).window.width
        if math.ceil(n / n_columns) * (cell * aspect + TITLE + GUTTER) - GUTTER <= room:
            return n_columns, cell, aspect
    raise InputError("too many subjects for one page", found=n, fix="draw them in several figures")


def _draw(painter: MapPainter, data: ScoreMap, left: float, top: float, cell: float, zoom: str | None) -> float:
    """One subject; returns printed mm per mm of the flatmap."""
    if zoom is None:
        painter.draw(data, left, top, cell)
        return cell / flat_layout(painter.space).window.width
    windows = zoom_windows(painter.space, painter.atlas, zoom)
    width = (cell - BETWEEN) / 2
    for index, hemi in enumerate(BOTH):
        x = left + index * (width + BETWEEN)
        painter.draw(data, x, top, width, window=windows[hemi], hemispheres=(hemi,), outline=zoom, inner=True)
    return width / windows["L"].width


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
