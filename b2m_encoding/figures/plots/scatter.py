"""Figure of one score against another: density of targets, log counts, identity line."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from b2m_encoding._typing import Booleans, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.figures.options import PageKeywords, PageOptions
from b2m_encoding.figures.page import MARGIN, FigureResult, Page
from b2m_encoding.figures.style import GREY
from b2m_encoding.io.shares import percent

WIDTH = 89.0
"""Largest width, mm."""
BINS = 60
AXIS, BAR = 12.0, 14.0


def scatter(
    score_x: Floating,
    score_y: Floating,
    *,
    names: tuple[str, str],
    tested: Booleans | None = None,
    significant: Booleans | None = None,
    label: str = "r",
    targets: str = "vertices",
    limits: tuple[float | None, float | None] = (None, None),
    mark: float | None = None,
    criterion: str = "tested",
    chosen: str = "significant",
    **keywords: Unpack[PageKeywords],
) -> FigureResult:
    """Density of targets by two scores; at most 89 mm wide.

    Parameters
    ----------
    score_x, score_y : array, shape (n_targets,)
        Scores of two models; targets with a score that is not finite are left out.
    names : tuple of str
        Names of the two models.
    tested : array of bool, shape (n_targets,), optional
        Targets that are drawn.
    significant : array of bool, shape (n_targets,), optional
        Targets whose share above the line is given as well, such as those that a figure of the preference colours.
    label : str
        Name or unit of the scores.
    targets : str
        Noun for the targets in texts (``"voxels"``).
    limits : tuple of float or None
        Limits of both axes; None: the range of the data.
    mark : float, optional
        Lines at this score on both axes; the caption counts the targets beyond it in both (Brain2Music, Fig. 7b: 0.4).
    criterion : str
        Which targets are drawn, for the caption.
    chosen : str
        Definition of significance, for the caption.
    **keywords
        ``title``, ``note``, ``style`` and ``origin``, as in :class:`~b2m_encoding.figures.PageOptions`.
    """
    options = PageOptions(**keywords)
    style = options.style.model_copy(update={"width_mm": min(options.style.width_mm, WIDTH)})
    options = replace(options, style=style)
    x, y = np.asarray(score_x, dtype=float), np.asarray(score_y, dtype=float)
    if x.shape != y.shape or x.ndim != 1:
        raise InputError("the two scores must have the same targets", found=(x.shape, y.shape))
    keep = np.isfinite(x) & np.isfinite(y) & (True if tested is None else np.asarray(tested, dtype=bool))
    x, y = x[keep], y[keep]
    everything = np.concatenate([x, y]) if x.size else np.array([0.0, 1.0])
    low = float(everything.min()) if limits[0] is None else limits[0]
    high = float(everything.max()) if limits[1] is None else limits[1]
    if not high > low:
        high = low + 1.0
    n_outside = int(((np.minimum(x, y) < low) | (np.maximum(x, y) > high)).sum())
    above = float((y > x).mean()) if x.size else float("nan")
    among = (y > x)[np.asarray(significant, dtype=bool)[keep]] if significant is not None else np.zeros(0)
    with style.context():
        side = style.width_mm - 2 * MARGIN - AXIS - BAR
        top = options.header + (8 if among.size else 5)
        page = options.page(top + side + 10)
        axes = page.panel(MARGIN + AXIS, top, side, side)
        _density(page, axes, x, y, (low, high), targets)
        if mark is not None:
            for line in (axes.axhline, axes.axvline):
                line(mark, color=GREY, linewidth=0.5, linestyle="--")
        axes.set_xlabel(f"{names[0]} ({label})", parse_math=False)
        axes.set_ylabel(f"{names[1]} ({label})", parse_math=False)
        words = (
            f"{percent(above, 0)} of {x.size:,} {targets} above the line"
            if x.size
            else f"no {targets} with both scores"
        )
        words += f"\n{percent(among.mean(), 0)} of the {among.size:,} significant ones" if among.size else ""
        page.write(MARGIN + AXIS, top - 1.5, words, size=style.small_size, va="bottom")
    sentences = [
        f"{names[1]} against {names[0]} ({label}); {x.size:,} {targets} ({criterion}), {percent(above)} above the "
        "line of equal scores."
        if x.size
        else "No target has both scores.",
        f"Of the {among.size:,} {targets} that are {chosen}, {percent(among.mean())} lie above it."
        if among.size
        else "",
        f"{n_outside} lie outside the axes." if n_outside else "",
        f"{int(((x > mark) & (y > mark)).sum())} lie above {mark:g} in both (dashed)." if mark is not None else "",
    ]
    details = [f"Colour: {targets} per bin of {(high - low) / BINS:.2g}, logarithmic."]
    columns = [f"score_{name}" for name in names] if names[0] != names[1] else ["score_x", "score_y"]
    table = pd.DataFrame({"target": np.flatnonzero(keep), columns[0]: x, columns[1]: y})
    return FigureResult(page, options.caption(sentences, details), table)


def _density(page: Page, axes: Axes, x: Floating, y: Floating, limits: tuple[float, float], targets: str) -> None:
    """Draw the density with its identity line and colour bar; the norm belongs to this figure alone."""
    low, high = limits
    counts = np.histogram2d(y, x, bins=BINS, range=(limits, limits))[0]
    top = max(float(counts.max()), 10.0)
    norm = LogNorm(1.0, top)
    cmap = matplotlib.colormaps["magma_r"]
    colours = cmap(0.12 + 0.88 * norm(np.maximum(counts, 1)).filled(0.0), bytes=True)
    colours[counts == 0] = 255
    axes.imshow(colours, extent=(low, high, low, high), origin="lower", interpolation="none", aspect="auto")
    axes.plot(limits, limits, color=GREY, linewidth=0.6)
    if low < 0 < high:
        axes.axhline(0, color=GREY, linewidth=0.3, zorder=0.5)
        axes.axvline(0, color=GREY, linewidth=0.3, zorder=0.5)
    axes.set(xlim=limits, ylim=limits)
    axes.locator_params(nbins=5, steps=[1, 2, 5, 10])
    box = axes.get_position()
    height = page.height * box.height
    bar = page.panel(page.style.width_mm - MARGIN - BAR + 3, page.height * (1 - box.y1), 2.2, height)
    ramp = cmap(0.12 + 0.88 * np.linspace(0, 1, 256), bytes=True)
    bar.imshow(ramp[:, None], extent=(0, 1, 0, np.log10(top)), origin="lower", aspect="auto", interpolation="none")
    powers = np.arange(0, int(np.log10(top)) + 1)
    bar.set_xticks([])
    bar.set_yticks(powers, [f"{10 ** int(power):,}" for power in powers])
    bar.yaxis.tick_right()
    bar.spines[:].set_visible(False)
    bar.set_title(targets, size=page.style.small_size, loc="right", pad=3, parse_math=False)
