"""Figure of three components of the weights as red, green and blue, with a panel for each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import ScalarColours
from b2m_encoding.figures.grid import Grid
from b2m_encoding.figures.layers import ScoreMap
from b2m_encoding.figures.maps import GUTTER, ZOOM, MapFigure, Mask, View
from b2m_encoding.figures.mixing import RgbColours
from b2m_encoding.figures.page import FigureResult, Page, shortened
from b2m_encoding.figures.panels import MapPainter, colour_bar
from b2m_encoding.figures.plots.score_map import Floats
from b2m_encoding.figures.style import Style
from b2m_encoding.spaces import Atlas, SurfaceSpace

FOOTER = 26.0
PERCENTILES = (1.0, 99.0)
CHANNELS = ("red", "green", "blue")


def weights(
    components: Floats,
    space: SurfaceSpace,
    atlas: Atlas,
    *,
    names: tuple[str, str, str] = ("PC 1", "PC 2", "PC 3"),
    explained: tuple[float, float, float] | None = None,
    tested: Mask | None = None,
    significant: Mask | None = None,
    title: str | None = None,
    note: str | None = None,
    view: View = "whole",
    zoom: str = ZOOM,
    criterion: str = "significant",
    style: Style | None = None,
) -> FigureResult:
    """A flatmap of three components in red, green and blue: targets of like colour are tuned alike.

    Parameters
    ----------
    components : array, shape (3, n_targets)
        Scores of the targets on the first three components of their weights (Huth et al. 2012, doi
        10.1016/j.neuron.2012.10.014). Each is spread from its 1st to its 99th percentile of what is drawn.
    space : SurfaceSpace
    atlas : Atlas
        Atlas on the same surface.
    names : tuple of three str
    explained : tuple of three float, optional
        Share of the variance of the weights that each component explains, for the caption.
    tested, significant, title, note, view, zoom, criterion, style
        As in :func:`~b2m_encoding.figures.score_map`.
    """
    style = style or Style()
    if np.ndim(components) != 2 or len(components) != 3:
        raise InputError("three components are drawn", found=np.shape(components), expected=f"(3, {space.n_targets})")
    data = ScoreMap.of(space, tuple(components), tested, significant)
    limits = [_limits(one[data.shown]) for one in data.scores]
    colours = RgbColours((limits[0], limits[1], limits[2]))
    grid = Grid.of(3, 3, space, atlas, zoom if view == "zoom" else None, style)
    figure = MapFigure(data, space, atlas, view, zoom, title, note, style, FOOTER, below=grid.height + GUTTER)
    with style.context():
        page, lengths = figure.draw(colours)
        letters = "bcd" if len(figure.rows) == 1 else "cde"
        for index, name in enumerate(names):
            painter = MapPainter(page, space, atlas, ScalarColours(*limits[index], style.colour_map))
            alone = ScoreMap((data.scores[index],), data.tested, data.significant)
            top = page.height - FOOTER - grid.height
            grid.draw(painter, index, f"{name} ({CHANNELS[index]})", alone, top, letters[index])
        left = 30 + (style.width_mm - 30 - 54) / 2
        cube(page, left, page.height - FOOTER + 4, colours, names)
        bar = ScalarColours(0.0, 1.0, style.colour_map)
        colour_bar(page, left + 34, page.height - FOOTER + 7, 18.0, bar, "share of range", (False, False))
    ranges = [
        f"{name} ({colour}) {low:.3g} to {high:.3g}"
        for name, colour, (low, high) in zip(names, CHANNELS, limits, strict=True)
    ]
    if explained is not None:
        ranges = [f"{text}, {share:.1%} of the variance" for text, share in zip(ranges, explained, strict=True)]
    sentences = [
        f"Three components of the weights as red, green and blue, each from its 1st to its 99th percentile: "
        f"{'; '.join(ranges)}.",
        "Not everyone can tell red from green: the small maps show each component by itself.",
        figure.counts(criterion),
    ]
    columns = tuple(names) if len(set(names)) == 3 else ("PC 1", "PC 2", "PC 3")
    return FigureResult(page, figure.caption(sentences, lengths), figure.table(columns))


def _limits(values: NDArray[np.floating]) -> tuple[float, float]:
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, PERCENTILES)
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def cube(page: Page, left: float, top: float, colours: RgbColours, names: tuple[str, str, str]) -> None:
    """Every pair of components in a small square, the third in the middle: the same colour function."""
    side, small = 8.0, page.style.small_size
    for index, (across, up) in enumerate(((0, 1), (1, 2), (2, 0))):
        axes = page.panel(left + index * (side + 2.5), top, side, side)
        grids = [np.linspace(low, high, colours.N) for low, high in colours.limits]
        triple = [np.full((colours.N, colours.N), np.mean(limits)) for limits in colours.limits]
        triple[across], triple[up] = np.meshgrid(grids[across], grids[up])
        axes.imshow(colours.table[colours.codes(*triple)], origin="lower", aspect="auto", interpolation="none")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        x = left + index * (side + 2.5) + side / 2
        room = side + 2
        page.write(x, top + side + 0.6, shortened(f"{names[across]} →", small, room, page.style), size=small,
                   ha="center", va="top")  # fmt: skip
        page.write(x, top + side + 3.6, shortened(f"{names[up]} ↑", small, room, page.style), size=small,
                   ha="center", va="top")  # fmt: skip
