"""Figure of scores without places: their distributions, and the best targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

import numpy as np
import pandas as pd

from b2m_encoding._typing import Booleans, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.figures.options import PageKeywords, PageOptions
from b2m_encoding.figures.page import MARGIN, FigureResult, Page, shortened, text_width
from b2m_encoding.figures.plots.conditions import KEY, LONGEST, draw_keys, key_rows
from b2m_encoding.figures.style import GREY, MARKERS
from b2m_encoding.io.names import in_words
from b2m_encoding.io.shares import counted_share

HEIGHT, AXIS, BEST, FEW = 48.0, 12.0, 15, 30
"""Height of the panels and width of the vertical axis, mm; targets in the ranking; targets too few for a histogram."""


def distribution(
    scores: Mapping[str, Floating],
    *,
    significant: Booleans | None = None,
    names: Sequence[str] | None = None,
    label: str = "prediction accuracy (r)",
    criterion: str = "significant",
    **keywords: Unpack[PageKeywords],
) -> FigureResult:
    """Distributions of the scores of several models over targets, and the targets with the best scores.

    Parameters
    ----------
    scores : mapping of str to array, shape (n_targets,)
        A score per model; NaN is not tested. The first one ranks the targets.
    significant : array of bool, shape (n_targets,), optional
        Targets that are filled in the first distribution.
    names : sequence of str, optional
        Names of the targets; default: their numbers, from 0.
    label : str
        Name and unit of the scores.
    criterion : str
        Definition of significance, for the caption.
    **keywords
        ``title``, ``note``, ``style`` and ``origin``, as in :class:`~b2m_encoding.figures.PageOptions`.
    """
    options = PageOptions(**keywords)
    style = options.style
    table = pd.DataFrame({name: np.asarray(values, dtype=float) for name, values in scores.items()})
    first = str(table.columns[0])
    if not np.isfinite(table[first]).any():
        raise InputError("no target was tested", found=f"{len(table)} scores of {first}")
    table.insert(0, "target", list(names) if names is not None else np.arange(len(table)))
    if significant is not None:
        table["significant"] = np.asarray(significant, dtype=bool)
    best = table.sort_values(first, ascending=False).head(BEST)[::-1]
    labels = [shortened(in_words(name), style.small_size, 22, style) for name in best["target"]]
    longest = max(text_width(text, style.small_size, style) for text in labels)
    with style.context():
        shown = {shortened(name, style.small_size, LONGEST, style): look
                 for name, *look in zip(scores, style.colours, MARKERS, strict=False)}  # fmt: skip
        rows = key_rows(shown, style)
        top, half = options.header + MARGIN + KEY * len(rows) + 4, (style.width_mm - 2 * MARGIN) / 2
        page = options.page(top + HEIGHT + 10)
        draw_keys(page, rows, lambda name: (shown[name][0], shown[name][1]), options.header + MARGIN / 2)
        many = len(table) > FEW
        half = half if many else 0.0
        if many:
            _histogram(page, (MARGIN + AXIS, top, half - AXIS - 4, HEIGHT), table, tuple(scores), label)
            page.letter(MARGIN, top - 4, "a")
            page.letter(MARGIN + half, top - 4, "b")
        left = MARGIN + half + longest + 4
        ranking = page.panel(left, top, style.width_mm - MARGIN - 2 - left, HEIGHT)
        for name, colour, marker in reversed([*zip(scores, style.colours, MARKERS, strict=False)]):
            ranking.plot(best[name], range(len(best)), marker, color=colour, markersize=3, markeredgewidth=0)
        ranking.set_yticks(range(len(best)), labels, parse_math=False)
        ranking.tick_params(axis="y", length=0)
        ranking.grid(axis="y", color="#E5E5E5", linewidth=0.4)
        ranking.set_axisbelow(True)
        ranking.set_xlabel(label, parse_math=False)
    tested = int(table[first].notna().sum())
    share = ""
    if significant is not None:
        n = int(table["significant"].sum())
        share = f"Filled: {counted_share(n, tested)} are {criterion}."
    what = ("a, ", "b, ") if many else ("", "")
    sentences = [
        f"{what[0]}{label} of {tested:,} tested targets; median {table[first].median():.3f} ({first}).",
        share if many else "",
        f"{what[1]}the {len(best)} targets with the highest values of {first}.",
    ]
    return FigureResult(page, options.caption(sentences), table)


def _histogram(page: Page, place: tuple[float, float, float, float], table: pd.DataFrame, names: tuple[str, ...],
               label: str) -> None:  # fmt: skip
    """Outlines of the distributions; what is significant is filled."""
    style, axes = page.style, page.panel(*place)
    finite = table[list(names)].to_numpy()
    edges = np.histogram_bin_edges(finite[np.isfinite(finite)], bins=40).tolist()
    for name, colour in zip(names, style.colours, strict=False):
        axes.hist(table[name].dropna(), bins=edges, histtype="step", color=colour, linewidth=1.0)
    if "significant" in table:
        axes.hist(table.loc[table["significant"], names[0]].dropna(), bins=edges, color=style.colours[0], alpha=0.35)
    axes.axvline(0, color=GREY, linewidth=0.4)
    axes.locator_params(axis="y", integer=True)
    axes.set_xlabel(label, parse_math=False)
    axes.set_ylabel("targets", parse_math=False)
