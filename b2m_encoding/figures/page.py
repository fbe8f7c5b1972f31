"""A figure laid out in mm, and what is handed back with it: caption and numbers."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from PIL import Image

from b2m_encoding import __version__
from b2m_encoding.errors import InputError
from b2m_encoding.figures.settings import Format
from b2m_encoding.figures.style import GREY, INK, Style, known_glyphs
from b2m_encoding.io.tables import tsv
from b2m_encoding.io.writing import write_all

MM = 25.4
RULER_DPI = 720
HINTING = 0.02
"""Share by which a line may be wider when it is drawn: its letters then begin at whole pixels."""
SCREEN_DPI = 150
"""Resolution in a notebook."""
MARGIN = 2.0
"""Space around a figure, mm."""
COMPRESSION = 4
"""Level of PNG: 6, the default, takes two thirds longer for files that are 7 % smaller."""
HEADER = 6.0
"""Height of the line with title and note, mm."""


class Page(Figure):
    """A matplotlib figure with positions in mm from its upper left corner.

    Saving it keeps text as text, embeds TrueType fonts and uses the resolution of the style.

    Parameters
    ----------
    style : Style
    height : float
        Height in mm.
    title, note : str, optional
        Printed in the top line, left and right.
    """

    def __init__(self, style: Style, height: float, *, title: str | None = None, note: str | None = None) -> None:
        super().__init__(figsize=(style.width_mm / MM, height / MM), dpi=style.dpi, facecolor="white")
        FigureCanvasAgg(self)
        self.style, self.height = style, height
        if title:
            taken = text_width(note, style.small_size, style) + 6 if note else 0.0
            title = shortened(
                title, 1.12 * style.text_size, style.width_mm - 2 * MARGIN - taken, style
            )  # bold is wider
            self.write(MARGIN, MARGIN + 1.5, title, weight="bold", va="center")
        if note:
            self.write(style.width_mm - MARGIN, MARGIN + 1.5, note, size=style.small_size, ha="right", va="center",
                       style="italic", color="#404040")  # fmt: skip

    def panel(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes at a place of the page."""
        page = self.style.width_mm, self.height
        return self.add_axes((left / page[0], 1 - (top + height) / page[1], width / page[0], height / page[1]))

    def write(self, left: float, top: float, text: str, **options: Any) -> Text:
        """Text at a place of the page; mathtext is not parsed."""
        options = {"size": self.style.text_size, "color": INK, **options}
        return self.text(left / self.style.width_mm, 1 - top / self.height, text, parse_math=False, **options)

    def letter(self, left: float, top: float, letter: str) -> None:
        """A panel letter, if the style has them."""
        if self.style.letters:
            self.write(left, top, letter, weight="bold", size=self.style.text_size + 1, va="top")

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save with the settings of the style."""
        with self.style.context():
            super().savefig(fname, **{"dpi": self.style.dpi, **options})


def text_width(text: str, size: float, style: Style) -> float:
    """Width of a line of text in the font of the style, mm."""
    font = FontProperties(family=style.families, size=size)
    with known_glyphs():
        width, _, _ = _ruler().get_text_width_height_descent(text, font, False)  # type: ignore[no-untyped-call]
    return float(width) / RULER_DPI * MM


def shortened(text: str, size: float, width: float, style: Style) -> str:
    """The text, or its beginning with an ellipsis if it is wider than the given mm."""
    width = width * (1 - HINTING)
    if text_width(text, size, style) <= width:
        return text
    end = bisect_right(range(1, len(text)), width, key=lambda n: text_width(text[:n] + "…", size, style))
    return text[:end].rstrip() + "…"


@cache
def _ruler() -> RendererAgg:
    return RendererAgg(1, 1, RULER_DPI)  # type: ignore[no-untyped-call]


def header_height(title: str | None, note: str | None) -> float:
    """Room for title and note, mm."""
    return HEADER if title or note else 0.0


def swatch(page: Page, left: float, top: float, colours: Sequence[Any], text: str, line: str | None = None) -> None:
    """An entry of a key: a small box, striped if there are several colours, or a line, and its text."""
    size = 2.2
    box = page.panel(left, top, size * 1.6, size)
    box.set(xticks=[], yticks=[])
    box.spines[:].set(visible=line is None, linewidth=0.3, edgecolor=GREY)
    if line is not None:
        box.set(xlim=(0, 1), ylim=(0, 1))
        box.axhline(0.5, color=line, linewidth=1.2)
    else:
        box.imshow([[matplotlib.colors.to_rgb(colour) for colour in colours]], aspect="auto", interpolation="none")
    page.write(left + size * 1.6 + 1, top + size / 2, text, size=page.style.small_size, va="center_baseline")


def software() -> str:
    """Versions of the programs that drew a figure, for a caption."""
    return f"Drawn with b2m_encoding {__version__} and matplotlib {matplotlib.__version__}."


@dataclass(frozen=True, eq=False)
class FigureResult:
    """A figure, its caption and the numbers it shows.

    Parameters
    ----------
    figure : Page
        A matplotlib ``Figure``.
    caption : str
        Content of the figure, with every number a reader needs.
    table : DataFrame
        The plotted numbers.
    """

    figure: Page
    caption: str
    table: pd.DataFrame

    def __repr__(self) -> str:
        width, height = (MM * inches for inches in self.figure.get_size_inches())
        return f"<FigureResult: {width:.0f} x {height:.0f} mm, table of {len(self.table)} rows; .save(stem), .figure>"

    def _repr_png_(self) -> bytes:
        return self._draw("png", dpi=SCREEN_DPI)

    def save(self, stem: str | Path, formats: Format | Sequence[Format] = ("png", "pdf")) -> list[Path]:
        """Write ``stem.png`` and so on, ``stem.tsv`` (numbers) and ``stem.txt`` (caption).

        Everything is drawn before anything is written, and all files appear or none.

        Returns
        -------
        list of Path
            The files, figures first.

        Raises
        ------
        InputError
            If a format is unknown, or a file cannot be written.
        """
        stem, contents = Path(stem), dict[str, bytes]()
        for kind in [formats] if isinstance(formats, str) else formats:
            if kind not in ("png", "pdf", "svg", "tiff"):
                raise InputError("unknown figure format", found=kind, expected="png, pdf, svg, tiff")
            contents[kind] = self._draw(kind)
        contents["tsv"] = tsv(self.table).encode()
        contents["txt"] = (self.caption + "\n").encode()
        files = {stem.with_name(f"{stem.name}.{kind}"): data for kind, data in contents.items()}
        return write_all(files, "a figure cannot be written")

    def _draw(self, kind: Format, dpi: float | None = None) -> bytes:
        file = io.BytesIO()
        if kind == "tiff":
            dpi = self.figure.style.dpi
            with Image.open(io.BytesIO(self._draw("png"))) as picture:
                picture.convert("RGB").save(file, format="TIFF", compression="tiff_lzw", dpi=(dpi, dpi))
        else:
            undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[kind]
            options: dict[str, Any] = {} if dpi is None else {"dpi": dpi}
            if kind == "png":
                options["pil_kwargs"] = {"compress_level": COMPRESSION}
            with _without_layout_tables():
                self.figure.savefig(file, format=kind, metadata=undated, **options)
        return file.getvalue()


@contextmanager
def _without_layout_tables() -> Iterator[None]:
    """Leave kerning and ligatures out of embedded fonts: they are slow to subset, and a PDF places every glyph."""
    from fontTools.subset import Options

    name = "_drop_tables_default"
    known = getattr(Options, name, [])
    setattr(Options, name, [*known, "GDEF", "GPOS", "GSUB"])
    try:
        yield
    finally:
        setattr(Options, name, known)
