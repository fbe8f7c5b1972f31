"""Base of all sources of responses: subjects, and the recording of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from b2m_encoding.config import Config
from b2m_encoding.data.cleaning import Cleaning
from b2m_encoding.data.clip_columns import ClipColumns
from b2m_encoding.data.recording import Recording
from b2m_encoding.errors import InputError

Seconds = Annotated[float, Field(ge=0)]


class Source(Config, ABC):
    """Options every source has."""

    subjects: tuple[str, ...] = ()
    """Subject labels; all in the data set, if empty."""

    @field_validator("subjects")
    @classmethod
    def _each_once(cls, subjects: tuple[str, ...]) -> tuple[str, ...]:
        if twice := sorted({subject for subject in subjects if subjects.count(subject) > 1}):
            raise ValueError(f"a subject is named twice: {', '.join(twice)}")
        return subjects

    fade: ClassVar[float] = 0.0
    """Seconds of the fades with which the clips of a published data set were played."""

    @property
    def group_name(self) -> str:
        """Name of the groups of clips: the column of the events that holds them; "" where there is none."""
        return ""

    @abstractmethod
    def list_subjects(self) -> tuple[str, ...]:
        """The subjects to analyse."""

    @abstractmethod
    def read(self, subject: str, cleaning: Cleaning) -> Recording:
        """Open the recording of one subject; responses are loaded later, run by run."""

    def chosen(self, found: list[str], where: Path) -> tuple[str, ...]:
        """Requested subjects, checked against those of the data set; all of them if none is requested."""
        unknown = [subject for subject in self.subjects if subject not in found]
        if unknown:
            raise InputError("a subject is not in the data set", file=where, found=unknown, expected=found)
        return self.subjects or tuple(found)


class ClipsTable(Config):
    """``[data.clips]``: the columns of event tables that say which clip is played.

    Example: ``clips = { stimulus = "sound", group = "speaker" }``.
    """

    stimulus: str = "stim_file"
    """Column of the file that is played, below the folder of the stimuli; "" where events name no sounds."""
    start: str = "start"
    """Column of the time in the file at which the clip starts, s; files are played from their start without it."""
    group: str | None = None
    """Column of the groups of clips (genre, condition, speaker): scores are listed by group, and groups left out."""

    def build(self) -> ClipColumns:
        """The columns."""
        return ClipColumns(self.stimulus, self.start, self.group)


class ClipSource(Source):
    """Base of sources whose events may name clips."""

    clips: ClipsTable = ClipsTable()

    @property
    def group_name(self) -> str:
        """Column of the groups of clips."""
        return self.clips.group or ""


SUBJECT = "{subject}"


def for_subject(path: Path, subject: str) -> Path:
    """A path with the label in place of ``{subject}``."""
    return Path(str(path).replace(SUBJECT, subject))
