"""Figure of variance partitioning: a map of every unique and shared part, and a Venn diagram with numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Unpack

import numpy as np
from matplotlib.patches import Circle

from b2m_encoding._typing import Bands, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import shared_limits
from b2m_encoding.figures.grid import Grid, draw_foot, grid_page, grid_room
from b2m_encoding.figures.images import placed
from b2m_encoding.figures.layers import ScoreMap
from b2m_encoding.figures.maps import MapFigure
from b2m_encoding.figures.options import MapKeywords, MapOptions
from b2m_encoding.figures.page import MARGIN, FigureResult, Page, shortened
from b2m_encoding.figures.panels import MapPainter
from b2m_encoding.spaces import Atlas, Space

LETTERS = ascii_lowercase
DRAWN = 3
"""Largest number of feature spaces of which every part is drawn."""


def partition(
    parts: Mapping[Bands, Floating],
    space: Space | str | None = None,
    atlas: Atlas | str | None = None,
    *,
    label: str = "explained variance (R²)",
    zoom: str | None = None,
    limits: tuple[float | None, float | None] = (0.0, None),
    remarks: Sequence[str] = (),
    **keywords: Unpack[MapKeywords],
) -> FigureResult:
    """Maps of the parts of explained variance with shared limits, and their means in a Venn diagram.

    Parameters
    ----------
    parts : mapping of tuple of str to array, shape (n_targets,)
        Variance explained by exactly these feature spaces: one name is a unique part, several are a shared part.
        Of more than three feature spaces the unique parts are drawn, and the sum of the shared ones.
    space : Space or str, optional
    atlas : Atlas or str, optional
        On the surface that is drawn.
    label, limits
        As in :func:`~b2m_encoding.figures.score_map`.
    zoom : str, optional
        Region or set to zoom into; default: the whole cortex.
    remarks : sequence of str
        Sentences that end the caption, such as what speaks against a part.
    **keywords
        As in :func:`~b2m_encoding.figures.score_map`, without ``view``.
    """
    values, space, atlas = placed([*parts.values()], space, atlas, keywords)
    parts = dict(zip(parts, values, strict=True))
    options = MapOptions.of_grid(zoom, **keywords)
    style, names = options.style, tuple(dict.fromkeys(name for part in parts for name in part))
    parts = _drawable(parts, names)
    together = ScoreMap.of(space, tuple(parts.values()), options.tested, options.significant)
    maps = {
        part: ScoreMap((values,), together.tested, together.significant)
        for part, values in zip(parts, together.scores, strict=True)
    }
    shared = shared_limits([data.scores[0][data.shown] for data in maps.values()], *limits)
    colours = shared.colours(style.colour_map, masked=False)  # most parts of a target are small
    header, has_venn = options.header, len(names) <= DRAWN
    grid = Grid.fit(len(maps) + has_venn, space, atlas, zoom, style, grid_room(options))
    means = {part: _mean(data) for part, data in maps.items()}
    with style.context():
        page = grid_page(grid, options)
        painter = MapPainter(page, space, atlas, colours)
        for index, (part, data) in enumerate(maps.items()):
            scale = grid.draw(painter, index, part_name(part), data, header + MARGIN / 2, LETTERS[index])
        if has_venn:
            left, top = grid.place(len(maps), header + MARGIN / 2)
            page.letter(left, top, LETTERS[len(maps)])
            venn(page, left, top, grid.width, grid.row, names, means)
        lengths = draw_foot(painter, list(maps.values()), colours, label, shared, scale)
    figure = MapFigure(together, space, atlas, options)
    sentences = [
        f"Parts of the {label}: unique to one feature space, or shared by several.",
        "Parts may be negative; circles are not to scale." if len(names) <= DRAWN else "Parts may be negative.",
        figure.counts(),
        *remarks,
    ]
    details = [_means(means, together), shared.sentence(), "Low parts fade into the cortex."]
    return FigureResult(
        page,
        figure.caption(sentences, lengths, details),
        figure.table(tuple("+".join(part) for part in maps)),
    )


def part_name(part: Bands) -> str:
    """Name of a part as it is printed.

    Examples
    --------
    >>> part_name(("acoustic",)), part_name(("acoustic", "text"))
    ('only acoustic', 'shared by acoustic and text')
    """
    return f"only {part[0]}" if len(part) == 1 else f"shared by {', '.join(part[:-1])} and {part[-1]}"


def _drawable(parts: Mapping[Bands, Floating], names: Bands) -> dict[Bands, Floating]:
    """Parts to draw, unique ones first; the shared ones as a sum where there are too many."""
    if len(names) < 2 or any((name,) not in parts for name in names):
        raise InputError("a partition needs the unique part of every feature space", found=list(map("+".join, parts)))
    ordered = sorted(parts, key=lambda part: (len(part), [names.index(name) for name in part]))
    if len(names) <= DRAWN:
        return {part: parts[part] for part in ordered}
    shared = np.sum([parts[part] for part in ordered if len(part) > 1], axis=0)
    return {**{part: parts[part] for part in ordered if len(part) == 1}, ("shared", "any"): shared}


def _mean(data: ScoreMap) -> float:
    values = data.scores[0][data.shown]
    return float(values.mean()) if values.size else float("nan")


def venn(
    page: Page, left: float, top: float, width: float, height: float, names: Bands, means: Mapping[Bands, float]
) -> None:
    """Two or three circles with a number in every part; their areas are not to scale."""
    axes = page.panel(left, top, width, height)
    angles = np.deg2rad([180, 0] if len(names) == 2 else [150, 30, 270])
    away, radius = (0.55, 1.0) if len(names) == 2 else (0.62, 1.0)
    centres = {name: (away * np.cos(a), away * np.sin(a)) for name, a in zip(names, angles, strict=True)}
    for name, colour in zip(names, page.style.colours, strict=False):
        axes.add_patch(Circle(centres[name], radius, facecolor=colour, alpha=0.35, linewidth=0))
        axes.add_patch(Circle(centres[name], radius, fill=False, edgecolor=colour, linewidth=1.0))
    small = page.style.small_size
    for part, mean in means.items():
        middle = np.mean([centres[name] for name in part], axis=0)
        x, y = (2.0 if len(part) == 1 else 2.5) * middle  # of all together it is the origin
        text = "n/a" if np.isnan(mean) else f"{mean:.3f}".replace("-", "\N{MINUS SIGN}")
        axes.text(x, y, text, size=small, ha="center", va="center_baseline", parse_math=False)
    unit = min(width / 3.6, height / (2.9 if len(names) == 2 else 3.7))
    for name in names:
        x, y = centres[name]
        below = y < -0.1
        side = "center" if below else "left" if x < 0 else "right"
        edge = x if below else x - radius if x < 0 else x + radius
        text = shortened(name, small, (2 if below else 1.5) * unit, page.style)
        axes.text(edge, y - radius - 0.08 if below else y + radius + 0.08, text, size=small, ha=side,
                  va="top" if below else "bottom", parse_math=False)  # fmt: skip
    half = width / unit / 2
    centre = 0.12 if len(names) == 2 else -0.1
    axes.set(xlim=(-half, half), ylim=(centre - height / unit / 2, centre + height / unit / 2))
    axes.axis("off")


def _means(means: Mapping[Bands, float], data: ScoreMap) -> str:
    n = int(data.shown.sum())
    shares = ", ".join(f"{part_name(part)} {mean:.4f}" for part, mean in means.items())
    return f"Means over the {n:,} vertices in colour: {shares}." if n else ""
