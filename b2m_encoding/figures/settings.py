"""``[figures]`` of a study: size, resolution, files, font, colours. One table for every figure."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from b2m_encoding.config import Config
from b2m_encoding.figures.layers import Underlay
from b2m_encoding.figures.page import Format
from b2m_encoding.figures.style import OKABE_ITO, Style


class FigureSettings(Config):
    """``[figures]``: how figures look and which files are written.

    Examples
    --------
    >>> FigureSettings(width_mm=89, dpi=450).style.width
    89.0
    """

    width_mm: float = 183.0
    """89, 120 or 183 for most journals."""
    max_height_mm: float = 170.0
    """Panels shrink to keep it."""
    dpi: int = 300
    formats: tuple[Format, ...] = Field(default=("png", "pdf"), min_length=1)
    font: str | None = None
    """Default: Arial, Helvetica or what comes nearest and is installed."""
    text_size: float = 7.0
    small_size: float = 6.0
    colour_map: str = "inferno"
    """Of scores; any name of matplotlib. One that some readers cannot read is warned of."""
    limits: tuple[float, float] | None = None
    """Colour limits of scores; default: zero and a percentile, the same for all panels of a figure."""
    colours: tuple[str, ...] = OKABE_ITO
    """Of the feature spaces, in order."""
    underlay: Underlay = "binary"
    outlines: bool = True
    labels: bool = True
    """Names of the regions in zooms."""
    outline_colour: str = "white"
    outline_width: float = 0.6
    letters: bool = True
    """Panel letters, where a figure has several panels."""
    note: str | None = None
    """Instead of the note of the study."""

    @model_validator(mode="after")
    def _can_be_drawn(self) -> FigureSettings:
        _ = self.style.family
        if self.limits and not self.limits[1] > self.limits[0]:
            raise ValueError(f"figures.limits must rise, not {list(self.limits)}")
        return self

    @property
    def style(self) -> Style:
        """The style of the figures."""
        same = ("dpi", "font", "text_size", "small_size", "colours", "underlay", "outlines", "labels",
                "outline_colour", "outline_width", "letters")  # fmt: skip
        values: dict[str, Any] = {name: getattr(self, name) for name in same}
        return Style(width=self.width_mm, max_height=self.max_height_mm, cmap=self.colour_map, **values)
