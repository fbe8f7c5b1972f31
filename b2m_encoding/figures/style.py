"""Journal style of figures: sizes in mm, resolution, font, colours, outlines and panel letters."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from b2m_encoding.config import Config
from b2m_encoding.errors import InputError

# matplotlib is imported where it is used: the study needs these tables, and a study is read before anything is drawn.

FONT, FONT_FILES = "Liberation Sans", Path(__file__).parent / "fonts"
"""Default font, which comes with the package so that figures look alike everywhere: open, with Arial's metrics."""
OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "^", "D", "v", "P")
"""Markers of feature spaces, in order; they differ in black and white as well."""
COLOUR_MAP = "inferno"
INK, GREY = "#000000", "#6E6E6E"

Underlay = Literal["binary", "continuous", "none"]
Points = Annotated[float, Field(ge=5, le=12)]
"""Size of text, in points."""


class Style(Config):
    """How figures look; the defaults follow the figure guide of Nature journals.

    Raises
    ------
    pydantic.ValidationError
        If a value is out of range, or matplotlib lacks the colour, colour map or font.

    Examples
    --------
    >>> Style(width_mm=89, dpi=450).max_height_mm
    170.0
    """

    width_mm: Annotated[float, Field(ge=60, le=250)] = 183.0
    """Width of the page; 89, 120 or 183 for most journals."""
    max_height_mm: Annotated[float, Field(ge=40, le=300)] = 170.0
    """Limit of the height; panels shrink to keep it."""
    dpi: Annotated[int, Field(ge=72, le=1200)] = 300
    """Resolution of the maps, and of PNG and TIFF files."""
    font: str | None = None
    """Font family; default: Liberation Sans, which comes with the package and has the widths of Arial."""
    text_size: Points = 7.0
    """Size of titles and labels."""
    small_size: Points = 6.0
    """Size of ticks, keys and region names."""
    colour_map: str = COLOUR_MAP
    """Matplotlib's colour map of scores. A map that some readers cannot read gives a warning."""
    colours: tuple[str, ...] = OKABE_ITO
    """Colours of the feature spaces, in order."""
    underlay: Underlay = "continuous"
    """Sulci and gyri behind the map: their depth in soft greys, in two greys (``binary``), or one grey (``none``)."""
    outlines: bool = True
    """Outlines of regions."""
    labels: bool = True
    """Names of the regions in zooms."""
    outline_colour: str = "white"
    """Colour of the outlines of regions."""
    outline_width: Annotated[float, Field(ge=0.1, le=4)] = 0.6
    """Width of region outlines, in points."""
    letters: bool = True
    """Panel letters, where a figure has several panels."""

    # Pydantic validates no defaults: a study without these keys, or with the default map, is read without matplotlib.

    @field_validator("colours", "outline_colour")
    @classmethod
    def _are_colours(cls, value: tuple[str, ...] | str) -> tuple[str, ...] | str:
        from matplotlib.colors import is_color_like

        from b2m_encoding.figures.vision import check_palette

        for colour in (value,) if isinstance(value, str) else value:
            if not is_color_like(colour):
                raise InputError("figure style: not a colour", found=colour)
        if not isinstance(value, str) and value[:3] != OKABE_ITO[:3]:
            check_palette(value)
        return value

    @field_validator("colour_map")
    @classmethod
    def _is_a_colour_map(cls, value: str) -> str:
        if value == COLOUR_MAP:
            return value
        import matplotlib

        from b2m_encoding.figures.vision import check_colour_map

        if value not in matplotlib.colormaps:
            raise InputError("figure style: unknown colour map", found=value, fix="see matplotlib.colormaps")
        check_colour_map(value)
        return value

    @field_validator("font")
    @classmethod
    def _is_installed(cls, value: str | None) -> str | None:
        if value is not None and value not in _installed():
            raise InputError("this font is not installed", found=value, fix="install it, or leave out `font`")
        return value

    @property
    def family(self) -> str:
        """The font family that is drawn with."""
        return self.font or next(name for name in (FONT, "DejaVu Sans") if name in _installed())

    @property
    def families(self) -> list[str]:
        """The font family that is drawn with, and the one for letters that it lacks."""
        return list(dict.fromkeys([self.family, "DejaVu Sans"]))

    @contextmanager
    def context(self) -> Iterator[None]:
        """Matplotlib's settings while a figure is made or written; global settings are restored afterwards."""
        import matplotlib

        settings: dict[Any, Any] = {
            "font.family": self.families,
            "font.size": self.text_size,
            "axes.titlesize": self.text_size,
            "axes.labelsize": self.text_size,
            "xtick.labelsize": self.small_size,
            "ytick.labelsize": self.small_size,
            "legend.fontsize": self.small_size,
            **FIXED,
        }
        with matplotlib.rc_context(settings), known_glyphs():
            yield


@contextmanager
def known_glyphs() -> Iterator[None]:
    """Draw an empty box, without a warning, for a letter that no font has: names come from people's files."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        yield


FIXED: dict[str, Any] = {
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
"""Settings of matplotlib that are the same in every style."""


@cache
def _installed() -> frozenset[str]:
    from matplotlib.font_manager import fontManager

    for file in FONT_FILES.glob("*.ttf"):
        fontManager.addfont(file)
    return frozenset(font.name for font in fontManager.ttflist)
