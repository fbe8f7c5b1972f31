"""Presented stimuli: clips, their presentations, and the samples and seconds that each covers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError
from b2m_encoding.features.windows import Spans, Windows
from b2m_encoding.io.names import printable
from b2m_encoding.runs import Runs

if TYPE_CHECKING:
    import pandas as pd

ClipProgress = Callable[[int, int], None]
"""Called with the number of clips that are done, and the number to do."""

CLIP_COLUMNS = ("genre", "track", "start")
"""Columns of an event table that name a clip."""


@dataclass(frozen=True, order=True)
class Clip:
    """An excerpt of a track.

    Parameters
    ----------
    genre : str
    name : str
        Name of the track, ``blues.00017``.
    start, duration : float
        Begin of the excerpt in the track, and its length, s.
    """

    genre: str
    name: str
    start: float
    duration: float

    @property
    def id(self) -> str:
        """Identifier in tables and file names, ``blues.00017_15s``."""
        return f"{self.name}_{self.duration:g}s"

    def track(self, folder: Path) -> Path:
        """Path of the track below a folder in GTZAN layout.

        Raises
        ------
        InputError
            If its genre or name leads out of the folder.
        """
        path = folder / self.genre / f"{self.name}.wav"
        if "\0" in str(path) or not Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder)):
            raise InputError("the name of a clip leads out of the folder of the stimuli", found=printable(self.name))
        return path


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
    """

    clip: Clip
    rows: NDArray[np.intp]
    spans: Spans


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
    """

    volumes: Runs
    events: Mapping[str, pd.DataFrame]
    windows: Windows | None = None

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
            If there is none, or an event has no valid track or start.
        """
        from b2m_encoding.data.events import NOTHING

        presentations = []
        for name, table in self.events.items():
            for row, event in enumerate(table.to_dict("records") if name in self.runs.slices else ()):
                if event["track"] not in NOTHING:
                    presentations.append(self._presentation(name, event, row))
        presentations = [presentation for presentation in presentations if len(presentation.rows)]
        if not presentations:
            raise InputError(
                "the events present no clip", expected="events with a track, genre and start inside the runs"
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
            out[presentation.rows] = features[presentation.clip][np.searchsorted(starts, presentation.spans[:, 0])]
        return out

    def _presentation(self, run: str, event: Mapping[str, object], row: int) -> Presentation:
        """Find the samples of an event on the grid of volumes, as ``Runs.clip`` does; spans stay inside the clip."""
        from b2m_encoding.data.events import clip_label

        onset, duration = float(str(event["onset"])), float(str(event["duration"]))
        try:
            start = float(str(event["start"]))
            clip = Clip(str(event["genre"]), clip_label(str(event["genre"]), str(event["track"])), start, duration)
            if not np.isfinite(start):
                raise ValueError
        except ValueError as error:
            raise InputError(
                f"event {row + 1} of run {run} does not identify a clip",
                found=f"track {event['track']}, start {event['start']}",
                expected="the number of a track, and a start in seconds",
            ) from error
        tr, rows = self.volumes.tr, self.runs.slices[run]
        time = self.runs.time[rows]
        first, last = round(onset / tr) * tr, round((onset + duration) / tr) * tr
        inside = np.flatnonzero((time > first - 1e-6) & (time + self.length < last + 1e-6))
        length = min(self.length, duration)
        begin = np.round(np.clip(time[inside] - onset, 0.0, duration - length), 6)
        return Presentation(clip, inside + rows.start, np.stack([begin, np.round(begin + length, 6)], axis=1))
