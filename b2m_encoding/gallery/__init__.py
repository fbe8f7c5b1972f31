"""Gallery: pictures, the interactive page and the report of a results folder. Nothing is computed anew."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from b2m_encoding.gallery.context import FigureContext, FigureRequest
    from b2m_encoding.gallery.draw import draw_kind
    from b2m_encoding.gallery.explorer import write_view
    from b2m_encoding.gallery.kinds import KINDS, Kind, make_figure
    from b2m_encoding.gallery.report import write_pages

__all__ = [
    "KINDS",
    "FigureContext",
    "FigureRequest",
    "Kind",
    "draw_kind",
    "make_figure",
    "write_pages",
    "write_view",
]

_HOMES = {
    "KINDS": "kinds",
    "FigureContext": "context",
    "FigureRequest": "context",
    "Kind": "kinds",
    "draw_kind": "draw",
    "make_figure": "kinds",
    "write_pages": "report",
    "write_view": "explorer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
