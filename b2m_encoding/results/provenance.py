"""Provenance: versions, platform, input hashes and times of a study."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from b2m_encoding.io.hashes import read_regular
from b2m_encoding.io.parsing import load_toml, parse_json
from b2m_encoding.io.paths import is_below, portable_arguments, portable_path
from b2m_encoding.results.place import owner_of
from b2m_encoding.results.schema.files import BEING_WRITTEN, DESCRIPTION

PACKAGES = ("b2m-encoding", "numpy", "scipy", "torch", "nibabel", "nilearn", "scikit-learn", "matplotlib", "pandas")


def provenance(inputs: Mapping[str, str], *, seed: int, started: datetime) -> dict[str, Any]:
    """Record command, software, platform, seed, times and inputs of a run.

    Parameters
    ----------
    inputs : dict of str to str
        Hash of each input file or folder, by its path as :func:`~b2m_encoding.io.portable_path` gives it.
    seed : int
    started : datetime
    """
    return {
        "command": portable_arguments(sys.argv),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: _version(name) for name in PACKAGES},
        "seed": seed,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": dict(inputs),
    }


def source_datasets(data: object, results: Path, folder: Path) -> list[dict[str, str]]:
    """Sources of the recordings, as ``SourceDatasets`` of a BIDS derivative; empty where they are no BIDS data set.

    Parameters
    ----------
    data : Source
    results : Path
    folder : Path
        Folder of the study file. Where data set and results lie below it, the address is relative to the results;
        any other one would hold names of folders of this machine, and is left out.
    """
    root = getattr(data, "root", None)
    if not isinstance(root, Path):
        return []
    near = is_below(root, folder) and is_below(results, folder)
    source = {"URL": quote(Path(os.path.relpath(root, results)).as_posix())} if near else {}
    try:
        description = parse_json(read_regular(root / DESCRIPTION))
        source |= {"DOI": str(description["DatasetDOI"])} if description.get("DatasetDOI") else {}
    except (OSError, ValueError, AttributeError):
        pass
    return [source] if source else []


def path_from_results(results: Path, file: Path) -> str | None:
    """Path of a study file from its results, such as ``"../study.toml"``; None where they are not below its folder."""
    if not is_below(results, file.parent):
        return None
    return Path(os.path.relpath(file, results)).as_posix()


def find_study_folder(results: Path, record: Mapping[str, Any]) -> Path:
    """Folder of the study file of results, by their provenance or their work folder; otherwise the one above."""
    file = find_study_file(results, record)
    return results.absolute().parent if file is None else file.parent


def find_study_file(results: Path, record: Mapping[str, Any]) -> Path | None:
    """Study file of results, by their provenance or their work folder; None if it is not there."""
    results = results.absolute()
    if written := BEING_WRITTEN.fullmatch(results.name):
        results = results.with_name(written[1])
    places = [Path(os.path.abspath(results / record["study"]))] if record.get("study") else []
    if (owner := owner_of(results)) is not None:
        places.append(Path(os.path.abspath(owner)))
    return next((place for place in places if place.is_file()), None)


def find_path(results: Path, record: Mapping[str, Any], named: str) -> Path:
    """File or folder that the study file of results names, on the machine where they were made.

    Parameters
    ----------
    results : Path
    record : mapping
        Their provenance.
    named : str
        Relative to the folder of the study, or name and hash as of :func:`~b2m_encoding.io.portable_path`: such a path
        is looked up in the study file itself.
    """
    file, folder = find_study_file(results, record), find_study_folder(results, record)
    path = folder / os.path.expanduser(os.path.expandvars(named))
    if file is None or path.exists():
        return path
    try:
        texts = list(_texts(load_toml(file.read_text(encoding="utf-8"))))
    except (OSError, ValueError):
        return path
    places = (folder / os.path.expanduser(os.path.expandvars(text)) for text in texts)
    return next((place for place in places if portable_path(place, folder) == named), path)


def _texts(tree: Any) -> Iterator[str]:
    """Texts among the values of a tree."""
    if isinstance(tree, str):
        yield tree
    for value in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _texts(value)


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
