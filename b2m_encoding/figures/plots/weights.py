"""Figure of three components of the weights as red, green and blue, with a panel for each."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import ScalarColours
from b2m_encoding.figures.grid import Grid
from b2m_encoding.figures.images import placed
from b2m_encoding.figures.layers import ScoreMap
from b2m_encoding.figures.maps import GUTTER, MapFigure
from b2m_encoding.figures.mixing import RgbColours
from b2m_encoding.figures.options import MapOptions, ViewKeywords
from b2m_encoding.figures.page import FigureResult, Page, shortened
from b2m_encoding.figures.panels import MapPainter, colour_bar
from b2m_encoding.io.shares import percent
from b2m_encoding.spaces import Atlas, Space

FOOTER = 26.0
PERCENTILES = (1.0, 99.0)
CHANNELS = ("red", "green", "blue")


def weights(
    components: Floating,
    space: Space | str | None = None,
    atlas: Atlas | str | None = None,
    *,
    names: tuple[str, str, str] = ("PC 1", "PC 2", "PC 3"),
    explained: tuple[float, float, float] | None = None,
    **keywords: Unpack[ViewKeywords],
) -> FigureResult:
    """A flatmap of three components in red, green and blue: targets of like colour are tuned alike.

    Parameters
    ----------
    components : array, shape (3, n_targets)
        Scores of the targets on the first three components of their weights (Huth et al. 2012, doi
        10.1016/j.neuron.2012.10.014). Each is spread from its 1st to its 99th percentile of what is drawn.
    space : Space or str, optional
    atlas : Atlas or str, optional
        On the surface that is drawn.
    names : tuple of three str
    explained : tuple of three float, optional
        Share of the variance of the weights that each component explains, for the caption.
    **keywords
        As in :func:`~b2m_encoding.figures.score_map`.
    """
    values, space, atlas = placed(components, space, atlas, keywords)
    options = MapOptions(**keywords)
    style = options.style
    if np.ndim(components) != 2 or len(components) != 3:
        raise InputError("three components are drawn", found=np.shape(components), expected=f"(3, {space.n_targets})")
    data = ScoreMap.of(space, tuple(values), options.tested, options.significant)
    limits = [_limits(component[data.shown]) for component in data.scores]
    colours = RgbColours((limits[0], limits[1], limits[2]))
    grid = Grid.of(3, 3, space, atlas, options.zoom if options.view == "zoom" else None, style)
    figure = MapFigure(data, space, atlas, options, FOOTER, below=grid.height + GUTTER)
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
        ranges = [f"{text}, {percent(share)} of the variance" for text, share in zip(ranges, explained, strict=True)]
    sentences = [
        f"Three components of the weights as red, green and blue, each from its 1st to its 99th percentile: "
        f"{'; '.join(ranges)}.",
        "Small maps: each component by itself, for readers who cannot distinguish red from green.",
        figure.counts(),
    ]
    columns = tuple(names) if len(set(names)) == 3 else ("PC 1", "PC 2", "PC 3")
    return FigureResult(page, figure.caption(sentences, lengths), figure.table(columns))


def _limits(values: Floating) -> tuple[float, float]:
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
