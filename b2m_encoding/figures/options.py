"""Options that figures have in common: as typed keywords of their functions, and with their defaults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypedDict, Unpack

import numpy as np

from b2m_encoding._typing import Booleans
from b2m_encoding.figures.page import Page, header_height, software
from b2m_encoding.figures.style import Style

View = Literal["whole", "zoom", "overview"]
"""The whole cortex, a zoom into both hemispheres, or both, one above the other."""
ZOOM = "auditory_zoom"
"""Default region set of zooms."""


class PageKeywords(TypedDict, total=False):
    """Keywords of every figure: see :class:`PageOptions`."""

    title: str | None
    note: str | None
    style: Style
    origin: str


class MapKeywords(PageKeywords, total=False):
    """Keywords of figures of maps: see :class:`MapOptions`."""

    tested: Booleans | None
    significant: Booleans | None
    criterion: str


class ViewKeywords(MapKeywords, total=False):
    """Keywords of figures that show the whole cortex, a zoom, or both: see :class:`MapOptions`."""

    view: View
    zoom: str


@dataclass(frozen=True, eq=False)
class PageOptions:
    """Options of every figure.

    Parameters
    ----------
    title, note : str, optional
        Top line of the page; a note such as "simulated data" stands on the right.
    style : Style
    origin : str
        Last sentences of the caption: the study, its samples and versions.
    """

    title: str | None = None
    note: str | None = None
    style: Style = field(default_factory=Style)
    origin: str = ""

    @property
    def remark(self) -> str | None:
        """What stands on the right above the figure."""
        return self.note

    @property
    def header(self) -> float:
        """Height of title and note, mm."""
        return header_height(self.title, self.remark)

    def page(self, height: float) -> Page:
        """A page with title and note.

        Parameters
        ----------
        height : float
            Height in mm.
        """
        return Page(self.style, height, title=self.title, note=self.remark)

    def caption(self, sentences: Iterable[str], details: Iterable[str] = ()) -> str:
        """The caption in paragraphs: what a reader needs at the picture; details; versions of programs and origin.

        Parameters
        ----------
        sentences, details : iterable of str
            Empty ones are left out. The report shows the first paragraph, with title and note, and folds the others.
        """
        note = f"Note: {self.remark}." if self.remark else ""
        paragraphs = ([f"{self.title}." if self.title else "", *sentences, note], details, [software(), self.origin])
        return "\n\n".join(filter(None, (" ".join(filter(None, paragraph)) for paragraph in paragraphs)))


@dataclass(frozen=True, eq=False)
class MapOptions(PageOptions):
    """Options of figures of maps, beside those of :class:`PageOptions`.

    Parameters
    ----------
    tested, significant : array of bool, shape (n_targets,), optional
        Targets that were not tested are light grey; those that are not significant show the underlay. Without
        ``significant`` every tested target is drawn, and low scores fade into the underlay.
    criterion : str
        Definition of significance for the caption (``"significant at q < .05 (FDR)"``).
    view : {"whole", "zoom", "overview"}
        The whole cortex, a zoom into both hemispheres, or both, one above the other.
    zoom : str
        Region or region set to zoom into.
    """

    tested: Booleans | None = None
    significant: Booleans | None = None
    criterion: str = "significant"
    view: View = "whole"
    zoom: str = ZOOM

    @property
    def remark(self) -> str | None:
        """The note, and that nothing is significant: an empty map may look like a fault."""
        nothing = self.significant is not None and not np.any(self.significant)
        return "; ".join(filter(None, (self.note, "nothing is significant" if nothing else None))) or None

    @classmethod
    def of_grid(cls, zoom: str | None, **keywords: Unpack[MapKeywords]) -> MapOptions:
        """Options of a grid of maps, which shows either a zoom or (None) the whole cortex."""
        return cls(**keywords) if zoom is None else cls(**keywords, view="zoom", zoom=zoom)
