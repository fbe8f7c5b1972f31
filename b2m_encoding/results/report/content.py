"""Content of a page of the report: sections of texts, tables, pictures and links; the template renders each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

Answer = Literal["yes", "no", "not known", "not applicable"]


@dataclass(frozen=True)
class Lines:
    """A list of short statements."""

    kind: ClassVar[str] = "lines"
    items: Sequence[str]


@dataclass(frozen=True)
class Text:
    """Paragraphs."""

    kind: ClassVar[str] = "text"
    paragraphs: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Text to copy unchanged."""

    kind: ClassVar[str] = "code"
    title: str
    text: str


@dataclass(frozen=True)
class Table:
    """Rows of formatted cells; a row may have the name of its state, such as ``fail``."""

    kind: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    states: Sequence[str] = ()


@dataclass(frozen=True)
class Link:
    """Link to another page, with a description."""

    kind: ClassVar[str] = "link"
    href: str
    text: str
    about: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, with its caption and its files; a click enlarges it."""

    kind: ClassVar[str] = "picture"
    title: str
    caption: str
    source: str
    files: Sequence[Link] = ()
    """The figure, its numbers and its caption as files."""
    origin: str = ""
    """Details of what is drawn; samples, tests and programs behind it."""
    small: bool = False
    """Drawn beside others."""


Block = Lines | Text | Code | Table | Picture | Link


@dataclass(frozen=True)
class Section:
    """Blocks under a heading; ``name`` is its anchor. A folded section shows its heading until it is opened."""

    name: str
    title: str
    blocks: Sequence[Block]
    folded: bool = False


@dataclass(frozen=True)
class Page:
    """One HTML file."""

    title: str
    subtitle: str
    note: str | None
    sections: Sequence[Section]
    pages: Sequence[Link]
    """The other pages of the report."""
