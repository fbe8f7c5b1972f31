"""Presented stimuli: clips, their presentations, and the samples and seconds that each covers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float32, Float64
from b2m_encoding.data.clip_columns import BIDS_CLIPS, ClipColumns
from b2m_encoding.data.clips import Played, check_one_at_a_time, played_clips, sample_range, without_ending
from b2m_encoding.errors import InputError
from b2m_encoding.features.stimulus_files import find_stimulus
from b2m_encoding.features.windows import Spans, Windows
from b2m_encoding.runs import Runs

if TYPE_CHECKING:
    import pandas as pd

ClipProgress = Callable[[int, int], None]
"""Called with the number of clips that are done, and the number to do."""


@dataclass(frozen=True, order=True)
class Clip:
    """An excerpt of a stimulus.

    Parameters
    ----------
    stimulus : str
        Path of the sound file below the folder of the stimuli, ``sounds/rain.wav``.
    start, duration : float
        Begin of the excerpt in the file, and its length, s.
    group : str
        Its genre, condition or speaker, "" for none; clips that differ in nothing else are equal.

    Raises
    ------
    InputError
        If begin or length are no finite numbers, or negative.
    """

    stimulus: str
    start: float = 0.0
    duration: float = 0.0
    group: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for key, value in {"start": self.start, "duration": self.duration}.items():
            known = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not (known and np.isfinite(value) and value >= 0):
                raise InputError(f"{key} of a clip is no time", found=repr(value), expected="seconds >= 0")

    @property
    def name(self) -> str:
        """Name of the file without folder and ending, ``rain``."""
        return PurePosixPath(without_ending(self.stimulus)).name

    @property
    def id(self) -> str:
        """Identifier in tables and file names, ``rain_15s``."""
        return f"{self.name}_{self.duration:g}s"

    def file(self, folder: str | Path) -> Path:
        """Path of the file below the folder of the stimuli.

        Where it is not there under its very name, the one file that differs in its ending or in the case of letters.

        Raises
        ------
        InputError
            If its name leads out of the folder, or several files could be meant.
        """
        folder = Path(folder)
        return find_stimulus(folder, self.stimulus)


@dataclass(frozen=True, eq=False)
class Presentation:
    """One presentation of a clip.

    Parameters
    ----------
    clip : Clip
    rows : array of int, shape (n,)
        Samples during the presentation.
    spans : array, shape (n, 2)
        Begin and end of the part of the clip that each sample covers, s from the start of the clip.
    shares : array, shape (n,)
        Share of each sample that the clip fills; below 1 where a clip begins or ends within a volume.
    """

    clip: Clip
    rows: NDArray[np.intp]
    spans: Spans
    shares: Float64


@dataclass(frozen=True, eq=False)
class StimulusTimeline:
    """Samples and stimulus events: the input of feature extractors.

    Parameters
    ----------
    volumes : Runs
        Every volume of every run.
    events : mapping of run name to DataFrame
        Columns ``onset`` and ``duration`` in seconds, and those that an extractor requires.
    windows : Windows, optional
        Windows of clips that are the samples, instead of volumes.
    columns : ClipColumns
        Columns of the events that name clips.
    subject : str
        Label of the subject, for files of its own.
    """

    volumes: Runs
    events: Mapping[str, pd.DataFrame]
    windows: Windows | None = None
    columns: ClipColumns = BIDS_CLIPS
    subject: str = ""

    @property
    def runs(self) -> Runs:
        """Run, time and clip of the samples: volumes, or windows."""
        return self.volumes if self.windows is None else self.windows.runs

    @property
    def length(self) -> float:
        """Seconds that a sample covers, beginning at its time."""
        return self.volumes.tr if self.windows is None else self.windows.length

    def volumes_to_samples(self, features: Float32) -> Float32:
        """Average features of volumes over the volumes under each window; volumes that are samples are returned as is.

        Parameters
        ----------
        features : array, shape (n_volumes, n_features)

        Returns
        -------
        array of float32, shape (n_samples, n_features)
        """
        return features if self.windows is None else np.asarray(self.windows.stimulus_average @ features, np.float32)

    @cached_property
    def presentations(self) -> tuple[Presentation, ...]:
        """Presentations of clips that cover a sample, in the order of the events.

        Raises
        ------
        InputError
            If there is none, two are played at once, or an event has no valid start or duration.
        """
        presentations = []
        for run, table in self.events.items():
            if run in self.runs.slices:
                played = check_one_at_a_time(played_clips(table, self.columns, run), run)
                presentations += [self._presentation(run, one) for one in played]
        presentations = [presentation for presentation in presentations if len(presentation.rows)]
        if not presentations:
            raise InputError(
                "the events present no clip",
                found=f"columns {', '.join(sorted({str(name) for table in self.events.values() for name in table}))}",
                expected=f"the column {self.columns.stimulus} with the file of each sound, in events inside the runs",
                fix="name the column of the files by stimulus under [data.clips]",
            )
        return tuple(presentations)

    @cached_property
    def clips(self) -> Mapping[Clip, Spans]:
        """Presented clips, each with the distinct spans that its samples cover, sorted, shape (n_spans, 2)."""
        spans: dict[Clip, list[Spans]] = {}
        for presentation in self.presentations:
            spans.setdefault(presentation.clip, []).append(presentation.spans)
        return {clip: np.unique(np.concatenate(parts), axis=0) for clip, parts in spans.items()}

    def clips_to_samples(self, features: Mapping[Clip, Float32]) -> Float32:
        """Copy the features of clips to the samples of their presentations; samples without a clip are zero.

        In a volume that a clip does not fill, its features are multiplied by the share that it fills.

        Parameters
        ----------
        features : mapping of Clip to array, shape (n_spans, n_features)
            One row for each span in :attr:`clips`.

        Returns
        -------
        array of float32, shape (n_samples, n_features)
        """
        width = next(iter(features.values())).shape[1]
        out = np.zeros((len(self.runs), width), dtype=np.float32)
        for presentation in self.presentations:
            starts = self.clips[presentation.clip][:, 0]
            values = features[presentation.clip][np.searchsorted(starts, presentation.spans[:, 0])]
            out[presentation.rows] += values * presentation.shares[:, None].astype(np.float32)
        return out

    def _presentation(self, run: str, played: Played) -> Presentation:
        """Find the samples that a clip overlaps, and the part of it that each covers; spans stay inside the clip."""
        rows, onset, duration = self.runs.slices[run], played.onset, played.duration
        time, end = self.runs.time[rows], onset + duration
        if self.windows is None:
            filled = (np.minimum(time + self.length, end) - np.maximum(time, onset)) / self.length
            shares = np.where(filled > 1 - 1e-6, 1.0, filled)
            inside = np.flatnonzero(filled > 1e-6)
        else:  # whole windows of the volumes that are labelled with the clip
            tr, first_time = self.volumes.tr, float(self.volumes.time[self.volumes.slices[run]][0])
            first, last = (first_time + i * tr for i in sample_range(onset, duration, first_time, tr))
            inside = np.flatnonzero((time > first - 1e-6) & (time + self.length < last + 1e-6))
            shares = np.ones(len(time))
        length = min(self.length, duration)
        begin = np.round(np.clip(time[inside] - onset, 0.0, duration - length), 6)
        clip = Clip(played.stimulus, played.start, duration, played.group)
        spans = np.stack([begin, np.round(begin + length, 6)], axis=1)
        return Presentation(clip, inside + rows.start, spans, shares[inside])
