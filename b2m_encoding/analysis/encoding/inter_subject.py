"""Ceilings of a study from how much its subjects have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data.sources import GROUP_MEAN
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Space
from b2m_encoding.stats.ceilings import NoCeiling, inter_subject_ceiling

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measured:
    """Held-out responses of a subject, shape (n_samples, n_targets)."""

    values: NDArray[np.float32]
    runs: Runs
    space: Space


def inter_subject_bounds(subjects: Mapping[str, Measured]) -> dict[str, tuple[Array, Array]] | NoCeiling:
    """Lower and upper bound of each subject, or the reason why there are none.

    Subjects must lie on one surface or template and have heard the same held-out stimuli in the same order; their
    runs are matched by position, their samples by clip.
    """
    own = {subject: one for subject, one in subjects.items() if subject != GROUP_MEAN}
    if len(own) < 2:
        return NoCeiling("subjects tell a ceiling of each other only where there are two or more")
    first = next(iter(own.values()))
    if any(one.space.name != first.space.name or one.values.shape[1] != first.values.shape[1] for one in own.values()):
        return NoCeiling("subjects lie in different spaces")
    if any(_heard(one.runs) != _heard(first.runs) for one in own.values()):
        return NoCeiling("subjects did not hear the same held-out stimuli in the same order")
    lower, upper = inter_subject_ceiling(np.stack([one.values for one in own.values()]))
    return {subject: (lower[i], upper[i]) for i, subject in enumerate(own)}


def _heard(runs: Runs) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Length of every run, and the clip under every sample."""
    return tuple(rows.stop - rows.start for rows in runs.slices.values()), tuple(map(str, runs.clip))
