"""Figure of the feature with a name that each target responds to most, and how certain that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.figures.images import MapLike, placed
from b2m_encoding.figures.layers import ScoreMap
from b2m_encoding.figures.maps import MapFigure
from b2m_encoding.figures.options import MapOptions, ViewKeywords
from b2m_encoding.figures.page import FigureResult, text_width
from b2m_encoding.figures.plots.hierarchy import BARS, LONGEST, LayerColours, bars
from b2m_encoding.figures.style import OKABE_ITO
from b2m_encoding.spaces import Atlas, Space

OTHERS, OTHERS_COLOUR = "others", "#505050"
TAG_COLOURS = (*OKABE_ITO, "#882255", "#F0E442", "#332288", "#8A7A00")
"""Colours of the most frequent features: those of figures, and four more of Tol's."""
CERTAIN = 0.6
"""Share of bootstrap samples from which on a colour is full."""


def tag_map(
    index: MapLike,
    share: MapLike,
    names: Sequence[str],
    space: Space | str | None = None,
    atlas: Atlas | str | None = None,
    **keywords: Unpack[ViewKeywords],
) -> FigureResult:
    """A flatmap of the named feature that goes with the responses most; the less certain, the more transparent.

    Parameters
    ----------
    index : array, shape (n_targets,)
        Number of the feature of each target, on the surface that is drawn; below 0 there is none.
    share : array, shape (n_targets,)
        Share of bootstrap samples in which it is the same feature.
    names : sequence of str
        Names of all features. The ten most frequent ones have colours, the others are grey.
    space : Space or str, optional
    atlas : Atlas or str, optional
    **keywords
        As in :func:`~b2m_encoding.figures.score_map`.

    Raises
    ------
    InputError
        If a number has no name.
    """
    (numbers, shares), space, atlas = placed([index, share], space, atlas, keywords)
    if np.nanmax(numbers, initial=-1) >= len(names):
        raise InputError("a feature has no name", found=int(np.nanmax(numbers)), expected=f"0 to {len(names) - 1}")
    options = MapOptions(**keywords)
    style = options.style
    shown, level = common_levels(numbers, names)
    there = level >= 0
    tested = np.isfinite(numbers) if options.tested is None else np.asarray(options.tested, dtype=bool)
    # one score per feature, which can be blended between vertices as numbers of features cannot
    scores = [np.where(tested, np.where(level == i, shares, 0), np.nan) for i in range(len(shown))]
    data = ScoreMap.of(space, tuple(scores), tested, there)
    colours = LayerColours(len(shown), 1.0, (*TAG_COLOURS[: len(shown) - 1], OTHERS_COLOUR), CERTAIN)
    longest = min(max(text_width(name, style.small_size, style) for name in shown), LONGEST)
    figure = MapFigure(data, space, atlas, options, footer=BARS + longest + 9)
    counts = np.bincount(level[there & data.shown], minlength=len(shown))
    with style.context():
        page, lengths = figure.draw(colours)
        bars(page, page.height - figure.footer + 4, colours, shown, counts)
    certain = float(np.median(shares[there])) if there.any() else float("nan")
    sentences = [
        f"Colour: the feature, of {len(names)}, that correlates most with responses to held-out clips. Opacity: share "
        f"of bootstrap samples of the clips with the same result (median {certain:.2f}).",
        "Features that go together take turns.",
        figure.counts(),
    ]
    named = np.array([*names, ""], dtype=object)
    whole = np.where(np.nan_to_num(numbers, nan=-1) >= 0, np.nan_to_num(numbers, nan=-1), len(names)).astype(int)
    table = (
        figure.table(shown)
        .drop(columns=[f"score_{name}" for name in shown], errors="ignore")
        .assign(feature=named[whole], share=shares)
    )
    details = [f"The {len(shown) - 1} most frequent features have a colour. Opacity is full from {CERTAIN:g} on."]
    return FigureResult(page, figure.caption(sentences, lengths, details), pd.DataFrame(table))


def common_levels(numbers: Floating, names: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Names of the most frequent features, then "others", and the level of each target among them; -1 for none."""
    whole = np.nan_to_num(numbers, nan=-1).astype(np.intp)
    counts = np.bincount(whole[whole >= 0], minlength=len(names))
    order = np.argsort(-counts, kind="stable")[: len(TAG_COLOURS)]
    common = order[counts[order] > 0]
    place = np.full(len(names) + 1, len(common), dtype=np.intp)
    place[common] = np.arange(len(common))
    return (*(str(names[i]) for i in common), OTHERS), np.where(whole >= 0, place[whole], -1)
