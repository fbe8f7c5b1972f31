"""A line of the comparison with the paper, and the results that it is made from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from b2m_encoding._typing import Float32
from b2m_encoding.data.sources import GROUP_MEAN
from b2m_encoding.gallery.context import FigureContext
from b2m_encoding.results.report.report_data import ReportData
from b2m_encoding.results.schema import maps, tables
from b2m_encoding.results.schema.brain2music import STANDS_FOR, published

Verdict = Literal["reproduced", "not reproduced", "not possible"]
YES: Verdict = "reproduced"
NO: Verdict = "not reproduced"
IMPOSSIBLE: Verdict = "not possible"
NA = "n/a"
WITHIN = 2.0
"""Standard deviations within which a number counts as reproduced: of the paper and of ours, over subjects."""


@dataclass(frozen=True)
class Line:
    """An item of the paper beside ours.

    Parameters
    ----------
    where, item : str
        Table, figure or section, and what it is.
    published, ours : str
        Numbers or statements.
    verdict : {"reproduced", "not reproduced", "not possible"}
    why : str
        By what the verdict was made, or what is missing.
    """

    where: str
    item: str
    published: str
    ours: str
    verdict: Verdict
    why: str = ""

    def row(self) -> dict[str, str]:
        """Row of a table."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Compared:
    """Results that are set beside the paper.

    Parameters
    ----------
    context : FigureContext
    """

    context: FigureContext

    @cached_property
    def report(self) -> ReportData:
        """Settings and tables."""
        return ReportData(self.context.results)

    @cached_property
    def spaces(self) -> dict[str, str]:
        """Feature space that stands for each embedding of the paper, the first of several."""
        named: dict[str, str] = self.report.get("stands_for") or {}
        found: dict[str, str] = {}
        for name, options in self.report.study["features"].items():
            stands_for = named.get(name) or STANDS_FOR.get(options["extractor"])
            if stands_for is not None:
                found.setdefault(stands_for, name)
        return found

    @property
    def subjects(self) -> tuple[str, ...]:
        """Subjects without their mean."""
        return tuple(one for one in self.context.results.subjects if one != GROUP_MEAN)

    @property
    def score(self) -> str:
        """Statistic of the maps: with windows of each feature space where the study has them, as in the paper."""
        has = all(self.context.results.has_map(self.subjects[0], one, maps.R_OWN.stat) for one in self.spaces.values())
        return maps.R_OWN.stat if has and self.spaces else maps.R.stat

    def map(self, subject: str, model: str) -> Float32:
        """Scores of a model."""
        return self.context.results.map(subject, model, self.score)

    def predicted(self, subject: str, model: str) -> Any:
        """Targets that a model predicts by itself."""
        own = maps.Q_OWN.stat if self.score == maps.R_OWN.stat else maps.Q.stat
        stat = own if self.context.results.has_map(subject, model, own) else None
        if stat is None:
            return None
        return self.context.results.map(subject, model, stat) < self.context.statistics.q

    def region(self, subject: str, sets: tuple[str, ...]) -> Any:
        """Mask of the first of some region sets that the atlas has, in the space of a subject; None without one."""
        from b2m_encoding.spaces import is_labelled, load_atlas

        space = self.context.results.space(subject)
        if not is_labelled(space):
            return None
        atlas = load_atlas(self.context.maps.atlas, space)
        name = next((one for one in sets if one in atlas.sets), None)
        return None if name is None else atlas.mask(name)

    @cached_property
    def decoding(self) -> pd.DataFrame | None:
        """Table 2, with a row per feature space that stands for one of the paper."""
        table = self.report.table(tables.BRAIN2MUSIC_TABLE2)
        if table is None:
            return None
        rows = table[table["stands_for"].notna()]
        first = rows[rows["decoder"] == "regions"] if (rows["decoder"] == "regions").any() else rows
        return first.drop_duplicates("stands_for").set_index("stands_for")

    @cached_property
    def paired_tests(self) -> pd.DataFrame:
        """Tests of every two methods, corpora or decoded spaces over clips; empty where nothing was reconstructed."""
        table = self.report.table(tables.EVALUATION_TESTS)
        return pd.DataFrame(columns=list(tables.EVALUATION_TESTS.columns)) if table is None else table

    def missing(self, embedding: str) -> str:
        """Why there is no number of an embedding."""
        if embedding in self.spaces:
            return f"{self.spaces[embedding]} is not decoded: name it in decoding.targets"
        extractors = " or ".join(kind for kind, name in STANDS_FOR.items() if name == embedding)
        return f"no feature space stands for {embedding} (extractor {extractors}, or stands_for in the study)"


def number_line(id: str, mean: float | None, sd: float = float("nan"), n: int = 1, why: str = "") -> Line:
    """A number of the paper beside ours: reproduced if they differ by at most two standard deviations of both."""
    known = published()[id]
    text = _text(known.value, known.sd)
    if mean is None or not np.isfinite(mean):
        return Line(known.where, known.what, text, NA, IMPOSSIBLE, why)
    deviations = [one for one in (known.sd, sd) if one is not None and np.isfinite(one)]
    allowed = WITHIN * float(np.sqrt(np.sum(np.square(deviations)))) if deviations else 1e-9
    close = abs(mean - known.value) <= allowed
    ours = _text(mean, sd if np.isfinite(sd) else None)
    about = "" if close else "another number"
    if deviations:
        about = f"differs by {mean - known.value:+.3g}; within {allowed:.3g} counts as reproduced"
    return Line(known.where, known.what, text, ours, YES if close else NO, "; ".join(filter(None, [about, why])))


def claim(where: str, item: str, published_text: str, ours: str, holds: bool | None, why: str = "") -> Line:
    """A statement of the paper beside ours; None where it cannot be looked at."""
    verdict = IMPOSSIBLE if holds is None else YES if holds else NO
    return Line(where, item, published_text, ours, verdict, why)


def _text(value: float, sd: float | None) -> str:
    shown = f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 1 else f"{value:.3f}"
    return shown if sd is None else f"{shown} ({sd:.3f})"
