"""``reader = "bids"``: a BIDS data set, raw or preprocessed by fMRIPrep."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from b2m_encoding.config import Config, StudyPath
from b2m_encoding.data.bids import SpaceQuery, list_subjects, read_bids
from b2m_encoding.data.cleaning import Cleaning
from b2m_encoding.data.confounds import FMRIPrepConfounds, load_fmriprep_confounds
from b2m_encoding.data.recording import Recording
from b2m_encoding.data.sources.base import ClipSource, Seconds, for_subject
from b2m_encoding.errors import InputError


class ConfoundsTable(Config):
    """``[data.confounds]``: nilearn's ``load_confounds``, with its own names and defaults.

    Example: ``strategy = ["motion", "wm_csf", "scrub"]``.
    """

    strategy: tuple[str, ...] = Field(min_length=1)
    """Kinds of confounds: motion, wm_csf, global_signal, compcor, ica_aroma, scrub, high_pass."""
    motion: Literal["basic", "power2", "derivatives", "full"] = "full"
    """Motion parameters alone, with their derivatives, their squares, or both."""
    wm_csf: Literal["basic", "power2", "derivatives", "full"] = "basic"
    """Mean signals of white matter and cerebrospinal fluid, and the same of them."""
    global_signal: Literal["basic", "power2", "derivatives", "full"] = "basic"
    """Mean signal of the brain, and the same of it."""
    compcor: str = "anat_combined"
    """Kind of principal components of noise regions."""
    n_compcor: int | Literal["all"] = "all"
    """Number of these components."""
    ica_aroma: Literal["full", "basic"] = "full"
    """Responses that ICA-AROMA denoised, or its components as confounds."""
    scrub: int = Field(default=5, ge=0)
    """Volumes that must lie between two censored ones for these to be kept (strategy scrub)."""
    fd_threshold: float = Field(default=0.5, gt=0)
    """Framewise displacement above which volumes are censored, mm."""
    std_dvars_threshold: float = Field(default=1.5, gt=0)
    """Standardised DVARS above which volumes are censored."""

    def build(self) -> FMRIPrepConfounds:
        """The choice of confounds."""
        options: dict[str, Any] = self.model_dump(exclude={"strategy"})
        return FMRIPrepConfounds(self.strategy, options)


class BidsFolder(ClipSource):
    """Options of every source that lies in a BIDS folder."""

    root: StudyPath
    """The raw BIDS data set."""
    derivatives: StudyPath | None = None
    """fMRIPrep's output; raw volumes are read without it."""
    space: str = "fsaverage5"
    """As in fMRIPrep's ``--output-spaces``: ``fsaverage5``, ``fsLR:den-91k``, ``MNI152NLin2009cAsym:res-2`` ...; with
    any other entity of the names: ``T1w:desc-denoised``, ``MNIPediatricAsym:cohort-2``, ``func:desc-optcom``."""
    sessions: tuple[str, ...] = ()
    """Session labels; all, if empty."""
    mask: StudyPath | None = None
    """Mask of volumes; fMRIPrep's brain masks by default. ``{subject}`` stands for the label."""
    tr: Annotated[float, Field(gt=0)] | None = None
    """Repetition time, s, where neither sidecars nor headers state it."""
    trust_header: bool = True
    """Set to false only where the repetition times of headers are known to be wrong: the sidecars' then hold."""
    cut_at_start: Annotated[int, Field(ge=0)] | None = None
    """Volumes that were cut off at the start of preprocessed runs, where these have fewer than the raw ones, from which
    events count; what else they lack was cut off at their end (0: all of it, such as noise volumes)."""
    discard: Seconds = 0.0
    """Seconds at the start of each run that never enter a fit."""
    confounds: ConfoundsTable | None = None
    """Confounds of fMRIPrep to regress out, and censoring."""

    @field_validator("space")
    @classmethod
    def _readable(cls, text: str) -> str:
        SpaceQuery.parse(text)
        return text

    def list_subjects(self) -> tuple[str, ...]:
        """Subjects of the BIDS folder, checked against those asked for."""
        return self.chosen(list_subjects(self.root), self.root)

    @abstractmethod
    def open(self, subject: str) -> Recording:
        """Open the runs of a subject, not yet cleaned."""

    def open_tasks(self, subject: str, tasks: tuple[str, ...]) -> Recording:
        """Open the runs of some tasks."""
        return read_bids(
            self.root,
            subject,
            tasks=tasks,
            space=self.space,
            derivatives=self.derivatives,
            sessions=self.sessions,
            mask=None if self.mask is None else for_subject(self.mask, subject),
            trust_header=self.trust_header,
            clips=self.clips.build(),
            tr=self.tr,
            cut_at_start=self.cut_at_start,
        )

    def read(self, subject: str, cleaning: Cleaning) -> Recording:
        """Open the runs of a subject; mark their first seconds and censored volumes as not used."""
        recording = self.open(subject)
        if self.confounds is None:
            return recording.prepared(cleaning, discard=self.discard)
        if self.derivatives is None:
            raise InputError("confounds come from fMRIPrep", found="no derivatives under [data]", file=self.root)
        tables, kept, files = load_fmriprep_confounds(recording, self.confounds.build())
        return recording.prepared(cleaning, discard=self.discard, confounds=tables, kept=kept, inputs=files)


class BidsSource(BidsFolder):
    """A BIDS data set: fMRIPrep's responses on a surface, in grayordinates or in a volume, or raw volumes."""

    reader: Literal["bids"]
    tasks: tuple[str, ...] = Field(min_length=1)
    """Tasks whose runs are read, ``task-`` in the names."""

    def open(self, subject: str) -> Recording:
        """Open the runs of all tasks."""
        return self.open_tasks(subject, self.tasks)
