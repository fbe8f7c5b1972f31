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


def doubted_parts(table: pd.DataFrame, limit: int = 4) -> str:
    """List the regions and parts that something speaks against, "" if there are none.

    Parameters
    ----------
    table : DataFrame
        Rows of :data:`~b2m_encoding.results.schema.tables.PARTITION`.
    limit : int
        Most parts that are named.
    """
    rows = [row for row in table.itertuples() if isinstance(getattr(row, "doubt", None), str) and row.targets]
    named = [
        f"{row.part} in {'' if pd.isna(row.hemisphere) else f'{row.hemisphere} '}{in_words(row.region)} of "
        f"sub-{row.subject} ({row.doubt})"
        for row in rows[:limit]
    ]
    more = [f"and {len(rows) - limit} more ({PARTITION.file})"] if len(rows) > limit else []
    return "; ".join([*named, *more])
