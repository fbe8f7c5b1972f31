"""Figure of delay curves: how strongly features of the past weigh in the models of each region."""

from __future__ import annotations

from typing import Unpack

import pandas as pd

from b2m_encoding.errors import InputError
from b2m_encoding.figures.options import PageKeywords, PageOptions
from b2m_encoding.figures.page import MARGIN, FigureResult, shortened, text_width
from b2m_encoding.figures.style import GREY, MARKERS
from b2m_encoding.io.names import in_words

HEIGHT, AXIS, FOOT, NAMES = 45.0, 12.0, 11.0, 32.0
"""Height of the panel, room for the vertical axis, below the panel, and at most for names at the right, mm."""


def delays(table: pd.DataFrame, *, criterion: str = "significant", **keywords: Unpack[PageKeywords]) -> FigureResult:
    """Median delay curve of every region, with quartiles over its targets.

    Parameters
    ----------
    table : DataFrame
        Columns ``region``, ``delay`` (s), ``lower_quartile``, ``median``, ``upper_quartile`` and ``targets``.
    criterion : str
        Which targets, for the caption.
    **keywords
        As in :func:`~b2m_encoding.figures.regions`.
    """
    options = PageOptions(**keywords)
    style, seconds = options.style, sorted(set(table["delay"]))
    found = {str(name): own.sort_values("delay") for name, own in table.groupby("region", sort=False)}
    if len(seconds) < 2:
        raise InputError("a delay curve needs two or more delays", found=len(seconds), fix="set model.delays")
    labels = {name: shortened(in_words(name), style.small_size, NAMES - 6, style) for name in found}
    room = max(text_width(text, style.small_size, style) for text in labels.values()) + 8
    width = min(style.width_mm - 2 * MARGIN - AXIS - room, 110.0)
    with style.context():
        page = options.page(options.header + 3 + HEIGHT + FOOT)
        axes = page.panel(MARGIN + AXIS, options.header + 3, width, HEIGHT)
        axes.axhline(0, color=GREY, linewidth=0.5)
        for i, (name, own) in enumerate(found.items()):
            colour, marker = style.colours[i % len(style.colours)], MARKERS[i % len(MARKERS)]
            axes.fill_between(own["delay"], own["lower_quartile"], own["upper_quartile"], color=colour, alpha=0.15,
                              linewidth=0)  # fmt: skip
            axes.plot(own["delay"], own["median"], marker, linestyle="-", color=colour, markersize=3, linewidth=1,
                      label=labels[name])  # fmt: skip
        axes.set(xlabel="delay of the features, s", ylabel="weight, share of the largest")
        axes.set_xticks(seconds if len(seconds) <= 8 else seconds[:: -(-len(seconds) // 8)])
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, handlelength=1.6)
    counts = ", ".join(f"{int(own['targets'].iloc[0])} in {in_words(name)}" for name, own in found.items())
    sentences = [
        "Weights of the joint model over delays, largest value 1: median and quartiles over the targets of a region.",
        "Ridge makes curves broader than the response to one sound.",
    ]
    details = ["The curve of a target is the shape over delays that the weights of all its features share.",
               f"Targets: {criterion}; {counts}."]  # fmt: skip
    return FigureResult(page, options.caption(sentences, details), table.reset_index(drop=True))
