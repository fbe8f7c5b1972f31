"""Event regressors: one feature per group of conditions, on the grid of the samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs


def event_features(
    runs: Runs, events: Mapping[str, pd.DataFrame], column: str, groups: Mapping[str, Sequence[str]]
) -> NDArray[np.float32]:
    """How much of each group of conditions falls into each sample.

    An event with a duration contributes the share of each sample that it fills. An event without one contributes 1,
    shared between the two nearest sample times by linear interpolation, so that timing finer than the repetition
    time is not lost. Of an event that lies partly outside its run, what is inside counts. A condition may belong to
    several groups.

    Parameters
    ----------
    runs : Runs
    events : mapping of run name to DataFrame
        With ``onset`` and ``duration`` in seconds.
    column : str
        The column that holds the condition.
    groups : mapping of str to sequence of str
        Feature name to conditions.

    Returns
    -------
    array, shape (n_samples, n_groups)

    Raises
    ------
    InputError
        If the column is missing, or a condition of a group never occurs.
    """
    features = np.zeros((len(runs), len(groups)), dtype=np.float32)
    conditions = {condition for members in groups.values() for condition in members}
    seen: set[str] = set()
    for name, table in events.items():
        if column not in table:
            raise InputError("events lack a column", found=", ".join(table.columns), expected=column)
        rows = runs.slices[name]
        for onset, duration, condition in zip(table["onset"], table["duration"], table[column], strict=True):
            seen.add(condition)
            for i, members in enumerate(groups.values()):
                if condition in members:
                    _add_event(features[rows, i], onset / runs.tr, duration / runs.tr)
    absent = sorted(conditions - seen)
    if absent:
        raise InputError("conditions that never occur in the events", found=absent, expected=sorted(seen))
    return features


def _add_event(feature: NDArray[np.float32], onset: float, duration: float) -> None:
    """Add one event, in samples, to one run's feature."""
    first = int(np.floor(onset + 1e-9))
    if duration == 0:
        late = max(onset - first, 0.0)
        for sample, share in ((first, 1 - late), (first + 1, late)):
            if 0 <= sample < len(feature):
                feature[sample] += share
    else:
        grid = np.arange(max(first, 0), min(int(np.ceil(onset + duration - 1e-9)), len(feature)))
        feature[grid] += np.minimum(grid + 1, onset + duration) - np.maximum(grid, onset)
