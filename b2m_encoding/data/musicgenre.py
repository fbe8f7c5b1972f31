"""The Music Genre fMRI data set (OpenNeuro ds003720): its design, and the authors' preprocessed arrays.

Nakai, Koide-Majima & Nishimoto 2022, doi 10.1016/j.dib.2021.107675. Every run plays 41 clips of 15 s; the first one
repeats the last clip of the training run before (of the same run, in a test run) and is dropped. The 40 clips after
it are all different in a training run; in a test run they are one list of 10 clips, played four times.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data.arrays import open_array
from b2m_encoding.data.clip_columns import ClipColumns
from b2m_encoding.data.entities import BidsFile
from b2m_encoding.data.events import read_events
from b2m_encoding.data.files import reading
from b2m_encoding.data.gtzan import clip_label
from b2m_encoding.data.recording import Recording, Series, assemble
from b2m_encoding.errors import InputError, Problems
from b2m_encoding.spaces.space import Unplaced

if TYPE_CHECKING:
    import pandas as pd

TASKS = ("Training", "Test")
RUNS = {"Training": 12, "Test": 6}
TR = 1.5
CLIP_SECONDS = 15.0
FADE = 2.0  # s, quarter sines at both ends of a clip
VOLUMES = 410
PER_CLIP = 10  # volumes
CLIPS = {"Training": 40, "Test": 10}  # different ones in a run, the dropped one apart
CLIP_COLUMNS = ClipColumns(group="genre")
GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")


def run_names() -> tuple[str, ...]:
    """Names of all 18 runs: 12 for training, 6 for test."""
    return tuple(f"task-{task}_run-{i + 1:02d}" for task in TASKS for i in range(RUNS[task]))


def check_design(recording: Recording, *, partial: bool = False) -> None:
    """Compare the runs of a subject with the published design.

    Parameters
    ----------
    recording : Recording
        With events.
    partial : bool
        Whether runs may be missing.

    Raises
    ------
    InputError, ProblemList
        With every deviation: missing runs, another number of volumes, another order of clips, a clip in two runs.
    """
    problems = Problems()
    runs = recording.responses.runs
    with problems.collect():
        if (missing := sorted(set(run_names()) - set(runs.names))) and not partial:
            raise InputError(
                "runs of the data set are missing",
                file=next(iter(recording.files.values())).parent,
                found=", ".join(missing),
                fix="b2m fetch ds003720 --subject ..., or partial = true under [data] to analyse what is there",
            )
    for name, rows in runs.slices.items():
        with problems.collect():
            if name not in recording.events:
                raise InputError(f"run {name} has no events", file=recording.files[name])
            if rows.stop - rows.start != VOLUMES:
                found, file = f"{rows.stop - rows.start} volumes", recording.files[name]
                raise InputError(f"run {name} has another length than published", file=file, found=found, expected=410)
            _check_events(recording.events[name], name, recording.event_files[name])
    problems.raise_any()
    _check_across(recording)


def read_zenodo(folder: str | Path, events: str | Path, subject: str) -> Recording:
    """Open the authors' preprocessed arrays (Zenodo 8275363): responses without coordinates.

    ``sub-001_Resp_Training.npy`` is (n_voxels, 4800), ``sub-001_Resp_Test_Mean.npy`` is (n_voxels, 600) and holds
    the mean of the four repeats. Both lack the dropped first clip; it is put back as ten samples that are not used,
    so that features under it still reach the first responses through their delays. The list of a test run was
    played in a circle, so that this holds for the mean of its repeats too.

    Parameters
    ----------
    folder : Path
        Folder of the arrays.
    events : Path
        The BIDS folder of ds003720. The events of all its subjects are the same; those of any subject are read.
    subject : str
        Label, ``001``.

    Raises
    ------
    InputError, ProblemList
        If a file is missing or of another shape.
    """
    folder, events = Path(folder), Path(events)
    paths = {
        "Training": folder / f"sub-{subject}_Resp_Training.npy",
        "Test": folder / f"sub-{subject}_Resp_Test_Mean.npy",
    }
    arrays = {task: open_array(path) for task, path in paths.items()}
    for task, array in arrays.items():
        expected = (arrays["Training"].shape[0], RUNS[task] * CLIPS[task] * PER_CLIP)
        if array.shape != expected:
            raise InputError(
                "not the published array of responses", file=paths[task], found=array.shape, expected=expected
            )
    series = {
        name: Series(PER_CLIP * (1 + CLIPS[task]), TR, _Columns(paths[task], task, i), (paths[task],))
        for task in TASKS
        for i, name in enumerate(n for n in run_names() if f"task-{task}_" in n)
    }
    recording = assemble(subject, series, Unplaced(arrays["Training"].shape[0]))
    return _with_first_events(recording, _any_events(events))


class _Columns:
    """Reads the columns of one run from an array of all, with the dropped clip as zeros in front."""

    def __init__(self, path: Path, task: str, index: int) -> None:
        self.path, self.width, self.index = path, CLIPS[task] * PER_CLIP, index

    def __call__(self) -> NDArray[np.float32]:
        with reading(self.path):
            array: Any = open_array(self.path)
            columns = np.asarray(array[:, self.index * self.width : (self.index + 1) * self.width], dtype=np.float32)
        return np.concatenate([np.zeros((PER_CLIP, len(columns)), dtype=np.float32), columns.T])


def _any_events(root: Path) -> dict[str, Path]:
    for folder in sorted(root.glob("sub-*/func")):
        found = {BidsFile.parse(path).run: path for path in sorted(folder.glob("*_events.tsv"))}
        if set(run_names()) <= set(found):
            return {name: found[name] for name in run_names()}
    raise InputError("the events of ds003720 are not there", file=root, expected="sub-*/func with 18 events.tsv")


def _with_first_events(recording: Recording, files: Mapping[str, Path]) -> Recording:
    """Label clips by the events that the arrays hold: of a test run, the dropped clip and the first list."""
    problems = Problems()
    events: dict[str, pd.DataFrame] = {}
    for name, path in files.items():
        with problems.collect():
            table = read_events(path)
            _check_events(table, name, path)
            events[name] = table.iloc[: 1 + CLIPS[_task(name)]]
    problems.raise_any()
    return recording.with_tables(events, files, CLIP_COLUMNS)


def _task(name: str) -> str:
    return "Test" if "task-Test" in name else "Training"


def _check_events(table: pd.DataFrame, name: str, path: Path) -> None:
    """Raise unless a table lists 41 clips of 15 s, those of a test run in four equal lists."""
    if missing := sorted({"genre", "track", "start"} - set(table.columns)):
        raise InputError("an event table lacks a column", file=path, found=list(table.columns), expected=missing[0])
    onsets = np.arange(VOLUMES // PER_CLIP) * CLIP_SECONDS
    if (
        len(table) != len(onsets)
        or not np.allclose(table["onset"], onsets)
        or (table["duration"] != CLIP_SECONDS).any()
    ):
        raise InputError(
            "events are not those of the data set",
            file=path,
            found=f"{len(table)} rows",
            expected="41 clips of 15 s, one after the other",
        )
    if unknown := sorted(set(table["genre"]) - set(GENRES)):
        raise InputError("an event names an unknown genre", file=path, found=unknown, expected=GENRES)
    clips = _clips(table, path)
    different, n_times = CLIPS[_task(name)], (len(clips) - 1) // CLIPS[_task(name)]
    if clips[1:] != clips[1 : different + 1] * n_times or len(set(clips[1:])) != different:
        raise InputError(
            f"the order of clips in {name} is not that of the data set",
            file=path,
            found=f"{len(set(clips[1:]))} different clips",
            expected=f"{different} different clips, the list played {n_times} times",
        )


def _check_across(recording: Recording) -> None:
    """Raise if a run begins with another clip than published, or a clip is presented in two runs."""
    problems = Problems()
    clips = {name: _clips(table, recording.event_files[name]) for name, table in recording.events.items()}
    training = [name for name in run_names() if _task(name) == "Training"]
    before = {name: training[i - 1] for i, name in enumerate(training)}
    run_of_clip: dict[str, str] = {}
    for name, clips_of_run in clips.items():
        path = recording.event_files[name]
        with problems.collect():
            previous = clips.get(before.get(name, name))
            if previous is not None and clips_of_run[0] != previous[-1]:
                expected = f"{previous[-1]}, the last clip of {before.get(name, name)}"
                raise InputError(
                    f"run {name} begins with another clip", file=path, found=clips_of_run[0], expected=expected
                )
        with problems.collect():
            if twice := sorted(clip for clip in set(clips_of_run[1:]) if clip in run_of_clip):
                other = run_of_clip[twice[0]]
                raise InputError(f"a clip is presented in {name} and in {other}", file=path, found=twice[0])
        run_of_clip.update(dict.fromkeys(clips_of_run[1:], name))
    problems.raise_any()


def _clips(table: pd.DataFrame, path: Path) -> list[str]:
    names = []
    for row, (genre, track) in enumerate(zip(table["genre"], table["track"], strict=True)):
        try:
            names.append(clip_label(genre, track))
        except (ValueError, OverflowError) as error:
            raise InputError(f"row {row + 1} names no track", file=path, found=track, expected="a number") from error
    return names
