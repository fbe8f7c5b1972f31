"""Events: what was played when, read from BIDS event tables with the quirks they have in the wild."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from b2m_encoding.data.files import require_file
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs

NOTHING = ("n/a", "")


def read_events(
    path: Path, required: tuple[str, ...] = ("onset", "duration"), columns: tuple[str, ...] | None = None
) -> pd.DataFrame:
    """Read an event table.

    Accepts a byte-order mark, CRLF, Latin-1, a missing newline at the end and stray quotes (``'classical'``,
    ``classical'``), all of which occur in published data.

    Parameters
    ----------
    path : Path
    required : tuple of str
        Columns that must be there.
    columns : tuple of str, optional
        Names of the columns of a table without a header, separated by white space.

    Returns
    -------
    DataFrame
        ``onset`` and ``duration`` as float (s), everything else as text.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column or has one twice, or holds an onset that is not a number.
    """
    text = _decoded(path).replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if columns is None:
        rows = list(csv.reader(StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
        header, body = (rows[0], rows[1:]) if rows else ([], [])
    else:
        header, body = list(columns), [line.split() for line in text.split("\n")]
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise InputError("an event table has two columns of one name", file=path, found=", ".join(twice))
    missing = [name for name in required if name not in header]
    if missing:
        raise InputError("an event table lacks a column", file=path, found=", ".join(header), expected=missing[0])
    uneven = next((i for i, row in enumerate(body) if len(row) != len(header)), None)
    if uneven is not None:
        raise InputError(
            f"row {uneven + 1} of an event table has another number of fields than the header",
            file=path,
            found=len(body[uneven]),
            expected=len(header),
        )
    table = pd.DataFrame([[field.strip().strip("'\"") for field in row] for row in body], columns=header, dtype=object)
    for name in ("onset", "duration"):
        table[name] = _numbers(table[name], path, name)
    return table


def _decoded(path: Path) -> str:
    raw = require_file(path, "an event table", folder=False).read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _numbers(values: pd.Series, path: Path, column: str) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    bad = np.flatnonzero(~np.isfinite(numbers.to_numpy(dtype=float)))
    if len(bad):
        raise InputError(
            f"column {column} holds something that is not a number",
            file=path,
            found=f"{values.iloc[bad[0]]!r} in row {bad[0] + 1}",
        )
    return numbers.astype(float)


def clip_label(genre: str, track: str) -> str:
    """GTZAN name of a clip: ``clip_label("blues", "17")`` is ``blues.00017``."""
    return f"{genre}.{int(float(track)):05d}"


def event_clip(event: Any, row: int, path: Path) -> str:
    """Name of the clip of one row of an event table.

    Raises
    ------
    InputError
        If its track is not a number.
    """
    try:
        return clip_label(event.genre, event.track)
    except (ValueError, OverflowError) as error:
        raise InputError(f"row {row + 1} names no track", file=path, found=event.track, expected="a number") from error


def check_events(table: pd.DataFrame, runs: Runs, run: str, path: Path) -> None:
    """Raise if an event begins before its run or ends after it (by more than one sample)."""
    rows = runs.slices[run]
    length = rows.stop - rows.start
    end = table["onset"] + table["duration"]
    beyond = np.flatnonzero((table["onset"] < 0) | (end > (length + 1) * runs.tr + 1e-6))
    if len(beyond):
        i = int(beyond[0])
        raise InputError(
            f"event {i + 1} lies beyond the run",
            file=path,
            found=f"{table['onset'].iloc[i]:g} to {end.iloc[i]:g} s in {run}",
            expected=f"0 to {length * runs.tr:g} s ({length} volumes of {runs.tr:g} s)",
            fix="check that events and volumes belong to the same run",
        )


def label_clips(runs: Runs, events: Mapping[str, pd.DataFrame], files: Mapping[str, Path]) -> Runs:
    """Write the clip under each sample into ``Runs.clip``; an event whose track is n/a plays none.

    Raises
    ------
    InputError
        If an event ends after its run (by more than one sample), naming the file and the row.
    """
    clip = np.full(len(runs), "", dtype=object)
    for name, table in events.items():
        check_events(table, runs, name, files[name])
        rows = runs.slices[name]
        for i, event in enumerate(table.itertuples(index=False)):
            first, last = round(event.onset / runs.tr), round((event.onset + event.duration) / runs.tr)
            if event.track not in NOTHING:
                clip[rows][first:last] = event_clip(event, i, files[name])
    return replace(runs, clip=clip.astype(str))
