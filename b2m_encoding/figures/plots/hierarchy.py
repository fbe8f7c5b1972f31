"""Figure of a hierarchy: the layer, or level of features, that predicts each target best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Unpack

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba_array
from numpy.typing import NDArray

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import Bytes, over, shared_limits, steps
from b2m_encoding.figures.images import placed
from b2m_encoding.figures.layers import GYRUS, SULCUS, ScoreMap
from b2m_encoding.figures.maps import MapFigure
from b2m_encoding.figures.options import MapOptions, ViewKeywords
from b2m_encoding.figures.page import FigureResult, Page, shortened, text_width
from b2m_encoding.io.shares import percent
from b2m_encoding.spaces import Atlas, Space

BARS = 14.0
"""Height of the bars, mm."""
LONGEST = 22.0
"""Longest name of a layer below its bar, mm."""
LEFT = 30.0
"""Width of keys and scale bar, mm."""


@dataclass(frozen=True)
class LayerColours:
    """Colours of several scores: the colour of the best layer, more opaque the better it is.

    Parameters
    ----------
    n : int
        Number of layers.
    vmax : float
        Best score at the upper end of the levels.
    cmap : str or tuple of str
        Name of a matplotlib colour map, of which layers are equal steps; or the colour of each layer.
    fade : float, optional
        The best score rises from transparent at zero to opaque at this value.
    """

    n: int
    vmax: float
    cmap: str | tuple[str, ...] = "viridis"
    fade: float | None = None

    LEVELS = 64

    @cached_property
    def table(self) -> Bytes:
        """Colours of all layers (slow) and levels of the best score (fast)."""
        if isinstance(self.cmap, str):
            colours = matplotlib.colormaps[self.cmap](np.linspace(0.04, 0.96, self.n), bytes=True)
        else:
            colours = np.round(255 * to_rgba_array(self.cmap[: self.n])).astype(np.uint8)
        table = np.repeat(colours, self.LEVELS, axis=0)
        if self.fade:
            level = np.linspace(0, self.vmax, self.LEVELS)
            table[:, 3] = np.tile(np.round(255 * np.clip(level / self.fade, 0, 1)), self.n)
        return np.asarray(table, dtype=np.uint8)

    def codes(self, *values: Floating) -> NDArray[np.int32]:
        """The entry of the best of all scores."""
        best, layer = np.asarray(values[0], dtype=np.float32), np.zeros(np.shape(values[0]), dtype=np.int32)
        for index, score in enumerate(values[1:], start=1):
            better = score > best
            layer[better] = index
            best = np.where(better, score, best)
        return layer * np.int32(self.LEVELS) + steps(best, 0.0, self.vmax, self.LEVELS)


def hierarchy(
    scores: Mapping[str, Floating],
    space: Space | str | None = None,
    atlas: Atlas | str | None = None,
    *,
    label: str = "r",
    cmap: str | tuple[str, ...] = "viridis",
    **keywords: Unpack[ViewKeywords],
) -> FigureResult:
    """A flatmap of the layer that predicts best, and the share of targets that prefer each layer.

    Parameters
    ----------
    scores : mapping of str to array, shape (n_targets,)
        A score per layer, from low to high in the hierarchy.
    space : Space or str, optional
    atlas : Atlas or str, optional
        On the surface that is drawn.
    label : str
        Name or unit of the scores.
    cmap : str or tuple of str
        Colour map of ordered layers, whose lightness should rise or fall all the way; or a colour per feature space.
    **keywords
        As in :func:`~b2m_encoding.figures.score_map`.
    """
    values, space, atlas = placed([*scores.values()], space, atlas, keywords)
    options, names = MapOptions(**keywords), tuple(scores)
    style = options.style
    if len(names) < 2:
        raise InputError("a hierarchy needs two layers or more", found=list(names))
    data = ScoreMap.of(space, tuple(values), options.tested, options.significant)
    stack = np.stack(data.scores)[:, data.shown]
    shared = shared_limits([stack.max(axis=0)] if stack.size else [], 0.0)
    colours = LayerColours(len(names), shared.vmax, cmap, None if data.significant is not None else 0.3 * shared.vmax)
    longest = min(max(text_width(name, style.small_size, style) for name in names), LONGEST)
    figure = MapFigure(data, space, atlas, options, footer=BARS + longest + 9)
    counts = np.bincount(stack.argmax(axis=0), minlength=len(names)) if stack.size else np.zeros(len(names), dtype=int)
    with style.context():
        page, lengths = figure.draw(colours)
        bars(page, page.height - figure.footer + 4, colours, names, counts)
    total = max(int(counts.sum()), 1)
    shares = ", ".join(
        f"{name} {count:,} ({percent(count / total)})" for name, count in zip(names, counts, strict=True)
    )
    sentences = [
        f"Colour: the feature space with the highest {label}, of {len(names)}."
        + (f" Opacity: that {label}, full from {0.3 * shared.vmax:g} on." if data.significant is None else ""),
        f"Bars: vertices in colour that each one predicts best: {shares}.",
        figure.counts(),
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
