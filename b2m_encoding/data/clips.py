"""Clips in event tables: which file is played when, from where, and the group that it belongs to."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

import numpy as np

from b2m_encoding.config import check_path
from b2m_encoding.data import gtzan
from b2m_encoding.data.clip_columns import NOTHING, ClipColumns
from b2m_encoding.errors import InputError, notice

if TYPE_CHECKING:
    import pandas as pd

SOUND_ENDINGS = (
    "wav", "wave", "flac", "mp3", "ogg", "oga", "opus", "au", "snd", "aif", "aiff", "aifc", "caf", "w64", "rf64",
)  # fmt: skip
"""Formats that libsndfile reads, without the dot; in any case of letters."""
CONTAINERS = (
    "mp4", "m4v", "mov", "avi", "mkv", "webm", "mpg", "mpeg", "wmv", "flv", "ogv", "m4a", "m4b", "aac", "wma", "amr",
)  # fmt: skip
"""Containers of videos, and of sounds that libsndfile does not read."""
PICTURES = ("png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "svg", "webp", "txt", "pdf")
"""Endings of stimuli that make no sound."""
JITTER = 0.1
"""Seconds by which one clip may end after the next one began: clocks of stimulus programs are no better."""


@dataclass(frozen=True)
class Played:
    """One presentation of a clip.

    Parameters
    ----------
    row : int
        Of its event table, from 0.
    onset, duration : float
        Seconds.
    stimulus : str
        Path of the file below the folder of the stimuli.
    start : float
        Of the clip in the file, s.
    group : str
        "" where there is none.
    """

    row: int
    onset: float
    duration: float
    stimulus: str
    start: float
    group: str


def stimulus_path(text: str) -> str:
    r"""Path of a stimulus below the folder of the stimuli, from a field of an event table; accents are composed.

    Examples
    --------
    >>> stimulus_path(r"sounds\piece 1.wav"), stimulus_path("./a.wav"), stimulus_path("bids::stimuli/a.wav")
    ('sounds/piece 1.wav', 'a.wav', 'a.wav')
    """
    path = normalize("NFC", text).strip().replace("\\", "/").removeprefix("bids::")
    while path.startswith("./"):
        path = path[2:]
    return path.removeprefix("stimuli/")


def without_ending(stimulus: str) -> str:
    """Name of a stimulus without the ending of a sound or a video: ``blues.00017.wav`` is ``blues.00017``."""
    stem, dot, ending = stimulus.rpartition(".")
    return stem if dot and stem and ending.lower() in (*SOUND_ENDINGS, *CONTAINERS) else stimulus


def adapted(table: pd.DataFrame, columns: ClipColumns) -> tuple[pd.DataFrame, ClipColumns]:
    """The table with the columns of a clip, also where they differ in case, or it is one of a published data set."""
    named = {name: columns_like(table, name) for name in (columns.stimulus, columns.start, columns.group) if name}
    if renamed := {alike: name for name, alike in named.items() if alike not in (None, name)}:
        table = table.rename(columns=renamed)
    if columns.stimulus not in table and columns.stimulus == ClipColumns.stimulus and gtzan.fits(table):
        return gtzan.with_stimuli(table), gtzan.columns(columns)
    return table, columns


def columns_like(table: pd.DataFrame, name: str) -> str | None:
    """The column of a name, or the only one that differs from it in the case of letters alone."""
    alike = [str(own) for own in table if str(own).lower() == name.lower()]
    return name if name in table else alike[0] if len(alike) == 1 else None


def columns_of(events: Mapping[str, pd.DataFrame], columns: ClipColumns) -> ClipColumns:
    """Columns of the clips of a recording."""
    return next((own for _, own in (adapted(table, columns) for table in events.values()) if own != columns), columns)


def names_clips(table: pd.DataFrame, columns: ClipColumns) -> bool:
    """Whether an event table has a column of stimuli."""
    return columns.stimulus in adapted(table, columns)[0]


def played_clips(table: pd.DataFrame, columns: ClipColumns, where: Path | str | None = None) -> list[Played]:
    """Presentations of clips in an event table, in the order of its rows; none if it has no column of stimuli.

    Rows whose stimulus is n/a, or a picture, play nothing.

    Parameters
    ----------
    table : DataFrame
        Columns ``onset`` and ``duration`` (s), and those of ``columns``.
    columns : ClipColumns
    where : Path or str
        File or run of the table, for messages.

    Raises
    ------
    InputError
        If a start is no number, or a clip is played for an unknown time.
    """
    try:
        table, columns = adapted(table, columns)
    except InputError as error:
        raise InputError(error.problem, file=_file(where), found=error.found, expected=error.expected) from error
    if columns.stimulus not in table:
        return []
    if columns.group is not None and columns.group not in table:
        raise InputError(
            f"an event table{_of_run(where)} lacks the column of the groups of clips",
            file=_file(where),
            found=", ".join(map(str, table.columns)),
            expected=columns.group,
            fix="correct group under [data.clips], or leave it out",
        )
    found = []
    _doubt_starts(table, columns, where)
    for row, event in enumerate(table.to_dict("records")):
        text = str(event[columns.stimulus]).strip()
        if text in NOTHING or text.rpartition(".")[2].lower() in PICTURES:
            continue
        if not float(event["duration"]) > 0:
            raise InputError(
                f"event {row + 1}{_of_run(where)} plays {text} for an unknown time",
                file=_file(where),
                found=f"duration {event['duration']:g}",
                expected="the seconds that are heard",
                fix='give the durations, or clips = { stimulus = "" } under [data] if this column names no sounds',
            )
        group = "" if columns.group is None else str(event[columns.group]).strip()
        start = _start(event.get(columns.start, 0.0), row, where)
        found.append(
            Played(
                row,
                float(event["onset"]),
                float(event["duration"]),
                stimulus_path(text),
                start,
                "" if group in NOTHING else group,
            )
        )
    return found


def _doubt_starts(table: pd.DataFrame, columns: ClipColumns, where: Path | str | None) -> None:
    """Log where the column of starts holds the onsets: most likely it is another name of these."""
    if columns.start in table and len(table) > 1:
        starts = np.array([_number(value) for value in table[columns.start]])
        if np.array_equal(starts, table["onset"].to_numpy(dtype=float)):
            notice(
                f"{where or 'events'}: the column {columns.start} holds the onsets; sounds are played from these times "
                f'in their files. If they are played from their beginning, set clips = {{ start = "" }} under [data]'
            )


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def _start(value: Any, row: int, where: Path | str | None) -> float:
    """Start of a clip in its file; 0 where none is given."""
    text = str(value).strip()
    try:
        start = 0.0 if text.lower() in (*NOTHING, "nan", "none") else float(text)
        if not np.isfinite(start):
            raise ValueError
    except ValueError as error:
        raise InputError(
            f"event {row + 1}{_of_run(where)} does not identify a clip",
            file=_file(where),
            found=f"start {text!r}",
            expected="the time in the file at which the clip starts, in seconds",
            fix='name another column, or none: clips = { start = "" } under [data]',
        ) from error
    return start


def _of_run(where: Path | str | None) -> str:
    return f" of run {where}" if isinstance(where, str) else ""


def _file(where: Path | str | None) -> Path | None:
    return where if isinstance(where, Path) else None


def check_one_at_a_time(played: Iterable[Played], where: Path | str | None = None) -> list[Played]:
    """Return presentations in the order of their onsets.

    Raises
    ------
    InputError
        If two sounds are played at once, by more than the jitter of a clock.
    """
    ordered = sorted(played, key=lambda one: (one.onset, one.onset + one.duration, one.stimulus, one.start))
    until: Played | None = None
    for one in ordered:
        if until is not None and one.onset < until.onset + until.duration - JITTER:
            again = (one.stimulus, one.onset, one.start) == (until.stimulus, until.onset, until.start)
            raise InputError(
                f"two clips{_of_run(where)} are played at once",
                file=_file(where),
                found=f"{until.stimulus}, {until.onset:g} to {until.onset + until.duration:g} s (event {until.row + 1})"
                f", and {one.stimulus} from {one.onset:g} s (event {one.row + 1})",
                expected="one clip at a time",
                fix="this presentation stands twice in the table: remove one of the two rows"
                if again
                else "mix the two into one file, and name that; or name the column of the clips that matter by "
                "stimulus under [data.clips]",
            )
        if until is None or one.onset + one.duration > until.onset + until.duration:
            until = one
    return ordered


class ClipLabels:
    """Labels of clips: what a table of results calls them.

    A label is the path of the file without its ending, and the start of the clip where that is not the start of the
    file: ``sounds/rain``, ``story@60``. Files that differ in their ending alone keep it.

    Parameters
    ----------
    played : iterable of Played
        All presentations of a recording.
    columns : ClipColumns
    """

    def __init__(self, played: Iterable[Played], columns: ClipColumns) -> None:
        files: dict[str, set[str]] = defaultdict(set)
        self._starts: dict[str, set[float]] = defaultdict(set)
        for one in played:
            files[without_ending(one.stimulus)].add(one.stimulus)
            self._starts[one.stimulus].add(round(one.start, 6))
        self._alike = {name for name, own in files.items() if len(own) > 1}
        self._one_excerpt = columns.one_excerpt

    def __call__(self, one: Played) -> str:
        """Label of a presentation."""
        name = without_ending(one.stimulus)
        name = one.stimulus if name in self._alike else name
        if self._one_excerpt:
            name = PurePosixPath(name).name
        if one.start and not (self._one_excerpt and len(self._starts[one.stimulus]) == 1):
            return f"{name}@{one.start:g}"
        return name


def sample_range(onset: float, duration: float, first: float, tr: float) -> tuple[int, int]:
    """First and past-the-last sample of a clip: as many as it lasts, at least one, as close to it as they can be.

    Parameters
    ----------
    onset, duration : float
        Of the clip, s.
    first : float
        Time of the first sample of the run, s.
    tr : float
        Seconds between samples.

    Examples
    --------
    >>> sample_range(0.75, 13.5, 0.0, 1.5), sample_range(3.0, 0.05, 0.0, 1.5)
    ((1, 10), (2, 3))
    """
    number = max(1, int(np.floor(duration / tr + 0.5 + 1e-6)))
    middle = (onset + duration / 2 - first) / tr
    begin = int(np.floor(middle - number / 2 + 0.5 + 1e-6))
    return begin, begin + number


def safe_stimulus(stimulus: str, folder: Path) -> str:
    """Return the path of a stimulus if it lies below its folder.

    Raises
    ------
    InputError
        If it leads out of the folder.
    """
    from b2m_encoding.io.names import printable

    check_path(stimulus, "the name of a clip")
    parts = PurePosixPath(stimulus).parts
    drive = re.match(r"[A-Za-z]:", stimulus)
    if "\0" in stimulus or stimulus.startswith("/") or drive or _leaves(parts) or not parts:
        raise InputError(
            "the name of a clip leads out of the folder of the stimuli",
            file=folder,
            found=printable(stimulus),
            expected="a path below this folder",
            fix="name files relative to the folder of the stimuli",
        )
    return stimulus


def _leaves(parts: tuple[str, ...]) -> bool:
    depth = 0
    for part in parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return depth <= 0
