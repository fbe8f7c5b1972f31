"""Event regressors: one feature per group of conditions, sampled at the volumes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError, notice
from b2m_encoding.io.text_tables import is_number, plain_label
from b2m_encoding.runs import Runs

if TYPE_CHECKING:
    import pandas as pd


def event_features(
    runs: Runs, events: Mapping[str, pd.DataFrame], column: str, groups: Mapping[str, Sequence[str]]
) -> Float32:
    """Amount of each group of conditions in each sample.

    An event with a duration contributes the share of each sample that it fills. An event without one contributes 1,
    shared between the samples of the two nearest times (``Runs.time`` and ``Runs.instant``) by linear interpolation,
    which preserves timing finer than the repetition time. An event that lies partly outside its run contributes its
    part inside. A condition may belong to several groups.

    Parameters
    ----------
    runs : Runs
    events : mapping of run name to DataFrame
        Columns ``onset`` and ``duration`` in seconds, and ``column``.
    column : str
        Column of the conditions.
    groups : mapping of str to sequence of str
        Conditions of each feature.

    Returns
    -------
    array, shape (n_samples, n_groups)

    Raises
    ------
    InputError
        If the column is missing, or a condition of a group never occurs.
    """
    features = np.zeros((len(runs), len(groups)), dtype=np.float32)
    groups = {name: [plain_label(str(condition)) for condition in members] for name, members in groups.items()}
    conditions = {condition for members in groups.values() for condition in members}
    seen: set[str] = set()
    for name, table in events.items():
        if column not in table:
            raise InputError("events lack a column", found=", ".join(table.columns), expected=column)
        rows = runs.slices[name]
        first = float(runs.time[rows.start])
        for onset, duration, condition in zip(table["onset"], table["duration"], table[column], strict=True):
            condition = plain_label(str(condition))
            seen.add(condition)
            for i, members in enumerate(groups.values()):
                if condition in members:
                    _add_event(
                        features[rows, i],
                        (onset - first - (0.0 if duration else runs.instant)) / runs.tr,
                        duration / runs.tr,
                    )
    tell_alike(conditions | seen, column)
    absent = sorted(conditions - seen)
    if absent:
        raise InputError("conditions that never occur in the events", found=absent, expected=sorted(seen))
    return features


def tell_alike(labels: Iterable[str], column: str) -> None:
    """Log labels that differ in nothing but the case of letters, blanks or dashes: most likely they are one.

    Numbers are not alike, and a dash before a digit is a minus unless it follows a letter or a digit (``shift_-2``).
    """
    plain: dict[str, list[str]] = {}
    for label in sorted(one for one in set(labels) if not is_number(one)):
        plain.setdefault(re.sub(r"[\s_]+|(?<=[^\W_])-|-(?!\d)", "", label).casefold(), []).append(label)
    for alike in plain.values():
        if len(alike) > 1:
            names = ", ".join(map(repr, alike))
            notice(f"column {column} of the events: {names} count as different; spell them alike if not")


def _add_event(feature: Float32, onset: float, duration: float) -> None:
    """Add one event to the feature of one run; onset and duration in samples."""
    first = int(np.floor(onset + 1e-9))
    if duration == 0:
        late = max(onset - first, 0.0)
        late = 0.0 if late < 1e-9 else late
        for sample, share in ((first, 1 - late), (first + 1, late)):
            if 0 <= sample < len(feature):
                feature[sample] += share
    else:
        grid = np.arange(max(first, 0), min(int(np.ceil(onset + duration - 1e-9)), len(feature)))
        feature[grid] += np.minimum(grid + 1, onset + duration) - np.maximum(grid, onset)
