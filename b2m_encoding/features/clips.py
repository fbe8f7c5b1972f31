"""What was heard: clips, their presentations, and the samples and seconds of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from b2m_encoding.data.events import NOTHING, clip_label
from b2m_encoding.errors import InputError
from b2m_encoding.features.windows import Spans, Windows
from b2m_encoding.runs import Runs

CLIP_COLUMNS = ("genre", "track", "start")
"""Columns of an event table that name a clip."""


@dataclass(frozen=True, order=True)
class Clip:
    """A stretch of a track.

    Parameters
    ----------
    genre : str
    name : str
        Of the track, ``blues.00017``.
    start, duration : float
        Seconds.
    """

    genre: str
    name: str
    start: float
    duration: float

    @property
    def id(self) -> str:
        """Name in tables and of files made from it, ``blues.00017_15s``."""
        return f"{self.name}_{self.duration:g}s"

    def track(self, folder: Path) -> Path:
        """File of its track in GTZAN layout."""
        return folder / self.genre / f"{self.name}.wav"


@dataclass(frozen=True, eq=False)
class Presentation:
    """One presentation of a clip.

    Parameters
    ----------
    clip : Clip
    rows : array of int, shape (n,)
        Samples during it.
    spans : array, shape (n, 2)
        The stretch of the clip that each sample covers, in seconds of the clip.
    """

    clip: Clip
    rows: NDArray[np.intp]
    spans: Spans


@dataclass(frozen=True, eq=False)
class StimulusTimeline:
    """What an extractor may look at: the samples, and what was played when.

    Parameters
    ----------
    volumes : Runs
    events : mapping of run name to DataFrame
    windows : Windows, optional
        Where windows of clips are the samples, instead of volumes.
    """

    volumes: Runs
    events: Mapping[str, pd.DataFrame]
    windows: Windows | None = None

    @property
    def runs(self) -> Runs:
        """Of the samples."""
        return self.volumes if self.windows is None else self.windows.runs

    @property
    def length(self) -> float:
        """Seconds that a sample covers, from its time on."""
        return self.volumes.tr if self.windows is None else self.windows.length

    def sampled(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features of every sample from features of every volume."""
        return values if self.windows is None else np.asarray(self.windows.heard @ values, dtype=np.float32)

    @cached_property
    def presentations(self) -> tuple[Presentation, ...]:
        """Every presentation of a clip, in the order of the events."""
        found = []
        for name, table in self.events.items():
            for row, event in enumerate(table.to_dict("records") if name in self.runs.slices else ()):
                if event["track"] not in NOTHING:
                    found.append(self._presentation(name, event, row))
        found = [one for one in found if len(one.rows)]
        if not found:
            raise InputError("no events to take clips from")
        return tuple(found)

    @cached_property
    def clips(self) -> Mapping[Clip, Spans]:
        """Every clip that was heard, with the stretches that are asked for, each once and in order."""
        spans: dict[Clip, list[Spans]] = {}
        for one in self.presentations:
            spans.setdefault(one.clip, []).append(one.spans)
        return {clip: np.unique(np.concatenate(own), axis=0) for clip, own in spans.items()}

    def lay(self, features: Mapping[Clip, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Lay the features of each clip's stretches onto the samples; samples without a clip are zero.

        Parameters
        ----------
        features : mapping of Clip to array, shape (n_spans, n_features)
            Rows as in ``clips``.
        """
        width = next(iter(features.values())).shape[1]
        out = np.zeros((len(self.runs), width), dtype=np.float32)
        for one in self.presentations:
            out[one.rows] = features[one.clip][np.searchsorted(self.clips[one.clip][:, 0], one.spans[:, 0])]
        return out

    def _presentation(self, run: str, event: Mapping[str, object], row: int) -> Presentation:
        """Samples on the grid of volumes, as ``Runs.clip`` labels them; a stretch never leaves its clip."""
        onset, duration = float(str(event["onset"])), float(str(event["duration"]))
        try:
            start = float(str(event["start"]))
            clip = Clip(str(event["genre"]), clip_label(str(event["genre"]), str(event["track"])), start, duration)
            if not np.isfinite(start):
                raise ValueError
        except ValueError as error:
            raise InputError(
                f"event {row + 1} of run {run} names no clip",
                found=f"track {event['track']}, start {event['start']}",
                expected="a number and seconds",
            ) from error
        tr, rows = self.volumes.tr, self.runs.slices[run]
        time = self.runs.time[rows]
        first, last = round(onset / tr) * tr, round((onset + duration) / tr) * tr
        own = np.flatnonzero((time > first - 1e-6) & (time + self.length < last + 1e-6))
        length = min(self.length, duration)
        begin = np.round(np.clip(time[own] - onset, 0.0, duration - length), 6)
        return Presentation(clip, own + rows.start, np.stack([begin, np.round(begin + length, 6)], axis=1))
