"""``reader = "table"``: region time series as text."""

from __future__ import annotations

import re
from functools import cached_property
from glob import escape, glob
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from b2m_encoding.config import StudyPath
from b2m_encoding.data.cleaning import Cleaning
from b2m_encoding.data.recording import Recording
from b2m_encoding.data.responses import Responses
from b2m_encoding.data.sources.base import SUBJECT, Source, for_subject
from b2m_encoding.data.table import read_table
from b2m_encoding.errors import InputError

GROUP_MEAN = "groupmean"


class TableSource(Source):
    """One text table of region time series per subject; ``{subject}`` in the path stands for the label."""

    reader: Literal["table"]
    files: StudyPath
    """Table of each subject; ``{subject}`` stands for the label."""
    regions: tuple[str, ...] = ()
    """Names of the columns, in order; by default those of the table's header (TSV)."""
    tr: Annotated[float, Field(gt=0)]
    """Repetition time, s."""
    group_mean: bool = False
    """Analyse one more subject, ``groupmean``: the mean over subjects of their cleaned responses.

    Meant for studies that present the same stimuli to all. Subjects with a region that is constant or missing are
    left out.
    """

    @cached_property
    def _found(self) -> tuple[str, ...]:
        before, *after = str(self.files).split(SUBJECT)
        label, again = "(?P<label>[^/]+)", "(?P=label)"  # the same one wherever it stands
        pattern = re.compile(re.escape(before) + label + again.join(map(re.escape, after)))
        paths = glob("*".join(map(escape, (before, *after))))
        return tuple(sorted(match["label"] for path in paths if (match := pattern.fullmatch(path))))

    def list_subjects(self) -> tuple[str, ...]:
        """Subjects whose file exists."""
        if SUBJECT not in str(self.files):
            raise InputError(f"the file pattern lacks {SUBJECT}", found=self.files.name)
        if not self._found:
            raise InputError("no response table matches", file=self.files)
        return self.chosen(list(self._found), self.files) + ((GROUP_MEAN,) if self.group_mean else ())

    def read(self, subject: str, cleaning: Cleaning) -> Recording:
        """Read the table."""
        if self.group_mean and subject == GROUP_MEAN:
            return self._group_mean(cleaning)
        return read_table(for_subject(self.files, subject), subject, self.regions, self.tr).prepared(cleaning)

    def _group_mean(self, cleaning: Cleaning) -> Recording:
        """Average the cleaned responses of all subjects who have some in every region."""
        recordings = [self.read(subject, cleaning) for subject in self.subjects or self._found]
        runs, space = recordings[0].responses.runs, recordings[0].responses.space
        cleaned = [recording.responses.load() for recording in recordings]
        lengths = sorted({len(values) for values in cleaned})
        if len(lengths) > 1:
            raise InputError("subjects differ in length, so they have no mean", file=self.files, found=lengths)
        complete = [values for values in cleaned if np.isfinite(values).all() and values.any(axis=0).all()]
        if not complete:
            raise InputError("no subject has responses in every region", file=self.files)
        return Recording(GROUP_MEAN, Responses.from_array(np.mean(complete, axis=0), runs, space))
