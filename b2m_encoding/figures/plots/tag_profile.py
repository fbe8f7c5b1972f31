"""Figure of the profile of regions: correlations with all features that have names."""

from __future__ import annotations

from typing import Unpack

import numpy as np
import pandas as pd

from b2m_encoding.figures.options import PageKeywords, PageOptions
from b2m_encoding.figures.page import MARGIN, FigureResult, shortened, text_width
from b2m_encoding.figures.plots.tags import strongest, with_correlations
from b2m_encoding.io.names import in_words

LINE, NAMES, WIDEST, BAR = 2.9, 30.0, 14.0, 12.0
"""Height of a feature, room for its name, width of a region and hemisphere, and height of the colour bar, mm."""
MOST = 60
"""Features that fit on a page."""


def tag_profile(table: pd.DataFrame, *, q: float = 0.05, **keywords: Unpack[PageKeywords]) -> FigureResult:
    """Profile of regions: the correlation of each with every named feature, as colours.

    Parameters
    ----------
    table : DataFrame
        As for :func:`~b2m_encoding.figures.tags`.
    q : float
        Dots mark what is significant at this false discovery rate.
    **keywords
        As in :func:`~b2m_encoding.figures.regions`.

    Raises
    ------
    InputError
        If a column is missing, or there is no row.
    """
    options = PageOptions(**keywords)
    shown = with_correlations(table).assign(hemisphere=lambda rows: rows["hemisphere"].fillna(""))
    kept, style = strongest(shown, MOST), options.style
    wide = kept.pivot_table(index="feature", columns=["region", "hemisphere"], values="r", sort=False)
    regions = list(dict.fromkeys(shown["region"]))
    columns = [pair for region in regions for pair in sorted(pair for pair in wide.columns if pair[0] == region)]
    wide = wide[columns]
    certain = kept.pivot_table(index="feature", columns=["region", "hemisphere"], values="q", sort=False)[columns] < q
    limit = float(np.ceil(20 * np.nanmax(np.abs(wide.to_numpy()))) / 20)
    width = min(WIDEST * len(columns), style.width_mm - 2 * MARGIN - NAMES)
    cell = width / len(columns)
    room = {region: cell * sum(pair[0] == region for pair in columns) for region in regions}
    names = {region: in_words(region) for region in regions}
    longest = max(text_width(name, style.small_size, style) for name in names.values())
    flat = all(text_width(name, style.small_size, style) < room[region] for region, name in names.items())
    head = 7.0 if flat else 5 + min(22.0, longest)
    with style.context():
        page = options.page(options.header + head + len(wide) * LINE + BAR + MARGIN)
        axes = page.panel(MARGIN + NAMES, options.header + head, width, len(wide) * LINE)
        picture = axes.imshow(wide, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
        y, x = np.nonzero(certain.to_numpy())
        axes.plot(x, y, ".", color="black", markersize=2.2)
        short = [shortened(name, style.small_size, NAMES - 3, style) for name in wide.index]
        axes.set_yticks(range(len(wide)), short, parse_math=False)
        axes.set_xticks(range(len(columns)), [side for _, side in columns])
        axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False, pad=1)
        for region in regions:
            places = [i for i, pair in enumerate(columns) if pair[0] == region]
            name = shortened(names[region], style.small_size, room[region] if flat else head - 4, style)
            axes.annotate(name, (np.mean(places), 1), (0, 9), xycoords=("data", "axes fraction"),
                          textcoords="offset points", rotation=0 if flat else 90, ha="center", va="bottom",
                          fontsize=style.small_size, parse_math=False, annotation_clip=False)  # fmt: skip
            axes.axvline(places[-1] + 0.5, color="white", linewidth=1.2)
        axes.set_ylim(len(wide) - 0.5, -0.5)
        axes.spines[:].set_visible(False)
        bar = page.panel(MARGIN + NAMES, page.height - BAR + 2, min(40.0, width), 2.0)
        page.figure.colorbar(
            picture, cax=bar, orientation="horizontal", label="correlation (r)", ticks=[-limit, 0, limit]
        )
    clips = ", ".join(str(count) for count in sorted({int(count) for count in shown.get("clips", [])}))
    left_out = shown["feature"].nunique() - len(wide)
    sentences = [
        f"Correlation over {clips} held-out clips between the mean response of each region, left and right, and each "
        f"feature, sorted by their mean over regions; dots: q < {q:g} among all features of the region.",
        f"{left_out} features with smaller correlations are not shown." if left_out else "",
    ]
    return FigureResult(page, options.caption(sentences, ["Intervals are in the table."]), kept.reset_index(drop=True))
