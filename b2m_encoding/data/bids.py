"""BIDS derivatives on a surface: fMRIPrep's ``func.gii`` files with the events of the raw data set."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from xml.parsers.expat import ExpatError

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from b2m_encoding.data.events import label_clips, read_events
from b2m_encoding.data.recording import Recording
from b2m_encoding.data.responses import Responses
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.spaces.surface import HEMISPHERES, SurfaceSpace

EVENT_COLUMNS = ("onset", "duration", "genre", "track", "start")
HEADER_BYTES = 100_000


def list_subjects(root: Path) -> list[str]:
    """Labels of the subjects of a BIDS folder, without ``sub-``.

    Raises
    ------
    InputError
        If the folder does not exist or holds no subject.
    """
    if not root.is_dir():
        raise InputError("the BIDS folder does not exist", file=root)
    subjects = sorted(path.name.removeprefix("sub-") for path in root.glob("sub-*") if path.is_dir())
    if not subjects:
        raise InputError("the BIDS folder holds no subject", file=root, expected="folders such as sub-01")
    return subjects


def read_bids_surface(
    root: Path, derivatives: Path, subject: str, space: SurfaceSpace, tasks: Sequence[str]
) -> Recording:
    """Read one subject's runs of some tasks.

    Run names are those of BIDS, ``task-Training_run-01``. The clip under each sample comes from the events.

    Raises
    ------
    InputError
        If files are missing or doubled, repetition times disagree, or events lie beyond their run.
    """
    found = {name: path for task in tasks for name, path in _find_runs(derivatives, subject, space, task).items()}
    lengths, seconds = {}, {}
    for name, path in found.items():
        lengths[name], header_tr = gifti_length(path)
        seconds[name] = _agreed_repetition_time(root, subject, name, path, header_tr)
    if len(set(seconds.values())) > 1:
        raise InputError("runs differ in repetition time", file=derivatives, found=seconds)
    runs = Runs.from_lengths(lengths, next(iter(seconds.values())))
    files = {name: _raw(root, subject, name, "events.tsv") for name in runs.names}
    events = {name: read_events(path, EVENT_COLUMNS) for name, path in files.items()}
    runs = label_clips(runs, events, files)
    responses = Responses(runs, space, lambda name: _both_hemispheres(found[name], space))
    inputs = [
        path.with_name(path.name.replace("_hemi-L_", f"_hemi-{h}_")) for path in found.values() for h in HEMISPHERES
    ]
    return Recording(subject, responses, events, found, (*inputs, *files.values()))


def gifti_length(path: Path) -> tuple[int, float | None]:
    """Volumes and repetition time (s, if stated) of a ``func.gii``, from its first bytes."""
    with path.open("rb") as stream:
        head = stream.read(HEADER_BYTES)
    count = re.search(rb'NumberOfDataArrays="(\d+)"', head)
    if count is None:
        raise InputError("not a GIfTI time series, or a damaged one", file=path, fix="fetch or copy it again")
    step = re.search(rb"TimeStep(?:\]\]>)?</Name>\s*<Value>(?:<!\[CDATA\[)?([\d.eE+-]+)", head)
    return int(count[1]), None if step is None else float(step[1]) / 1000


def _find_runs(derivatives: Path, subject: str, space: SurfaceSpace, task: str) -> dict[str, Path]:
    """Left-hemisphere file of each run of a task."""
    folder = derivatives / f"sub-{subject}"
    pattern = f"sub-{subject}_*task-{task}_*hemi-L_*space-{space.name}_*bold.func.gii"
    runs: dict[str, Path] = {}
    for path in sorted(folder.rglob(pattern)):
        name = path.name.removeprefix(f"sub-{subject}_").split("_hemi-")[0]
        if name in runs:
            raise InputError("two files claim to be the same run", file=path, found=runs[name].name)
        runs[name] = path
    if not runs:
        raise InputError(f"no responses of task {task} on {space.name}", file=folder, expected=pattern)
    return runs


def _raw(root: Path, subject: str, name: str, suffix: str) -> Path:
    """A file of the raw data set that belongs to a run (``ses-02_task-Test_run-01`` lies in the session's folder)."""
    session = [part for part in name.split("_") if part.startswith("ses-")]
    return Path(root, f"sub-{subject}", *session, "func", f"sub-{subject}_{name}_{suffix}")


def _agreed_repetition_time(root: Path, subject: str, name: str, path: Path, header: float | None) -> float:
    """Repetition time of a run, on which its sidecars (beside the series, raw, inherited) and the header agree."""
    task = next(part for part in name.split("_") if part.startswith("task-"))
    own = _raw(root, subject, name, "bold.json")
    beside = path.with_name(path.name.removesuffix(".func.gii") + ".json")
    stated = [(file, tr) for file in (own, beside, root / f"{task}_bold.json") if (tr := _stated(file)) is not None]
    if not stated:
        raise InputError("the sidecar of a run is missing", file=own, expected="a JSON file with RepetitionTime")
    sidecar, agreed = stated[0]
    for file, seconds in [*stated[1:], *([(path, header)] if header is not None else [])]:
        if abs(seconds - agreed) > 1e-3:
            raise InputError(
                "repetition times disagree",
                file=file,
                found=f"{seconds:g} s",
                expected=f"{agreed:g} s as in {sidecar.name}",
            )
    return agreed


def _stated(sidecar: Path) -> float | None:
    """Repetition time of a sidecar; None where there is no sidecar, or it is silent about it."""
    if not sidecar.is_file():
        return None
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8-sig"))
        return float(content["RepetitionTime"]) if "RepetitionTime" in content else None
    except (ValueError, TypeError) as error:
        raise InputError("a sidecar cannot be read", file=sidecar, found=repr(error)) from error


def _both_hemispheres(left: Path, space: SurfaceSpace) -> NDArray[np.float32]:
    parts = []
    for hemi in HEMISPHERES:
        path = left.with_name(left.name.replace("_hemi-L_", f"_hemi-{hemi}_"))
        if not path.is_file():
            raise InputError("one hemisphere of a run is missing", file=path)
        try:
            values = np.stack([array.data for array in nib.load(path).darrays])
        except (ExpatError, OSError, EOFError, ValueError) as error:
            raise InputError("a GIfTI file is damaged or truncated", file=path, found=error) from error
        if values.shape[1] != space.n_vertices:
            raise InputError(
                f"not a series on {space.name}", file=path, found=values.shape[1], expected=space.n_vertices
            )
        parts.append(values)
    if len(parts[0]) != len(parts[1]):
        raise InputError("hemispheres differ in length", file=left, found=[len(part) for part in parts])
    return np.concatenate(parts, axis=1)
