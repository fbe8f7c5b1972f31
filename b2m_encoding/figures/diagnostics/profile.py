"""Figure of a region profile: scores of every model in the regions that are predicted best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import pandas as pd
from matplotlib.axes import Axes

from b2m_encoding.errors import InputError
from b2m_encoding.figures.options import PageKeywords, PageOptions
from b2m_encoding.figures.page import MARGIN, FigureResult, shortened, text_width
from b2m_encoding.figures.style import GREY, MARKERS, Style
from b2m_encoding.io.names import in_words

LINE, HEAD, FOOT, GAP = 3.2, 5.0, 15.0, 5.0
"""Height of a region, of the titles above, of axis and keys below, and space between hemispheres, mm."""
SIDES = {"L": "left", "R": "right"}


def profile(
    table: pd.DataFrame, *, models: Sequence[str], n: int = 24, label: str = "prediction accuracy (r)",
    **keywords: Unpack[PageKeywords],
) -> FigureResult:  # fmt: skip
    """Mean scores of the models in the regions with the highest scores of the first one.

    Parameters
    ----------
    table : DataFrame
        Columns ``region``, ``hemisphere`` ("L", "R" or missing), ``model``, ``score``, ``targets``.
    models : sequence of str
        Models to draw; the first one sorts the regions.
    n : int
        Regions.
    label : str
        Name and unit of the scores.
    **keywords
        As in :func:`~b2m_encoding.figures.regions`.
    """
    options = PageOptions(**keywords)
    shown = table[table["model"].isin(models) & table["score"].notna()]
    order = shown[shown["model"] == models[0]].groupby("region", sort=False)["score"].mean()
    best = order.sort_values(ascending=False, kind="stable").index[:n].tolist()
    if not best:
        raise InputError("no region has a tested target")
    shown, style = shown[shown["region"].isin(best)], options.style
    found = [side for side in SIDES if (shown["hemisphere"] == side).any()]
    sides: list[str | None] = [*found] or [None]
    names = [shortened(in_words(name), style.small_size, 24, style) for name in best]
    left = MARGIN + max(text_width(name, style.small_size, style) for name in names) + 2
    width = (style.width_mm - left - MARGIN - 1 - (len(sides) - 1) * GAP) / len(sides)
    height = len(best) * LINE
    low, high = float(shown["score"].min()), float(shown["score"].max())
    pad = 0.06 * max(high - low, 0.05)
    with style.context():
        page = options.page(options.header + HEAD + height + FOOT)
        for i, side in enumerate(sides):
            place = left + i * (width + GAP)
            if side is not None:
                page.write(place + width / 2, options.header + HEAD / 2, SIDES[side], ha="center", va="center_baseline")
            axes = page.panel(place, options.header + HEAD, width, height)
            own = shown if side is None else shown[shown["hemisphere"] == side]
            _draw(axes, own, best, models, style)
            axes.set(xlim=(min(low - pad, 0), high + pad), ylim=(len(best) - 0.5, -0.5))
            axes.set_xlabel(label, parse_math=False)
            axes.set_yticks(range(len(best)), names if i == 0 else [], parse_math=False)
        handles, texts = axes.get_legend_handles_labels()
        texts = [shortened(text, style.small_size, 30, style) for text in texts]
        page.legend(handles, texts, loc="lower center", ncols=min(len(models), 4), frameon=False, borderaxespad=0.2,
                    handletextpad=0.2, columnspacing=1.2)  # fmt: skip
    counted = shown[shown["model"] == models[0]]["targets"]
    sentences = [
        f"{label[:1].upper()}{label[1:]}: means over the tested targets, predicted or not, of the {len(best)} regions "
        f"with the highest mean of {models[0]}; {int(counted.min())} to {int(counted.max())} targets each.",
    ]
    return FigureResult(page, options.caption(sentences), shown.reset_index(drop=True))


def _draw(axes: Axes, own: pd.DataFrame, best: list[str], models: Sequence[str], style: Style) -> None:
    """A point per region and model."""
    rows = {region: i for i, region in enumerate(best)}
    axes.axvline(0, color=GREY, linewidth=0.5)
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.4)
    axes.set_axisbelow(True)
    for i, model in enumerate(models):
        part = own[own["model"] == model]
        axes.plot(part["score"], part["region"].map(rows), MARKERS[i % len(MARKERS)], label=model, markersize=3,
                  color=style.colours[i % len(style.colours)], markeredgewidth=0)  # fmt: skip
    axes.tick_params(axis="y", length=0)
