"""Panels of a map figure: a flatmap with outlines and names, a colour bar with keys, a scale bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patheffects import Stroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import Colours, ScalarColours, over
from b2m_encoding.figures.flatmap import BOTH, Window, drawn_triangles, flat_layout, pixel_map
from b2m_encoding.figures.layers import GREYS, GYRUS, PALE, SULCUS, ScoreMap, compose
from b2m_encoding.figures.names import place_names
from b2m_encoding.figures.outlines import Borders, Line, boundary, trace_borders, without_specks
from b2m_encoding.figures.page import MM, Page, swatch, text_width
from b2m_encoding.figures.style import GREY, INK
from b2m_encoding.spaces import Atlas, Hemisphere, SurfaceSpace

ZOOM_MARGIN = 7.0
"""Cortex shown around the regions of a zoom, mm."""
FULL_LINE = 60.0
"""Outlines are drawn thinner on panels narrower than this, mm."""
HALO = "#202020"
CONTOUR = "#56B4E9"
"""Outline of significant targets: distinct from region outlines and from warm colours."""
NARROW_BAR = 22.0
"""Colour bars up to this width, mm, have three ticks at most."""
NAME_ROWS = 400
"""Height of the picture in which positions of region names are searched."""
NAMES = {"L": "Left", "R": "Right"}


@lru_cache(maxsize=8)
def atlas_borders(atlas: Atlas) -> Borders:
    """All borders of an atlas on its flatmap."""
    layout = flat_layout(atlas.space)
    labels = without_specks(layout.triangles, atlas.labels)
    return trace_borders(layout.points, layout.triangles, labels)


@lru_cache(maxsize=8)
def _rims(space: SurfaceSpace, hemispheres: tuple[Hemisphere, ...]) -> list[Line]:
    layout = flat_layout(space)
    return boundary(layout.points, layout.of(hemispheres))


def zoom_windows(space: SurfaceSpace, atlas: Atlas, name: str) -> dict[Hemisphere, Window]:
    """A window around the regions of a set in each hemisphere, of the same size in both."""
    layout = flat_layout(space)
    drawn = np.zeros(space.n_targets, dtype=bool)
    drawn[layout.triangles] = True
    windows: dict[Hemisphere, Window] = {}
    for hemi in BOTH:
        mask = atlas.mask(name, hemi) & drawn
        if not mask.any():
            raise InputError("these regions are not on the flatmap", found=f"{name}, {NAMES[hemi].lower()} hemisphere")
        windows[hemi] = Window.around(layout.points[mask], ZOOM_MARGIN)
    size = max(w.width for w in windows.values()), max(w.height for w in windows.values())
    return {hemi: window.resized(*size) for hemi, window in windows.items()}


@dataclass(frozen=True, eq=False)
class MapPainter:
    """Page, surface, atlas and colours shared by the map panels of a figure.

    Parameters
    ----------
    page : Page
    space : SurfaceSpace
    atlas : Atlas
    colours : Colours
    """

    page: Page
    space: SurfaceSpace
    atlas: Atlas
    colours: Colours

    def draw(
        self,
        data: ScoreMap,
        left: float,
        top: float,
        width: float,
        *,
        window: Window | None = None,
        hemispheres: tuple[Hemisphere, ...] = BOTH,
        outline: str | None = None,
        inner: bool = False,
        named: bool = False,
        contour: NDArray[np.bool_] | None = None,
        contours: Sequence[tuple[NDArray[np.bool_], str]] = (),
    ) -> Axes:
        """A flatmap at a place of the page (mm), with the outline of a set, of its regions (inner), or with names.

        ``contour`` outlines significant targets; ``contours`` are further masks with the colours of their outlines.
        """
        style = self.page.style
        window = window or flat_layout(self.space).window
        height = width * window.height / window.width
        pixels = pixel_map(
            self.space, max(1, round(height / MM * style.dpi)), window=window, hemispheres=tuple(hemispheres)
        )
        picture = compose(self.space, pixels, data, self.colours, underlay=style.underlay)
        axes = self.page.panel(left, top, width, height)
        axes.imshow(
            picture, extent=(window.left, window.right, window.bottom, window.top), interpolation="none", aspect="auto"
        )
        axes.set(xlim=(window.left, window.right), ylim=(window.bottom, window.top))
        axes.axis("off")
        rims = [*_rims(self.space, tuple(hemispheres)), *self._holes(data, hemispheres)]
        axes.add_collection(LineCollection(rims, colors=GREY, linewidths=0.35))
        line = style.outline_width * float(np.clip(width / FULL_LINE, 0.5, 1.0))
        if outline is not None and style.outlines:
            members = [self.atlas.regions.index(name) + 1 for name in self.atlas.members(outline)]
            borders = atlas_borders(self.atlas)
            self._outline(
                axes, borders.around(members) if inner or named else borders.rim(members), style.outline_width
            )
        if outline is not None and named and style.labels:
            self._names(axes, window, hemispheres, width, self.atlas.members(outline))
        for mask, colour in (*([(contour, CONTOUR)] if contour is not None else []), *contours):
            layout = flat_layout(self.space)
            borders = trace_borders(layout.points, layout.of(hemispheres), mask.astype(np.int64))
            self._outline(axes, borders.around([1]), 1.5 * line, colour)
        return axes

    def _holes(self, data: ScoreMap, hemispheres: tuple[Hemisphere, ...]) -> list[Line]:
        """Rims of what was not tested; single vertices have none."""
        layout = flat_layout(self.space)
        triangles = layout.of(hemispheres)
        holes = without_specks(triangles, (~data.tested).astype(np.int64))
        return trace_borders(layout.points, triangles, holes).around([1])

    def _outline(self, axes: Axes, lines: Sequence[Line], width: float, colour: str | None = None) -> None:
        halo = LineCollection(lines, colors=HALO, linewidths=2.2 * width, alpha=0.35, capstyle="round")
        axes.add_collection(halo)
        colour = colour or self.page.style.outline_colour
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=width, capstyle="round"))

    def _names(self, axes: Axes, window: Window, hemispheres: tuple[Hemisphere, ...], width: float,
               names: Sequence[str]) -> None:  # fmt: skip
        """Write region names inside their regions, or beside the set with a line to a region that is too small."""
        pixels = pixel_map(self.space, NAME_ROWS, window=window, hemispheres=tuple(hemispheres))
        style, points = self.page.style, width / pixels.shape[1] / MM * 72
        label = np.asarray(pixels.picture(self.atlas.labels[pixels.nearest], 0))
        masks = {name: label == self.atlas.regions.index(name) + 1 for name in names}
        texts = [
            (name, mask, text_width(name, 100, style) / MM * 72 / 100) for name, mask in masks.items() if mask.any()
        ]
        written = place_names(texts, points, style.small_size)
        scale, left, top = window.height / pixels.shape[0], window.left, window.top
        for place in written:
            x, y = left + (place.column + 0.5) * scale, top - (place.row + 0.5) * scale
            if place.target is not None:
                row, column = place.target
                end = left + (column + 0.5) * scale, top - (row + 0.5) * scale
                for colour, line in ((HALO, 1.3), ("white", 0.5)):
                    axes.plot([x, end[0]], [y, end[1]], color=colour, linewidth=line, solid_capstyle="round", zorder=4)
            for effects, colour in (([Stroke(linewidth=1.1, foreground=HALO)], HALO), ([], "white")):
                axes.text(x, y, place.name, size=place.size, color=colour, ha="center", va="center_baseline",
                          path_effects=effects, parse_math=False, clip_on=True, zorder=5)  # fmt: skip


def colour_bar(page: Page, left: float, top: float, width: float, colours: ScalarColours, label: str,
               clipped: tuple[bool, bool]) -> Axes:  # fmt: skip
    """A horizontal colour bar with its label; pointed where values are clipped. Colours as over the underlay."""
    axes = page.panel(left, top, width, 2.2)
    table = over(colours.table, (GYRUS + SULCUS) / 2)
    axes.imshow(table[None], extent=(colours.vmin, colours.vmax, 0, 1), aspect="auto", interpolation="none")
    span = (colours.vmax - colours.vmin) * 2.0 / width
    for side, edge, colour, is_clipped in ((-1, colours.vmin, table[0], clipped[0]),
                                           (1, colours.vmax, table[-1], clipped[1])):  # fmt: skip
        if is_clipped:
            axes.fill([edge, edge + side * span, edge], [0, 0.5, 1], color=colour / 255, clip_on=False, linewidth=0)
    axes.set(yticks=[], xlim=(colours.vmin, colours.vmax))
    ticks = _ticks(colours.vmin, colours.vmax, 5 if width > NARROW_BAR else 2)
    axes.set_xticks(ticks, [f"{tick:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks])
    axes.spines[:].set_visible(False)
    axes.set_xlabel(label, labelpad=1.5, parse_math=False)
    return axes


def centred_colour_bar(page: Page, top: float, colours: ScalarColours, label: str, clipped: tuple[bool, bool]) -> None:
    """A colour bar in the middle of the page."""
    width = min(50.0, 0.36 * page.style.width_mm)
    colour_bar(page, (page.style.width_mm - width) / 2, top, width, colours, label, clipped)


def _ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round ticks, with both limits among them where a few equal steps allow it."""
    for round_steps in ((1, 2, 5, 10), (1.5, 2.5)):
        for n in [n for n in (4, 5, 3, 2) if n <= most]:
            step = (high - low) / n
            if np.isclose(step / 10 ** np.floor(np.log10(step)), round_steps, rtol=1e-6).any():
                return [round(float(tick), 10) for tick in np.linspace(low, high, n + 1)]
    ticks = MaxNLocator(min(most, 4), steps=[1, 2, 5, 10]).tick_values(low, high)
    return [round(float(tick), 10) for tick in ticks if low <= tick <= high]


def keys(
    page: Page,
    left: float,
    top: float,
    data: Sequence[ScoreMap],
    space: SurfaceSpace,
    *,
    contour: bool = False,
    missing: str = "not tested",
    more: Sequence[tuple[str, str]] = (),
) -> None:
    """Keys of targets without colour, as far as they occur on the flatmap, after other colours with their meaning."""
    drawn = np.unique(drawn_triangles(space))
    greys = GREYS["binary" if page.style.underlay == "continuous" else page.style.underlay]
    entries: list[tuple[tuple[str, ...], str]] = [((colour,), text) for colour, text in more]
    if any((~scores.shown & scores.tested)[drawn].any() for scores in data):
        entries.append((tuple(map(str, greys)), "not significant"))
    if any((~scores.tested)[drawn].any() for scores in data):
        entries.append((tuple(str(1 - PALE * (1 - grey)) for grey in greys), missing))
    for row, (colours, text) in enumerate(entries):
        swatch(page, left, top + 3.6 * row, colours, text)
    if contour:
        swatch(page, left, top + 3.6 * len(entries), (), "significant", line=CONTOUR)


def scale_bar(
    page: Page, x: float, top: float, mm_per_mm: float, space: SurfaceSpace, *, side: Literal["left", "right"] = "right"
) -> float | None:
    """A scale bar that begins or ends at ``x``; none where the flatmap distorts lengths too much.

    Parameters
    ----------
    mm_per_mm : float
        Printed mm per mm of the flatmap.

    Returns
    -------
    float or None
        Its length on the flatmap, mm.
    """
    low, high = stretch(space)
    if high / low > 1.6:
        return None
    length = next((mm for mm in (50.0, 20.0, 10.0, 5.0) if mm * mm_per_mm <= 16), 5.0)
    left = x if side == "left" else x - length * mm_per_mm
    axes = page.panel(left, top, length * mm_per_mm, 0.4)
    axes.set(xticks=[], yticks=[], facecolor=INK)
    axes.spines[:].set_visible(False)
    page.write(x, top + 1.2, f"{length:g} mm", size=page.style.small_size, ha=side, va="top")
    return length


@lru_cache(maxsize=8)
def stretch(space: SurfaceSpace) -> tuple[float, float]:
    """Flat length over length on the mid-surface: 5th and 95th percentile of the triangles."""
    ratios = []
    for hemi in BOTH:
        flat = space.mesh("flat", hemi)
        ratios.append(_areas(flat.points, flat.triangles) / _areas(space.mid_points(hemi), flat.triangles))
    low, high = np.sqrt(np.percentile(np.concatenate(ratios), [5, 95]))
    return float(low), float(high)


def _areas(points: NDArray[np.float64], triangles: NDArray[np.int64]) -> NDArray[np.float64]:
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    doubled: NDArray[np.float64] = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    return doubled / 2


def scale_sentence(space: SurfaceSpace, lengths: Sequence[float]) -> str:
    """Sentence for the caption: length and distortion of the scale bars."""
    if not lengths:
        return "No scale bar: this flatmap does not keep lengths."
    low, high = stretch(space)
    bars = " and ".join(f"{length:g} mm" for length in lengths)
    return (
        f"Scale bar: {bars} on the flatmap; lengths on it are {low:.2f} to {high:.2f} times those on the cortex "
        "(5th to 95th percentile)."
    )
