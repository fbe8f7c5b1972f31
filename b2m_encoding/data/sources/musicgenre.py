"""``reader = "musicgenre"`` and ``"zenodo"``: the Music Genre data set as published, and its authors' arrays."""

from __future__ import annotations

from typing import ClassVar, Literal

from b2m_encoding.config import StudyPath
from b2m_encoding.data.cleaning import Cleaning
from b2m_encoding.data.musicgenre import CLIP_SECONDS, FADE, TASKS, check_design, read_zenodo
from b2m_encoding.data.recording import Recording
from b2m_encoding.data.sources.base import ClipsTable, Seconds, Source
from b2m_encoding.data.sources.bids import BidsFolder
from b2m_encoding.errors import InputError


class MusicGenreSource(BidsFolder):
    """OpenNeuro ds003720: all runs, the first clip of each dropped, compared with the published design."""

    fade: ClassVar[float] = FADE
    reader: Literal["musicgenre"]
    discard: Seconds = CLIP_SECONDS
    """Seconds at the start of each run that never enter a fit."""
    clips: ClipsTable = ClipsTable(group="genre")
    partial: bool = False
    """Analyse a subject although runs are missing."""

    def open(self, subject: str) -> Recording:
        """Open all runs and check them against their events."""
        recording = self.open_tasks(subject, TASKS)
        check_design(recording, partial=self.partial)
        return recording


class ZenodoSource(Source):
    """The authors' preprocessed arrays of ds003720 (Zenodo 8275363): no coordinates, so no maps."""

    fade: ClassVar[float] = FADE
    reader: Literal["zenodo"]
    folder: StudyPath
    """Where ``sub-001_Resp_Training.npy`` and ``sub-001_Resp_Test_Mean.npy`` are."""
    events: StudyPath
    """The BIDS folder of ds003720, for its events."""

    @property
    def group_name(self) -> str:
        """Clips are grouped by genre."""
        return "genre"

    def list_subjects(self) -> tuple[str, ...]:
        """Subjects with both arrays."""
        names = [path.name for path in self.folder.glob("sub-*_Resp_Training.npy")]
        found = sorted(name.removeprefix("sub-").removesuffix("_Resp_Training.npy") for name in names)
        if not found:
            raise InputError("no arrays of responses", file=self.folder, expected="sub-001_Resp_Training.npy ...")
        return self.chosen(found, self.folder)

    def read(self, subject: str, cleaning: Cleaning) -> Recording:
        """Open both arrays; the dropped clip is not used."""
        return read_zenodo(self.folder, self.events, subject).prepared(cleaning, discard=CLIP_SECONDS)
