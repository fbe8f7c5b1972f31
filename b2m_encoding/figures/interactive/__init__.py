"""The interactive page: one HTML file with many maps and subjects, made from arrays and small dataclasses."""

from b2m_encoding.figures.interactive.clips import BestClips, Clip, Sound, TimeCourses
from b2m_encoding.figures.interactive.content import LevelColours, Score, View, ViewMap, ViewSubject
from b2m_encoding.figures.interactive.page import interactive_page

__all__ = [
    "BestClips",
    "Clip",
    "LevelColours",
    "Score",
    "Sound",
    "TimeCourses",
    "View",
    "ViewMap",
    "ViewSubject",
    "interactive_page",
]
