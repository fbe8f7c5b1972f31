"""Means over subjects with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import t as student

from b2m_encoding.decoding.evaluation.classes import GROUPS
from b2m_encoding.decoding.evaluation.proportions import mean_interval
from b2m_encoding.errors import InputError

PROPORTIONS = ("identification", "accuracy", *GROUPS)
"""Beginnings of the names of measures that lie between 0 and 1."""


def over_subjects(
    table: pd.DataFrame, by: Sequence[str] = ("method", "measure"), *, value: str = "value", level: float = 0.95
) -> pd.DataFrame:
    """Mean over subjects, standard error and interval of every measure.

    Parameters
    ----------
    table : DataFrame
        Table with a column ``subject``; several rows of one subject are averaged first.
    by : sequence of str
        Columns that identify a measure.
    value : str
        Column of the values.
    level : float
        Coverage of the interval, by Student's t over subjects; that of proportions (identification, agreement of
        classes) stays between 0 and 1: :func:`~b2m_encoding.decoding.evaluation.mean_interval`.

    Returns
    -------
    DataFrame
        ``by``, ``subjects``, ``mean``, ``sem``, ``low``, ``high``; the last three are NaN with one subject.

    Raises
    ------
    InputError
        If a column is missing.

    Examples
    --------
    >>> rows = [("01", "oracle", 0.9), ("02", "oracle", 0.8), ("01", "chance", 0.5)]
    >>> found = over_subjects(pd.DataFrame(rows, columns=["subject", "method", "value"]), by=["method"])
    >>> found[["method", "subjects"]].to_numpy().tolist(), found["mean"].round(2).tolist()
    ([['oracle', 2], ['chance', 1]], [0.85, 0.5])
    """
    if missing := sorted({"subject", value, *by} - set(table.columns)):
        raise InputError("a table of measures lacks columns", found=list(table.columns), expected=missing)
    rows = []
    for key, group in table.groupby(list(by), sort=False):
        values = group.groupby("subject")[value].mean().to_numpy(dtype=float)
        n, mean = len(values), float(values.mean())
        sem = float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan
        half = float(student.ppf((1 + level) / 2, n - 1)) * sem if n > 1 else np.nan
        names = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        low, high = mean - half, mean + half
        if str(names.get("measure", value)).startswith(PROPORTIONS):
            low, high = mean_interval(values, level)
        rows.append({**names, "subjects": n, "mean": mean, "sem": sem, "low": low, "high": high})
    return pd.DataFrame(rows)
