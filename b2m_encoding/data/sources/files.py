"""``reader = "volume"`` and ``"array"``: one file per run, named in the study."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from b2m_encoding.config import StudyPath
from b2m_encoding.data.arrays import read_arrays
from b2m_encoding.data.cleaning import Cleaning
from b2m_encoding.data.confounds import read_censoring, read_confound_tables
from b2m_encoding.data.recording import Recording
from b2m_encoding.data.sources.base import SUBJECT, ClipSource, Seconds, for_subject
from b2m_encoding.data.volume import read_volumes
from b2m_encoding.errors import InputError, Problems

RunFiles = dict[str, StudyPath]
LONGER = 4.0
"""A run this many times as long as its events is doubted."""


class FilesSource(ClipSource):
    """Base of sources with one file per run; ``{subject}`` in a path stands for the label."""

    events: RunFiles = Field(default_factory=dict)
    """Run name to event table."""
    event_columns: tuple[str, ...] | None = None
    """Names of the columns of event tables that have no header."""
    confounds: RunFiles = Field(default_factory=dict)
    """Run name to a table of confounds, one row per volume."""
    censor: RunFiles = Field(default_factory=dict)
    """Run name to a text file with a number per volume: 0 keeps it, any other number censors it."""
    tr: Annotated[float, Field(gt=0)] | None = None
    """Repetition time, s, where no header states it."""
    trust_header: bool = True
    """Set to false only where the header's repetition time is known to be wrong."""
    discard: Seconds = 0.0
    """Seconds at the start of each run that never enter a fit."""

    def list_subjects(self) -> tuple[str, ...]:
        """The subjects named, or one without a name.

        Raises
        ------
        InputError, ProblemList
            If a file would be read for several subjects or for several runs. Events may be shared.
        """
        problems = Problems()
        for key in (self.responses, "confounds", "censor"):
            with problems.collect():
                self._check_distinct(key)
        problems.raise_any()
        return self.subjects or ("01",)

    def _check_distinct(self, key: str) -> None:
        """Raise unless each subject and each run has a file of its own."""
        files: Mapping[str, Path] = getattr(self, key)
        if not self.subjects and any(SUBJECT in str(path) for path in files.values()):
            raise InputError(f"a path holds {SUBJECT}, and no subject is named", fix='give subjects = ["01", ...]')
        shared = next((run for run, path in files.items() if SUBJECT not in str(path)), None)
        if shared is not None and len(self.subjects) > 1:
            raise InputError(
                f"every subject would get the same {key}",
                file=files[shared],
                found=f"{len(self.subjects)} subjects, and a path without {SUBJECT}",
                fix=f"put {SUBJECT} where the label stands in the paths of {key} under [data]",
            )
        of_path: dict[tuple[str, str], str] = {}
        for subject, (run, path) in product(self.subjects or ("",), files.items()):
            file, _, name = str(for_subject(path, subject)).partition("::")
            if "\0" in file:
                raise InputError("a path cannot hold a null character", found=repr(file), fix=f"correct {key}")
            own = f"{run} of {subject}" if len(self.subjects) > 1 else run
            if (other := of_path.setdefault((os.path.realpath(file), name), own)) != own:
                raise InputError(f"{key} of two runs are one file", file=file, found=f"{other}, {own}")

    @property
    @abstractmethod
    def responses(self) -> str:
        """The key of the response files."""

    @abstractmethod
    def open(self, subject: str) -> Recording:
        """Open the response files."""

    def doubt(self, recording: Recording) -> None:
        """Raise if responses and events cannot be of the same runs."""
        return None

    def read(self, subject: str, cleaning: Cleaning) -> Recording:
        """Open responses, events, confounds and censoring."""
        recording = self.open(subject)
        if self.events:
            recording = recording.with_events(_of(self.events, subject), self.event_columns, self.clips.build())
            self.doubt(recording)
        runs, confounds, censor = recording.responses.runs, _of(self.confounds, subject), _of(self.censor, subject)
        return recording.prepared(
            cleaning,
            discard=self.discard,
            confounds=read_confound_tables(confounds, runs),
            kept=read_censoring(censor, runs),
            inputs=(*confounds.values(), *censor.values()),
        )


class VolumeSource(FilesSource):
    """NIfTI images with a mask, one image per run."""

    reader: Literal["volume"]
    images: RunFiles = Field(min_length=1)
    """Run name to image."""
    mask: StudyPath
    """Mask of the voxels that are read; ``{subject}`` stands for the label."""
    space: str = "MNI152NLin2009cAsym"
    """The reference the volumes lie in; only MNI152 is projected to the cortex."""
    affine: Literal["sform", "qform"] | None = None
    """Affine to use where an image has both and they disagree."""

    @property
    def responses(self) -> str:
        """Key of the images."""
        return "images"

    def open(self, subject: str) -> Recording:
        """Open images and mask."""
        return read_volumes(
            _of(self.images, subject),
            for_subject(self.mask, subject),
            subject,
            space_name=self.space,
            tr=self.tr,
            trust_header=self.trust_header,
            affine=self.affine,
        )


class ArraySource(FilesSource):
    """Arrays, one per run: ``.npy``, or ``file.npz::array``, ``file.mat::variable``, ``file.h5::dataset``, zarr."""

    reader: Literal["array"]
    files: RunFiles = Field(min_length=1)
    """Run name to array of shape (n_samples, n_targets): ``run-01.npy``, ``bold.mat::run1``, ``bold.h5::run1``."""
    transposed: bool = False
    """The arrays are (n_targets, n_samples)."""
    tr: Annotated[float, Field(gt=0)]
    """Repetition time, s."""
    space: str = "unplaced"
    """A surface that the targets are the vertices of (left, then right), or ``unplaced``."""

    @property
    def responses(self) -> str:
        """Key of the arrays."""
        return "files"

    def doubt(self, recording: Recording) -> None:
        """Raise if the arrays look transposed: far more volumes than the events span, while the targets fit them."""
        runs, n_targets = recording.responses.runs, recording.responses.n_targets
        if "transposed" in self.model_fields_set:
            return
        for name, table in recording.events.items():
            if not len(table):
                continue
            rows, end = runs.slices[name], float((table["onset"] + table["duration"]).max())
            n_volumes = rows.stop - rows.start
            if n_volumes > n_targets and n_volumes * runs.tr > LONGER * end and n_targets * runs.tr >= end:
                raise InputError(
                    "the arrays of a run look transposed",
                    file=recording.files.get(name),
                    found=f"{n_volumes:,} volumes ({n_volumes * runs.tr / 60:,.0f} min) of {n_targets:,} targets, and "
                    f"events that end after {end / 60:.1f} min",
                    expected="arrays of shape (volumes, targets)",
                    fix="transposed = true under [data] if they are (targets, volumes), as MATLAB's files appear in "
                    "Python; transposed = false if they are not",
                )

    def open(self, subject: str) -> Recording:
        """Open the arrays."""
        files = _of(self.files, subject)
        return read_arrays(files, subject, tr=self.tr, transposed=self.transposed, space=self.space)


def _of(files: Mapping[str, Path], subject: str) -> dict[str, Path]:
    return {run: for_subject(path, subject) for run, path in files.items()}
