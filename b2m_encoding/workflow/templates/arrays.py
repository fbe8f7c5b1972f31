"""Look at a folder of arrays (npy, npz, MATLAB, HDF5, zarr) and write a study of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from b2m_encoding.data.arrays import SEPARATOR, list_variables, open_array
from b2m_encoding.data.events import read_events
from b2m_encoding.errors import InputError

ENDINGS = (".npy", ".npz", ".mat", ".h5", ".hdf5", ".hdf", ".zarr")
FEATURES = re.compile(r"feat|stim|design|regress|embed|acoust|spectr|^x([_\d.-]|$)|[_-]x$", re.IGNORECASE)
"""Names of arrays that are taken for features."""
OTHERS = re.compile(r"confound|motion|mask|label|coord|ceiling|time$", re.IGNORECASE)
"""Names of arrays that are neither responses nor features."""
SECONDS = ("tr", "repetitiontime", "repetition_time", "tr_s")
"""Names of single numbers that state the repetition time, in small letters."""
DELAYS = (3.0, 8.0)


@dataclass(frozen=True)
class Found:
    """An array of two dimensions.

    Parameters
    ----------
    path : str
        As a study names it: ``bold.mat::run1``, relative to the folder.
    name : str
        Name of the file without ending, or of the variable.
    shape : tuple of int
    """

    path: str
    name: str
    shape: tuple[int, int]


@dataclass(frozen=True)
class Arrays:
    """What a folder of arrays holds.

    Parameters
    ----------
    responses : tuple of Found
        One per run.
    runs : tuple of str
        Names of the runs.
    transposed : bool
        Whether responses are (n_targets, n_samples).
    features : tuple of str
        Paths with ``{run}`` for the name of a run.
    events : tuple of str
        Tables of events, one per run; empty without.
    tr : float or None
        Repetition time, s, if a file states it.
    others : tuple of Found
    """

    responses: tuple[Found, ...]
    runs: tuple[str, ...]
    transposed: bool
    features: tuple[str, ...]
    events: tuple[str, ...]
    tr: float | None
    others: tuple[Found, ...]


def find_arrays(folder: Path) -> Arrays | None:
    """Find the arrays below a folder, and guess which are responses; None if there are none."""
    arrays, tr = _listed(folder)
    candidates = [one for one in arrays if not FEATURES.search(one.name) and not OTHERS.search(one.name)]
    responses = _responses(candidates or arrays)
    if not responses:
        return None
    rows, columns = zip(*(one.shape for one in responses), strict=True)
    transposed = len(set(columns)) > 1 or (len(set(rows)) == 1 and rows[0] > columns[0] and len(responses) > 1)
    runs = run_names([one.name for one in responses])
    lengths = columns if transposed else rows
    others = [one for one in arrays if one not in responses]
    features, used = _features(others, runs, lengths)
    events = event_tables(folder, runs)
    return Arrays(
        tuple(responses), runs, transposed, features, events, tr, tuple(one for one in others if one not in used)
    )


def _listed(folder: Path) -> tuple[list[Found], float | None]:
    """Arrays of two dimensions, and the repetition time if a file holds it as a number."""
    found: list[Found] = []
    tr = None
    for path in _files(folder):
        relative = path.relative_to(folder).as_posix()
        with suppress(InputError, OSError, ValueError, RuntimeError):
            for key in list_variables(path):
                with suppress(InputError):
                    array = open_array(Path(f"{path}{SEPARATOR}{key}" if key else path))
                    shape = (int(array.shape[0]), int(array.shape[1]))
                    if shape == (1, 1):
                        tr = float(np.asarray(array[:]).ravel()[0]) if _leaf(key).lower() in SECONDS else tr
                    elif min(shape) > 1 or max(shape) > 1:
                        name = _leaf(key) if key else path.stem
                        found.append(Found(f"{relative}{SEPARATOR}{key}" if key else relative, name, shape))
    return found, tr


def _files(folder: Path) -> list[Path]:
    found = []
    for place, below, names in os.walk(folder):
        zarr = [name for name in below if name.endswith(".zarr")]
        below[:] = sorted(name for name in below if not name.startswith(".") and name not in zarr)
        found += [Path(place, name) for name in (*names, *zarr) if name.lower().endswith(ENDINGS) and name[0] != "."]
    return sorted(found)


def _leaf(key: str) -> str:
    return key.rpartition("/")[2]


def _responses(arrays: Sequence[Found]) -> list[Found]:
    """The arrays that share a dimension and hold most numbers."""
    groups: dict[tuple[int, int], list[Found]] = {}
    for one in arrays:
        for axis in (0, 1):
            groups.setdefault((axis, one.shape[axis]), []).append(one)
    if not groups:
        return []
    return max(groups.values(), key=lambda own: (sum(a * b for a, b in (one.shape for one in own)), len(own)))


def run_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of runs: those of their arrays without what all begin with, up to a sign between words."""
    shared = ""
    for signs in zip(*names, strict=False) if len(names) > 1 else ():
        if len(set(signs)) > 1:
            break
        shared += signs[0]
    cut = max(shared.rfind(sign) for sign in "_-.") + 1
    short = [name[cut:] for name in names]
    return tuple(short if all(short) and len(set(short)) == len(short) else names)


def _features(
    others: Sequence[Found], runs: Sequence[str], lengths: Sequence[int]
) -> tuple[tuple[str, ...], list[Found]]:
    """Patterns of arrays of features with a row for each volume of every run, and these arrays."""
    patterns: dict[str, dict[str, Found]] = {}
    for one in others:
        for run, length in zip(runs, lengths, strict=True):
            if one.shape[0] == length and run in one.path:
                head, _, tail = one.path.rpartition(run)
                patterns.setdefault(f"{head}{{run}}{tail}", {})[run] = one
    full = {pattern: own for pattern, own in patterns.items() if len(own) == len(runs)}
    return tuple(full), [one for own in full.values() for one in own.values()]


def event_tables(folder: Path, runs: Sequence[str]) -> tuple[str, ...]:
    """Tables of events of the runs: by their names, or in their order where there are as many."""
    tables = []
    for path in sorted(one for one in folder.rglob("*") if one.suffix.lower() in (".tsv", ".csv", ".txt")):
        if not path.name.startswith("."):
            with suppress(InputError, OSError):
                read_events(path)
                tables.append(path.relative_to(folder).as_posix())
    named = [[table for table in tables if run in table] for run in runs]
    if all(len(own) == 1 for own in named):
        return tuple(own[0] for own in named)
    return tuple(tables) if len(tables) == len(runs) else ()


def arrays_study(found: Arrays, folder: Path, target: Path) -> str:
    """A study of arrays, as TOML; paths are relative to ``target``."""
    from b2m_encoding.workflow.templates.compose import quoted, toml_key

    def path(text: str) -> str:
        file, separator, key = text.partition(SEPARATOR)
        relative = os.path.relpath((folder / file).resolve(), target.resolve())
        return quoted(Path(relative).as_posix() + separator + key)

    tr = found.tr or 2.0
    n_samples = [one.shape[1 if found.transposed else 0] for one in found.responses]
    n_targets = found.responses[0].shape[0 if found.transposed else 1]
    delays = [round(k * tr, 4) for k in range(1, 100) if DELAYS[0] <= k * tr <= DELAYS[1]] or [round(tr, 4)]
    lines = [
        f"# {len(found.runs)} runs of {min(n_samples)} to {max(n_samples)} volumes, {n_targets} targets",
        *(f"# not used: {one.path}, shape {one.shape}" for one in found.others),
        f"name = {quoted(folder.resolve().name or 'arrays')}",
        'output = "results"',
        "",
        "[data]",
        'reader = "array"',
        f"tr = {tr:g}" + ("" if found.tr else "   # FILL IN: the repetition time, s; no file states it"),
        f"transposed = {str(found.transposed).lower()}   # arrays are "
        + ("(targets, volumes)" if found.transposed else "(volumes, targets)"),
        "# discard = 10.0   # s at the start of each run",
        "",
        "[data.files]",
        *(f"{toml_key(run)} = {path(one.path)}" for run, one in zip(found.runs, found.responses, strict=True)),
    ]
    if found.events:
        lines += ["", "[data.events]"]
        lines += [f"{toml_key(run)} = {path(table)}" for run, table in zip(found.runs, found.events, strict=True)]
    lines += ["", *_feature_lines(found, folder, path)]
    lines += ["", f"[model]\ndelays = {delays}   # s", *_evaluation(found, min(n_samples), tr, delays)]
    return "\n".join(lines) + "\n"


def _feature_lines(found: Arrays, folder: Path, path: Callable[[str], str]) -> list[str]:
    """Feature spaces of arrays, and of the conditions of events."""
    lines: list[str] = []
    for number, pattern in enumerate(found.features):
        name = "features" if number == 0 else f"features{number + 1}"
        lines += [f"[features.{name}]", 'extractor = "array"', f"files = {path(pattern)}", ""]
    if not lines and found.events:
        tables = [read_events(folder / table) for table in found.events]
        columns = [name for name in tables[0].columns if name not in ("onset", "duration")]
        for column in columns:
            labels = sorted(set.intersection(*(set(table[column]) for table in tables if column in table)) - {"n/a"})
            if 0 < len(labels) <= 20:
                lines += ["[features.events]", 'extractor = "labels"', f'column = "{column}"', ""]
                break
    return lines or [
        "# FILL IN: an array of features of each run, a row per volume and any number of columns",
        "[features.mine]",
        'extractor = "array"',
        'files = "features/{run}.npy"',
    ]


def _evaluation(found: Arrays, shortest: int, tr: float, delays: Sequence[float]) -> list[str]:
    lines = ['kind = "cross-validation"       # whole runs are left out']
    model: list[str] = []
    if len(found.runs) == 1:
        gap = max(delays)
        shortest = (shortest - 3 * int(np.ceil(gap / tr))) // 4
        lines = ['kind = "cross-validation"', "blocks = 4                       # of the one run", f"gap = {gap:g}"]
    elif len(found.runs) == 2:
        model = ["blocks = 4                       # of the run that is left, to choose the penalty"]
    block = max(1, min(round(15 / tr), shortest // 8)) * tr
    return [*model, "", "[evaluation]", *lines, "", "[statistics]", f"block = {round(block, 4):g}   # s"]
