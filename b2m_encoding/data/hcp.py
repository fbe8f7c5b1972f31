"""Folders of the HCP pipelines: CIFTI series below ``MNINonLinear/Results``, and events as FSL writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from b2m_encoding.data.cifti import open_cifti
from b2m_encoding.data.clip_columns import BIDS_CLIPS, ClipColumns
from b2m_encoding.data.events import check_events
from b2m_encoding.data.recording import Recording, Series, assemble
from b2m_encoding.errors import InputError, Problems
from b2m_encoding.io.presence import require_file
from b2m_encoding.io.text_tables import numbers, read_text_table
from b2m_encoding.spaces.grayordinates import GrayordinateSpace

if TYPE_CHECKING:
    import pandas as pd

RESULTS = Path("MNINonLinear") / "Results"
ENDING = ".dtseries.nii"
SERIES = "Atlas_MSMAll"
EVENTS, MOTION = "EVs", "Movement_Regressors.txt"


def list_hcp_subjects(root: Path) -> list[str]:
    """Names of the folders that hold results of the HCP pipelines."""
    return sorted(path.parent.parent.name for path in root.glob(f"*/{RESULTS.as_posix()}") if path.is_dir())


def find_series(root: Path, subject: str, tasks: Sequence[str] = (), series: str = SERIES) -> dict[str, Path]:
    """CIFTI series of the runs of a subject, by the name of their folder.

    Parameters
    ----------
    root : Path
        Folder of the subjects.
    subject : str
    tasks : sequence of str
        Names of folders below ``MNINonLinear/Results``, or patterns of names; all that hold such a series, if empty.
    series : str
        What follows the name of a run in that of its series: ``tfMRI_MUSIC1_LR_Atlas_MSMAll.dtseries.nii``.

    Raises
    ------
    InputError
        If there is none.
    """
    folder = root / subject / RESULTS
    folders = sorted(path for path in folder.glob("*/") if not path.name.startswith("."))
    chosen = [path for path in folders if not tasks or any(fnmatch(path.name, task) for task in tasks)]
    found = {path.name: path / f"{path.name}_{series}{ENDING}" for path in chosen}
    found = {run: path for run, path in found.items() if path.exists() or path.is_symlink()}
    if not found:
        there = sorted({one for path in folders for one in list_series(path)})
        raise InputError(
            f"no series {series} of the tasks {', '.join(tasks) or 'of any name'}",
            file=folder,
            found=f"runs {', '.join(path.name for path in folders) or 'none'}; series {', '.join(there) or 'none'}",
            expected=f"RUN/RUN_{series}{ENDING}",
            fix="correct tasks or series under [data]",
        )
    return found


def list_series(folder: Path) -> list[str]:
    """What follows the name of a run in those of its series."""
    names = (path.name for path in folder.glob(f"{folder.name}_*{ENDING}"))
    return sorted(name.removeprefix(f"{folder.name}_").removesuffix(ENDING) for name in names)


def read_hcp(
    root: Path,
    subject: str,
    *,
    tasks: Sequence[str] = (),
    series: str = SERIES,
    events: Mapping[str, Path] | None = None,
    clips: ClipColumns = BIDS_CLIPS,
) -> Recording:
    """Open the runs of a subject as the HCP pipelines write them.

    Parameters
    ----------
    root, subject, tasks, series
        See :func:`find_series`.
    events : mapping of run name to Path, optional
        Event tables; by default the folder ``EVs`` of each run, where there is one (:func:`read_evs`).
    clips : ClipColumns
        Columns of the event tables that name clips.

    Raises
    ------
    InputError, ProblemList
        With all problems: series that are missing, damaged or of other grayordinates, events beyond their run.
    """
    files = find_series(root, subject, tasks, series)
    space = GrayordinateSpace.from_file(require_file(next(iter(files.values())), "a CIFTI series"))
    problems, opened = Problems(), dict[str, Series]()
    for run, path in files.items():
        with problems.collect():
            opened[run] = open_cifti(path, space)
    problems.raise_any()
    recording = assemble(subject, opened, space)
    recording = recording.starting_at({run: one.start for run, one in opened.items()})
    if events is not None:
        return recording.with_events(events, clips=clips)
    folders = {run: path.parent / EVENTS for run, path in files.items() if (path.parent / EVENTS).is_dir()}
    tables = {}
    for run, folder in folders.items():
        with problems.collect():
            tables[run] = read_evs(folder)
            check_events(tables[run], recording.responses.runs, run, folder)
    problems.raise_any()
    return recording.with_tables(tables, folders, clips)


def read_evs(folder: Path) -> pd.DataFrame:
    """Events of a run as FSL has them: a file per condition, with onset, duration and weight in each line.

    Returns
    -------
    DataFrame
        ``onset`` and ``duration`` (s), ``trial_type`` (the name of the file), and ``weight`` where it is not always 1.
        Lines of weight 0, and files that hold single numbers (``Sync.txt``), are no events.

    Raises
    ------
    InputError
        If a file holds something else.
    """
    import pandas as pd

    rows: list[tuple[float, float, str, float]] = []
    for path in sorted(one for one in folder.glob("*.txt") if not one.name.startswith(".")):
        require_file(path, "a file of events", folder=False)
        lines = read_text_table(path, "a file of events", header=False).rows
        if not lines or len(lines[0]) == 1:
            continue
        if len(lines[0]) != 3:
            raise InputError(
                "a file of events holds no triplets", file=path, found=len(lines[0]), expected="onset, duration, weight"
            )
        names = ("onset", "duration", "weight")
        columns = [numbers(field, path, name) for name, field in zip(names, zip(*lines, strict=True), strict=True)]
        rows += [(*times, path.stem, weight) for *times, weight in zip(*columns, strict=True) if weight]
    rows.sort()
    table = pd.DataFrame(rows, columns=["onset", "duration", "trial_type", "weight"])
    return table.drop(columns="weight") if (table["weight"] == 1).all() else table.astype({"weight": str})
