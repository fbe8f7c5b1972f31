"""Figures: flatmaps, zooms and panels at journal size."""

from b2m_encoding.figures.accuracy import accuracy, accuracy_overview
from b2m_encoding.figures.page import FigureResult
from b2m_encoding.figures.preference import preference, preference_overview
from b2m_encoding.figures.regions import regions
from b2m_encoding.figures.scatter import scatter
from b2m_encoding.figures.style import Style
from b2m_encoding.figures.subjects import subjects

__all__ = [
    "FigureResult",
    "Style",
    "accuracy",
    "accuracy_overview",
    "preference",
    "preference_overview",
    "regions",
    "scatter",
    "subjects",
]
