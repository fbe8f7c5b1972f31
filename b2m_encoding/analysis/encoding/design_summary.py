"""Shorten the design of a subject: features of the first training run, and their correlations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from b2m_encoding._typing import Float32
from b2m_encoding.analysis.splits import evaluated
from b2m_encoding.data import Recording
from b2m_encoding.features.space import FeatureSpace, principal_axes
from b2m_encoding.results.design_summary import DesignSummary
from b2m_encoding.study import Study

MOST_COLUMNS = 40
"""Feature spaces with more columns are shown by their first principal components."""
LARGEST = 100.0
"""Standard deviations beyond which values are cut."""
MOST_SAMPLES, TRAINING = 600, 1000
"""Samples of the run, and training samples that means, components and correlations follow from, at most."""


def summarise_design(spaces: Mapping[str, FeatureSpace], recording: Recording, study: Study) -> DesignSummary:
    """Shorten the features of a subject, before they are delayed."""
    _, [split, *_] = evaluated(recording.responses, study.evaluation)
    one = next(iter(spaces.values()))
    training = np.flatnonzero(split.train)
    sample = training[np.linspace(0, len(training) - 1, min(TRAINING, len(training))).astype(int)]
    run = str(one.runs.run[training[0]])
    rows = np.arange(len(one.runs))[one.runs.slices[run]][:MOST_SAMPLES]
    parts, names, owners, reduced = [], [], [], []
    for name, space in spaces.items():
        both = _standardised(space.values, sample, np.concatenate([sample, rows]))
        if both.shape[1] > MOST_COLUMNS:
            both = _components(both, len(sample))
            reduced.append(name)
        columns = space.names or [str(number) for number in range(1, both.shape[1] + 1)]
        names += [f"PC {i}" for i in range(1, both.shape[1] + 1)] if name in reduced else list(columns)
        owners += [name] * both.shape[1]
        parts.append(both)
    together = np.concatenate(parts, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = np.nan_to_num(np.corrcoef(together[: len(sample)].T)).reshape(len(names), len(names))
    times = (one.runs.time[rows] - one.runs.time[rows[0]]).astype(np.float32)
    return DesignSummary(run, np.array(owners, dtype=str), np.array(names, dtype=str), np.array(reduced, dtype=str),
                         times, together[len(sample) :], correlations.astype(np.float32))  # fmt: skip


def _standardised(values: Float32, sample: np.ndarray, rows: np.ndarray) -> Float32:
    """Rows of features by mean and standard deviation of the sample; constant ones are zero."""
    chosen = values[sample].astype(np.float64)
    mean, deviation = chosen.mean(axis=0), chosen.std(axis=0)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 1e-6 * (1 + np.abs(mean)))
    return np.asarray(np.clip((values[rows] - mean) * scale, -LARGEST, LARGEST), dtype=np.float32)


def _components(both: Float32, n: int) -> Float32:
    """First principal components of the first n rows, for all rows, each with unit variance there.

    The sign of a component is that of its largest loading.
    """
    axes = principal_axes(both[:n].astype(np.float64), MOST_COLUMNS)
    axes *= np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0))
    found = both @ axes
    deviation = found[:n].std(axis=0)
    kept = deviation > 1e-3 * deviation.max(initial=0)
    return np.asarray(np.clip(found[:, kept] / deviation[kept], -LARGEST, LARGEST), dtype=np.float32)
