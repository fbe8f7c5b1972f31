"""Event tables of BIDS: onset, duration and stimulus, with the irregularities of published tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from b2m_encoding.data.clip_columns import BIDS_CLIPS, NOTHING, ClipColumns
from b2m_encoding.data.clips import ClipLabels, check_one_at_a_time, columns_of, played_clips, sample_range
from b2m_encoding.data.gtzan import clip_label
from b2m_encoding.errors import InputError, notice
from b2m_encoding.io.presence import require_file
from b2m_encoding.io.text_tables import (
    MISSING_NAMES,
    MISSING_NUMBERS,
    TextTable,
    first_fields,
    is_number,
    numbers,
    plain_label,
    read_text_table,
    without_unit,
)
from b2m_encoding.runs import Runs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NOTHING", "check_events", "clip_label", "label_clips", "read_events"]
WHAT = "an event table"
ROUNDING = 1e-3
"""Seconds by which differences of times are below 0 without being wrong."""


def read_events(
    path: str | Path, required: tuple[str, ...] = ("onset", "duration"), columns: tuple[str, ...] | None = None
) -> pd.DataFrame:
    """Read an event table.

    Fields stand between tabs (BIDS), semicolons, commas or blanks. Accepts what occurs in published data: a byte-order
    mark, UTF-16, Windows-1252, CRLF, decimal commas, comments, numbers of rows, quotes (``'classical'``) and blanks
    around names and values. A duration that is not known (n/a) is zero: an impulse. Events whose onset is not known are
    left out, which is logged. Equal numbers are one label (1, 1.0); n/a, nan and empty fields are ``n/a``.

    Parameters
    ----------
    path : Path
    required : tuple of str
        Columns that must be there.
    columns : tuple of str, optional
        Names of the columns of a table without a header.

    Returns
    -------
    DataFrame
        ``onset`` (negative before the first volume) and ``duration`` as float (s), everything else as text.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column or has one twice, or holds an onset or a duration that is no number.
    """
    path = Path(path)
    import pandas as pd

    require_file(path, WHAT, folder=False)
    if columns is None:
        found = _lower_case(_named_columns(path, required), required)
    else:
        body = read_text_table(path, WHAT, header=False).rows
        if body and len(body[0]) != len(columns):
            raise InputError(
                f"{WHAT} has another number of columns than event_columns has names",
                file=path,
                found=len(body[0]),
                expected=f"{len(columns)} ({', '.join(columns)})",
            )
        found = TextTable(columns, body)
    if missing := [name for name in required if name not in found.header]:
        raise InputError("an event table lacks a column", file=path, found=", ".join(found.header), expected=missing[0])
    table = pd.DataFrame(found.rows, columns=list(found.header), dtype=object)
    table["onset"] = numbers(table["onset"].tolist(), path, "onset", missing=True)
    durations = ["0" if field in MISSING_NUMBERS else field for field in table["duration"]]
    table["duration"] = numbers(durations, path, "duration")
    for name in (name for name in table if name not in ("onset", "duration")):
        table[name] = ["n/a" if field in MISSING_NAMES else plain_label(field) for field in table[name]]
    if (table["duration"] < -ROUNDING).any():
        row = int((table["duration"] < -ROUNDING).argmax())
        raise InputError(
            f"event {row + 1} has a negative duration",
            file=path,
            found=f"{table['duration'].iloc[row]:g} s",
            expected="seconds, or n/a where it is not known",
        )
    table["duration"] = table["duration"].clip(lower=0.0)
    return _with_onsets(table, path)


def _named_columns(path: Path, required: tuple[str, ...]) -> TextTable:
    """The table, whose first line must hold names, not numbers."""
    problem: InputError | None = None
    try:
        table = read_text_table(path, WHAT, required)
        first: Sequence[str] = table.header
    except InputError as error:
        problem, first = error, first_fields(path, WHAT)
    unnamed = problem is not None or not set(required) <= set(map(without_unit, first))
    if unnamed and first and is_number(first[0]):
        raise InputError(
            "an event table has no names of its columns",
            file=path,
            found=", ".join(first),
            expected=f"a first line such as {', '.join(required)}, stim_file, with tabs between the names",
            fix='add it; event_columns under [data] of the readers "volume" and "array" names them, too',
        )
    if problem is not None:
        raise problem
    return table


def _lower_case(table: TextTable, required: tuple[str, ...]) -> TextTable:
    """The table with required names as they are wanted, where they differ in the case of letters, or have a unit."""
    names = list(table.header)
    for wanted in required:
        alike = [i for i, name in enumerate(names) if without_unit(name) == wanted]
        if wanted not in names and len(alike) == 1:
            names[alike[0]] = wanted
    return TextTable(tuple(names), table.rows)


def _with_onsets(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The events whose onset is known."""
    known = table["onset"].notna().to_numpy()
    if known.all():
        return table
    if not known.any():
        raise InputError("no event of a table has an onset", file=path, found="n/a", expected="seconds")
    left_out = np.flatnonzero(~known) + 1
    notice(f"{path}: events without an onset are left out (rows {', '.join(map(str, left_out.tolist()))})")
    return table[known].reset_index(drop=True)


def check_events(table: pd.DataFrame, runs: Runs, run: str, path: Path) -> None:
    """Raise if an event begins after its run (by more than one sample), or none lies in it.

    An event that begins before the first volume, or ends after the last one, is accepted.

    Parameters
    ----------
    table : DataFrame
        Events, from :func:`read_events`.
    runs : Runs
    run : str
        Name of the run.
    path : Path
        File of the table, for messages.
    """
    rows = runs.slices[run]
    n_volumes = rows.stop - rows.start
    first = max(float(runs.time[rows.start]), 0.0)  # later than 0 where volumes were cut off
    seconds, end = first + n_volumes * runs.tr, table["onset"] + table["duration"]
    late = np.flatnonzero(table["onset"] > seconds + runs.tr + 1e-6)
    if len(late) or (len(table) and (end < first).all()):
        i = int(late[0]) if len(late) else 0
        raise InputError(
            f"event {i + 1} lies beyond the run" if len(late) else "all events end before the run begins",
            file=path,
            found=f"{table['onset'].iloc[i]:g} to {end.iloc[i]:g} s in {run}",
            expected=f"{first:g} to {seconds:g} s ({n_volumes} volumes of {runs.tr:g} s)",
            fix="check that events and volumes belong to the same run",
        )


def label_clips(
    runs: Runs,
    events: Mapping[str, pd.DataFrame],
    files: Mapping[str, Path],
    columns: ClipColumns = BIDS_CLIPS,
) -> Runs:
    """Label each sample with the clip presented at its time, and its group (``clip`` and ``group`` of ``Runs``).

    Every event is a presentation of its own, also where it follows another one of the same clip; an event whose
    stimulus is n/a presents none. A clip has as many samples as it lasts, wherever it begins; one that begins before
    the first volume labels the samples of its part inside the run.

    Parameters
    ----------
    runs : Runs
    events : mapping of run name to DataFrame
        Tables without a column of stimuli present no clips.
    files : mapping of run name to Path
        Files of the tables, for messages.
    columns : ClipColumns

    Raises
    ------
    InputError
        If an event begins after its run, names a clip without saying how long it was played, or begins while another
        clip is played.
    """
    played = {
        name: check_one_at_a_time(played_clips(table, columns, files[name]), files[name])
        for name, table in events.items()
    }
    for name, table in events.items():
        check_events(table, runs, name, files[name])
    if not any(played.values()):
        return runs
    label = ClipLabels([one for own in played.values() for one in own], columns_of(events, columns))
    clip, group = np.full(len(runs), "", dtype=object), np.full(len(runs), "", dtype=object)
    presentation, n_events = np.zeros(len(runs), dtype=np.int64), 0
    for name, own in played.items():
        rows = runs.slices[name]
        first_time = float(runs.time[rows.start])
        for one in own:
            first, last = (max(i, 0) for i in sample_range(one.onset, one.duration, first_time, runs.tr))
            n_events += 1
            clip[rows][first:last], presentation[rows][first:last] = label(one), n_events
            group[rows][first:last] = one.group
    return replace(runs, clip=clip.astype(str), presentation=presentation, group=group.astype(str))
