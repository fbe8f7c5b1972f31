"""Figure of one score in several subjects, or of several models: a grid of flatmaps or zooms with shared limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

import pandas as pd

from b2m_encoding._typing import Booleans
from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import shared_limits
from b2m_encoding.figures.grid import Grid, draw_foot, grid_page, grid_room
from b2m_encoding.figures.images import MapLike, placed, placed_masks
from b2m_encoding.figures.layers import ScoreMap
from b2m_encoding.figures.maps import MapFigure
from b2m_encoding.figures.options import MapOptions, PageKeywords
from b2m_encoding.figures.page import MARGIN, FigureResult
from b2m_encoding.figures.panels import MapPainter
from b2m_encoding.spaces import Atlas, Space, SurfaceSpace


def subjects(
    scores: Mapping[str, MapLike],
    space: Space | str | None = None,
    atlas: Atlas | str | None = None,
    *,
    tested: Mapping[str, Booleans] | None = None,
    significant: Mapping[str, Booleans] | None = None,
    criterion: str = "significant",
    label: str = "prediction accuracy (r)",
    zoom: str | None = None,
    limits: tuple[float | None, float | None] = (0.0, None),
    each: str = "subject",
    remarks: Sequence[str] = (),
    **keywords: Unpack[PageKeywords],
) -> FigureResult:
    """A grid of subjects, left and right hemisphere side by side, with the same colour limits in all.

    Parameters
    ----------
    scores : mapping of str to array, image or path
        A score per subject, as in :func:`~b2m_encoding.plot_flatmap`.
    space : Space or str, optional
    atlas : Atlas or str, optional
        On the surface that is drawn.
    tested, significant : mapping of str to array of bool, or image, optional
        Masks of every subject, as in :func:`~b2m_encoding.figures.score_map`.
    criterion, label, limits
        As in :func:`~b2m_encoding.figures.score_map`.
    zoom : str, optional
        Region or set to zoom into, with its outlines; default: the whole cortex without outlines.
    each : str
        What a map is of, for the caption: "subject", "model".
    remarks : sequence of str
        Further sentences of the caption.
    **keywords
        ``title``, ``note`` and ``style``, as in :func:`~b2m_encoding.figures.score_map`.
    """
    if not scores:
        raise InputError("no subject to draw")
    values, surface, atlas = placed([*scores.values()], space, atlas)
    first = next(iter(scores.values()))
    tested, significant = (placed_masks(masks, first, space, surface) for masks in (tested, significant))
    scores, space = dict(zip(scores, values, strict=True)), surface
    options = MapOptions.of_grid(zoom, criterion=criterion, **keywords)
    style = options.style
    maps = {
        name: ScoreMap.of(space, (values,), tested.get(name), significant.get(name)) for name, values in scores.items()
    }
    shared = shared_limits([data.scores[0][data.shown] for data in maps.values()], *limits)
    colours = shared.colours(style.colour_map, masked=bool(significant))
    header = options.header
    grid = Grid.fit(len(maps), space, atlas, zoom, style, grid_room(options))
    with style.context():
        page = grid_page(grid, options)
        painter = MapPainter(page, space, atlas, colours)
        for index, (name, data) in enumerate(maps.items()):
            scale = grid.draw(painter, index, name, data, header + MARGIN / 2)
        lengths = draw_foot(painter, list(maps.values()), colours, label, shared, scale)
    figures = {name: MapFigure(data, space, atlas, options) for name, data in maps.items()}
    sentences = [
        f"{label[:1].upper()}{label[1:]} in {len(maps)} {each}{'s' * (len(maps) != 1)}.",
        *remarks,
        f"In colour: what is {criterion}." if significant else "",
    ]
    caption = next(iter(figures.values())).caption(
        sentences, lengths, [shared.sentence(), _counts(maps, space, criterion)]
    )
    return FigureResult(page, caption, _table(figures))


def _counts(maps: Mapping[str, ScoreMap], space: SurfaceSpace, criterion: str) -> str:
    """What was tested and what is significant in every subject, for a caption."""
    parts = []
    for name, data in maps.items():
        n = int(data.tested.sum())
        parts.append(f"{name} {n}" if data.significant is None else f"{name} {int(data.significant.sum())} of {n}")
    what = "tested" if all(data.significant is None for data in maps.values()) else f"{criterion}, of those tested"
    return f"Vertices of {space.name} (of {space.n_targets:,}) {what}: {', '.join(parts)}."


def _table(figures: Mapping[str, MapFigure]) -> pd.DataFrame:
    """One row per target, and the columns of every subject."""
    tables = {name: figure.table(("score",)) for name, figure in figures.items()}
    places = ["hemisphere", "vertex", "region"]
    shared = next(iter(tables.values()))[places]
    columns = [table.drop(columns=places).add_prefix(f"{name}_") for name, table in tables.items()]
    return pd.concat([shared, *columns], axis=1)
