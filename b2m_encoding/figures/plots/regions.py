"""Figure of regions: points per subject and hemisphere, paired lines, mean with interval, ceiling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy.stats import t as student

from b2m_encoding.errors import InputError
from b2m_encoding.figures.options import PageKeywords, PageOptions
from b2m_encoding.figures.page import MARGIN, FigureResult, Page, shortened, text_width
from b2m_encoding.figures.plots.brackets import BRACKET, draw_brackets, significant_pairs
from b2m_encoding.figures.style import GREY, MARKERS, Style
from b2m_encoding.io.names import in_words

COLUMNS = ("subject", "hemisphere", "region", "feature_space", "score")
ROW = 44.0
"""Height of a row of regions, mm."""
AXIS = 11.0
"""Room for the vertical axis, mm."""
LONG_NAME = 24.0
LONGEST = 40.0
"""Longest name of a region below its slot, mm; shorter where there are several rows."""
MIN_SLOT = 2.4
"""Least width per region and feature space before regions go on in another row, mm."""
KEY_LINE = 4.0
CEILING = "#D9D9D9"
MIN_SUBJECTS = 3
"""Fewest subjects whose mean has an interval."""


def regions(
    table: pd.DataFrame,
    *,
    label: str = "prediction accuracy (r)",
    ceiling: pd.DataFrame | None = None,
    tests: pd.DataFrame | None = None,
    q: float = 0.05,
    level: float = 0.95,
    criterion: str = "tested",
    **keywords: Unpack[PageKeywords],
) -> FigureResult:
    """Scores per region and feature space, for every subject and hemisphere.

    Parameters
    ----------
    table : DataFrame
        Columns ``subject``, ``hemisphere`` (``L``, ``R`` or missing), ``region``, ``feature_space``, ``score``; one row
        each. Regions and feature spaces stand in the order in which they come.
    label : str
        Name and unit of the score.
    ceiling : DataFrame, optional
        Columns ``region``, ``lower``, ``upper``: noise ceiling, drawn as a grey band.
    tests : DataFrame, optional
        Columns ``region``, ``first``, ``second`` (feature spaces) and ``q``: a bracket joins two that differ.
    q : float
        A difference is marked where its q is below this; two stars below a fifth of it, three below a fiftieth.
    level : float
        Level of the t interval of the mean over subjects (hemispheres averaged first).
    criterion : str
        Targets of a region that the scores are means of, for the caption.
    **keywords
        ``title``, ``note``, ``style`` and ``origin``, as in :class:`~b2m_encoding.figures.PageOptions`.
    """
    options = PageOptions(**keywords)
    style = options.style
    points = _checked(table, style)
    if ceiling is not None:
        ceiling = ceiling[ceiling["upper"].notna()] if ceiling["upper"].notna().any() else None
    means = summarise(points, level)
    plan = _Plan.of(points, style, ceiling)
    with style.context():
        fixed = options.header + plan.key_height + 2 + len(plan.rows) * plan.label_height + MARGIN
        row_height = min(ROW, (style.max_height_mm - fixed) / len(plan.rows))
        page = options.page(fixed + len(plan.rows) * row_height)
        top = options.header + MARGIN / 2
        plan.draw_keys(page, top)
        top += plan.key_height + 2
        brackets = significant_pairs(tests, plan.spaces, q)
        limits = _limits(points, means, ceiling, max((bracket.level for bracket in brackets), default=-1) + 1)
        for row in plan.rows:
            axes = page.panel(MARGIN + AXIS, top, plan.slots * plan.slot, row_height)
            _draw_row(axes, points, means, ceiling, row, plan)
            draw_brackets(
                axes, [bracket for bracket in brackets if bracket.region in row], row, plan.offset, limits, style
            )
            _finish(axes, row, plan, limits, label)
            top += row_height + plan.label_height
    tested = None if tests is None else (len(tests), len(brackets), q)
    return FigureResult(
        page, options.caption(_sentences(points, label, ceiling, tested, level, criterion)), points.merge(means)
    )


def summarise(points: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Mean over subjects, per region and feature space; hemispheres are averaged first.

    With its t interval from three subjects on, on the scale of Fisher's z where scores are correlations: no end lies
    beyond their range.
    """
    by = ["region", "feature_space"]
    subjects = points.groupby([*by, "subject"], sort=False)["score"].mean().reset_index()
    grouped = subjects.groupby(by, sort=False)["score"]
    means = grouped.agg(mean="mean", n_subjects="count", spread="std").reset_index()
    n, mean, spread = (means[name].to_numpy(dtype=float) for name in ("n_subjects", "mean", "spread"))
    error = np.where(n < MIN_SUBJECTS, np.nan, spread / np.sqrt(n))
    half = student.ppf((1 + level) / 2, np.maximum(n - 1, 1)) * error
    ends = [mean + side * half for side in (-1, 1)]
    if points["score"].abs().max() < 1:
        ends = [np.tanh(np.arctanh(mean) + side * half / (1 - mean**2)) for side in (-1, 1)]
    return means.drop(columns="spread").assign(interval_low=ends[0], interval_high=ends[1])


def _checked(table: pd.DataFrame, style: Style) -> pd.DataFrame:
    missing = [column for column in COLUMNS if column not in table.columns and column != "hemisphere"]
    if missing:
        raise InputError("the region table lacks columns", found=", ".join(missing), expected=", ".join(COLUMNS))
    points = table.reindex(columns=list(COLUMNS))
    side = points["hemisphere"].astype(object)
    points["hemisphere"] = side.where(side.isin(["L", "R"]), "")
    for column in ("subject", "region", "feature_space"):
        points[column] = points[column].astype(str)
    points["score"] = points["score"].astype(float)
    n_spaces = points["feature_space"].nunique()
    if len(points) == 0 or not np.isfinite(points["score"]).any():
        raise InputError("the region table holds no score", fix="check which regions were tested")
    if n_spaces > min(len(style.colours), len(MARKERS)):
        fix = f"add figures.colours; up to {len(MARKERS)} have distinct markers"
        raise InputError("too few colours", found=len(style.colours), expected=n_spaces, fix=fix)
    return points[np.isfinite(points["score"])].reset_index(drop=True)


@dataclass(frozen=True)
class _Plan:
    """Layout: rows of regions, feature spaces side by side, keys above."""

    style: Style
    rows: tuple[tuple[str, ...], ...]
    spaces: tuple[str, ...]
    slots: int
    slot: float
    """Width of the slot of a region, mm."""
    rotation: int
    label_height: float
    labels: dict[str, str]
    """Name of each region, cut where it is too long."""
    keys: tuple[tuple[float, int, str, str], ...]
    """Position from the left (mm), line, kind and text of every key."""

    @classmethod
    def of(cls, points: pd.DataFrame, style: Style, ceiling: pd.DataFrame | None) -> _Plan:
        names = tuple(points["region"].unique())
        spaces = tuple(points["feature_space"].unique())
        width = style.width_mm - 2 * MARGIN - AXIS
        n_rows = min(3, math.ceil(len(names) * (len(spaces) + 0.6) * MIN_SLOT / width))
        slots = math.ceil(len(names) / n_rows)
        rows = tuple(names[start : start + slots] for start in range(0, len(names), slots))
        room = LONGEST / math.sqrt(len(rows))
        longest = min(max(text_width(name, style.small_size, style) for name in names), room)
        slot = width / slots
        rotation = 0 if longest < 0.95 * slot else 45 if longest < LONG_NAME else 90
        labels = {name: shortened(in_words(name), style.small_size, room, style) for name in names}
        label_height = 2.5 + {0: 3.0, 45: 0.72 * longest + 2, 90: longest + 1}[rotation]
        entries = [*(("space", name) for name in spaces)]
        sides = set(points["hemisphere"])
        entries += [(side, text) for side, text in (("L", "left"), ("R", "right")) if side in sides]
        entries.append(("mean", "mean, interval" if points["subject"].nunique() >= MIN_SUBJECTS else "mean"))
        if ceiling is not None:
            entries.append(("ceiling", "noise ceiling"))
        return cls(style, rows, spaces, slots, slot, rotation, label_height, labels, _flow(entries, style))

    @property
    def key_height(self) -> float:
        return KEY_LINE * (1 + self.keys[-1][1])

    def offset(self, space: str) -> float:
        """Place of a feature space within the slot of a region, in slots."""
        step = 1 / (len(self.spaces) + 0.6)
        return (self.spaces.index(space) - (len(self.spaces) - 1) / 2) * step - self.aside / 2

    @property
    def aside(self) -> float:
        """Distance of the mean to the right of its points, in slots."""
        return min(0.38 / (len(self.spaces) + 0.6), 2.4 / self.slot)

    def draw_keys(self, page: Page, top: float) -> None:
        axes = page.panel(0, top, self.style.width_mm, self.key_height)
        axes.set(xlim=(0, self.style.width_mm), ylim=(self.key_height, 0))
        axes.axis("off")
        for left, line, kind, text in self.keys:
            x, y = left + 1.5, (line + 0.5) * KEY_LINE
            if kind == "space":
                index = self.spaces.index(text)
                axes.plot(x, y, MARKERS[index], color=self.style.colours[index], markersize=4, markeredgewidth=0)
            elif kind == "mean":
                axes.plot([x - 1.2, x + 1.2], [y, y], color="black", linewidth=1.2)
                if text != "mean":
                    axes.plot([x, x], [y - 1.3, y + 1.3], color="black", linewidth=0.8)
            elif kind == "ceiling":
                axes.fill_between([x - 1.4, x + 1.4], y - 0.9, y + 0.9, color=CEILING, linewidth=0)
            else:
                axes.plot(x, y, "o", color=GREY, markersize=3.5, markerfacecolor=GREY if kind == "L" else "white",
                          markeredgewidth=0.6)  # fmt: skip
            axes.text(left + 4, y, text, size=self.style.small_size, va="center_baseline", parse_math=False)


def _flow(entries: Sequence[tuple[str, str]], style: Style) -> tuple[tuple[float, int, str, str], ...]:
    """Positions of keys, broken into lines."""
    placed, left, line = [], MARGIN, 0
    for kind, text in entries:
        width = 4 + text_width(text, style.small_size, style) + 4
        if left + width - 4 > style.width_mm - MARGIN and left > MARGIN:
            left, line = MARGIN, line + 1
        placed.append((left, line, kind, text))
        left += width
    return tuple(placed)


def _draw_row(axes: Axes, points: pd.DataFrame, means: pd.DataFrame, ceiling: pd.DataFrame | None,
              row: Sequence[str], plan: _Plan) -> None:  # fmt: skip
    colours = dict(zip(plan.spaces, plan.style.colours, strict=False))
    size = float(np.clip(0.9 * plan.slot / len(plan.spaces), 1.6, 3.0))
    for slot, region in enumerate(row):
        if ceiling is not None:
            for band in ceiling[ceiling["region"].astype(str) == region].itertuples():
                axes.fill_between([slot - 0.46, slot + 0.46], band.lower, band.upper, color=CEILING, linewidth=1.2)
        here = points[points["region"] == region]
        for _, pair in here.groupby(["subject", "hemisphere"], sort=False):
            x = [slot + plan.offset(space) for space in pair["feature_space"]]
            order = np.argsort(x)
            axes.plot(np.array(x)[order], pair["score"].to_numpy()[order], color="#B0B0B0", linewidth=0.35, zorder=2)
        for point in here.itertuples():
            colour, marker = colours[point.feature_space], MARKERS[plan.spaces.index(point.feature_space)]
            axes.plot(slot + plan.offset(point.feature_space), point.score, marker, color=colour, markersize=size,
                      markerfacecolor="white" if point.hemisphere == "R" else colour, markeredgewidth=0.5,
                      zorder=3)  # fmt: skip
        half = min(0.2 / (len(plan.spaces) + 0.6), 1.2 / plan.slot)
        for mean in means[means["region"] == region].itertuples():
            middle = slot + plan.offset(mean.feature_space) + plan.aside
            axes.plot([middle - half, middle + half], [mean.mean] * 2, color="black", linewidth=1.2, zorder=4)
            if np.isfinite(mean.interval_low):
                axes.plot([middle] * 2, [mean.interval_low, mean.interval_high], color="black", linewidth=0.8, zorder=4)


def _limits(
    points: pd.DataFrame, means: pd.DataFrame, ceiling: pd.DataFrame | None, n_brackets: int = 0
) -> tuple[float, float]:
    """Shared limits of the score, with zero in them, and room for brackets above the points."""
    values = [points["score"], means["interval_low"], means["interval_high"]]
    if ceiling is not None:
        values += [ceiling["lower"], ceiling["upper"]]
    everything = pd.concat(values).dropna()
    low, high = min(0.0, float(everything.min())), max(0.0, float(everything.max()))
    pad = 0.04 * ((high - low) or 1.0)
    low, high = (low - pad if low < 0 else 0.0), high + pad
    return low, low + (high - low) / (1 - BRACKET * min(n_brackets, 6))


def _finish(axes: Axes, row: Sequence[str], plan: _Plan, limits: tuple[float, float], label: str) -> None:
    axes.set(xlim=(-0.5, plan.slots - 0.5), ylim=limits)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    if limits[0] < 0:
        axes.axhline(0, color=GREY, linewidth=0.4, zorder=1)
    turn: dict[str, Any] = (
        {"rotation": plan.rotation, "rotation_mode": "anchor", "ha": "right"} if plan.rotation else {}
    )
    if plan.rotation == 90:
        turn["va"] = "center"
    axes.set_xticks(range(len(row)), [plan.labels[name] for name in row], parse_math=False, **turn)
    axes.tick_params(axis="x", length=0, pad=3)
    axes.set_ylabel(label, parse_math=False)


def _sentences(
    points: pd.DataFrame,
    label: str,
    ceiling: pd.DataFrame | None,
    tested: tuple[int, int, float] | None,
    level: float,
    criterion: str,
) -> list[str]:
    """Sentences of the caption."""
    n = points["subject"].nunique()
    sides = "and hemisphere (filled: left, open: right) " if set(points["hemisphere"]) - {""} else ""
    return [
        f"{label[:1].upper()}{label[1:]} in {points['region'].nunique()} regions, mean over the targets "
        f"of a region that are {criterion}.",
        f"Points: one per subject {sides}({n} {'subject' if n == 1 else 'subjects'}).",
        f"Bars: mean over subjects{f' and its {level:.0%} t interval' if n >= MIN_SUBJECTS else ''}"
        f"{', hemispheres averaged first' if sides else ''}.",
        "Grey bands: noise ceiling." if ceiling is not None else "",
        f"Brackets: {tested[1]} of {tested[0]} tested differences have q < {tested[2]:g} (* q < {tested[2]:g}, ** < "
        f"{tested[2] / 5:g}, *** < {tested[2] / 50:g})."
        if tested
        else "",
    ]
