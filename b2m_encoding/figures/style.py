"""Journal style: sizes in mm, resolution, font, colours, outlines and letters."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib
from matplotlib.colors import is_color_like
from matplotlib.font_manager import fontManager

from b2m_encoding.errors import InputError
from b2m_encoding.figures.layers import Underlay
from b2m_encoding.figures.vision import check_colour_map, check_palette

FONTS = ("Arial", "Helvetica", "Liberation Sans", "Arimo", "Nimbus Sans", "DejaVu Sans")
"""Fonts to look for, in this order."""
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P")
"""Of feature spaces, in order: they stay apart in black and white."""
INK, GREY = "#000000", "#6E6E6E"


@dataclass(frozen=True)
class Style:
    """How figures look; the defaults follow the figure guide of Nature journals.

    Parameters
    ----------
    width : float
        Width in mm: 89, 120, 183 or any other from 60 to 250.
    max_height : float
        Height limit in mm; panels shrink to keep it.
    dpi : int
        Resolution of the maps, and of PNG and TIFF files.
    font : str, optional
        Font family; default: the first of ``FONTS`` that is installed.
    text_size, small_size : float
        Points: titles and labels; ticks, keys and region names.
    cmap : str
        Colour map of scores.
    colours : tuple of str
        Colours of feature spaces, in order.
    underlay : {"binary", "continuous", "none"}
        Sulci and gyri behind the map.
    outlines, labels : bool
        Outlines of regions, and their names in zooms.
    outline_colour : str
    outline_width : float
        Region outlines, points.
    letters : bool
        Panel letters, where a figure has several panels.

    Examples
    --------
    >>> Style(width=89, dpi=450).max_height
    170.0
    """

    width: float = 183.0
    max_height: float = 170.0
    dpi: int = 300
    font: str | None = None
    text_size: float = 7.0
    small_size: float = 6.0
    cmap: str = "inferno"
    colours: tuple[str, ...] = OKABE_ITO
    underlay: Underlay = "binary"
    outlines: bool = True
    labels: bool = True
    outline_colour: str = "white"
    outline_width: float = 0.6
    letters: bool = True

    def __post_init__(self) -> None:
        ranges = {
            "width": (60, 250),
            "max_height": (40, 300),
            "dpi": (72, 1200),
            "text_size": (5, 12),
            "small_size": (5, 12),
            "outline_width": (0.1, 4),
        }
        for key, (low, high) in ranges.items():
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise InputError(f"figure style: {key} is out of range", found=value, expected=f"{low} to {high}")
        if self.underlay not in ("binary", "continuous", "none"):
            raise InputError("figure style: unknown underlay", found=self.underlay, expected="binary, continuous, none")
        if self.cmap not in matplotlib.colormaps:
            raise InputError("figure style: unknown colour map", found=self.cmap, fix="see matplotlib.colormaps")
        for colour in (*self.colours, self.outline_colour):
            if not is_color_like(colour):
                raise InputError("figure style: not a colour", found=colour)
        if self.colours[:3] != OKABE_ITO[:3]:
            check_palette(self.colours)
        check_colour_map(self.cmap)

    @property
    def family(self) -> str:
        """The font that is used."""
        if self.font is None:
            return next(name for name in FONTS if name in _installed())
        if self.font not in _installed():
            raise InputError("this font is not installed", found=self.font, fix="install it, or leave out `font`")
        return self.font

    def context(self) -> AbstractContextManager[None]:
        """Matplotlib's settings while a figure is made or written; nothing global changes."""
        family = [self.family] if self.family == "DejaVu Sans" else [self.family, "DejaVu Sans"]
        settings: dict[Any, Any] = {
            "font.family": family,
            "font.size": self.text_size,
            "axes.titlesize": self.text_size,
            "axes.labelsize": self.text_size,
            "xtick.labelsize": self.small_size,
            "ytick.labelsize": self.small_size,
            "legend.fontsize": self.small_size,
            "axes.linewidth": 0.5,
            "xtick.major.width": 0.5,
            "ytick.major.width": 0.5,
            "xtick.major.size": 2.0,
            "ytick.major.size": 2.0,
            "xtick.major.pad": 2.2,
            "ytick.major.pad": 2.0,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.unicode_minus": True,
            "text.parse_math": False,
            "text.usetex": False,
            "pdf.fonttype": 42,
            "ps.fonttype": 42,
            "svg.fonttype": "none",
            "svg.hashsalt": "b2m",
            "path.simplify": False,
            "savefig.bbox": None,
            "figure.constrained_layout.use": False,
            "figure.autolayout": False,
        }
        return matplotlib.rc_context(settings)


@cache
def _installed() -> frozenset[str]:
    return frozenset(font.name for font in fontManager.ttflist)
