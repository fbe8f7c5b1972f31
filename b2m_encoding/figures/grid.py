"""A grid of small maps of the same cortex: a cell per subject, part of the variance or component."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from b2m_encoding._typing import Booleans
from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import Limits, ScalarColours
from b2m_encoding.figures.flatmap import BOTH, flat_layout
from b2m_encoding.figures.layers import ScoreMap
from b2m_encoding.figures.maps import GUTTER, TITLE
from b2m_encoding.figures.options import MapOptions
from b2m_encoding.figures.page import MARGIN, Page, shortened
from b2m_encoding.figures.panels import MapPainter, centred_colour_bar, keys, scale_bar, zoom_windows
from b2m_encoding.figures.style import Style
from b2m_encoding.spaces import Atlas, SurfaceSpace

FOOTER = 12.0
"""Height of the foot with keys, colour bar and scale bar, mm."""
MIN_CELL = 15.0
"""Least width of a cell, mm."""
BETWEEN = 1.0
"""Space between the zooms of the two hemispheres, mm."""


@dataclass(frozen=True)
class Grid:
    """Cells of equal size that fill the width of a page.

    Parameters
    ----------
    n : int
    n_columns : int
    width : float
        Width of a cell, mm.
    aspect : float
        Height of a map over its width.
    zoom : str or None
        Region or set that the cells zoom into, left and right; None: the whole cortex.
    """

    n: int
    n_columns: int
    width: float
    aspect: float
    zoom: str | None

    @classmethod
    def fit(cls, n: int, space: SurfaceSpace, atlas: Atlas, zoom: str | None, style: Style, room: float) -> Grid:
        """The grid with the fewest columns that fits into a height.

        Raises
        ------
        InputError
            If the cells do not fit on a page.
        """
        for n_columns in range(1, n + 1):
            grid = cls.of(n, n_columns, space, atlas, zoom, style)
            if grid.width < MIN_CELL:
                break
            if grid.height <= room:
                return grid
        raise InputError("too many maps for one page", found=n, fix="draw them in several figures, or on a wider page")

    @classmethod
    def of(cls, n: int, n_columns: int, space: SurfaceSpace, atlas: Atlas, zoom: str | None, style: Style) -> Grid:
        """A grid with a number of columns."""
        width = (style.width_mm - 2 * MARGIN - (n_columns - 1) * GUTTER) / n_columns
        if zoom is None:
            window = flat_layout(space).window
            return cls(n, n_columns, width, window.height / window.width, zoom)
        window = zoom_windows(space, atlas, zoom)["L"]
        return cls(n, n_columns, width, window.height / window.width * (width - BETWEEN) / 2 / width, zoom)

    @property
    def row(self) -> float:
        """Height of a row with its titles, mm."""
        return self.width * self.aspect + TITLE

    @property
    def height(self) -> float:
        """Height of all rows, mm."""
        n_rows = math.ceil(self.n / self.n_columns)
        return n_rows * (self.row + GUTTER) - GUTTER

    def place(self, index: int, top: float) -> tuple[float, float]:
        """Left and top of a cell of a grid that begins at a height of the page, mm."""
        row, column = divmod(index, self.n_columns)
        return MARGIN + column * (self.width + GUTTER), top + row * (self.row + GUTTER)

    def draw(self, painter: MapPainter, index: int, name: str, data: ScoreMap, top: float, letter: str = "",
             contours: Sequence[tuple[Booleans, str]] = ()) -> float:  # fmt: skip
        """Draw one cell of a grid that begins at a height of the page; returns printed mm per mm of the flatmap."""
        page, (left, top) = painter.page, self.place(index, top)
        if letter:
            page.letter(left, top, letter)
        taken = 8.0 if letter and page.style.letters else 0.0
        short = shortened(name, page.style.text_size, self.width - taken, page.style)
        page.write(left + self.width / 2, top + TITLE / 2, short, ha="center", va="center_baseline")
        top += TITLE
        if self.zoom is None:
            painter.draw(data, left, top, self.width, contours=contours)
            return self.width / flat_layout(painter.space).window.width
        windows = zoom_windows(painter.space, painter.atlas, self.zoom)
        width = (self.width - BETWEEN) / 2
        for side, hemi in enumerate(BOTH):
            x = left + side * (width + BETWEEN)
            painter.draw(data, x, top, width, window=windows[hemi], hemispheres=(hemi,), outline=self.zoom, inner=True,
                         contours=contours)  # fmt: skip
        return width / windows["L"].width


def grid_room(options: MapOptions) -> float:
    """Largest height of a grid that is alone on its page, mm."""
    return options.style.max_height_mm - options.header - MARGIN - FOOTER


def grid_page(grid: Grid, options: MapOptions) -> Page:
    """A page for a grid of maps with a foot."""
    return options.page(options.header + MARGIN + FOOTER + grid.height)


def draw_foot(
    painter: MapPainter, maps: Sequence[ScoreMap], colours: ScalarColours, label: str, limits: Limits, scale: float
) -> list[float]:
    """Draw keys, colour bar and scale bar below a grid; return the lengths of scale bars, mm on the flatmap."""
    page = painter.page
    top = page.height - FOOTER + 1.5
    centred_colour_bar(page, top, colours, label, limits.clipped)
    keys(page, MARGIN, top - 0.5, maps, painter.space)
    length = scale_bar(page, page.style.width_mm - MARGIN, top, scale, painter.space)
    return [] if length is None else [length]
