"""Figure of one score on the inflated cortex, drawn by nilearn, in the colours of the flatmap."""

from __future__ import annotations

from typing import Any, Literal, Unpack

import numpy as np
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import shared_limits
from b2m_encoding.figures.flatmap import BOTH
from b2m_encoding.figures.images import placed
from b2m_encoding.figures.layers import ScoreMap, vertex_palette
from b2m_encoding.figures.maps import GUTTER, TITLE, MapFigure
from b2m_encoding.figures.options import MapKeywords, MapOptions
from b2m_encoding.figures.page import MARGIN, FigureResult, Page
from b2m_encoding.figures.panels import NAMES, centred_colour_bar, keys
from b2m_encoding.spaces import Atlas, Hemisphere, Space, SurfaceSpace

FOOTER = 12.0
ASPECT = 0.72
"""Height of a view over its width."""
FILL = 0.94
"""Share of a panel that a hemisphere fills in its larger direction."""
Side = Literal["lateral", "medial", "dorsal", "ventral", "anterior", "posterior"]


def surface(
    scores: Floating,
    space: Space | str | None = None,
    atlas: Atlas | str | None = None,
    *,
    label: str = "prediction accuracy (r)",
    limits: tuple[float | None, float | None] = (0.0, None),
    views: tuple[Side, ...] = ("lateral", "medial"),
    **keywords: Unpack[MapKeywords],
) -> FigureResult:
    """One score on both inflated hemispheres, seen from the given sides.

    Parameters
    ----------
    scores, space, atlas, label, limits
        As in :func:`~b2m_encoding.figures.score_map`.
    views : tuple of {"lateral", "medial", "dorsal", "ventral", "anterior", "posterior"}
        Sides from which each hemisphere is drawn.
    **keywords
        As in :func:`~b2m_encoding.figures.score_map`, without ``view`` and ``zoom``.

    Notes
    -----
    nilearn's matplotlib engine colours whole triangles: for exact values read the flatmap. The views are pictures in a
    PDF too; vectors of 40,000 triangles would be far too large.
    """
    (scores,), space, atlas = placed([scores], space, atlas, keywords)
    options = MapOptions(**keywords)
    style = options.style
    if not views:
        raise InputError("no view to draw")
    data = ScoreMap.of(space, (scores,), options.tested, options.significant)
    shared = shared_limits([data.scores[0][data.shown]], *limits)
    colours = shared.colours(style.colour_map, masked=data.significant is not None)
    codes, palette = vertex_palette(space, data, colours, style.underlay)
    panels = [(hemi, view) for hemi in BOTH for view in views]
    n_columns = len(panels) if style.width_mm >= 120 else len(views)
    width = (style.width_mm - 2 * MARGIN - (n_columns - 1) * GUTTER) / n_columns
    header, n_rows = options.header, -(-len(panels) // n_columns)
    room = (style.max_height_mm - header - MARGIN - FOOTER) / n_rows - TITLE - GUTTER
    height = min(width * ASPECT, room)
    with style.context():
        page = options.page(header + MARGIN + n_rows * (height + TITLE + GUTTER) - GUTTER + FOOTER)
        for index, (hemi, view) in enumerate(panels):
            row, column = divmod(index, n_columns)
            left, top = MARGIN + column * (width + GUTTER), header + MARGIN / 2 + row * (height + TITLE + GUTTER)
            page.write(left + width / 2, top + TITLE / 2, f"{NAMES[hemi]}, {view}", ha="center", va="center_baseline")
            _draw(page, (left, top + TITLE, width, height), space, hemi, view, codes, palette)
        top = page.height - FOOTER + 1.5
        centred_colour_bar(page, top, colours, label, shared.clipped)
        keys(page, MARGIN, top - 0.5, [data], space)
    figure = MapFigure(data, space, atlas, options)
    sentences = [f"{label[:1].upper()}{label[1:]} on the inflated cortex of {space.name}, drawn by nilearn.",
                 shared.sentence(), figure.counts()]  # fmt: skip
    return FigureResult(page, figure.caption(sentences, None), figure.table(("score",)))


def _draw(page: Page, place: tuple[float, float, float, float], space: SurfaceSpace, hemi: Hemisphere, view: Side,
          codes: NDArray[np.int32], palette: NDArray[np.uint8]) -> None:  # fmt: skip
    """Draw one view; a triangle has the median code of its corners, so that no colour is interpolated."""
    from nilearn.plotting import plot_surf

    left, top, width, height = place
    page_width, page_height = page.style.width_mm, page.height
    top -= (width - height) / 2  # matplotlib keeps these axes square: they reach beyond the panel above and below
    axes: Any = page.add_axes(
        (left / page_width, 1 - (top + width) / page_height, width / page_width, width / page_height), projection="3d"
    )
    axes.patch.set_visible(False)
    mesh = space.mesh("inflated", hemi)
    shown = codes[space.hemisphere(hemi)].astype(float)
    n = len(palette)
    plot_surf(
        (mesh.points.copy(), mesh.triangles), shown, hemi="left" if hemi == "L" else "right", view=view,
        cmap=ListedColormap(palette / 255), vmin=-0.5, vmax=n - 0.5, avg_method="median", colorbar=False,
        axes=axes, figure=page, engine="matplotlib",
    )  # fmt: skip
    _frame(axes, mesh.points, view, width / height)
    axes.set_rasterized(True)


def _frame(axes: Any, points: Floating, view: Side, aspect: float) -> None:
    """Fill the panel with the hemisphere, at its true proportions."""
    centred = points - points.mean(axis=0)
    low, high = centred.min(axis=0), centred.max(axis=0)
    for name, start, stop in zip("xyz", low, high, strict=True):
        getattr(axes, f"set_{name}lim")(start, stop)
    axes.set_proj_type("ortho")
    span = high - low
    across, up = {"lateral": (1, 2), "medial": (1, 2), "dorsal": (0, 1), "ventral": (0, 1)}.get(view, (0, 2))
    widest = max(span[across], span[up] * aspect)
    axes.set_box_aspect(span, zoom=FILL * float(np.linalg.norm(span) / widest))
