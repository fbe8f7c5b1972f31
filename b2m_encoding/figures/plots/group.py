"""Figure of a group: mean and t of a score, number of subjects in whom it is significant, and their outlines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

import numpy as np
import pandas as pd

from b2m_encoding._typing import Booleans
from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import ScalarColours, shared_limits
from b2m_encoding.figures.grid import Grid
from b2m_encoding.figures.images import MapLike, placed, placed_masks
from b2m_encoding.figures.layers import ScoreMap
from b2m_encoding.figures.maps import GUTTER, MapFigure
from b2m_encoding.figures.options import MapOptions, PageKeywords
from b2m_encoding.figures.page import MARGIN, FigureResult, shortened, swatch
from b2m_encoding.figures.panels import MapPainter, colour_bar, scale_bar
from b2m_encoding.spaces import Atlas, Space

BAR = 11.0
"""Height of a colour bar with its label below a cell, mm."""
FOOT = 7.0
OUTLINED = 6
"""Most subjects with outlines of their own colours."""


def group(
    scores: Mapping[str, MapLike],
    space: Space | str | None = None,
    atlas: Atlas | str | None = None,
    *,
    significant: Mapping[str, Booleans],
    t: MapLike = None,
    t_significant: Booleans | None = None,
    criterion: str = "significant",
    label: str = "prediction accuracy (r)",
    zoom: str | None = None,
    limits: tuple[float | None, float | None] = (0.0, None),
    **keywords: Unpack[PageKeywords],
) -> FigureResult:
    """Maps of a group on one surface: mean, t over subjects, overlap of what is significant, and individual outlines.

    Parameters
    ----------
    scores : mapping of str to array, image or path
        A score per subject, as in :func:`~b2m_encoding.plot_flatmap`.
    space : Space or str, optional
    atlas : Atlas or str, optional
        On the surface that is drawn.
    significant : mapping of str to array of bool, or image
        Targets in which the score of a subject is significant.
    t, t_significant : array, image or path, optional
        Statistic over subjects, and where it is significant.
    criterion, label, limits
        As in :func:`~b2m_encoding.figures.score_map`.
    zoom : str, optional
        Region or set to zoom into; default: the whole cortex.
    **keywords
        ``title``, ``note``, ``style`` and ``origin``, as in :class:`~b2m_encoding.figures.PageOptions`.
    """
    if len(scores) < 2:
        raise InputError("a group needs two subjects or more", found=", ".join(scores) or None)
    if missing := [name for name in scores if name not in significant]:
        raise InputError("every subject needs a mask of what is significant", found=f"none of {', '.join(missing)}")
    maps, surface, atlas = placed([*scores.values(), *([] if t is None else [t])], space, atlas)
    first = next(iter(scores.values()))
    significant = placed_masks(significant, first, space, surface)
    of_t = placed_masks(None if t_significant is None else {"t": t_significant}, first, space, surface)
    t, t_significant = None if t is None else maps.pop(), of_t.get("t")
    scores, space = dict(zip(scores, maps, strict=True)), surface
    options = MapOptions.of_grid(zoom, criterion=criterion, **keywords)
    style, n = options.style, len(scores)
    stack = np.stack([np.asarray(values, dtype=float) for values in scores.values()])
    tested = np.isfinite(stack)
    mean = np.where(tested.any(axis=0), np.nansum(stack, axis=0) / np.maximum(tested.sum(axis=0), 1), np.nan)
    overlap = np.sum([significant[name] for name in scores], axis=0).astype(float)
    overlap[~tested.any(axis=0)] = np.nan
    shared = shared_limits([mean[overlap > 0]], *limits, drawn=[mean])
    every = overlap == n
    cells: list[tuple[str, ScoreMap, ScalarColours, str, tuple[bool, bool]]] = [
        (
            "mean of the group",
            ScoreMap.of(space, (mean,)),
            shared.colours(style.colour_map, masked=False),
            f"mean {label}",
            shared.clipped,
        ),
        (
            "overlap",
            ScoreMap.of(space, (overlap,), significant=overlap > 0),
            ScalarColours(0, n, "viridis"),
            f"subjects with {criterion.split(' in ')[0].split(' at ')[0]} scores",
            (False, False),
        ),
    ]
    if t is not None:
        t_map = ScoreMap.of(space, (t,), significant=t_significant)
        bound = shared_limits([t[t_map.shown]], 0.0)
        cells.insert(
            1,
            (
                "t over subjects",
                t_map,
                bound.colours(style.colour_map, masked=t_significant is not None),
                "t",
                bound.clipped,
            ),
        )
    colours = [style.colours[i] if n <= min(OUTLINED, len(style.colours)) else "#1A1A1A" for i in range(n)]
    outlines = [(np.asarray(significant[name], dtype=bool), colours[i]) for i, name in enumerate(scores)]
    cells.append(
        (
            "outlines of the subjects",
            ScoreMap.of(space, (np.zeros(space.n_targets),), significant=overlap < 0),
            ScalarColours(0, 1),
            "",
            (False, False),
        )
    )
    columns = 1 if style.width_mm < 120 else 3 if len(cells) == 3 and style.width_mm > 150 else 2
    grid = Grid.of(len(cells), columns, space, atlas, zoom, style)
    n_rows = -(-len(cells) // columns)
    with style.context():
        page = options.page(options.header + MARGIN + n_rows * (grid.row + BAR + GUTTER) + FOOT)
        for index, (name, data, table, text, clipped) in enumerate(cells):
            row, column = divmod(index, columns)
            top = options.header + MARGIN / 2 + row * (grid.row + BAR + GUTTER)
            last = index == len(cells) - 1
            drawn = outlines if last else [(every, "white")] if name == "overlap" and every.any() else []
            scale = grid.draw(MapPainter(page, space, atlas, table), column, name, data, top, "abcd"[index], drawn)
            left, below = grid.place(column, top)[0], top + grid.row + 1.5
            if not last:
                width = min(40.0, 0.6 * grid.width)
                axes = colour_bar(page, left + (grid.width - width) / 2, below, width, table, text, clipped)
                if name == "overlap" and n <= OUTLINED:
                    axes.set_xticks(range(n + 1), [str(count) for count in range(n + 1)])
            elif n <= OUTLINED:
                for number, subject in enumerate(scores):
                    place = left + grid.width / 3 * (number % 3), below + 3.6 * (number // 3)
                    short = shortened(subject, style.small_size, grid.width / 3 - 6, style)
                    swatch(page, *place, (), short, line=colours[number])
        length = scale_bar(page, style.width_mm - MARGIN, page.height - FOOT, scale, space)
    sentences = [
        f"{label[:1].upper()}{label[1:]} of {n} subjects: mean over subjects.",
        "t: over subjects, of Fisher's z." if t is not None else "",
        f"Overlap: number of subjects in whom a vertex is {criterion}; white outline: in all of them "
        f"({int(every.sum()):,} vertices).",
        "Last panel: outlines of what is significant in each subject.",
    ]
    figure = MapFigure(cells[0][1], space, atlas, options)
    numbers = figure.table(("mean",)).assign(overlap=overlap)
    if t is not None:
        numbers["t"] = t
    numbers = pd.concat([numbers, pd.DataFrame({f"{name}_score": values for name, values in scores.items()})], axis=1)
    return FigureResult(
        page, figure.caption(sentences, [] if length is None else [length], [shared.sentence()]), numbers
    )
