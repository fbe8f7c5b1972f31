"""Result of a comparison of two results: targets by subject, and regions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from b2m_encoding._typing import Booleans, Float64
from b2m_encoding.comparison.differences import Difference
from b2m_encoding.comparison.sides import Side
from b2m_encoding.spaces import Space


@dataclass(frozen=True, eq=False)
class Compared:
    """Targets of one subject, or of all, in both results.

    Parameters
    ----------
    subject : str
        Label, or ``group``.
    space : Space
        Of the targets that both have.
    first, second : array, shape (n_targets,)
        r of either; the mean over subjects in a group.
    found : Difference
        NaN where a target was not tested in both; p and q also where no test is possible.
    predicted : array of bool, shape (n_targets,)
        Targets that one of both predicts, by its own q.
    test : str
        Units of the test, or why there is none.
    """

    subject: str
    space: Space
    first: Float64
    second: Float64
    found: Difference
    predicted: Booleans
    test: str

    @property
    def known(self) -> bool:
        """Whether a test was possible."""
        return bool(np.isfinite(self.found.p).any())


@dataclass(frozen=True, eq=False)
class Comparison:
    """Comparison of two results.

    Parameters
    ----------
    sides : tuple of Side
        What was compared.
    paired : bool
        Whether the same subjects were compared.
    targets : dict of str to Compared
        By subject; ``group`` for all together. Empty where regions alone were compared.
    regions : DataFrame
        A row per region; see :data:`~b2m_encoding.results.schema.comparison_tables.COMPARISON_REGIONS`.
    scores : DataFrame
        Scores of regions: ``subject``, ``hemisphere``, ``region``, ``feature_space`` (name of the side), ``score``.
    notes : tuple of str
        What a reader should know.
    q, level : float
        Rate of false discoveries, and coverage of intervals.
    """

    sides: tuple[Side, Side]
    paired: bool
    targets: Mapping[str, Compared]
    regions: pd.DataFrame
    scores: pd.DataFrame
    notes: tuple[str, ...]
    q: float
    level: float

    def summary(self) -> pd.DataFrame:
        """A row per subject; columns of :data:`~b2m_encoding.results.schema.comparison_tables.COMPARISON`."""
        return pd.DataFrame([_row(one, self.q) for one in self.targets.values()])


def _row(one: Compared, q: float) -> dict[str, object]:
    found = one.found
    inside, below = one.predicted & np.isfinite(found.difference), np.nan_to_num(found.q, nan=1.0) < q
    means = [float(values[inside].mean()) if inside.any() else np.nan for values in (one.first, one.second)]
    known = one.known
    counts = [int((below & (sign * found.difference > 0)).sum()) if known else np.nan for sign in (1, -1)]
    return {
        "subject": one.subject,
        "test": one.test,
        "units": found.n_units,
        "targets": int(np.isfinite(found.difference).sum()),
        "chosen": int(found.chosen.sum()) if known else np.nan,
        "first_better": counts[0],
        "second_better": counts[1],
        "predicted": int(inside.sum()),
        "first": means[0],
        "second": means[1],
        "difference": means[0] - means[1],
    }
