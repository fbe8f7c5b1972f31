"""Columns of event tables that name clips."""

from __future__ import annotations

from dataclasses import dataclass

NOTHING = ("n/a", "")
"""Fields that hold no value."""


@dataclass(frozen=True)
class ClipColumns:
    """Columns of event tables that name a clip.

    Parameters
    ----------
    stimulus : str
        Column of the file, below the folder of the stimuli; ``stim_file`` in BIDS.
    start : str
        Column of the time in the file at which the clip starts, s; a table without it plays files from their start.
    group : str, optional
        Column of the group of a clip: its genre, condition, speaker.
    one_excerpt : bool
        Whether one excerpt of each file is known to be played: its start is then no part of its name.
    """

    stimulus: str = "stim_file"
    start: str = "start"
    group: str | None = None
    one_excerpt: bool = False


BIDS_CLIPS = ClipColumns()
"""Columns of BIDS."""
