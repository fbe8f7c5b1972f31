"""Data of the report: settings, tables and numbers of a results folder, and their format for a reader."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from b2m_encoding.data.sources import GROUP_MEAN
from b2m_encoding.errors import InputError
from b2m_encoding.io.names import in_words
from b2m_encoding.io.shares import percent
from b2m_encoding.results.held_out_blocks import HeldOutBlocks, read_blocks
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema import tables
from b2m_encoding.results.schema.files import IDENTIFICATION_SUMMARY, REGION_MODEL_SUMMARY, SETTINGS
from b2m_encoding.results.schema.maps import Q
from b2m_encoding.results.schema.tables import Table

ONCE, JOINED = "no clip was presented twice", "every sample is held out once"
"""How the reason for no ceiling begins where nothing is repeated, and where folds are joined."""


@dataclass(frozen=True)
class HeldOut:
    """Held-out samples of a subject.

    Parameters
    ----------
    folds, runs : int
        Parts that were left out, and runs that they come from.
    repeated, shared : bool
        Whether they present a stimulus more than once, and in several runs.
    """

    folds: int
    runs: int
    repeated: bool
    shared: bool

    @classmethod
    def of(cls, blocks: HeldOutBlocks) -> HeldOut:
        """Count folds and presentations."""
        heard = blocks.clip != ""
        clip, presentation, run = blocks.clip[heard], blocks.presentation[heard], blocks.run[heard]
        n_clips = len(np.unique(clip))
        repeated, shared = (len(set(zip(clip, one, strict=True))) > n_clips for one in (presentation, run))
        return cls(len(np.unique(blocks.split)), len(np.unique(blocks.run)), repeated, shared)


@dataclass(frozen=True, eq=False)
class ReportData:
    """Settings and tables of a results folder: of the whole study, or of one subject.

    Parameters
    ----------
    results : Results
    subject : str, optional
        Tables then hold the rows of this subject alone.
    whole : dict
        Tables that were read, by name: the pages of all subjects share them.
    embedded : dict
        Pictures that were embedded, by file and width, shared as well.
    """

    results: Results
    subject: str | None = None
    whole: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)
    embedded: dict[tuple[Path, int], str] = field(default_factory=dict, repr=False)

    @cached_property
    def study(self) -> dict[str, Any]:
        """Every setting of the study, defaults written out."""
        if not self.results.has(SETTINGS):
            raise InputError(
                "the results do not hold the settings of their study",
                file=self.results.path / SETTINGS,
                fix="run the study again with this version: b2m run STUDY",
            )
        settings: dict[str, Any] = self.results.json(SETTINGS)
        return settings

    def get(self, *keys: str) -> Any:
        """Look up a setting by its path, such as ``get("model", "alphas", "low")``; None where it is left out."""
        value: Any = self.study
        for key in keys:
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    def table(self, table: Table) -> pd.DataFrame | None:
        """Read a table of the results, regions in words; None where there is none, or no row of the subject."""
        if not self.results.has(table):
            return None
        if table.file not in self.whole:
            self.whole[table.file] = self.results.table(table)
        rows = self.whole[table.file]
        if "region" in rows:
            rows = rows.assign(region=rows["region"].map(in_words, na_action="ignore"))
        if self.subject is not None and "subject" in rows:
            rows = rows[rows["subject"] == self.subject]
        return rows if len(rows) else None

    @cached_property
    def subjects(self) -> pd.DataFrame:
        """One row per subject."""
        table = self.table(tables.SUBJECTS)
        if table is None:
            raise InputError(
                "the results lack the table of subjects",
                file=self.results.path / tables.SUBJECTS.file,
                fix="run the study again with this version: b2m run STUDY",
            )
        return table

    @cached_property
    def listeners(self) -> pd.DataFrame:
        """The subjects without their mean."""
        return self.subjects[self.subjects["subject"] != GROUP_MEAN]

    @cached_property
    def quality(self) -> pd.DataFrame | None:
        """One row per run."""
        return self.table(tables.QUALITY)

    @cached_property
    def identification(self) -> list[dict[str, Any]]:
        """Identification accuracy per subject, feature space and decoder; empty where nothing was decoded."""
        if not self.results.has(IDENTIFICATION_SUMMARY):
            return []
        rows = self.results.json(IDENTIFICATION_SUMMARY)["subjects"]
        return [row for row in rows if self.subject in (None, row.get("subject"))]

    @cached_property
    def region_model(self) -> dict[str, Any] | None:
        """Formula, status and notes of the mixed model of regions."""
        if not self.results.has(REGION_MODEL_SUMMARY):
            return None
        summary: dict[str, Any] = self.results.json(REGION_MODEL_SUMMARY)
        return summary

    @cached_property
    def group_name(self) -> str:
        """What the groups of clips are called: the column of the events that holds them."""
        table = self.table(tables.CLIPS)
        return "group" if table is None or table["grouped_by"].isna().any() else in_words(table["grouped_by"].iloc[0])

    @cached_property
    def held_out(self) -> list[HeldOut]:
        """What was held out of each subject, their mean not counted, as far as the results keep it."""
        kept = [read_blocks(self.results.path, subject) for subject in self.listeners["subject"]]
        return [HeldOut.of(blocks) for blocks in kept if blocks is not None]

    @property
    def repeats_presented(self) -> bool:
        """Whether test stimuli are presented more than once; assumed where nothing is known of it."""
        reasons = self.listeners["no_ceiling"].dropna()
        return len(reasons) < len(self.listeners) or not reasons.map(self.why_no_ceiling).str.startswith(ONCE).all()

    def why_no_ceiling(self, reason: str) -> str:
        """Reason for no noise ceiling; joined folds have none of their own where no stimulus is repeated."""
        if reason.startswith(JOINED) and self.held_out and not any(one.repeated for one in self.held_out):
            return f"{ONCE} in what was held out"
        return reason

    @property
    def feature_spaces(self) -> tuple[str, ...]:
        """Names of the feature spaces."""
        return self.results.feature_spaces

    def column(self, name: str) -> pd.Series:
        """Column of the table of subjects; all missing in results of a version that did not write it."""
        found = self.subjects.get(name)
        return pd.Series(np.nan, index=self.subjects.index) if found is None else found

    @property
    def widening(self) -> pd.Series:
        """Widening of the null distributions of fixed predictions; refits and what they are compared with share it."""
        return self.column("widening")[self.column("refits").isna()].dropna()

    @property
    def sample_step(self) -> float | None:
        """Seconds from one sample to the next; None where they differ or are not known."""
        if windows := self.get("windows"):
            return float(windows["step"])
        steps = [] if self.quality is None else self.quality["tr"].dropna().unique().tolist()
        return float(steps[0]) if len(steps) == 1 else None

    def samples(self, counts: Any) -> str:
        """Format counts of samples, with their duration where it is known: ``10 samples (15 s)``."""
        text = counted(counts, "sample")
        if self.sample_step is None:
            return text
        return f"{text} ({span(np.asarray(counts, dtype=float) * self.sample_step)} s)"

    @cached_property
    def own_significance(self) -> bool:
        """Whether every model has been tested by itself, or there is only one."""
        names, subjects = self.feature_spaces, self.results.subjects
        return all(self.results.has_map(s, name, Q.stat) for s in subjects for name in names if len(names) > 1)

    @property
    def n_listeners(self) -> int:
        """Number of subjects, their mean not counted."""
        return len(self.listeners)


def number(value: Any, digits: int = 3) -> str:
    """Format a number: counts with separators, others with ``digits`` significant digits, n/a where it is missing.

    Examples
    --------
    >>> number(20484), number(0.12345), number(float("nan")), number(0.05), number(1e7)
    ('20,484', '0.123', 'n/a', '0.05', '1e+07')
    """
    if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return "n/a"
    if float(value) == int(value) and abs(value) < 1e7:
        return f"{int(value):,}"
    return f"{value:.{digits}g}"


def score(value: Any) -> str:
    """Format a score with three decimals.

    Examples
    --------
    >>> score(0.5), score(None)
    ('0.500', 'n/a')
    """
    return "n/a" if value is None or not np.isfinite(value) else f"{value:.3f}"


def interval(value: float, low: float, high: float, digits: int = 3) -> str:
    """Format a number with its interval, as far as they are finite.

    Examples
    --------
    >>> interval(0.1, 0.05, 0.15, 2), interval(0.1, float("nan"), float("nan"), 1)
    ('0.10 [0.05, 0.15]', '0.1')
    """
    if not np.isfinite(value):
        return "n/a"
    limits = f" [{low:.{digits}f}, {high:.{digits}f}]" if np.isfinite([low, high]).all() else ""
    return f"{value:.{digits}f}{limits}"


def percents(values: Any) -> str:
    """Format a share, or the lowest and the highest of several.

    Examples
    --------
    >>> percents([0.05, 0.0504]), percents([0.05, 0.062])
    ('5.0%', '5.0% to 6.2%')
    """
    low, high = percent(float(np.nanmin(values))), percent(float(np.nanmax(values)))
    return low if low == high else f"{low} to {high}"


def span(values: Any, digits: int = 3) -> str:
    """Format a number, or the lowest and the highest of several.

    Examples
    --------
    >>> span([3, 3]), span([0.25, 0.5]), span([])
    ('3', '0.25 to 0.5', 'n/a')
    """
    finite = [value for value in np.asarray(values, dtype=float).tolist() if np.isfinite(value)]
    if not finite:
        return "n/a"
    low, high = number(min(finite), digits), number(max(finite), digits)
    return low if low == high else f"{low} to {high}"


def listed(items: Any) -> str:
    """Join words as in a sentence.

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    words = [str(item) for item in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "none"


def many(count: int, word: str) -> str:
    """Format a count with its noun.

    Examples
    --------
    >>> many(1, "run"), many(1200, "sample")
    ('1 run', '1,200 samples')
    """
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def counted(values: Any, word: str) -> str:
    """Format counts that may differ, with their noun.

    Examples
    --------
    >>> counted([6, 6], "run"), counted([1], "run"), counted([5, 6], "run")
    ('6 runs', '1 run', '5 to 6 runs')
    """
    text = span(values)
    return f"{text} {word}{'' if text == '1' else 's'}"
