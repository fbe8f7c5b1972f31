"""What speaks against the parts of a variance partition, in words for report, checklist and captions."""

from __future__ import annotations

import pandas as pd

from b2m_encoding.io.names import in_words
from b2m_encoding.results.schema.tables import PARTITION

ONE_PENALTY = (
    "one penalty for all feature spaces (solver ridge): what a large, useless feature space costs the joint model "
    "appears as shared variance"
)
"""Warning beside a partition from such models."""
WORSE = "the joint model predicts worse than"
"""Beginning of the doubt that another model is better than the joint one."""


def doubted_parts(table: pd.DataFrame, limit: int = 4, about: str = "") -> str:
    """List the regions and parts that something speaks against, "" if there are none; a worse joint model first.

    Parameters
    ----------
    table : DataFrame
        Rows of :data:`~b2m_encoding.results.schema.tables.PARTITION`.
    limit : int
        Most parts that are named.
    about : str
        Only doubts that begin so, without the part.
    """
    found: list[str] = []
    for row in table.itertuples():
        doubt = getattr(row, "doubt", None)
        doubts = [one for one in doubt.split("; ") if one.startswith(about)] if isinstance(doubt, str) else []
        if doubts and row.targets:
            side = "" if pd.isna(row.hemisphere) else f"{row.hemisphere} "
            part = "" if about else f"{row.part} in "
            found.append(f"{part}{side}{in_words(row.region)} of sub-{row.subject} ({'; '.join(doubts)})")
    found.sort(key=lambda one: WORSE not in one)
    more = [f"and {len(found) - limit} more ({PARTITION.file})"] if len(found) > limit else []
    return "; ".join([*found[:limit], *more])
