"""Responses that stand twice in a study: the file of a run that is a copy of another run's, or another subject's."""

from __future__ import annotations

import filecmp
import gzip
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from b2m_encoding.data.recording import Recording
from b2m_encoding.data.responses import Responses
from b2m_encoding.io.names import first_of

PIECE = 1 << 16
"""Bytes that are read of a file before it is compared with another one."""
SMALL = 1 << 25
"""Bytes of a run, of its file and as float32, that is decoded to compare its values: seconds for a subject at most."""
LISTED = 4
"""Runs that a message names."""
TWO_RUNS = "what is fitted to one would be tested on the other: leave one of them out, or fetch it again"
TWO_SUBJECTS = "one person would count as two who agree: leave one of them out, or fetch their files again"
Place = tuple[str, str]
"""Subject and run."""


def describe_copies(recordings: Mapping[str, Recording]) -> Iterator[str]:
    """Sentences on runs whose file is a copy of another one's, and what to do.

    Files are compared, packed ones also by what is in them; where the files of two subjects differ, the values of their
    first run, if it is small. It is no error: only the user knows whether it was meant.
    """
    files = {(subject, run): path for subject, one in recordings.items() for run, path in one.files.items()}
    alike: dict[tuple[str, str], list[str]] = {}
    for (subject, run), (other, copied) in copied_files(files):
        if subject == other:
            names = f"{files[subject, run].name}, {files[subject, copied].name}"
            yield f"sub-{subject}: run {run} is a copy of run {copied} ({names}); {TWO_RUNS}"
        else:
            alike.setdefault((other, subject), []).append(run)
    for pair, runs in alike.items():
        yield _two_subjects(*pair, runs)
    for first, second in _same_values(recordings):
        if (first, second) not in alike:
            yield _two_subjects(first, second, recordings[second].responses.runs.names[:1])


def _two_subjects(first: str, second: str, runs: Sequence[str]) -> str:
    listed = first_of(runs, LISTED)
    return f"the responses of sub-{first} and sub-{second} are identical in {listed}; {TWO_SUBJECTS}"


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
            trailer = stream.read()
            several = not any(trailer[4:])  # parts packed one by one, of which the last is empty
            return "packed", size if several else trailer
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
        rows, path = runs.slices[runs.names[0]], one.files.get(runs.names[0])
        if path is not None and path.is_file() and path.stat().st_size > SMALL:
            continue
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
