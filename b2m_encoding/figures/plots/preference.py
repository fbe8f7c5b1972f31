"""Figure of two scores: preferred feature space and prediction of each target."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Booleans, Floating
from b2m_encoding.figures.colours import Colours, PreferenceColours, over, shared_limits
from b2m_encoding.figures.images import placed
from b2m_encoding.figures.layers import GYRUS, SULCUS, ScoreMap
from b2m_encoding.figures.maps import MapFigure
from b2m_encoding.figures.options import MapOptions, ViewKeywords
from b2m_encoding.figures.page import FigureResult, Page, shortened
from b2m_encoding.figures.style import GREY, OKABE_ITO
from b2m_encoding.io.shares import percent
from b2m_encoding.spaces import Atlas, Space

FOOTER = 32.0
"""Height of the foot with legend and joint histogram, mm."""
BINS = 40
SIDE = 18.0
"""Width and height of legend and histogram, mm."""


def preference(
    score_a: Floating,
    score_b: Floating,
    space: Space | str | None = None,
    atlas: Atlas | str | None = None,
    *,
    names: tuple[str, str] = ("first", "second"),
    label: str = "r",
    limits: tuple[float | None, float | None] = (None, None),
    undecided: Booleans | None = None,
    **keywords: Unpack[ViewKeywords],
) -> FigureResult:
    """A flatmap of two scores in one colour, with its legend and the joint histogram in the same colours.

    Hue shows which score is larger, from the colour of the first over cream to that of the second; low scores fade into
    the cortex. Vertices without a significant preference are cream, whatever their difference.

    Parameters
    ----------
    score_a, score_b : array, shape (n_targets,)
        Scores of two feature spaces.
    space : Space or str, optional
    atlas : Atlas or str, optional
        On the surface that is drawn.
    names : tuple of str
        Names of the feature spaces.
    label : str
        Name or unit of the scores.
    limits : tuple of float or None
        Difference with full colour, and larger score with full opacity; None: from the percentiles.
    undecided : array of bool, shape (n_targets,), optional
        Targets in which neither score is significantly larger.
    **keywords
        As in :func:`~b2m_encoding.figures.score_map`.
    """
    (score_a, score_b), space, atlas = placed([score_a, score_b], space, atlas, keywords)
    options = MapOptions(**keywords)
    style = options.style
    data = ScoreMap.of(space, (score_a, score_b), options.tested, options.significant)
    first, second = (score[data.shown] for score in data.scores)
    difference = shared_limits([np.abs(second - first)], 0.0, limits[0], percentile=97.0)
    larger = shared_limits([np.maximum(first, second)], 0.0, limits[1])
    fade = None if data.significant is not None else 0.3 * larger.vmax
    ends = (style.colours[0], style.colours[1]) if len(style.colours) > 1 else OKABE_ITO[:2]
    colours = PreferenceColours(difference.vmax, larger.vmax, fade, ends)
    neutral = () if undecided is None else ((_neutral(colours), "no preference"),)
    figure = MapFigure(without_preference(data, undecided), space, atlas, options, footer=FOOTER, more=neutral)
    with style.context():
        page, lengths = figure.draw(colours)
        top = page.height - FOOTER + 5
        left = KEYS + (style.width_mm - KEYS - 2 * SIDE - 24) / 2 + 8
        legend(page, left, top, SIDE, colours, names, label)
        joint_histogram(page, left + SIDE + 14, top, SIDE, first, second, colours, names, label)
    sentences = [
        f"Hue: {names[0]} (left in the legend) or {names[1]} (right) predicts better, by the difference of {label} "
        f"(full colour at ±{difference.vmax:g}). Opacity: the larger {label}.",
        _shares(data, undecided, names),
        figure.counts(),
    ]
    columns = tuple(f"score_{name}" for name in names) if names[0] != names[1] else ("score_a", "score_b")
    table = MapFigure(data, space, atlas, options).table(columns)
    if undecided is not None:
        table["preference"] = data.shown & ~undecided
    details = [
        f"Hue: {difference.n_above:,} vertices lie beyond ±{difference.vmax:g} and are clipped.",
        f"Opacity: {larger.sentence()}",
        "Histogram: vertices in colour, opacity by log count; line: equal scores.",
    ]
    return FigureResult(page, figure.caption(sentences, lengths, details), table)


def _neutral(colours: PreferenceColours) -> str:
    """Colour of targets without a preference, for a key."""
    red, green, blue = colours.table[-colours.N // 2, :3]
    return f"#{red:02x}{green:02x}{blue:02x}"


def without_preference(data: ScoreMap, undecided: Booleans | None) -> ScoreMap:
    """The scores as they are drawn: both the larger one where neither is preferred."""
    if undecided is None:
        return data
    first, second = data.scores
    larger = np.maximum(first, second)
    return replace(data, scores=(np.where(undecided, larger, first), np.where(undecided, larger, second)))


def _shares(data: ScoreMap, undecided: Booleans | None, names: tuple[str, str]) -> str:
    """Sentence on how many vertices in colour prefer which feature space."""
    first, second = data.scores
    shown = data.shown
    if not (n := int(shown.sum())):
        return ""
    if undecided is None:
        return f"{names[1]} is larger in {percent((second > first)[shown].mean())} of the {n:,} vertices in colour."
    decided = shown & ~undecided
    better = (decided & (first > second)).sum() / n, (decided & (second > first)).sum() / n
    return (
        f"Of the {n:,} vertices in colour {percent(better[0])} prefer {names[0]}, {percent(better[1])} {names[1]}; "
        f"the others ({percent((shown & undecided).sum() / n)}) show no significant preference and are cream."
    )


KEYS = 28.0
"""Width of keys and scale bar left of the legend, mm."""


def legend(page: Page, left: float, top: float, size: float, colours: PreferenceColours,
           names: tuple[str, str], label: str) -> None:  # fmt: skip
    """The colour table over the underlay: difference across, larger score upwards."""
    axes = page.panel(left, top, size, size)
    table = over(colours.table, (GYRUS + SULCUS) / 2).reshape(colours.N, colours.N, 4)
    box = (-colours.difference, colours.difference, 0.0, colours.vmax)
    axes.imshow(table, extent=box, origin="lower", aspect="auto", interpolation="none")
    ends = [-colours.difference, 0, colours.difference]
    axes.set_xticks(ends, [_signed(end) for end in ends])
    first, _, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    axes.set_yticks([0, colours.vmax], ["0", f"{colours.vmax:g}"])
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"difference ({label})", labelpad=1.5, parse_math=False)
    axes.set_ylabel(f"larger ({label})", labelpad=1.5, parse_math=False)
    for x, side, name in ((left, "left", names[0]), (left + size, "right", names[1])):
        name = shortened(name, page.style.small_size, size / 2 + 1, page.style)
        page.write(x, top - 1, name, size=page.style.small_size, ha=side, va="bottom")


def _signed(value: float) -> str:
    return "0" if value == 0 else f"{value:+g}".replace("-", "\N{MINUS SIGN}")


def histogram_colours(colours: Colours, x: Floating, y: Floating, counts: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Colours of the centres of the bins of a joint histogram; opacity grows with the log count."""
    grid = np.meshgrid(x, y)
    opaque = over(colours.table, (GYRUS + SULCUS) / 2)[colours.codes(*grid)]
    opaque[..., 3] = np.round(
        255 * np.where(counts > 0, 0.45 + 0.55 * np.log1p(counts) / np.log1p(max(counts.max(), 1)), 0)
    )
    return opaque


def joint_histogram(page: Page, left: float, top: float, size: float, first: Floating, second: Floating,
                    colours: PreferenceColours, names: tuple[str, str], label: str) -> None:  # fmt: skip
    """All pairs of scores, in the colours of the map."""
    axes = page.panel(left, top, size, size)
    both = np.concatenate([first, second])
    low, high = (
        (min(0.0, float(both.min())), float(max(both.max(), colours.vmax))) if both.size else (0.0, colours.vmax)
    )
    edges = np.linspace(low, high, BINS + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    counts = np.histogram2d(second, first, bins=(edges, edges))[0].astype(np.int64)
    picture = histogram_colours(colours, centres, centres, counts)
    axes.imshow(picture, extent=(low, high, low, high), origin="lower", interpolation="none", aspect="auto")
    axes.plot([low, high], [low, high], color=GREY, linewidth=0.5)
    axes.set(xlim=(low, high), ylim=(low, high))
    ticks = [0.0, colours.vmax]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    across, upwards = (shortened(f"{name} ({label})", page.style.text_size, SIDE + 4, page.style) for name in names)
    axes.set_xlabel(across, labelpad=1.5, parse_math=False)
    axes.set_ylabel(upwards, labelpad=1.5, parse_math=False)
