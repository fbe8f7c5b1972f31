"""Whether results can be written at a place: names, links, other content, permissions, results of another study."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from b2m_encoding.errors import InputError
from b2m_encoding.io.hashes import read_regular
from b2m_encoding.io.marked import check_markable, mark_folder
from b2m_encoding.io.names import printable
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.removal import remove_temporary_files, temporary_folder
from b2m_encoding.io.swapping import place_of
from b2m_encoding.io.writing import locked, reported_as_input_error, write_error, write_whole
from b2m_encoding.results.manifest import read_manifest
from b2m_encoding.results.schema.files import BEING_WRITTEN, DESCRIPTION, FIGURES, GROUP, PROVENANCE

GENERATOR = "b2m_encoding"
WORK, LOCK = "work", "lock"
"""Kind of the marked folder that stores the steps of a study, and the file in it that guards both."""
OWNER = "study.json"
"""File of the work folder: name and file of the study whose results these are."""
WAIT = 30.0
"""Seconds that a figure or page waits for another process: several figures may be drawn at once."""
HALF_WRITTEN = (".html", ".json", ".png", ".pdf", ".svg", ".tiff", ".tsv", ".txt")
"""Suffixes of files that commands write into finished results."""
LONG = "n" * 200
"""As long as the longest names of files in results."""


def work_folder_of(results: Path) -> Path:
    """Hidden folder beside results that stores the steps of their study, and the lock that guards both.

    Where the results are a link, it lies beside the folder behind it, so that all links to that folder share one lock.
    """
    place = place_of(results) if results.is_symlink() else results
    if place.name in ("", ".."):  # "." has no name of its own
        place = place.absolute().resolve()
    if not os.access(place.parent, os.W_OK):
        place = results
    return place.with_name(f".{place.name}.work")


@contextmanager
def results_locked(work: Path, wait: float = 0.0) -> Iterator[None]:
    """Lock results and their work folder against other processes, and mark that folder as ours.

    Parameters
    ----------
    work : Path
        The work folder.
    wait : float
        Longest time to wait for another process, s.

    Raises
    ------
    InputError
        If another process works on them, or the folder cannot be written, or holds something else.
    """
    check_markable(work, WORK, beside=(LOCK,))
    with locked(work / LOCK, "another run is working on these results", wait):
        with reported_as_input_error("the work folder cannot be written", work):
            mark_folder(work, WORK, beside=(LOCK,))
        yield


@contextmanager
def results_kept(results: Path, target: Path) -> Iterator[None]:
    """Lock results while a command reads them and writes into them, so that no run replaces them meanwhile.

    Nothing is locked where the target lies elsewhere, where the results are being written by the caller, or where
    there can be no work folder, and so no run.

    Parameters
    ----------
    results : Path
    target : Path
        File or folder that is written.

    Raises
    ------
    InputError
        If another process works on the results for longer than :data:`WAIT`.
    """
    work = work_folder_of(results.absolute())
    within = target.resolve().is_relative_to(results.resolve())
    if not within or BEING_WRITTEN.fullmatch(results.name) or not (work.exists() or os.access(work.parent, os.W_OK)):
        yield
        return
    with results_locked(work, WAIT):
        remove_half_written(results)
        yield


def remove_half_written(results: Path) -> None:
    """Remove what killed commands left of pages and figures; the caller holds the lock."""
    for folder in (results, results / FIGURES):
        remove_temporary_files(folder, HALF_WRITTEN)


def check_writable(path: Path, subjects: Iterable[str]) -> None:
    """Raise unless results of these subjects can be written at a path, before anything is computed."""
    if "\0" in str(path):
        raise InputError("the path of the output holds a NUL character", found=printable(str(path)))
    try:
        _check_content(path, subjects)
        check_markable(work_folder_of(path), WORK, beside=(LOCK,))
        _try(place_of(path))
    except OSError as error:
        raise write_error("the output cannot be written", path, error) from error


def _check_content(path: Path, subjects: Iterable[str]) -> None:
    if path.is_symlink() and not path.exists():
        raise InputError(
            "the output is a link to nothing",
            file=path,
            found=os.readlink(path),
            fix="create that folder, or remove it",
        )
    if path.exists() and not path.is_dir():
        raise InputError("the output is a file", file=path, expected="a folder that may be created")
    if inner := next((place for place in path.rglob("*/") if place.is_mount() and not place.is_symlink()), None):
        raise InputError(
            "a disk is mounted below the output: results that are written anew cannot take it along",
            file=inner,
            fix="unmount it, or mount it elsewhere",
        )
    if path.is_dir() and any(path.iterdir()) and not is_results(path):
        raise InputError(
            "the output folder holds something else", file=path, expected="a new folder, or earlier results"
        )
    lost = sorted({folder.name.removeprefix("sub-") for folder in path.glob("sub-*/")} - {GROUP, *subjects})
    if lost:
        raise InputError(
            "earlier results hold subjects that this run would remove",
            file=path,
            found=lost,
            fix="run them together, or write to another output folder",
        )


def _try(path: Path) -> None:
    """Create and remove a folder as a run does, with the longest names that it gives."""
    parent = next(folder for folder in path.parents if folder.exists())
    with temporary_folder(parent / f"{path.name}---") as folder:  # the number of another process may be longer
        (folder / LONG).mkdir()


def no_results(path: Path) -> InputError:
    """Error of a place without results; it names what is there instead."""
    found, fix = None, "b2m run the study first; then name its `output` folder"
    if work_folder_of(path).is_dir():
        found = "a run that has not ended, or whose results are gone"
        fix = "b2m run the study again: it goes on where it stopped"
    elif is_results(inside := path / "results"):
        found, fix = "results in the folder below it", f"name {inside}"
    elif path.is_file():
        found = "a file"
        beside = path.parent if is_results(path.parent) else path.parent / "results"
        fix = f"name {beside}" if is_results(beside) else fix
    expected = f"a folder that b2m run wrote, with {DESCRIPTION} in it"
    return InputError("no results here", file=path, found=found, expected=expected, fix=fix)


def is_results(path: Path) -> bool:
    """Whether a folder holds results of this package; raw data and other derivatives have a description too.

    Where the description is damaged or lost, the manifest that lists it is enough.
    """
    if _description(path) is not None:
        return True
    manifest = read_manifest(path)
    return manifest is not None and DESCRIPTION in manifest["files"]


def _description(path: Path) -> dict[str, Any] | None:
    """Description of results; None if there is none, it is damaged, or of another program."""
    try:
        description = parse_json(read_regular(path / DESCRIPTION))
        return description if description["GeneratedBy"][0]["Name"] == GENERATOR else None
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def check_owner(results: Path, name: str, file: Path) -> None:
    """Raise unless earlier results are of the same study.

    A study may be renamed, or its file moved, but not both at once; a project may be moved as a whole.

    Parameters
    ----------
    results : Path
        If there are none, nothing is checked.
    name : str
        Name of the study.
    file : Path
        Its file.

    Raises
    ------
    InputError
        With the name of the other study.
    """
    if not is_results(results):
        return
    other = str((_description(results) or {"Name": name}).get("Name"))
    owner = owner_of(results)
    recorded = owner is not None and owner.exists()
    if not (_is_same_file(owner, file) if recorded else other == name):
        raise InputError(
            f"results of another study ({other})",
            file=results,
            found=owner,
            fix="name another folder as output, or remove these results if they are not needed",
        )


def _is_same_file(owner: Path | None, file: Path) -> bool:
    return owner is not None and file.exists() and owner.samefile(file)


def write_owner(results: Path, name: str, file: Path) -> None:
    """Record in the work folder whose results these are; the caller holds the lock."""
    work = work_folder_of(results)
    relative = os.path.relpath(file.absolute(), results.absolute().parent)
    with reported_as_input_error("the work folder cannot be written", work):
        write_whole(work / OWNER, json.dumps({"name": name, "file": relative}) + "\n")


def owner_of(results: Path) -> Path | None:
    """File of the study that wrote results, as their work folder or else their provenance has it; None if neither."""
    folder = results.absolute()
    records = (work_folder_of(results) / OWNER, "file", folder.parent), (folder / PROVENANCE, "study", folder)
    for record, key, start in records:
        with suppress(OSError, ValueError, KeyError, TypeError):
            if isinstance(file := parse_json(read_regular(record))[key], str):
                return Path(os.path.normpath(start / file))
    return None
