"""Where a study's responses come from: one table of options per kind of file."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from b2m_encoding.config import Config, StudyPath
from b2m_encoding.data.bids import list_subjects, read_bids_surface
from b2m_encoding.data.cleaning import Cleaning
from b2m_encoding.data.events import label_clips, read_events
from b2m_encoding.data.recording import Recording
from b2m_encoding.data.responses import Responses
from b2m_encoding.data.table import read_table
from b2m_encoding.data.volume import read_volumes
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import surface_space

GROUP_MEAN = "groupmean"
Seconds = Annotated[float, Field(ge=0)]


class Source(Config, ABC):
    """Options every source has."""

    subjects: tuple[str, ...] = ()
    """Subject labels; all that are found, if empty."""

    @abstractmethod
    def list_subjects(self) -> tuple[str, ...]:
        """The subjects to analyse."""

    @abstractmethod
    def read(self, subject: str, cleaning: Cleaning) -> Recording:
        """Open the recording of one subject; responses are loaded later, run by run."""


class BidsSource(Source):
    """A BIDS data set with responses on a surface (fMRIPrep's ``func.gii``)."""

    reader: Literal["bids"]
    root: StudyPath
    derivatives: StudyPath
    space: Literal["fsaverage5", "fsLR"] = "fsaverage5"
    tasks: tuple[str, ...] = Field(min_length=1)
    discard: Seconds = 0.0
    """Seconds at the start of each run that never enter a fit."""

    def list_subjects(self) -> tuple[str, ...]:
        """Subjects of the BIDS folder, checked against those asked for."""
        found = list_subjects(self.root)
        unknown = [subject for subject in self.subjects if subject not in found]
        if unknown:
            raise InputError("a subject is not in the data set", file=self.root, found=unknown, expected=found)
        return self.subjects or tuple(found)

    def read(self, subject: str, cleaning: Cleaning) -> Recording:
        """Open the runs of all tasks and mark their first seconds as not used."""
        recording = read_bids_surface(self.root, self.derivatives, subject, surface_space(self.space), self.tasks)
        return _prepared(recording, cleaning, self.discard)


class VolumeSource(Source):
    """NIfTI images with a mask, one image per run; ``{subject}`` in a path stands for the label."""

    reader: Literal["volume"]
    images: dict[str, StudyPath] = Field(min_length=1)
    """Run name to image."""
    mask: StudyPath
    space: str = "MNI152NLin2009cAsym"
    """The reference the volumes lie in; only MNI152 is projected to the cortex."""
    events: dict[str, StudyPath] = Field(default_factory=dict)
    """Run name to event table."""
    event_columns: tuple[str, ...] | None = None
    """Names of the columns of event tables that have no header."""
    tr: Annotated[float, Field(gt=0)] | None = None
    trust_header: bool = True
    """Set to false only where the header's repetition time is known to be wrong."""
    discard: Seconds = 0.0

    def list_subjects(self) -> tuple[str, ...]:
        """The subjects named, or one without a name."""
        return self.subjects or ("01",)

    def read(self, subject: str, cleaning: Cleaning) -> Recording:
        """Open images and events."""
        images = {run: _for_subject(path, subject) for run, path in self.images.items()}
        mask = _for_subject(self.mask, subject)
        recording = read_volumes(
            images, mask, subject, space_name=self.space, tr=self.tr, trust_header=self.trust_header
        )
        unknown = sorted(set(self.events) - set(images))
        if unknown:
            raise InputError("events are given for runs that have no image", found=unknown, expected=sorted(images))
        tables = {run: _for_subject(path, subject) for run, path in self.events.items()}
        events = {run: read_events(path, columns=self.event_columns) for run, path in tables.items()}
        runs = recording.responses.runs
        for run, table in events.items():
            _check_inside(table, runs, run, tables[run])
        with_clips = {run: table for run, table in events.items() if {"genre", "track"} <= set(table.columns)}
        responses = recording.responses.with_runs(label_clips(runs, with_clips, tables))
        inputs = (*images.values(), mask, *tables.values())
        return _prepared(Recording(subject, responses, events, recording.files, inputs), cleaning, self.discard)


class TableSource(Source):
    """One text table of region time series per subject; ``{subject}`` in the path stands for the label."""

    reader: Literal["table"]
    files: StudyPath
    regions: tuple[str, ...] = Field(min_length=1)
    tr: Annotated[float, Field(gt=0)]
    group_mean: bool = False
    """Analyse one more subject, ``groupmean``: the mean over subjects of their cleaned responses.

    It makes sense where all heard the same; subjects with a region that is constant or missing are left out.
    """

    @cached_property
    def _found(self) -> tuple[str, ...]:
        pattern = re.compile(re.escape(self.files.name).replace(r"\{subject\}", "(.+)"))
        matches = [pattern.fullmatch(path.name) for path in sorted(self.files.parent.glob("*"))]
        return tuple(match[1] for match in matches if match)

    def list_subjects(self) -> tuple[str, ...]:
        """Subjects whose file exists."""
        if "{subject}" not in self.files.name:
            raise InputError("the file pattern lacks {subject}", found=self.files.name)
        if not self._found:
            raise InputError("no response table matches", file=self.files)
        unknown = [subject for subject in self.subjects if subject not in self._found]
        if unknown:
            raise InputError("a subject has no response table", file=self.files, found=unknown)
        return (self.subjects or self._found) + ((GROUP_MEAN,) if self.group_mean else ())

    def read(self, subject: str, cleaning: Cleaning) -> Recording:
        """Read the table."""
        if self.group_mean and subject == GROUP_MEAN:
            return self._group_mean(cleaning)
        recording = read_table(_for_subject(self.files, subject), subject, self.regions, self.tr)
        return _prepared(recording, cleaning, 0.0)

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


AnySource = Annotated[BidsSource | VolumeSource | TableSource, Field(discriminator="reader")]


def _for_subject(path: Path, subject: str) -> Path:
    return Path(str(path).replace("{subject}", subject))


def _prepared(recording: Recording, cleaning: Cleaning, discard: float) -> Recording:
    """Attach cleaning, and mark the discarded start of each run."""
    responses = recording.responses.cleaned(cleaning).with_runs(recording.responses.runs.discard(discard))
    return replace(recording, responses=responses)


def _check_inside(table: pd.DataFrame, runs: Runs, run: str, path: Path) -> None:
    rows = runs.slices[run]
    length = (rows.stop - rows.start) * runs.tr
    late = table.index[(table["onset"] < 0) | (table["onset"] + table["duration"] > length + runs.tr)]
    if len(late):
        raise InputError(
            f"event {late[0] + 1} lies beyond run {run}",
            file=path,
            found=f"onset {table['onset'][late[0]]:g} s",
            expected=f"0 to {length:g} s",
            fix="check that events and volumes belong to the same run",
        )
