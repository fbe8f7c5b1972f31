"""Paired tests of methods of reconstruction over clips."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from b2m_encoding.errors import InputError
from b2m_encoding.stats import fdr_q, sign_flip_p

NAMES = ("target", "corpus", "method")
"""Columns in which two sets of reconstructions may differ."""
SAME = ("decoder", "encoder", "measure")
FEWEST_GROUPS = 6
"""Fewer groups of clips cannot reach p < .05 by flips of their signs."""
COLUMNS = (
    "compared", "first", "second", *NAMES, *SAME, "subjects", "clips", "difference", "low", "high", "p", "q", "groups",
    "p_groups",
)  # fmt: skip


def paired_tests(
    table: pd.DataFrame, *, level: float = 0.95, n_permutations: int = 10_000, random_state: int | None = 0
) -> pd.DataFrame:
    """Compare reconstructions clip by clip: every two methods, and retrieval from two corpora or two decoded spaces.

    Parameters
    ----------
    table : DataFrame
        A row per subject and clip: ``subject``, ``target``, ``decoder``, ``corpus``, ``method``, ``encoder``,
        ``measure``, ``clip``, ``value`` and, where clips have one, ``group`` (genre); ``evaluation_clips.tsv``.
    level : float
        Coverage of the interval of the mean difference, by Student's t over clips.
    n_permutations : int
    random_state : int, optional

    Returns
    -------
    DataFrame
        A row per pair: what is ``compared`` (``target``, ``corpus`` or ``method``), names of the ``first`` and the
        ``second``, what both share (n/a in the column that is compared), mean ``difference`` with ``low`` and ``high``,
        ``p``, ``q`` (Benjamini-Hochberg over all rows), and ``p_groups``.

    Raises
    ------
    InputError
        If a column is missing.

    Notes
    -----
    All subjects heard the same clips. Their values are therefore averaged clip by clip, and p comes from flips of the
    signs of the differences of clips (Winkler et al. 2014, doi 10.1016/j.neuroimage.2014.01.060; two-sided): it refers
    to other clips for these subjects. ``p_groups`` flips the mean difference of each group of clips: it refers to other
    groups, which clips of one group represent together. NaN where there are fewer than six.

    Examples
    --------
    >>> values = {"retrieved": [0.8, 0.9, 0.7, 0.9, 0.8, 0.9], "chance": [0.5] * 6}
    >>> same = {"subject": "01", "target": "a", "decoder": "regions", "corpus": "x", "encoder": "e", "measure": "m"}
    >>> rows = [{**same, "method": m, "clip": i, "value": v} for m, own in values.items() for i, v in enumerate(own)]
    >>> paired_tests(pd.DataFrame(rows))[["first", "second", "difference", "p"]].round(3).to_numpy().tolist()
    [['retrieved', 'chance', 0.333, 0.031]]
    """
    if missing := sorted({"subject", "clip", "value", *NAMES, *SAME} - set(table.columns)):
        raise InputError("a table of scores of clips lacks columns", found=list(table.columns), expected=missing)
    table = table.assign(value=table["value"].astype(float))
    groups = pd.Series(dtype=str)
    if "group" in table:
        groups = table.drop_duplicates("clip").set_index("clip")["group"].replace("n/a", None)
    rows: list[dict[str, Any]] = []
    for compared in NAMES:
        same = [name for name in (*NAMES, *SAME) if name != compared]
        kept = table if compared == "method" else table[table["method"] == "retrieved"]
        for key, own in kept.groupby(same, sort=False):
            values = own.pivot_table(index=["subject", "clip"], columns=compared, values="value", sort=False)
            for first, second in combinations(values.columns, 2):
                each = (values[first] - values[second]).dropna()
                lead = each.groupby(level="clip", sort=False).mean()
                if len(lead) > 1:
                    names = {
                        "compared": compared,
                        "first": first,
                        "second": second,
                        **dict(zip(same, key, strict=True)),
                    }
                    names["subjects"] = each.index.get_level_values("subject").nunique()
                    rows.append({**names, **_tested(lead, groups, level, n_permutations, random_state)})
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    return found.assign(q=fdr_q(found["p"].to_numpy(dtype=float))) if len(found) else found


def _tested(
    lead: pd.Series, groups: pd.Series, level: float, n_permutations: int, random_state: int | None
) -> dict[str, Any]:
    """Mean difference of clips with its interval and p."""
    values, n = lead.to_numpy(dtype=float), len(lead)
    half = float(student.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
    of_groups = lead.groupby(groups.reindex(lead.index).to_numpy()).mean().to_numpy(dtype=float)
    enough = len(of_groups) >= FEWEST_GROUPS
    return {
        "clips": n,
        "difference": float(values.mean()),
        "low": float(values.mean()) - half,
        "high": float(values.mean()) + half,
        "p": sign_flip_p(values, n_permutations, random_state),
        "groups": len(of_groups),
        "p_groups": sign_flip_p(of_groups, n_permutations, random_state) if enough else np.nan,
    }
