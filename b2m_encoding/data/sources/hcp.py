"""``reader = "hcp"``: CIFTI series as the HCP pipelines write them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from b2m_encoding.config import StudyPath
from b2m_encoding.data.cleaning import Cleaning
from b2m_encoding.data.confounds import read_confound_tables
from b2m_encoding.data.hcp import MOTION, SERIES, find_series, list_hcp_subjects, read_hcp
from b2m_encoding.data.recording import Recording
from b2m_encoding.data.sources.base import ClipSource, Seconds, for_subject
from b2m_encoding.errors import InputError


class HCPSource(ClipSource):
    """Subjects of the HCP pipelines: ``100307/MNINonLinear/Results/tfMRI_MUSIC1_LR/...``."""

    reader: Literal["hcp"]
    root: StudyPath
    """Folder of the subjects."""
    tasks: tuple[str, ...] = ()
    """Names of runs below ``MNINonLinear/Results``, or patterns of names (``tfMRI_MUSIC*``); all by default."""
    series: str = SERIES
    """What follows the name of the run in that of its file: ``Atlas``, ``Atlas_MSMAll_hp0_clean_rclean_tclean``."""
    events: StudyPath | None = None
    """Event tables, with ``{subject}`` and ``{run}`` in the path; by default the files in ``EVs`` of each run, whose
    conditions are in the column ``trial_type``."""
    discard: Seconds = 0.0
    """Seconds at the start of each run that never enter a fit."""
    motion: bool = False
    """Regress out ``Movement_Regressors.txt`` of each run."""

    def list_subjects(self) -> tuple[str, ...]:
        """Subjects that have results, checked against those asked for."""
        found = list_hcp_subjects(self.root)
        if not found:
            expected = "folders such as 100307/MNINonLinear/Results"
            raise InputError("no results of the HCP pipelines", file=self.root, expected=expected)
        return self.chosen(found, self.root)

    def read(self, subject: str, cleaning: Cleaning) -> Recording:
        """Open the runs of a subject."""
        runs = find_series(self.root, subject, self.tasks, self.series)
        events = None if self.events is None else {run: _of(self.events, subject, run) for run in runs}
        recording = read_hcp(
            self.root, subject, tasks=self.tasks, series=self.series, events=events, clips=self.clips.build()
        )
        moved = {run: path.with_name(MOTION) for run, path in runs.items()} if self.motion else {}
        confounds = read_confound_tables(moved, recording.responses.runs)
        return recording.prepared(cleaning, discard=self.discard, confounds=confounds, inputs=tuple(moved.values()))


def _of(path: Path, subject: str, run: str) -> Path:
    return Path(str(for_subject(path, subject)).replace("{run}", run))
