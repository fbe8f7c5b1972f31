"""Figure of three scores in one colour: which of three feature spaces predicts, with a panel for each."""

from __future__ import annotations

import numpy as np

from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import over, shared_limits
from b2m_encoding.figures.grid import Grid
from b2m_encoding.figures.layers import GYRUS, SULCUS, ScoreMap
from b2m_encoding.figures.maps import GUTTER, ZOOM, MapFigure, Mask, View
from b2m_encoding.figures.mixing import TernaryColours
from b2m_encoding.figures.page import FigureResult, Page, shortened
from b2m_encoding.figures.panels import MapPainter
from b2m_encoding.figures.plots.score_map import Floats
from b2m_encoding.figures.style import Style
from b2m_encoding.spaces import Atlas, SurfaceSpace

FOOTER = 30.0
SIDE = 20.0
"""Side of the triangle, mm."""
Names = tuple[str, str, str]


def ternary(
    scores: tuple[Floats, Floats, Floats],
    space: SurfaceSpace,
    atlas: Atlas,
    *,
    names: Names,
    tested: Mask | None = None,
    significant: Mask | None = None,
    label: str = "r",
    title: str | None = None,
    note: str | None = None,
    view: View = "whole",
    zoom: str = ZOOM,
    limits: tuple[float | None, float | None] = (0.0, None),
    criterion: str = "significant",
    style: Style | None = None,
) -> FigureResult:
    """A flatmap of three scores in mixed colours, a triangle as its legend, and each score by itself below.

    Hue shows the shares of the three scores (those below zero count as zero), brightness the largest one.

    Parameters
    ----------
    scores : tuple of three arrays, shape (n_targets,)
    space : SurfaceSpace
    atlas : Atlas
        Atlas on the same surface.
    names : tuple of three str
        Names of the feature spaces.
    tested, significant, title, note, view, zoom, criterion, style
        As in :func:`~b2m_encoding.figures.score_map`.
    label : str
        Name or unit of the scores.
    limits : tuple of float or None
        Only the upper one counts: the score with full brightness.
    """
    style = style or Style()
    if len(scores) != 3 or len(names) != 3:
        raise InputError("a ternary map needs three scores and their names", found=list(names))
    if len(style.colours) < 3:
        raise InputError("too few colours", found=len(style.colours), expected=3, fix="add figures.colours")
    data = ScoreMap.of(space, tuple(scores), tested, significant)
    largest = np.max(np.stack(data.scores), axis=0)[data.shown]
    found = shared_limits([largest], 0.0, limits[1])
    colours = TernaryColours(found.vmax, style.colours[:3], None if significant is not None else 0.3 * found.vmax)  # type: ignore[arg-type]
    parts = Grid.of(3, 3, space, atlas, zoom if view == "zoom" else None, style)
    figure = MapFigure(data, space, atlas, view, zoom, title, note, style, FOOTER, below=parts.height + GUTTER)
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
    shares = ", ".join(f"{name} {np.mean(first == i):.1%}" for i, name in enumerate(names)) if first.size else ""
    sentences = [
        f"Hue: shares of {label} of {names[0]}, {names[1]} and {names[2]} (below zero counts as zero). "
        f"Brightness: the largest of the three. {found.sentence()}",
        f"Largest in the {first.size} vertices in colour: {shares}." if shares else "",
        "Small maps: each by itself, for readers who cannot tell mixed colours apart.",
        figure.counts(criterion),
    ]
    columns = tuple(f"score_{name}" for name in names) if len(set(names)) == 3 else ("score_a", "score_b", "score_c")
    return FigureResult(page, figure.caption([s for s in sentences if s], lengths), figure.table(columns))


def _alone(space: SurfaceSpace, data: ScoreMap, index: int) -> ScoreMap:
    """One of the scores with the others at zero: the same colour function shows it in its own colour."""
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
    seen = over(colours.table, (GYRUS + SULCUS) / 2)[colours.codes(*(shares * 1e3 * colours.vmax))]
    seen[..., 3] = np.where((shares >= 0).all(axis=0), 255, 0)
    axes.imshow(seen, extent=(0, 1, 0, 1), aspect="auto", interpolation="none")
    axes.axis("off")
    small = page.style.small_size
    page.write(left + SIDE / 2, top - 0.8, shortened(names[0], small, 30, page.style), size=small, ha="center",
               va="bottom")  # fmt: skip
    room = SIDE / 2 + 7
    for name, place, side in ((names[1], left - 6, "left"), (names[2], left + SIDE + 6, "right")):
        page.write(place, top + height + 0.8, shortened(name, small, room, page.style), size=small, ha=side, va="top")


def ramps(page: Page, left: float, top: float, colours: TernaryColours, names: Names, label: str) -> None:
    """What brightness means: each colour from zero to the limit."""
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
