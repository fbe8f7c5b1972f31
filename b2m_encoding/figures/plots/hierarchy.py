"""Figure of a hierarchy: which layer or level of features predicts each target best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import Bytes, over, shared_limits, steps
from b2m_encoding.figures.layers import GYRUS, SULCUS, ScoreMap
from b2m_encoding.figures.maps import ZOOM, MapFigure, Mask, View
from b2m_encoding.figures.page import FigureResult, Page, shortened, text_width
from b2m_encoding.figures.plots.score_map import Floats
from b2m_encoding.figures.style import Style
from b2m_encoding.spaces import Atlas, SurfaceSpace

BARS = 14.0
"""Height of the bars, mm."""
LONGEST = 22.0
"""Longest name of a layer below its bar, mm."""
LEFT = 30.0
"""Room for keys and scale bar, mm."""


@dataclass(frozen=True)
class LayerColours:
    """Colours of several scores: the colour of the best layer, more opaque the better it is.

    Parameters
    ----------
    n : int
        Number of layers.
    vmax : float
        Best score that is opaque for sure.
    cmap : str
        Name of a matplotlib colour map; layers take equal steps on it.
    fade : float, optional
        The best score rises from transparent at zero to opaque at this value.
    """

    n: int
    vmax: float
    cmap: str = "viridis"
    fade: float | None = None

    LEVELS = 64

    @cached_property
    def table(self) -> Bytes:
        """Colours of all layers (slow) and levels of the best score (fast)."""
        colours = matplotlib.colormaps[self.cmap](np.linspace(0.04, 0.96, self.n), bytes=True)
        table = np.repeat(colours, self.LEVELS, axis=0)
        if self.fade:
            level = np.linspace(0, self.vmax, self.LEVELS)
            table[:, 3] = np.tile(np.round(255 * np.clip(level / self.fade, 0, 1)), self.n)
        return np.asarray(table, dtype=np.uint8)

    def codes(self, *values: Floats) -> NDArray[np.int32]:
        """The entry of the best of all scores."""
        best, layer = np.asarray(values[0], dtype=np.float32), np.zeros(np.shape(values[0]), dtype=np.int32)
        for index, one in enumerate(values[1:], start=1):
            better = one > best
            layer[better] = index
            best = np.where(better, one, best)
        return layer * np.int32(self.LEVELS) + steps(best, 0.0, self.vmax, self.LEVELS)


def hierarchy(
    scores: Mapping[str, Floats],
    space: SurfaceSpace,
    atlas: Atlas,
    *,
    tested: Mask | None = None,
    significant: Mask | None = None,
    label: str = "r",
    title: str | None = None,
    note: str | None = None,
    view: View = "whole",
    zoom: str = ZOOM,
    criterion: str = "significant",
    cmap: str = "viridis",
    style: Style | None = None,
) -> FigureResult:
    """A flatmap of the layer that predicts best, and how many targets prefer each one.

    Parameters
    ----------
    scores : mapping of str to array, shape (n_targets,)
        A score per layer, from low to high in the hierarchy.
    space : SurfaceSpace
    atlas : Atlas
        Atlas on the same surface.
    tested, significant, title, note, view, zoom, criterion, style
        As in :func:`~b2m_encoding.figures.score_map`.
    label : str
        Name or unit of the scores.
    cmap : str
        Colour map of the layers; its lightness should rise or fall all the way.
    """
    style, names = style or Style(), tuple(scores)
    if len(names) < 2:
        raise InputError("a hierarchy needs two layers or more", found=list(names))
    data = ScoreMap.of(space, tuple(scores.values()), tested, significant)
    stack = np.stack(data.scores)[:, data.shown]
    found = shared_limits([stack.max(axis=0)] if stack.size else [], 0.0)
    colours = LayerColours(len(names), found.vmax, cmap, None if significant is not None else 0.3 * found.vmax)
    longest = min(max(text_width(name, style.small_size, style) for name in names), LONGEST)
    figure = MapFigure(data, space, atlas, view, zoom, title, note, style, footer=BARS + longest + 9)
    counts = np.bincount(stack.argmax(axis=0), minlength=len(names)) if stack.size else np.zeros(len(names), dtype=int)
    with style.context():
        page, lengths = figure.draw(colours)
        bars(page, page.height - figure.footer + 4, colours, names, counts)
    total = max(int(counts.sum()), 1)
    shares = ", ".join(f"{name} {count} ({count / total:.1%})" for name, count in zip(names, counts, strict=True))
    sentences = [
        f"Colour: the feature space with the highest {label}, of {len(names)}."
        + (f" Opacity: that {label}, full from {0.3 * found.vmax:g} on." if significant is None else ""),
        f"Bars: vertices in colour that each one predicts best: {shares}.",
        figure.counts(criterion),
    ]
    table = figure.table(names)
    best = np.full(space.n_targets, "", dtype=object)
    best[data.tested] = np.array(names, dtype=object)[np.stack(data.scores)[:, data.tested].argmax(axis=0)]
    return FigureResult(
        page, figure.caption(sentences, lengths), pd.concat([table, pd.Series(best, name="best")], axis=1)
    )


def bars(page: Page, top: float, colours: LayerColours, names: tuple[str, ...], counts: NDArray[np.integer]) -> None:
    """Share of the targets per layer, in the colours of the map."""
    style = page.style
    width = min(60.0, style.width_mm - LEFT - 16.0, 7.0 * len(names))
    left = LEFT + (style.width_mm - LEFT - width) / 2
    axes = page.panel(left, top, width, BARS)
    seen = over(colours.table, (GYRUS + SULCUS) / 2)[colours.LEVELS - 1 :: colours.LEVELS] / 255
    shares = 100 * counts / max(int(counts.sum()), 1)
    axes.bar(range(len(names)), shares, color=seen, edgecolor="black", linewidth=0.3, width=0.8)
    top_share = max(float(shares.max()), 1.0)
    axes.set(xlim=(-0.6, len(names) - 0.4), ylim=(0, 1.05 * top_share))
    axes.locator_params(axis="y", nbins=3, steps=[1, 2, 5, 10])
    axes.set_ylabel("targets (%)", parse_math=False)
    slot = width / len(names)
    short = [shortened(name, style.small_size, max(LONGEST, slot), style) for name in names]
    flat = all(text_width(name, style.small_size, style) < 0.95 * slot for name in short)
    turn: dict[str, Any] = {} if flat else {"rotation": 90}
    axes.set_xticks(range(len(names)), short, parse_math=False, **turn)
    axes.tick_params(axis="x", length=0)
