"""Windows to decode: responses and features side by side, their units, training and test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.analysis.splits import split_samples
from b2m_encoding.data import Responses, average_repeats
from b2m_encoding.decoding.decoders.calibration import equal_length, scaled_to
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.runs import Runs
from b2m_encoding.study import Study

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Samples:
    """Responses and features of the same windows, shape (n_windows, n_targets or n_dimensions).

    ``start`` tells the seconds from the beginning of the clip to that of the window, shape (n_windows,).
    """

    brain: Floats
    features: Floats
    runs: Runs
    start: Floats

    def take(self, rows: NDArray[np.bool_]) -> Samples:
        """Some of the windows."""
        return Samples(self.brain[rows], self.features[rows], self.runs.take(rows), self.start[rows])


@dataclass(frozen=True, eq=False)
class Units:
    """Standard units of the training windows, in which dimensions weigh the same, and those of the feature space."""

    mean: Floats
    deviation: Floats
    length: float | None
    """Of every training vector, if they all have the same."""

    @classmethod
    def of(cls, features: Floats) -> Units:
        """Of training windows."""
        return cls(features.mean(axis=0), features.std(axis=0), equal_length(features))

    def standard(self, features: Floats) -> Floats:
        """A dimension that never varies is zero."""
        varies = self.deviation > 0
        return np.divide(features - self.mean, self.deviation, out=np.zeros_like(features), where=varies)

    def back(self, values: Floats, *, same_length: bool = False) -> NDArray[np.float32]:
        """In the units of the feature space; of the length that its vectors have, if asked for."""
        out = np.asarray(values * self.deviation + self.mean, dtype=np.float64)
        out = scaled_to(out, self.length) if same_length and self.length is not None else out
        return out.astype(np.float32)


@dataclass(frozen=True, eq=False)
class ToDecode:
    """Training windows, and test windows with their repeats averaged, in the units of the feature space.

    Parameters
    ----------
    target : str
        The feature space.
    training, test : Samples
    lag : float or None
        Of the responses after the sound, s.
    """

    target: str
    training: Samples
    test: Samples
    lag: float | None

    @classmethod
    def of(cls, responses: Responses, space: FeatureSpace, study: Study) -> Self:
        """Load the responses of windows, and part training from test."""
        _, [split] = split_samples(responses.runs, study.evaluation)
        training, heard = (_samples(responses, space, mask) for mask in (split.train, split.test))
        brain, merged = average_repeats(heard.brain, heard.runs)
        features, start = (average_repeats(values, heard.runs)[0] for values in (heard.features, heard.start))
        test = Samples(brain, features, merged, start)
        return cls(space.name, training.take(training.runs.used), test, getattr(responses, "lag", None))


def _samples(responses: Responses, space: FeatureSpace, mask: NDArray[np.bool_]) -> Samples:
    """Samples of the runs with some windows, which are the used ones; one run of volumes in memory at a time."""
    names = [name for name, rows in responses.runs.slices.items() if mask[rows].any()]
    runs, rows = replace(responses.runs, used=mask).select(names)
    brain = np.concatenate([responses.load_run(name) for name in names])
    return Samples(brain, space.values[rows], runs, _starts(runs))


def _starts(runs: Runs) -> Floats:
    """Seconds since the beginning of the clip, from runs with all their windows, used or not."""
    out = np.zeros(len(runs))
    for rows in runs.presentations:
        out[rows] = runs.time[rows] - runs.time[rows.start]
    return out


def per_clip(values: Floats, runs: Runs) -> Floats:
    """Mean over the windows of each clip, in the order in which they were heard first."""
    return np.stack([values[runs.clip == clip].mean(axis=0) for clip in dict.fromkeys(runs.clip.tolist())])
