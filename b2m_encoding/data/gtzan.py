"""Event tables of ds003720, which name clips by the genre and the number of a track of GTZAN.

The only place that knows this layout: everything else is given the columns of BIDS.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from b2m_encoding.data.clip_columns import NOTHING, ClipColumns
from b2m_encoding.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("genre", "track")


def fits(table: pd.DataFrame) -> bool:
    """Whether an event table names clips as ds003720 does."""
    return set(COLUMNS) <= set(table.columns)


def columns(given: ClipColumns) -> ClipColumns:
    """Columns of the clips: one excerpt of each track is played, and is called after it."""
    return replace(given, one_excerpt=True)


def with_stimuli(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the column ``stim_file``: ``blues/blues.00017.wav`` below the folder of GTZAN.

    Raises
    ------
    InputError
        If a track is no number.
    """
    names = [
        "n/a" if str(track).strip() in NOTHING else _stimulus(str(genre), str(track), row)
        for row, (genre, track) in enumerate(zip(table["genre"], table["track"], strict=True))
    ]
    return table.assign(**{ClipColumns.stimulus: names})


def clip_label(genre: str, track: str) -> str:
    """Name of a track in GTZAN.

    Examples
    --------
    >>> clip_label("blues", "17")
    'blues.00017'
    """
    return f"{genre}.{int(float(track)):05d}"


def _stimulus(genre: str, track: str, row: int) -> str:
    try:
        return f"{genre}/{clip_label(genre, track)}.wav"
    except (ValueError, OverflowError) as error:
        raise InputError(f"row {row + 1} names no track", found=track, expected="a number") from error
