"""Responses that stand twice in a study: the file of a run that is a copy of another run's, or another subject's."""

from __future__ import annotations

import filecmp
import gzip
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from b2m_encoding.data.recording import Recording
from b2m_encoding.data.responses import Responses
from b2m_encoding.errors import InputError, Problems

PIECE = 1 << 16
"""Bytes that are read of a file before it is compared with another one."""
SMALL = 1 << 26
"""Bytes of a run (as float32) that is decoded to compare its values: a second or less for every subject."""
LISTED = 4
"""Runs that a message names."""
Place = tuple[str, str]
"""Subject and run."""


def check_copies(recordings: Mapping[str, Recording]) -> None:
    """Raise if the file of a run is a copy of another one's.

    Two runs with the same responses would be trained on and tested alike; two subjects would count as one that agrees
    with itself. Files are compared, packed ones also by what is in them; where the files of two subjects differ, the
    values of their first run, if it is small.

    Raises
    ------
    ProblemList
        With every run that is a copy, and every pair of subjects.
    """
    files = {(subject, run): path for subject, one in recordings.items() for run, path in one.files.items()}
    problems, alike = Problems(), dict[tuple[str, str], list[str]]()
    for (subject, run), (other, copied) in copied_files(files):
        if subject == other:
            problems.found.append(_two_runs(run, files[subject, run], copied, files[subject, copied]))
        else:
            alike.setdefault((other, subject), []).append(run)
    for first, second in _same_values(recordings):
        alike.setdefault((first, second), [recordings[second].responses.runs.names[0]])
    problems.found += [_two_subjects(*pair, runs, files) for pair, runs in alike.items()]
    problems.raise_any()


def copied_files(files: Mapping[Place, Path]) -> Iterator[tuple[Place, Place]]:
    """Each file with the first one that holds the same, where there is one; a file is no copy of itself."""
    known: dict[object, list[Place]] = {}
    for place, path in files.items():
        if not path.is_file():
            continue
        group = known.setdefault(_print(path), [])
        original = next((one for one in group if _hold_the_same(files[one], path)), None)
        if original is None:
            group.append(place)
        elif files[original] != path:
            yield place, original


def _print(path: Path) -> object:
    """What copies have in common: size, beginning and middle; of a packed file, its checksum of what is in it."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        if path.suffix == ".gz" and size >= 8:
            stream.seek(-8, os.SEEK_END)
            return "packed", stream.read()
        beginning = stream.read(PIECE)
        stream.seek(size // 2)
        return size, beginning, stream.read(PIECE)


def _hold_the_same(one: Path, other: Path) -> bool:
    if one == other or filecmp.cmp(one, other, shallow=False):
        return True
    if {one.suffix, other.suffix} != {".gz"}:
        return False
    try:
        with gzip.open(one) as first, gzip.open(other) as second:
            return all(a == b for a, b in zip(_pieces(first), _pieces(second), strict=False))
    except (OSError, EOFError):
        return False  # damaged, which is an error of its own


def _pieces(stream: gzip.GzipFile) -> Iterator[bytes]:
    """Contents piece by piece, and an empty one at last: a shorter content differs from a longer one."""
    while piece := stream.read(1 << 20):
        yield piece
    yield b""


def _same_values(recordings: Mapping[str, Recording]) -> Iterator[tuple[str, str]]:
    """Pairs of subjects whose first runs have equal values, whatever their files look like."""
    shapes: dict[tuple[int, int], list[str]] = {}
    for subject, one in recordings.items():
        runs = _measured(one).runs
        rows = runs.slices[runs.names[0]]
        shapes.setdefault((rows.stop - rows.start, one.responses.n_targets), []).append(subject)
    for shape, subjects in shapes.items():
        if len(subjects) > 1 and 4 * shape[0] * shape[1] <= SMALL:
            yield from _equal(subjects, recordings)


def _measured(recording: Recording) -> Responses:
    """Volumes as they were read, where samples are windows of them."""
    return getattr(recording.responses, "made_of", recording.responses)


def _equal(subjects: Iterable[str], recordings: Mapping[str, Recording]) -> Iterator[tuple[str, str]]:
    known: dict[bytes, str] = {}
    for subject in subjects:
        responses = _measured(recordings[subject])
        values = np.ascontiguousarray(responses.read_run(responses.runs.names[0]), dtype=np.float32)
        finite = values[np.isfinite(values)]
        if finite.size and np.ptp(finite) > 0:  # what is constant is no response, which is an error of its own
            first = known.setdefault(hashlib.sha256(values.data).digest(), subject)
            if first != subject:
                yield first, subject


def _two_runs(run: str, copy: Path, other: str, path: Path) -> InputError:
    return InputError(
        "two runs hold the same responses",
        file=copy,
        found=f"run {run} is a copy of run {other} ({path.name})",
        expected="a recording of its own for each run",
        fix="fetch or convert the run again, or leave it out",
    )


def _two_subjects(first: str, second: str, runs: list[str], files: Mapping[Place, Path]) -> InputError:
    listed = ", ".join(runs[:LISTED]) + (f" and {len(runs) - LISTED} more" if len(runs) > LISTED else "")
    return InputError(
        "two subjects hold the same responses",
        file=files.get((second, runs[0])),
        found=f"the responses of sub-{first} and sub-{second} are identical in {listed}",
        expected="a recording of its own for each subject",
        fix="fetch or convert the files of one of them again, or leave it out",
    )
