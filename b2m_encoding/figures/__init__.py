"""Figures: flatmaps, zooms, inflated surfaces and panels at journal size."""

from b2m_encoding.figures.decoding import decoding
from b2m_encoding.figures.hierarchy import hierarchy
from b2m_encoding.figures.page import FigureResult
from b2m_encoding.figures.partition import partition
from b2m_encoding.figures.preference import preference
from b2m_encoding.figures.regions import regions
from b2m_encoding.figures.scatter import scatter
from b2m_encoding.figures.score_map import score_map
from b2m_encoding.figures.settings import FigureSettings
from b2m_encoding.figures.stimulus import stimulus
from b2m_encoding.figures.style import Style
from b2m_encoding.figures.subjects import subjects
from b2m_encoding.figures.surface import surface
from b2m_encoding.figures.ternary import ternary
from b2m_encoding.figures.weights import weights

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
