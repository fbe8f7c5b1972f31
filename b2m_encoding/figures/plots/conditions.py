"""Figure of conditions: means over subjects with standard errors, a point per subject, in one or several panels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Unpack

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from b2m_encoding.errors import InputError
from b2m_encoding.figures.options import PageKeywords, PageOptions
from b2m_encoding.figures.page import MARGIN, FigureResult, Page, shortened, text_width
from b2m_encoding.figures.style import GREY, MARKERS, Style

COLUMNS = ("panel", "condition", "series", "subject", "value")
AXIS, HEIGHT, KEY = 12.0, 38.0, 4.5
LONGEST = 24.0
"""Longest name of a condition, mm."""
Spread = Literal["sem", "sd"]
SPREADS: dict[Spread, str] = {"sem": "standard errors", "sd": "standard deviations"}
FEW_DECADES = 100.0
"""Ratio of the ends of an axis below which its ticks are at the conditions."""
CHANCE = "chance"
"""Column of the chance level, optional; the dashed line of a condition or of a whole panel."""


def conditions(
    table: pd.DataFrame,
    *,
    label: str,
    about: str = "",
    lines: bool = False,
    axis: str = "",
    each: str = "subject",
    spread: Spread = "sem",
    **keywords: Unpack[PageKeywords],
) -> FigureResult:
    """Means over subjects, with standard errors, of series of conditions (genres, methods, corpora).

    Parameters
    ----------
    table : DataFrame
        Columns ``panel`` (its title), ``condition`` (on the x axis), ``series`` (colours and markers), ``subject`` and
        ``value``; several rows of a subject are averaged first. Optional ``chance``, the level of a condition.
    label : str
        Of the y axis.
    about : str
        First sentence of the caption.
    lines : bool
        Conditions are numbers on a logarithmic axis, joined by lines.
    axis : str
        Label of that axis.
    each : str
        What ``subject`` stands for, for the caption.
    spread : {"sem", "sd"}
        Standard error of a mean, or standard deviation, where subjects are draws of the same data.
    **keywords
        ``title``, ``note``, ``style`` and ``origin``, as in :class:`~b2m_encoding.figures.PageOptions`.

    Raises
    ------
    InputError
        If columns are missing, or there is nothing to draw.
    """
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise InputError("the table of conditions lacks columns", found=", ".join(missing), expected=", ".join(COLUMNS))
    table = table[np.isfinite(table["value"].astype(float))]
    if not len(table):
        raise InputError("the table of conditions is empty")
    options = PageOptions(**keywords)
    data = _Data.of(table, spread)
    style = options.style
    with style.context():
        lefts, widths = _places(data, style)
        upright, names = (False, 4.0) if lines else _height_of_names(data, widths, style)
        rows = key_rows(data.series, style)
        top = options.header + MARGIN + KEY * len(rows) + 4
        page = options.page(top + HEIGHT + names + (10 if lines else 6))
        draw_keys(page, rows, partial(data.look, style=style), options.header + MARGIN / 2)
        for number, (title, left, width) in enumerate(zip(data.panels, lefts, widths, strict=True)):
            if len(data.panels) > 1:
                page.letter(max(left - AXIS, MARGIN), top - 4.5, "abcdefgh"[number])
            axes = page.panel(left, top, width, HEIGHT)
            own = data.means[data.means["panel"] == title]
            if lines:
                _curves(axes, own, data, style, axis)
            else:
                _points(axes, own, data, style, upright=upright)
            axes.set_ylim(*data.limits)
            axes.set_ylabel(label if number == 0 else "", parse_math=False)
            axes.set_title(
                shortened(title, style.small_size, width, style), size=style.small_size, pad=3, parse_math=False
            )
    n = table["subject"].nunique()
    sentences, points = [about] if about else [], "" if lines else f"; points: {each}s"
    sentences.append(f"Means over {n} {each}s with {SPREADS[spread]}{points}." if n > 1 else f"One {each}.")
    return FigureResult(page, options.caption(sentences), data.means.reset_index(drop=True))


@dataclass(frozen=True, eq=False)
class _Data:
    """Subjects' means, their mean and standard error, and the order of panels and series."""

    subjects: pd.DataFrame
    means: pd.DataFrame
    panels: tuple[str, ...]
    series: tuple[str, ...]
    spread: Spread

    @classmethod
    def of(cls, table: pd.DataFrame, spread: Spread) -> _Data:
        keys = ["panel", "condition", "series"]
        own = table.groupby([*keys, "subject"], sort=False)["value"].mean().reset_index()
        found = own.groupby(keys, sort=False)["value"]
        error = found.sem() if spread == "sem" else found.std()
        means = pd.DataFrame({"mean": found.mean(), spread: error, "subjects": found.size()}).reset_index()
        if CHANCE in table:
            levels = table.groupby(keys, sort=False)[CHANCE].mean().reset_index()
            means = means.merge(levels, on=keys, how="left")
        series = tuple(dict.fromkeys(table["series"].astype(str)))
        return cls(own, means, tuple(table["panel"].unique()), series, spread)

    @property
    def limits(self) -> tuple[float, float]:
        """Limits of the y axis, the same in all panels."""
        values = np.concatenate([self.subjects["value"], self.means.get(CHANCE, pd.Series(dtype=float)).dropna()])
        low, high = float(values.min()), float(values.max())
        room = 0.06 * (high - low) or 0.1
        return low - room, high + room

    def look(self, series: str, style: Style) -> tuple[str, str]:
        """Colour and marker of a series; sounds at random and the oracle are grey."""
        if series in ("chance", "oracle"):
            return GREY, {"chance": "x", "oracle": "*"}[series]
        place = [name for name in self.series if name not in ("chance", "oracle")].index(series)
        return style.colours[place % len(style.colours)], MARKERS[place % len(MARKERS)]


def _places(data: _Data, style: Style) -> tuple[list[float], list[float]]:
    """Left edges and widths of the panels, in proportion to their conditions."""
    full = style.width_mm - 2 * MARGIN - AXIS * len(data.panels)
    counts = np.array([max(2, data.means[data.means["panel"] == one]["condition"].nunique()) for one in data.panels])
    widths = np.minimum(full * counts / counts.sum(), 22.0 * counts + 20)
    starts = MARGIN + AXIS * np.arange(1, len(counts) + 1) + np.concatenate([[0], np.cumsum(widths)[:-1]])
    return starts.tolist(), widths.tolist()


def _height_of_names(data: _Data, widths: list[float], style: Style) -> tuple[bool, float]:
    """Whether names have to stand upright below their conditions, and the height that they take, mm."""
    slots, longest = [], 0.0
    for title, width in zip(data.panels, widths, strict=True):
        names = data.means[data.means["panel"] == title]["condition"].astype(str).unique()
        longest = max(longest, *(text_width(shortened(one, style.small_size, LONGEST, style), style.small_size, style)
                                 for one in names))  # fmt: skip
        slots.append(width / len(names))
    return (False, 4.0) if longest + 1 < min(slots) else (True, longest)


def key_rows(names: Iterable[str], style: Style) -> list[list[str]]:
    """Rows of the entries of a key above the panels."""
    rows, left = [[]], 0.0  # type: list[list[str]], float
    for name in names:
        width = 10 + text_width(name, style.small_size, style)
        if rows[-1] and left + width > style.width_mm - 2 * MARGIN:
            rows.append([])
            left = 0.0
        rows[-1].append(name)
        left += width
    return rows


def draw_keys(page: Page, rows: list[list[str]], look: Callable[[str], tuple[str, str]], top: float) -> None:
    """Draw the key of rows of names; ``look`` gives colour and marker of a name."""
    style = page.style
    axes = page.panel(0, top, style.width_mm, KEY * len(rows))
    axes.set(xlim=(0, style.width_mm), ylim=(KEY * len(rows), 0))
    axes.axis("off")
    for number, row in enumerate(rows):
        left, middle = MARGIN, KEY * (number + 0.5)
        for name in row:
            colour, marker = look(name)
            axes.plot(left + 2, middle, marker, color=colour, markersize=3.5)
            axes.text(left + 5.5, middle, name, size=style.small_size, va="center_baseline", parse_math=False)
            left += 10 + text_width(name, style.small_size, style)


def _points(axes: Axes, own: pd.DataFrame, data: _Data, style: Style, *, upright: bool) -> None:
    """A marker with its standard error for every series of every condition, subjects as small points beside it."""
    names = list(dict.fromkeys(own["condition"].astype(str)))
    step = 0.8 / max(1, len(data.series))
    for row in own.to_dict("records"):
        series = str(row["series"])
        place = names.index(str(row["condition"])) + (data.series.index(series) - (len(data.series) - 1) / 2) * step
        colour, marker = data.look(series, style)
        same = data.subjects[["panel", "condition", "series"]] == [row["panel"], row["condition"], row["series"]]
        points = data.subjects[same.all(axis=1)]["value"].to_numpy()
        if len(points) > 1:
            axes.plot(np.full(len(points), place), points, ".", color=colour, markersize=2.0, alpha=0.5, zorder=1)
        error = 0.0 if np.isnan(row[data.spread]) else row[data.spread]
        axes.errorbar(place, row["mean"], error, fmt=marker, color=colour, markersize=3.5, elinewidth=0.8, capsize=1.5,
                      zorder=2)  # fmt: skip
        if CHANCE in row and np.isfinite(row[CHANCE]):
            axes.plot([place - step / 2, place + step / 2], [row[CHANCE]] * 2, color=GREY, linewidth=0.6,
                      linestyle="--", zorder=0)  # fmt: skip
    short = [shortened(name, style.small_size, LONGEST, style) for name in names]
    turn: dict[str, Any] = {"rotation": 90} if upright else {}
    axes.set_xticks(range(len(short)), short, parse_math=False, **turn)
    axes.set_xlim(-0.6, len(short) - 0.4)
    axes.tick_params(axis="x", length=0)


def _curves(axes: Axes, own: pd.DataFrame, data: _Data, style: Style, label: str) -> None:
    """A line over numbers for every series, its standard error as a band."""
    for name, curve in own.groupby("series", sort=False):
        colour, marker = data.look(str(name), style)
        curve = curve.sort_values("condition")
        x, mean = curve["condition"].to_numpy(float), curve["mean"].to_numpy()
        error = curve[data.spread].fillna(0).to_numpy()
        axes.fill_between(x, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)
        axes.plot(x, mean, marker=marker, color=colour, markersize=2.5, linewidth=0.9)
    axes.set_xscale("log")
    numbers = np.sort(own["condition"].unique().astype(float))
    if numbers[-1] < FEW_DECADES * numbers[0]:  # powers of ten would be one tick, or none
        axes.set_xticks(numbers[[0, len(numbers) // 2, -1]] if len(numbers) > 2 else numbers)
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}".replace("e+0", "e").replace("e-0", "e-"))
    axes.tick_params(axis="x", which="minor", bottom=False)
    axes.set_xlabel(label, labelpad=1.5, parse_math=False)
