"""Figure of a design: the features over time, and their correlations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.figures.options import PageKeywords, PageOptions
from b2m_encoding.figures.page import MARGIN, FigureResult, Page, shortened, text_width
from b2m_encoding.figures.style import Style

MAP, LARGEST = "RdBu_r", 3.0
"""Colours of both panels, and the number of standard deviations at which they end."""
LEAST, MOST, FOOT, BAR = 40.0, 75.0, 11.0, 2.4
"""Height of the features, room below, and width of the bars that name the feature spaces, mm."""
LINE = 2.6
"""Height of a row from which on it has a name, mm."""
SIDE_BY_SIDE = 120.0


def design(
    values: Floating,
    correlations: Floating,
    *,
    spaces: Sequence[str],
    names: Sequence[str],
    times: Floating,
    run: str = "",
    reduced: Sequence[str] = (),
    **keywords: Unpack[PageKeywords],
) -> FigureResult:
    """Features of one run over time, and correlations of the features over training samples.

    Parameters
    ----------
    values : array, shape (n_samples, n_features)
        Standardised features of a run.
    correlations : array, shape (n_features, n_features)
    spaces, names : sequence of str, shape (n_features,)
        Feature space and name of every column; columns of a space stand together.
    times : array, shape (n_samples,)
        Seconds.
    run : str
        Name of the run, for the caption.
    reduced : sequence of str
        Feature spaces of which principal components are shown.
    **keywords
        As in :func:`~b2m_encoding.figures.regions`.
    """
    n = len(names)
    if np.shape(values) != (len(times), n) or np.shape(correlations) != (n, n) or len(spaces) != n:
        found = np.shape(values), np.shape(correlations)
        raise InputError("features, correlations and names do not fit", found=found, expected=(len(times), n))
    options = PageOptions(**keywords)
    style, beside = options.style, options.style.width_mm > SIDE_BY_SIDE
    height = float(np.clip(n * LINE, LEAST, MOST))
    labels = [shortened(name, style.small_size, 18, style) for name in names] if n * LINE <= height + 1e-6 else []
    left = MARGIN + max([text_width(name, style.small_size, style) for name in labels], default=0.0) + BAR + 3
    room = style.width_mm - MARGIN - left
    side = min(height, 0.36 * style.width_mm) if beside else min(height + 10, room)
    wide = room - side - 14 if beside else room - 1
    top = options.header + 5.0
    lower = top if beside else top + height + FOOT + 5
    with style.context():
        page = options.page(top + height + FOOT + 5 if beside else lower + side + FOOT + 4)
        features = page.panel(left, top, wide, height)
        features.imshow(np.asarray(values, dtype=float).T, aspect="auto", cmap=MAP, vmin=-LARGEST, vmax=LARGEST,
                        interpolation="none", extent=(float(times[0]), float(times[-1]), n - 0.5, -0.5))  # fmt: skip
        features.set_xlabel("time, s")
        features.set_yticks(range(n) if labels else [], labels, parse_math=False)
        features.tick_params(axis="y", length=0, pad=1.5 + BAR * 72 / 25.4)
        _bars(features, spaces, style, BAR / wide)
        corner = left + wide + 12 if beside else left
        matrix = page.panel(corner, lower, side, side)
        matrix.imshow(np.asarray(correlations, dtype=float), cmap=MAP, vmin=-1, vmax=1, interpolation="none")
        matrix.set(xticks=[], yticks=[])
        _bars(matrix, spaces, style, BAR / side)
        page.letter(MARGIN, top - 4, "a")
        page.letter(corner - BAR - 2, lower - 4, "b")
        _keys(page, left, page.height - 4.5, spaces, style)
        _scale(page, matrix, lower + side + 3, corner, side)
    about = f"principal components of {' and '.join(reduced)}" if reduced else ""
    sentences = [
        f"a, features of {run or 'one run'} over time, s.d.; \N{MINUS SIGN}{LARGEST:g} is blue, {LARGEST:g} red."
        + (f" Wide feature spaces are shown by their first {about}." if about else ""),
        "b, correlations of the same features over training samples, before they are delayed.",
    ]
    table = pd.DataFrame(
        np.asarray(values, dtype=np.float32), columns=[f"{s}: {f}" for s, f in zip(spaces, names, strict=True)]
    )
    table.insert(0, "time", times)
    return FigureResult(page, options.caption(sentences), table)


def _spans(spaces: Sequence[str]) -> list[tuple[str, int, int]]:
    """Name, first and one past the last column of every feature space."""
    named = list(dict.fromkeys(spaces))
    return [(name, list(spaces).index(name), list(spaces).index(name) + list(spaces).count(name)) for name in named]


def _bars(axes: Axes, spaces: Sequence[str], style: Style, width: float) -> None:
    """A bar in the colour of its feature space beside its rows, and lines between the spaces."""
    left, right = axes.get_xlim()
    for i, (_, first, stop) in enumerate(_spans(spaces)):
        wide, colour = (right - left) * width * 0.6, style.colours[i % len(style.colours)]
        axes.add_patch(Rectangle((left - wide * 1.4, first - 0.5), wide, stop - first, facecolor=colour, clip_on=False))
        if first:
            axes.axhline(first - 0.5, color="black", linewidth=0.5)


def _keys(page: Page, left: float, top: float, spaces: Sequence[str], style: Style) -> None:
    """Names of the feature spaces beside their colours."""
    axes = page.panel(left, top, style.width_mm - left - MARGIN, 3.5)
    axes.set(xlim=(0, style.width_mm - left - MARGIN), ylim=(3.5, 0))
    axes.set_axis_off()
    place, room = 0.0, (style.width_mm - left - MARGIN) / max(len(_spans(spaces)), 1) - 5
    for i, (name, _, _) in enumerate(_spans(spaces)):
        text = shortened(name, style.small_size, room, style)
        axes.add_patch(Rectangle((place, 0.8), 2.6, 1.9, facecolor=style.colours[i % len(style.colours)]))
        axes.text(place + 3.4, 1.75, text, fontsize=style.small_size, va="center_baseline")
        place += 7 + text_width(text, style.small_size, style)


def _scale(page: Page, matrix: Axes, top: float, left: float, side: float) -> None:
    """The colour bar of the correlations."""
    axes = page.panel(left + side * 0.2, top, side * 0.6, 1.8)
    bar = page.colorbar(matrix.images[0], cax=axes, orientation="horizontal", ticks=[-1, 0, 1])
    bar.outline.set_linewidth(0.4)
    axes.set_xlabel("correlation", fontsize=page.style.small_size, labelpad=1)
