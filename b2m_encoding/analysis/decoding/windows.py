"""Windows to decode: responses and features of training and test, and the scale of the features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from b2m_encoding._typing import Booleans, Float32, Floating
from b2m_encoding.analysis.splits import split_samples
from b2m_encoding.data import Responses, average_repeats
from b2m_encoding.decoding.decoders.calibration import equal_length, scale_rows
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.runs import Runs
from b2m_encoding.study import Study


@dataclass(frozen=True, eq=False)
class Samples:
    """Responses and features of the same windows.

    Parameters
    ----------
    brain : array, shape (n_windows, n_targets)
        Responses.
    features : array, shape (n_windows, n_dimensions)
    runs : Runs
    start : array, shape (n_windows,)
        Seconds from the beginning of the clip to that of the window.
    """

    brain: Floating
    features: Floating
    runs: Runs
    start: Floating

    def take(self, rows: Booleans) -> Samples:
        """Windows of a mask, shape (n_windows,)."""
        return Samples(self.brain[rows], self.features[rows], self.runs.take(rows), self.start[rows])


@dataclass(frozen=True, eq=False)
class Units:
    """Scale of the features in training, and the way to standard units, in which dimensions weigh the same, and back.

    Parameters
    ----------
    mean, deviation : array, shape (n_dimensions,)
    length : float or None
        Length of every training vector, if it is the same.
    """

    mean: Floating
    deviation: Floating
    length: float | None

    @classmethod
    def of(cls, features: Floating) -> Units:
        """Scale of the features of training windows, shape (n_windows, n_dimensions)."""
        return cls(features.mean(axis=0), features.std(axis=0), equal_length(features))

    def standard(self, features: Floating) -> Floating:
        """Features in standard units; a dimension that never varies is zero."""
        varies = self.deviation > 0
        return np.divide(features - self.mean, self.deviation, out=np.zeros_like(features), where=varies)

    def back(self, values: Floating, *, same_length: bool = False) -> Float32:
        """Standardised features in the units of the feature space; optionally with the length of its vectors."""
        out = np.asarray(values * self.deviation + self.mean, dtype=np.float64)
        out = scale_rows(out, self.length) if same_length and self.length is not None else out
        return out.astype(np.float32)


@dataclass(frozen=True, eq=False)
class ToDecode:
    """Training windows, and test windows with their repeats averaged, in the units of the feature space.

    Parameters
    ----------
    target : str
        Name of the feature space.
    training, test : Samples
    lag : float or None
        Delay of the responses after the sound, s.
    """

    target: str
    training: Samples
    test: Samples
    lag: float | None

    @classmethod
    def of(cls, responses: Responses, space: FeatureSpace, study: Study) -> Self:
        """Load the responses of windows, and separate training from test."""
        _, [split] = split_samples(responses.runs, study.evaluation)
        training, presented = (_samples(responses, space, mask) for mask in (split.train, split.test))
        brain, merged = average_repeats(presented.brain, presented.runs)
        features = average_repeats(presented.features, presented.runs)[0]
        start = average_repeats(presented.start, presented.runs)[0]
        test = Samples(brain, features, merged, start)
        return cls(space.name, training.take(training.runs.used), test, getattr(responses, "lag", None))


def _samples(responses: Responses, space: FeatureSpace, mask: Booleans) -> Samples:
    """Samples of the runs with a window in the mask, these windows used; one run of volumes in memory at a time."""
    names = [name for name, rows in responses.runs.slices.items() if mask[rows].any()]
    runs, rows = replace(responses.runs, used=mask).select(names)
    brain = np.concatenate([responses.load_run(name) for name in names])
    return Samples(brain, space.values[rows], runs, _starts(runs))


def _starts(runs: Runs) -> Floating:
    """Seconds since the beginning of the clip, from runs with all their windows, used or not."""
    out = np.zeros(len(runs))
    for rows in runs.presentations:
        out[rows] = runs.time[rows] - runs.time[rows.start]
    return out


def per_clip(values: Floating, runs: Runs) -> Floating:
    """Mean over the windows of each clip, in the order of first presentation, shape (n_clips, n_columns)."""
    return np.stack([values[runs.clip == clip].mean(axis=0) for clip in dict.fromkeys(runs.clip.tolist())])
