"""Figure of the features with names that the regions of a subject respond to."""

from __future__ import annotations

import math
from typing import Unpack

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from b2m_encoding.errors import InputError
from b2m_encoding.figures.options import PageKeywords, PageOptions
from b2m_encoding.figures.page import MARGIN, FigureResult, Page, shortened, text_width
from b2m_encoding.figures.style import GREY, Style
from b2m_encoding.io.names import in_words

COLUMNS = ("region", "hemisphere", "feature", "r", "low", "high", "q")
LINE, GAP, HEAD, AXIS, FOOT = 3.4, 8.0, 6.0, 9.0, 5.0
"""Height of a feature, space between panels, their titles, the axis below, and the keys, mm."""
NAMES = 21.0
"""Room for the name of a feature, mm."""
NARROWEST = 38.0
"""Width of a panel with its names, mm."""


def tags(table: pd.DataFrame, *, n: int = 8, q: float = 0.05, **keywords: Unpack[PageKeywords]) -> FigureResult:
    """What regions respond to, in words: the features with the largest correlations in either direction.

    Parameters
    ----------
    table : DataFrame
        Columns ``region``, ``hemisphere``, ``feature``, ``r``, ``low``, ``high``, ``q``, ``clips``, of one subject and
        feature space.
    n : int
        Features per region: those whose correlation, averaged over hemispheres, is farthest from zero.
    q : float
        Filled marks are significant at this false discovery rate.
    **keywords
        As in :func:`~b2m_encoding.figures.regions`.

    Raises
    ------
    InputError
        If a column is missing, or there is no row.
    """
    options = PageOptions(**keywords)
    shown = with_correlations(table)
    regions = list(dict.fromkeys(shown["region"]))
    chosen = {region: strongest(shown[shown["region"] == region], n) for region in regions}
    room = options.style.width_mm - 2 * MARGIN
    across = max(1, min(len(regions), int((room + GAP) / (NARROWEST + GAP))))
    rows = math.ceil(len(regions) / across)
    height = options.header + rows * (HEAD + n * LINE + AXIS) + FOOT + MARGIN
    width = (room - (across - 1) * GAP) / across
    limit = float(max(part[["low", "high"]].abs().to_numpy().max() for part in chosen.values()))
    with options.style.context():
        page = options.page(height)
        for i, (region, part) in enumerate(chosen.items()):
            left = MARGIN + (i % across) * (width + GAP)
            top = options.header + (i // across) * (HEAD + n * LINE + AXIS)
            name = shortened(in_words(region), options.style.text_size, width, options.style)
            page.write(left, top + HEAD / 2, name, weight="bold", va="center")
            count = part["feature"].nunique()
            axes = page.panel(left + NAMES, top + HEAD, width - NAMES, count * LINE)
            _draw(axes, part, q, min(1.0, 1.05 * limit), options.style)
        _keys(page, height - MARGIN - FOOT, set(shown["hemisphere"]), q, options.style)
    clips = ", ".join(str(count) for count in sorted({int(count) for count in shown.get("clips", [])}))
    sentences = [
        f"Correlation over {clips} held-out clips between the mean response of each region and each feature; "
        f"the {n} largest in either direction, with intervals for independent clips.",
        f"Left hemisphere blue, right hemisphere orange; filled where q < {q:g} among all features of the region.",
        "These are correlations one by one: features that go together share them.",
    ]
    return FigureResult(page, options.caption(sentences), pd.concat(list(chosen.values()), ignore_index=True))


def _keys(page: Page, top: float, sides: set[str], q: float, style: Style) -> None:
    """Marks of hemispheres and of significance, in a row."""
    named = [
        (name, style.colours[i]) for i, (side, name) in enumerate((("L", "left"), ("R", "right"))) if side in sides
    ]
    marks = [*((name, colour, colour) for name, colour in named), (f"q ≥ {q:g}", "white", GREY)]
    axes = page.panel(MARGIN, top, style.width_mm - 2 * MARGIN, FOOT)
    axes.set(xlim=(0, style.width_mm - 2 * MARGIN), ylim=(FOOT, 0))
    axes.set_axis_off()
    left = 1.5
    for text, face, edge in marks:
        axes.plot(left, FOOT / 2, "o", color=edge, markersize=3, markeredgewidth=0.6, markerfacecolor=face)
        axes.text(left + 2, FOOT / 2, text, fontsize=style.small_size, va="center_baseline")
        left += 6 + text_width(text, style.small_size, style)


def with_correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of a table of named features that have a correlation.

    Raises
    ------
    InputError
        If a column is missing, or there is no such row.
    """
    if missing := [column for column in COLUMNS if column not in table.columns]:
        raise InputError("the table of named features lacks columns", found=missing, expected=", ".join(COLUMNS))
    shown = table[np.isfinite(table["r"].astype(float))]
    if not len(shown):
        raise InputError("no region has a correlation with a named feature")
    return shown


def strongest(part: pd.DataFrame, n: int) -> pd.DataFrame:
    """Rows of the features whose mean correlation over hemispheres is farthest from zero, the largest first."""
    mean = part.groupby("feature", sort=False)["r"].mean()
    kept = mean.loc[mean.abs().sort_values(ascending=False, kind="stable").index[:n]]
    order = {name: i for i, name in enumerate(kept.sort_values(ascending=False, kind="stable").index)}
    rows = part[part["feature"].isin(order)]
    return rows.sort_values("feature", key=lambda column: column.map(order), kind="stable").reset_index(drop=True)


def _draw(axes: Axes, part: pd.DataFrame, q: float, limit: float, style: Style) -> None:
    """Points with intervals, hemispheres one above the other."""
    names = list(dict.fromkeys(part["feature"]))
    sides = [side for side in ("L", "R") if (part["hemisphere"] == side).any()]
    axes.axvline(0, color=GREY, linewidth=0.6)
    for row in part.itertuples():
        side = sides.index(row.hemisphere) if row.hemisphere in sides else 0
        y = names.index(row.feature) + (side - (len(sides) - 1) / 2) * 0.4
        colour = style.colours[side % len(style.colours)]
        axes.plot([row.low, row.high], [y, y], color=colour, linewidth=0.8)
        axes.plot(row.r, y, "o", color=colour, markersize=3, markeredgewidth=0.6,
                  markerfacecolor=colour if row.q < q else "white")  # fmt: skip
    axes.set(xlim=(-limit, limit), ylim=(len(names) - 0.5, -0.5), yticks=range(len(names)), xlabel="correlation (r)")
    axes.xaxis.set_major_locator(MaxNLocator(3, symmetric=True))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticklabels([shortened(name, style.small_size, NAMES - 2, style) for name in names], parse_math=False)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
