"""Figure of three scores in one colour: mixed colours of three feature spaces, with a panel for each."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import over, shared_limits
from b2m_encoding.figures.grid import Grid
from b2m_encoding.figures.images import placed
from b2m_encoding.figures.layers import GYRUS, SULCUS, ScoreMap
from b2m_encoding.figures.maps import GUTTER, MapFigure
from b2m_encoding.figures.mixing import TernaryColours
from b2m_encoding.figures.options import MapOptions, ViewKeywords
from b2m_encoding.figures.page import FigureResult, Page, shortened
from b2m_encoding.figures.panels import MapPainter
from b2m_encoding.io.shares import percent
from b2m_encoding.spaces import Atlas, Space, SurfaceSpace

FOOTER = 30.0
SIDE = 20.0
"""Side of the triangle, mm."""
Names = tuple[str, str, str]


def ternary(
    scores: tuple[Floating, Floating, Floating],
    space: Space | str | None = None,
    atlas: Atlas | str | None = None,
    *,
    names: Names,
    label: str = "r",
    limits: tuple[float | None, float | None] = (0.0, None),
    **keywords: Unpack[ViewKeywords],
) -> FigureResult:
    """A flatmap of three scores in mixed colours, a triangle as its legend, and each score by itself below.

    Hue shows the shares of the three scores (those below zero count as zero), brightness the largest one.

    Parameters
    ----------
    scores : tuple of three arrays, shape (n_targets,)
    space : Space or str, optional
    atlas : Atlas or str, optional
        On the surface that is drawn.
    names : tuple of three str
        Names of the feature spaces.
    label : str
        Name or unit of the scores.
    limits : tuple of float or None
        Only the upper limit is used: the score with full brightness.
    **keywords
        As in :func:`~b2m_encoding.figures.score_map`.
    """
    values, space, atlas = placed(scores, space, atlas, keywords)
    options = MapOptions(**keywords)
    style = options.style
    if len(scores) != 3 or len(names) != 3:
        raise InputError("a ternary map needs three scores and their names", found=list(names))
    if len(style.colours) < 3:
        raise InputError("too few colours", found=len(style.colours), expected=3, fix="add figures.colours")
    data = ScoreMap.of(space, tuple(values), options.tested, options.significant)
    largest = np.max(np.stack(data.scores), axis=0)[data.shown]
    shared = shared_limits([largest], 0.0, limits[1])
    primary = style.colours[0], style.colours[1], style.colours[2]
    fade = None if data.significant is not None else 0.3 * shared.vmax
    colours = TernaryColours(shared.vmax, primary, fade)
    parts = Grid.of(3, 3, space, atlas, options.zoom if options.view == "zoom" else None, style)
    figure = MapFigure(data, space, atlas, options, FOOTER, below=parts.height + GUTTER)
    with style.context():
        page, lengths = figure.draw(colours)
        painter = MapPainter(page, space, atlas, colours)
        top = page.height - FOOTER - parts.height
        letters = "bcd" if len(figure.rows) == 1 else "cde"
        for index, name in enumerate(names):
            parts.draw(painter, index, name, _alone(space, data, index), top, letters[index])
        legend_left = 30.0 + (style.width_mm - 30.0 - SIDE - 36) / 2
        triangle(page, legend_left, page.height - FOOTER + 6, colours, names)
        ramps(page, legend_left + SIDE + 14, page.height - FOOTER + 8, colours, names, label)
    first = np.argmax(np.stack(data.scores), axis=0)[data.shown]
    shares = (
        ", ".join(f"{name} {percent(float(np.mean(first == i)))}" for i, name in enumerate(names)) if first.size else ""
    )
    sentences = [
        f"Hue: shares of {label} of {names[0]}, {names[1]} and {names[2]} (below zero counts as zero). "
        f"Brightness: the largest of the three.",
        f"Largest in the {first.size:,} vertices in colour: {shares}." if shares else "",
        "Small maps: each score by itself, for readers who cannot distinguish mixed colours.",
        figure.counts(),
    ]
    columns = tuple(f"score_{name}" for name in names) if len(set(names)) == 3 else ("score_a", "score_b", "score_c")
    return FigureResult(page, figure.caption(sentences, lengths, [shared.sentence()]), figure.table(columns))


def _alone(space: SurfaceSpace, data: ScoreMap, index: int) -> ScoreMap:
    """One score with the others at zero, which the same colour function shows in the pure colour."""
    nothing = np.zeros(space.n_targets, dtype=np.float32)
    return ScoreMap(tuple(s if i == index else nothing for i, s in enumerate(data.scores)), data.tested,
                    data.significant)  # fmt: skip


def triangle(page: Page, left: float, top: float, colours: TernaryColours, names: Names) -> None:
    """The colour function itself at full brightness: names at the corners, first on top."""
    height = SIDE * np.sqrt(3) / 2
    axes = page.panel(left, top, SIDE, height)
    n = 240
    x, y = np.meshgrid((np.arange(n) + 0.5) / n, 1 - (np.arange(n) + 0.5) / n)
    third = x - y / 2
    shares = np.stack([y, 1 - y - third, third])
    opaque = over(colours.table, (GYRUS + SULCUS) / 2)[colours.codes(*(shares * 1e3 * colours.vmax))]
    opaque[..., 3] = np.where((shares >= 0).all(axis=0), 255, 0)
    axes.imshow(opaque, extent=(0, 1, 0, 1), aspect="auto", interpolation="none")
    axes.axis("off")
    small = page.style.small_size
    page.write(left + SIDE / 2, top - 0.8, shortened(names[0], small, 30, page.style), size=small, ha="center",
               va="bottom")  # fmt: skip
    room = SIDE / 2 + 7
    for name, place, side in ((names[1], left - 6, "left"), (names[2], left + SIDE + 6, "right")):
        page.write(place, top + height + 0.8, shortened(name, small, room, page.style), size=small, ha=side, va="top")


def ramps(page: Page, left: float, top: float, colours: TernaryColours, names: Names, label: str) -> None:
    """Legend of brightness: each colour from zero to the limit."""
    width, height = 20.0, 2.0
    values = np.linspace(0, colours.vmax, 64)
    table = over(colours.table, (GYRUS + SULCUS) / 2)
    for row in range(3):
        triple = [values if i == row else np.zeros_like(values) for i in range(3)]
        axes = page.panel(left, top + row * (height + 0.6), width, height)
        axes.imshow(table[colours.codes(*triple)][None], extent=(0, colours.vmax, 0, 1), aspect="auto",
                    interpolation="none")  # fmt: skip
        axes.set(yticks=[], xticks=[])
        axes.spines[:].set_visible(False)
    axes.set_xticks([0, colours.vmax], ["0", f"{colours.vmax:g}"])
    axes.set_xlabel(shortened(f"largest ({label})", page.style.text_size, width + 8, page.style), labelpad=1.5,
                    parse_math=False)  # fmt: skip
