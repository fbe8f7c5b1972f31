"""Look at a BIDS folder, and write a study of what is there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from b2m_encoding.data.bids import SpaceQuery, list_subjects, read_bids
from b2m_encoding.data.entities import BidsFile, subject_files
from b2m_encoding.data.events import NOTHING
from b2m_encoding.data.recording import Recording
from b2m_encoding.errors import InputError
from b2m_encoding.spaces.surface import surface_space

SURFACES = ("fsaverage5", "fsaverage6", "fsaverage", "fsLR")
CLIP_COLUMNS = {"genre", "track", "start"}
MAX_CONDITIONS = 20
RESPONSE_DELAYS = (3.0, 8.0)  # s: where the haemodynamic response to a sound lies


@dataclass(frozen=True)
class Survey:
    """What a BIDS folder holds that can be analysed."""

    root: Path
    derivatives: Path
    space: str
    tasks: tuple[str, ...]
    subjects: tuple[str, ...]
    recordings: tuple[Recording, ...]


def is_bids(folder: Path) -> bool:
    """Whether a folder is a BIDS data set (it holds subjects)."""
    return folder.is_dir() and any(path.is_dir() for path in folder.glob("sub-*"))


def survey(root: Path) -> Survey:
    """Find the subjects that were preprocessed, the best space for maps, and the tasks; headers are read only.

    Raises
    ------
    InputError, ProblemList
        If nothing was preprocessed, or a file cannot be used.
    """
    labels = list_subjects(root)
    for derivatives in (*sorted((root / "derivatives").glob("*")), root):
        files = {label: subject_files(derivatives, label) for label in labels}
        for space in _spaces([file for own in files.values() for file in own]):
            query = SpaceQuery.parse(space)
            runs = {s: [f for f in own if query.matches(f, raw=False)] for s, own in files.items()}
            subjects = tuple(label for label in labels if runs[label])
            shared = [{f.entities.get("task", "") for f in runs[label]} for label in subjects]
            tasks = tuple(sorted(set.intersection(*shared) - {""})) if shared else ()
            if tasks:
                opened = tuple(
                    read_bids(root, label, tasks=tasks, space=space, derivatives=derivatives) for label in subjects
                )
                return Survey(root, derivatives, space, tasks, subjects, opened)
    raise InputError(
        "nothing in this BIDS folder has been preprocessed",
        file=root,
        expected="fMRIPrep's output under derivatives/",
        fix='run fMRIPrep, or read raw volumes: reader = "bids" with mask and without derivatives',
    )


def study_text(found: Survey, folder: Path) -> str:
    """A study of what was found, as TOML; paths are relative to ``folder``."""
    tr = found.recordings[0].responses.runs.tr
    delays = [round(k * tr, 4) for k in range(1, 100) if RESPONSE_DELAYS[0] <= k * tr <= RESPONSE_DELAYS[1]]
    delays = delays or [round(max(1, round(5 / tr)) * tr, 4)]
    parts = [
        f"# {_name(found.root)}: {len(found.subjects)} subjects, {', '.join(found.tasks)}",
        f"name = {json.dumps(_name(found.root), ensure_ascii=False)}",
        f"output = {_quoted(found.root / 'derivatives' / 'b2m_encoding', folder)}",
        "",
        *_data(found, folder),
        "",
        *_features(found, folder),
        "",
        f"[model]\ndelays = {delays}   # s; multiples of the repetition time, {tr:g} s",
        "",
        *_evaluation(found, delays),
    ]
    return "\n".join(parts) + "\n"


def _spaces(files: Sequence[BidsFile]) -> list[str]:
    """Spaces of response files that can be drawn on the cortex, best first, then all other volumes."""
    surfaces = {f.entities.get("space") for f in files if f.extension == "func.gii"}
    found = [name for name in SURFACES if name in surfaces and _installed(name)]
    if any(f.extension == "dtseries.nii" and f.entities.get("den") == "91k" for f in files):
        found.append("fsLR:den-91k")
    volumes = [f for f in files if f.extension == "nii.gz" and f.suffix == "bold" and "space" in f.entities]
    named = {f.entities["space"] + (f":res-{f.entities['res']}" if "res" in f.entities else "") for f in volumes}
    return found + sorted(named, key=lambda name: (not name.startswith("MNI152"), name))


def _installed(surface: str) -> bool:
    try:
        surface_space(surface)
    except InputError:
        return False
    return True


def _data(found: Survey, folder: Path) -> list[str]:
    everyone = len(found.subjects) == len(list_subjects(found.root))
    subjects = [] if everyone else [f"subjects = {json.dumps(found.subjects)}   # those that were preprocessed"]
    return [
        "[data]",
        'reader = "bids"',
        f"root = {_quoted(found.root, folder)}",
        f"derivatives = {_quoted(found.derivatives, folder)}",
        f"space = {json.dumps(found.space)}",
        f"tasks = {json.dumps(found.tasks)}",
        *subjects,
        "# discard = 10.0                             # s at the start of each run",
        '# confounds = { strategy = ["motion", "wm_csf"] }   # from fMRIPrep; "scrub" censors volumes',
    ]


def _features(found: Survey, folder: Path) -> list[str]:
    tables = [table for recording in found.recordings for table in recording.events.values()]
    complete = all(len(r.events) == len(r.responses.runs.names) for r in found.recordings)
    columns = set.intersection(*(set(table.columns) for table in tables)) if tables and complete else set()
    stimuli = next((path.parent.parent for path in found.root.glob("**/*.00???.wav")), None)
    if columns >= CLIP_COLUMNS and stimuli is not None:
        return ["[features.acoustic]", 'extractor = "acoustic"', f"stimuli = {_quoted(stimuli, folder)}"]
    conditions = _conditions(found) if "trial_type" in columns else []
    if conditions:
        groups = [f"{_slug(name)} = {json.dumps([name], ensure_ascii=False)}" for name in conditions]
        return ["[features.events]", 'extractor = "conditions"', "", "[features.events.groups]", *groups]
    return [
        "[features.mine]              # the events name neither clips nor conditions: give arrays of your own",
        'extractor = "array"',
        'files = "features/{run}.npy"   # one row per volume',
    ]


def _conditions(found: Survey) -> list[str]:
    """Conditions that every subject has, the most frequent first."""
    of_subjects = [
        [name for table in recording.events.values() for name in table["trial_type"] if name not in NOTHING]
        for recording in found.recordings
    ]
    shared = set.intersection(*map(set, of_subjects))
    return sorted(shared, key=lambda name: (-sum(own.count(name) for own in of_subjects), name))[:MAX_CONDITIONS]


def _evaluation(found: Survey, delays: Sequence[float]) -> list[str]:
    runs = found.recordings[0].responses.runs
    test = [task for task in found.tasks if "test" in task.lower()]
    n_training = sum(f"task-{test[0]}" not in name for name in runs.names) if test else 0
    shortest = min(rows.stop - rows.start for r in found.recordings for rows in r.responses.runs.slices.values())
    if test and n_training > 1:
        lines = ['kind = "test"', f'test_runs = "*task-{test[0]}*"']
    elif all(len(r.responses.runs.names) > 1 for r in found.recordings):
        lines = ['kind = "cross-validation"       # whole runs are left out']
    else:
        gap = max(delays)
        shortest = (shortest - 3 * int(np.ceil(gap / runs.tr))) // 4
        lines = ['kind = "cross-validation"', "blocks = 4                       # of the one run", f"gap = {gap:g}"]
    block = max(1, min(round(15 / runs.tr), shortest // 8)) * runs.tr
    return ["[evaluation]", *lines, "", "[statistics]", f"block = {round(block, 4):g}   # s"]


def _name(root: Path) -> str:
    try:
        name = json.loads((root / "dataset_description.json").read_text("utf-8-sig"))["Name"]
    except (OSError, ValueError, KeyError, TypeError):
        name = root.resolve().name
    return str(name)


def _quoted(path: Path, folder: Path) -> str:
    relative = os.path.relpath(path.resolve(), folder.resolve())
    return json.dumps(Path(relative).as_posix(), ensure_ascii=False)


def _slug(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_") if name.isascii() and re.search(r"\w", name) else json.dumps(name)
