"""Figure of the data quality of a subject: head motion over time, and signal-to-noise ratio of every run."""

from __future__ import annotations

from typing import Unpack

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from b2m_encoding.errors import InputError
from b2m_encoding.figures.options import PageKeywords, PageOptions
from b2m_encoding.figures.page import MARGIN, FigureResult, text_width
from b2m_encoding.figures.style import GREY, Style
from b2m_encoding.io.shares import percent

AXIS, HEIGHT, FOOT = 12.0, 26.0, 11.0
"""Room for the vertical axis, height of a panel, and room below it, mm."""
MOVED = 0.5
"""Framewise displacement that many studies censor from, mm."""
SHADE = "#F0F0F0"


def quality(runs: pd.DataFrame, motion: pd.DataFrame | None = None, **keywords: Unpack[PageKeywords]) -> FigureResult:
    """Head motion of every volume, run after run, and the temporal signal-to-noise ratio of every run.

    Parameters
    ----------
    runs : DataFrame
        A row per run of a subject: ``run``, ``tr`` and ``tsnr`` (NaN: not known).
    motion : DataFrame, optional
        A row per volume: ``run``, ``volume``, ``fd`` (framewise displacement, mm).
    **keywords
        As in :func:`~b2m_encoding.figures.regions`.

    Raises
    ------
    InputError
        If neither motion nor signal-to-noise ratio is known.
    """
    options = PageOptions(**keywords)
    has_ratio, has_motion = bool(np.isfinite(runs["tsnr"]).any()), motion is not None and len(motion) > 0
    if not has_ratio and not has_motion:
        raise InputError("neither head motion nor signal-to-noise ratio is known", found=f"{len(runs)} runs",
                         fix="fMRIPrep writes tables of confounds; series that were centred have no ratio")  # fmt: skip
    style, panels = options.style, has_ratio + has_motion
    width = style.width_mm - 2 * MARGIN - AXIS
    with style.context():
        page = options.page(options.header + 4 + panels * (HEIGHT + FOOT))
        top = options.header + 4
        if motion is not None and has_motion:
            _motion(page.panel(MARGIN + AXIS, top, width, HEIGHT), motion, runs, style, width)
            top += HEIGHT + FOOT
        if has_ratio:
            _ratios(page.panel(MARGIN + AXIS, top, width, HEIGHT), runs, style, width)
    sentences = []
    if motion is not None and has_motion:
        above = float((motion["fd"] > MOVED).mean())
        sentences.append(
            f"Framewise displacement of every volume, runs shaded in turn; mean {motion['fd'].mean():.2f} mm, "
            f"{percent(above)} of the volumes above {MOVED:g} mm (dashed)."
        )
    if has_ratio:
        sentences.append("tSNR: median over targets of mean over standard deviation, before cleaning, of every run.")
    table = runs[["run", "tsnr"]] if motion is None or not has_motion else motion
    return FigureResult(page, options.caption(sentences), table.reset_index(drop=True))


def _motion(axes: Axes, motion: pd.DataFrame, runs: pd.DataFrame, style: Style, width: float) -> None:
    """Displacement of every volume against the time that was measured before it."""
    steps = dict(zip(runs["run"], runs["tr"], strict=True))
    start, most = 0.0, max(1.1 * MOVED, 1.05 * float(motion["fd"].max()))
    edges = [0.0]
    for number, (run, own) in enumerate(motion.groupby("run", sort=False)):
        minutes = start + np.arange(len(own)) * float(steps.get(run, 1.0)) / 60
        end = float(minutes[-1]) + float(steps.get(run, 1.0)) / 60
        if number % 2 == 0:
            axes.axvspan(start, end, color=SHADE, linewidth=0)
        axes.plot(minutes, own["fd"], color=style.colours[0], linewidth=0.5)
        start = end
        edges.append(end)
    axes.axhline(MOVED, color=GREY, linewidth=0.6, linestyle="--")
    axes.set(xlim=(0, start), ylim=(0, most), xlabel="time, min", ylabel="FD, mm")
    names = short_names(list(dict.fromkeys(motion["run"])))
    rooms = np.diff(edges) / start * width
    if all(text_width(name, style.small_size, style) < room for name, room in zip(names, rooms, strict=True)):
        for name, left, right in zip(names, edges[:-1], edges[1:], strict=True):
            axes.text((left + right) / 2, 1.02 * most, name, ha="center", va="bottom", fontsize=style.small_size)


def _ratios(axes: Axes, runs: pd.DataFrame, style: Style, width: float) -> None:
    """A bar per run."""
    names = short_names([str(run) for run in runs["run"]])
    axes.bar(range(len(runs)), runs["tsnr"], color=style.colours[0], width=0.7)
    axes.set(xlim=(-0.6, len(runs) - 0.4), ylabel="tSNR")
    room = width / len(names) - 1
    if any(text_width(name, style.small_size, style) > room for name in names):
        names = [str(number) for number in range(1, len(names) + 1)]
        axes.set_xlabel("run")
    every = -(-len(names) // 24)
    axes.set_xticks(range(0, len(names), every), names[::every], parse_math=False)
    axes.tick_params(axis="x", length=0)


def short_names(names: list[str]) -> list[str]:
    """Names without the words that all of them share, or their numbers where that leaves nothing.

    Examples
    --------
    >>> short_names(["task-Test_run-01", "task-Test_run-02"]), short_names(["only"]), short_names(["a", "a_b"])
    (['run-01', 'run-02'], ['only'], ['1', '2'])
    """
    parts = [name.split("_") for name in names]
    shared = set.intersection(*map(set, parts)) if len(names) > 1 else set()
    short = ["_".join(one for one in own if one not in shared) for own in parts]
    return short if all(short) else [str(number) for number in range(1, len(names) + 1)]
