"""Figure of time courses: measured and predicted responses of some targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

import numpy as np
import pandas as pd

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.figures.options import PageKeywords, PageOptions
from b2m_encoding.figures.page import MARGIN, FigureResult, shortened
from b2m_encoding.figures.style import GREY

ROW, GAP, FOOT, AXIS = 13.0, 5.0, 14.0, 8.0
"""Height of a curve, space for its name, room below all of them, and for the vertical axis, mm."""


def timecourses(
    courses: Mapping[str, tuple[Floating, Floating]], step: float, **keywords: Unpack[PageKeywords]
) -> FigureResult:
    """Measured and predicted responses over held-out samples, one row per target.

    Parameters
    ----------
    courses : mapping of str to (measured, predicted)
        By the name of the target; arrays of shape (n_samples,).
    step : float
        Seconds between samples.
    **keywords
        As in :func:`~b2m_encoding.figures.regions`.
    """
    if not courses:
        raise InputError("there is no time course to draw")
    options = PageOptions(**keywords)
    style, n = options.style, len(courses)
    width = style.width_mm - 2 * MARGIN - AXIS
    tables = []
    with style.context():
        page = options.page(options.header + 2 + n * (ROW + GAP) + FOOT)
        for i, (name, pair) in enumerate(courses.items()):
            measured, predicted = (np.asarray(one, dtype=float) for one in pair)
            r, seconds = float(np.corrcoef(measured, predicted)[0, 1]), np.arange(len(measured)) * step
            top = options.header + 2 + i * (ROW + GAP)
            text = shortened(name, style.small_size, width - 20, style)
            page.write(MARGIN + AXIS, top + GAP / 2, text, size=style.small_size, va="center_baseline")
            score = f"r = {round(r, 2) + 0:.2f}".replace("-", "\N{MINUS SIGN}")
            right = {"size": style.small_size, "ha": "right", "va": "center_baseline"}
            page.write(style.width_mm - MARGIN, top + GAP / 2, score, **right)
            axes = page.panel(MARGIN + AXIS, top + GAP, width, ROW)
            axes.plot(seconds, measured, color=GREY, linewidth=0.6, label="measured")
            axes.plot(seconds, predicted, color=style.colours[1 % len(style.colours)], linewidth=0.9, label="predicted")
            axes.set_xlim(0, seconds[-1])
            axes.locator_params(axis="y", nbins=3)
            if i < n - 1:
                axes.tick_params(axis="x", labelbottom=False)
            tables.append(pd.DataFrame({"target": name, "time": seconds, "measured": measured, "predicted": predicted}))
        axes.set_xlabel("time, s")
        axes.legend(
            frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(1, -0.28), borderaxespad=0, handlelength=1.4
        )
    sentences = [
        "Measured (grey) and predicted responses of the best predicted target of each region over held-out samples, "
        "run after run. Best of many targets: their r is above that of new data."
    ]
    return FigureResult(page, options.caption(sentences), pd.concat(tables, ignore_index=True))
