"""Common parts of map figures: page with whole cortex and zooms, caption, table of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from b2m_encoding._typing import Booleans
from b2m_encoding.errors import InputError
from b2m_encoding.figures.colours import Colours
from b2m_encoding.figures.flatmap import BOTH, drawn_triangles, flat_layout
from b2m_encoding.figures.layers import ScoreMap
from b2m_encoding.figures.options import MapOptions, View
from b2m_encoding.figures.page import MARGIN, Page
from b2m_encoding.figures.panels import NAMES, MapPainter, keys, scale_bar, scale_sentence, zoom_windows
from b2m_encoding.io.names import in_words
from b2m_encoding.io.shares import counted_share
from b2m_encoding.spaces import Atlas, SurfaceSpace

GUTTER = 3.0
"""Space between panels, mm."""
TITLE = 4.0
"""Height of the line above a panel, mm."""
HIGH_FOOT = 20.0

Row = Literal["whole", "zoom"]
ROWS: dict[View, tuple[Row, ...]] = {"whole": ("whole",), "zoom": ("zoom",), "overview": ("whole", "zoom")}


@dataclass(frozen=True, eq=False)
class MapFigure:
    """A figure of maps: scores, surface, atlas and layout.

    Parameters
    ----------
    data : ScoreMap
    space : SurfaceSpace
    atlas : Atlas
        Atlas on the same surface.
    options : MapOptions
    footer : float
        Height at the foot for keys, colour bar or legend, mm.
    below : float
        Height of a row of other panels between the maps and the foot, mm.
    contour : array of bool, optional
        Targets to outline in the zooms, where the others stay in colour.
    missing : str
        Key of the targets without a score.
    more : tuple of (str, str)
        Further keys: colour and meaning.
    """

    data: ScoreMap
    space: SurfaceSpace
    atlas: Atlas
    options: MapOptions
    footer: float = 12.0
    below: float = 0.0
    contour: Booleans | None = None
    missing: str = "not tested"
    more: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.atlas.space != self.space:
            raise InputError("the atlas is on another surface", found=self.atlas.space.name, expected=self.space.name)
        if self.options.view not in ROWS:
            raise InputError("unknown view of the cortex", found=self.options.view, expected=", ".join(ROWS))

    @property
    def rows(self) -> tuple[Row, ...]:
        """Rows of map panels."""
        return ROWS[self.options.view]

    @property
    def coloured(self) -> Booleans:
        """Targets drawn in colour."""
        return self.data.tested if self.contour is not None and "zoom" in self.rows else self.data.shown

    def draw(self, colours: Colours) -> tuple[Page, list[float]]:
        """Lay out and draw all map panels, the keys (lower left) and a scale bar for each row.

        Returns
        -------
        page : Page
        lengths : list of float
            Lengths of the scale bars, mm on the flatmap.
        """
        style, header = self.options.style, self.options.header
        full = style.width_mm - 2 * MARGIN
        fixed = header + self.footer + self.below + MARGIN + GUTTER * (len(self.rows) - 1)
        fixed += TITLE * len(self.rows)
        heights = {row: self._height(row, full) for row in self.rows}
        scale = min(1.0, (style.max_height_mm - fixed) / sum(heights.values()))
        height = fixed + scale * sum(heights.values())
        page = self.options.page(height)
        painter = MapPainter(page, self.space, self.atlas, colours)
        top, lengths = header + MARGIN / 2, []
        for letter, row in zip("ab", self.rows, strict=False):
            if len(self.rows) > 1 or self.below:
                page.letter(MARGIN, top, letter)
            printed = self._draw_row(painter, row, MARGIN + full * (1 - scale) / 2, top, full * scale)
            top += heights[row] * scale + TITLE + GUTTER
            lengths.append(self._scale_bar(page, row, printed, above=top - GUTTER))
        hidden = [self.data if "whole" in self.rows else self._drawn]
        outlined = self.contour is not None and "zoom" in self.rows
        keys(page, MARGIN, page.height - self.footer + 1, hidden, self.space, contour=outlined, missing=self.missing,
             more=self.more)  # fmt: skip
        return page, [length for length in lengths if length is not None]

    def _scale_bar(self, page: Page, row: Row, printed: float, above: float) -> float | None:
        """Below the last row, on the left where the foot is high; for other rows in their lower right corner."""
        right = page.style.width_mm - MARGIN
        if row != self.rows[-1]:
            return scale_bar(page, right, above - 4, printed, self.space)
        if self.footer > HIGH_FOOT:
            return scale_bar(page, MARGIN, page.height - 6, printed, self.space, side="left")
        return scale_bar(page, right, page.height - self.footer + 1.5, printed, self.space)

    @property
    def _drawn(self) -> ScoreMap:
        return self.data if self.contour is None else self.data.unmasked()

    def _height(self, row: Row, full: float) -> float:
        if row == "whole":
            whole = flat_layout(self.space).window
            return full * whole.height / whole.width
        window = zoom_windows(self.space, self.atlas, self.options.zoom)["L"]
        return (full - GUTTER) / 2 * window.height / window.width

    def _draw_row(self, painter: MapPainter, row: Row, left: float, top: float, full: float) -> float:
        """Draw one row of panels; return printed mm per mm of the flatmap."""
        page = painter.page
        if row == "whole":
            layout = flat_layout(self.space)
            scale = full / layout.window.width
            for hemi in BOTH:
                ends = layout.points[layout.of([hemi])][..., 0]
                middle = left + float(ends.min() + ends.max()) / 2 * scale
                page.write(middle, top + TITLE / 2, NAMES[hemi], ha="center", va="center_baseline")
            outline = self.options.zoom if len(self.rows) > 1 else None
            painter.draw(self.data, left, top + TITLE, full, outline=outline)
            return scale
        windows = zoom_windows(self.space, self.atlas, self.options.zoom)
        width = (full - GUTTER) / 2
        for index, hemi in enumerate(BOTH):
            x = left + index * (width + GUTTER)
            page.write(x + width / 2, top + TITLE / 2, NAMES[hemi], ha="center", va="center_baseline")
            painter.draw(
                self._drawn, x, top + TITLE, width, window=windows[hemi], hemispheres=(hemi,),
                outline=self.options.zoom, named=True, contour=self.contour,
            )  # fmt: skip
        return width / windows["L"].width

    def counts(self) -> str:
        """Sentence for the caption: count of significant targets; nothing where there is no mask."""
        data = self.data
        if data.significant is None:
            return ""
        n, n_tested = int(data.significant.sum()), int(data.tested.sum())
        outlined = self.coloured is data.tested
        where = " (outlined in the zoom)" if outlined and "whole" in self.rows else " (outlined)" if outlined else ""
        return f"{counted_share(n, n_tested, 'tested vertices')} are {self.options.criterion}{where}."

    def _drawn_targets(self) -> str:
        """Sentence for the details: tested targets, and what the others look like."""
        data, drawn = self.data, np.unique(drawn_triangles(self.space))
        parts = [f"{int(data.tested.sum()):,} of {self.space.n_targets:,} vertices of {self.space.name} were tested"]
        if not data.tested[drawn].all():
            parts.append(f"pale: {self.missing}")
        outlined = self.coloured is data.tested
        if data.significant is not None and not (outlined and "whole" not in self.rows):
            bare = "are grey" if self.options.style.underlay == "none" else "show sulci (dark) and gyri (light)"
            parts.append(f"those that are not significant {bare}{' in the upper panel' if outlined else ''}")
        return "; ".join(parts) + "."

    def caption(self, sentences: list[str], lengths: list[float] | None, details: Sequence[str] = ()) -> str:
        """The caption: sentences, and the outlined regions; details end with scale bars (None: there are none)."""
        text, more = list(sentences), [*details, self._drawn_targets()]
        if "zoom" in self.rows and self.options.style.outlines:
            author = self.atlas.citation.partition(", doi")[0]
            text.append(f"Outlines: regions of {self.atlas.name}{f' ({author})' if author else ''}.")
            where = f", {self.atlas.citation}" if self.atlas.citation else ""
            more.append(f"Atlas: {self.atlas.name}{where}, set {in_words(self.options.zoom)!r}.")
        if lengths is not None:
            more.append(scale_sentence(self.space, lengths))
        return self.options.caption(text, more)

    def table(self, names: tuple[str, ...]) -> pd.DataFrame:
        """The plotted numbers: one row per target."""
        regions = np.array(["", *self.atlas.regions], dtype=object)[self.atlas.labels]
        columns: dict[str, object] = {
            "hemisphere": np.repeat(BOTH, self.space.counts),
            "vertex": np.concatenate([np.arange(count) for count in self.space.counts]),
            "region": regions,
            **dict(zip(names, self.data.scores, strict=True)),
            "tested": self.data.tested,
        }
        if self.data.significant is not None:
            columns["significant"] = self.data.significant
        return pd.DataFrame(columns)
