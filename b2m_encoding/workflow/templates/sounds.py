"""Look at the sounds that events name: their files, groups, texts, transcripts and repeats."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from b2m_encoding.data.clip_columns import NOTHING, ClipColumns
from b2m_encoding.data.clips import SOUND_ENDINGS, adapted, played_clips, without_ending
from b2m_encoding.data.recording import Recording
from b2m_encoding.errors import InputError
from b2m_encoding.features.stimulus_files import find_stimulus
from b2m_encoding.features.transcripts import read_transcript

GROUPS = ("group", "genre", "condition", "category", "speaker", "trial_type")
"""Columns that are taken as that of groups first."""
NO_GROUP = ("onset", "duration", "start", "end", "track", "sample", "response_time", "HED")
MANY_GROUPS = 20
WORDS = 3
"""Words that a text has at least on average."""


@dataclass(frozen=True)
class Sounds:
    """Sounds that events name.

    Parameters
    ----------
    folder : Path
        Below which they lie.
    columns : ClipColumns
        Columns of the events; the group is None where there is none.
    texts : mapping of str to mapping
        Text of each stimulus, by the column of the events that holds it.
    transcripts : str
        Ending of the transcripts beside the sound files, ``.TextGrid``; "" without.
    repeats : int
        Largest number of presentations of a clip in a run.
    shortest : float
        Duration of the shortest clip, s.
    """

    folder: Path
    columns: ClipColumns
    texts: Mapping[str, Mapping[str, str]]
    transcripts: str
    repeats: int
    shortest: float


def find_sounds(root: Path, recordings: Sequence[Recording]) -> Sounds | None:
    """Find the column of the events that names sound files, and the folder with all of them; None if there is none."""
    tables = [table for recording in recordings for table in recording.events.values()]
    if not tables or any(len(r.events) < len(r.responses.runs.names) for r in recordings):
        return None
    shared = [name for name in tables[0].columns if all(name in table for table in tables)]
    for name in ("stim_file", *(name for name in shared if name not in ("stim_file", "onset", "duration"))):
        for folder in (root / "stimuli", *_sound_folders(root)):
            columns = ClipColumns(stimulus=name)
            if folder.is_dir() and all(_heard(table, columns, folder) for table in tables):
                return _described(folder, columns, tables, shared)
    return None


def lost_sounds(root: Path, recordings: Sequence[Recording]) -> list[str]:
    """Files that ``stim_file`` of the events names, and that lie in no folder of sounds."""
    tables = [table for one in recordings for table in one.events.values() if "stim_file" in table]
    names = sorted({str(name) for table in tables for name in table["stim_file"]} - set(NOTHING))
    folders = (root / "stimuli", *_sound_folders(root))
    return [name for name in names if not any(find_stimulus(folder, name).is_file() for folder in folders)]


def _heard(table: pd.DataFrame, columns: ClipColumns, folder: Path) -> bool:
    """Whether a table names sound files in a column, and the file of every event is there."""
    try:
        names = {one.stimulus for one in played_clips(table, columns)}
        return bool(names) and all(find_stimulus(folder, name).is_file() for name in names)
    except InputError:
        return False


def _described(folder: Path, columns: ClipColumns, tables: Sequence[pd.DataFrame], shared: Sequence[str]) -> Sounds:
    events = pd.concat([adapted(table, columns)[0] for table in tables])
    heard = events[~events[columns.stimulus].isin(NOTHING)]
    others = [name for name in shared if name not in (*NO_GROUP, columns.stimulus)]
    group = next((name for name in sorted(others, key=_group_rank) if _groups(heard, columns.stimulus, name)), None)
    played = [one for table in tables for one in played_clips(table, columns)]
    counts = [pd.Series([(p.stimulus, p.start) for p in played_clips(t, columns)]).value_counts().max() for t in tables]
    return Sounds(
        folder,
        ClipColumns(columns.stimulus, columns.start, group),
        {name: found for name in others if (found := _texts(heard, columns.stimulus, name))},
        _transcripts(folder, sorted({one.stimulus for one in played})),
        int(max(counts)),
        min(one.duration for one in played),
    )


def _group_rank(name: str) -> tuple[int, str]:
    return (GROUPS.index(name) if name in GROUPS else len(GROUPS), name)


def _groups(events: pd.DataFrame, stimulus: str, name: str) -> bool:
    """Whether a column groups the stimuli: a few labels, each of several stimuli, one for each stimulus."""
    rows = events[~events[name].isin(NOTHING)].drop_duplicates([stimulus, name])
    each_once = not rows[stimulus].duplicated().any()
    sizes = rows[name].value_counts()
    words = not all(str(label).replace(".", "").lstrip("-").isdigit() for label in sizes.index)
    return bool(each_once and 2 <= len(sizes) <= MANY_GROUPS and sizes.min() >= 2 and words)


def _texts(events: pd.DataFrame, stimulus: str, name: str) -> dict[str, str]:
    """Text of each stimulus in a column; nothing where it holds labels."""
    rows = events[[stimulus, name]].drop_duplicates()
    texts = [str(text) for text in rows[name]]
    if rows[stimulus].duplicated().any() or any(text in NOTHING for text in texts) or not texts:
        return {}
    enough = sum(len(text.split()) for text in texts) >= WORDS * len(texts) and len(set(texts)) > 1
    return dict(zip(map(str, rows[stimulus]), texts, strict=True)) if enough else {}


def _transcripts(folder: Path, stimuli: Sequence[str]) -> str:
    """Ending of the transcripts that lie beside all sound files under their names; "" where there are none."""
    for ending in (".TextGrid", ".textgrid", ".tsv", ".csv", ".txt"):
        paths = [folder / f"{without_ending(name)}{ending}" for name in stimuli]
        if all(path.is_file() for path in paths):
            try:
                read_transcript(paths[0])
            except InputError:
                continue
            return ending
    return ""


def _sound_folders(root: Path) -> list[Path]:
    """Folders that hold sound files, and those above them, outside of subjects and derivatives."""
    found: list[Path] = []
    for folder, below, files in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith((".", "sub-", "derivatives")))
        if any(name.rpartition(".")[2].lower() in SOUND_ENDINGS for name in files):
            place = Path(folder)
            found += [one for one in (place, *place.parents) if one == root or root in one.parents]
    return list(dict.fromkeys(found))
