"""Figures: flatmaps, zooms, inflated surfaces and panels at journal size."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from b2m_encoding.figures.page import FigureResult
    from b2m_encoding.figures.plots.decoding import decoding
    from b2m_encoding.figures.plots.hierarchy import hierarchy
    from b2m_encoding.figures.plots.partition import partition
    from b2m_encoding.figures.plots.preference import preference
    from b2m_encoding.figures.plots.regions import regions
    from b2m_encoding.figures.plots.scatter import scatter
    from b2m_encoding.figures.plots.score_map import score_map
    from b2m_encoding.figures.plots.stimulus import stimulus
    from b2m_encoding.figures.plots.subjects import subjects
    from b2m_encoding.figures.plots.surface import surface
    from b2m_encoding.figures.plots.ternary import ternary
    from b2m_encoding.figures.plots.weights import weights
    from b2m_encoding.figures.settings import FigureSettings
    from b2m_encoding.figures.style import Style

__all__ = [
    "FigureResult",
    "FigureSettings",
    "Style",
    "decoding",
    "hierarchy",
    "partition",
    "preference",
    "regions",
    "scatter",
    "score_map",
    "stimulus",
    "subjects",
    "surface",
    "ternary",
    "weights",
]

# Names load on first use: a study file needs the settings of figures, but neither matplotlib nor a plot.
_HOMES = {"FigureResult": "page", "FigureSettings": "settings", "Style": "style"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, f'plots.{name}')}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
