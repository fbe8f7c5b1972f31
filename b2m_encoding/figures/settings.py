"""``[figures]`` of a study: one table for every figure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from b2m_encoding.figures.style import Style

Format = Literal["png", "pdf", "svg", "tiff"]
ReportFigure = Literal[
    "quality", "design", "ceiling", "delays", "lag", "timecourses", "profile", "tags", "tagprofile", "slices",
    "distribution", "accuracy", "tagmap", "preference", "partition", "group", "regions", "decoding", "unheard",
    "learning",
]  # fmt: skip
"""Kinds of figures that a report can have."""


class FigureSettings(Style):
    """``[figures]``: how figures look, which files are written, limits of scores and the note.

    Examples
    --------
    >>> FigureSettings(width_mm=89, formats=["svg"]).formats
    ('svg',)
    """

    formats: Annotated[tuple[Format, ...], Field(min_length=1)] = ("png", "pdf")
    """Files of every figure."""
    report: tuple[ReportFigure, ...] | None = None
    """Kinds of figures in the report; default: all that the results have the numbers of."""
    limits: tuple[float, float] | None = None
    """Colour limits of scores (delays have their own); default: zero and a percentile of what is significant."""
    note: str | None = None
    """Note on every figure; default: the note of the study."""

    @field_validator("limits")
    @classmethod
    def _rise(cls, limits: tuple[float, float] | None) -> tuple[float, float] | None:
        if limits and not limits[1] > limits[0]:
            raise ValueError(f"figures.limits must rise, not {list(limits)}")
        return limits
