"""Event tables of BIDS: onset, duration and stimulus, with the irregularities of published tables."""

from __future__ import annotations

import csv
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from b2m_encoding.data.files import require_file
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs

if TYPE_CHECKING:
    import pandas as pd

NOTHING = ("n/a", "")


def read_events(
    path: Path, required: tuple[str, ...] = ("onset", "duration"), columns: tuple[str, ...] | None = None
) -> pd.DataFrame:
    """Read an event table.

    Accepts a byte-order mark, UTF-16, CRLF, Latin-1, a missing newline at the end and stray quotes (``'classical'``,
    ``classical'``), all of which occur in published data. A duration that is not known (n/a) is zero: an impulse.

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
        ``onset`` (negative before the first volume) and ``duration`` as float (s), everything else as text.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column or has one twice, or holds an onset or a duration that is no number.
    """
    import pandas as pd

    text = _decoded(path).replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if columns is None:
        rows = list(csv.reader(StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
        header, body = (rows[0], rows[1:]) if rows else ([], [])
    else:
        header, body = list(columns), [line.split() for line in text.split("\n")]
    body = [row for row in body if any(field.strip() for field in row)]
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
    table["onset"] = _numbers(table["onset"], path)
    table["duration"] = _numbers(table["duration"].replace(dict.fromkeys(NOTHING, "0")), path)
    if (table["duration"] < 0).any():
        row = int((table["duration"] < 0).argmax())
        raise InputError(
            f"event {row + 1} has a negative duration", file=path, found=f"{table['duration'].iloc[row]:g} s"
        )
    return table


def _decoded(path: Path) -> str:
    raw = require_file(path, "an event table", folder=False).read_bytes()
    try:
        text = raw.decode("utf-16" if raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    if "\0" in text:
        raise InputError("an event table is no text", file=path, found="a byte that is zero")
    return text


def _numbers(values: pd.Series, path: Path) -> pd.Series:
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce")
    bad = np.flatnonzero(~np.isfinite(numbers.to_numpy(dtype=float)))
    if len(bad):
        raise InputError(
            f"column {values.name} holds something that is not a number",
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
    seconds, end = n_volumes * runs.tr, table["onset"] + table["duration"]
    late = np.flatnonzero(table["onset"] > seconds + runs.tr + 1e-6)
    if len(late) or (len(table) and (end < 0).all()):
        i = int(late[0]) if len(late) else 0
        raise InputError(
            f"event {i + 1} lies beyond the run" if len(late) else "all events end before the run begins",
            file=path,
            found=f"{table['onset'].iloc[i]:g} to {end.iloc[i]:g} s in {run}",
            expected=f"0 to {seconds:g} s ({n_volumes} volumes of {runs.tr:g} s)",
            fix="check that events and volumes belong to the same run",
        )


def label_clips(runs: Runs, events: Mapping[str, pd.DataFrame], files: Mapping[str, Path]) -> Runs:
    """Label each sample with the clip presented at its time (``Runs.clip``, ``Runs.presentation``).

    Every event is a presentation of its own, also where it follows another one of the same clip; an event whose track
    is n/a presents none. A clip that begins before the first volume labels the samples of its part inside the run.

    Raises
    ------
    InputError
        If an event begins after its run, or names a clip without saying how long it was played.
    """
    clip, presentation = np.full(len(runs), "", dtype=object), np.zeros(len(runs), dtype=np.int64)
    n_events = 0
    for name, table in events.items():
        check_events(table, runs, name, files[name])
        rows = runs.slices[name]
        for i, event in enumerate(table.itertuples(index=False)):
            if event.track in NOTHING:
                continue
            label = event_clip(event, i, files[name])
            if event.duration == 0:
                raise InputError(f"event {i + 1} plays {label} for an unknown time", file=files[name])
            first, last = (max(round(t / runs.tr), 0) for t in (event.onset, event.onset + event.duration))
            n_events += 1
            clip[rows][first:last], presentation[rows][first:last] = label, n_events
    return replace(runs, clip=clip.astype(str), presentation=presentation)
