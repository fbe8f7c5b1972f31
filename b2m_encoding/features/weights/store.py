"""Where the weights of a model lie, and whether they are whole; nothing here touches the network."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from b2m_encoding.errors import InputError
from b2m_encoding.features.weights.catalogue import Entry, catalogue
from b2m_encoding.io.cache import cache_folder
from b2m_encoding.io.hashes import file_hash

RECORD = "record.json"
"""Written into a model's folder when it is complete: commit, files and their hashes."""
SUFFIXES = (".safetensors", ".json", ".txt", ".model", ".tflite")


@dataclass(frozen=True)
class Weights:
    """The files of one model on this machine.

    Parameters
    ----------
    entry : Entry
    folder : Path
    revision : str or None
        Commit, or version of the package; None in a folder that nobody recorded.
    files : mapping
        SHA-256 of every file by its path in the folder.
    """

    entry: Entry
    folder: Path
    revision: str | None
    files: Mapping[str, str]

    def path(self, name: str) -> Path:
        """Return a file of the model.

        Raises
        ------
        InputError
            If it is not there.
        """
        path = self.folder / name
        if not path.is_file():
            raise InputError(f"a file of {self.entry.name} is missing", file=path, fix=self.entry.command)
        return path

    @property
    def provenance(self) -> dict[str, Any]:
        """Model, revision and hashes, as plain JSON values."""
        where = self.entry.repository or self.entry.package
        return {"model": where, "revision": self.revision, "files": dict(self.files)}


def find_weights(entry: Entry, folder: Path | None = None) -> Weights:
    """Find the weights of a model, and check that they are what was fetched.

    Parameters
    ----------
    entry : Entry
    folder : Path, optional
        Take this folder instead of what was fetched.

    Raises
    ------
    InputError
        If they are missing, with the command that fetches them, their size and licence, and models that could stand
        in; or if a file is missing, or its hash is not the recorded one.
    """
    if folder is not None:
        return _unrecorded(entry, Path(folder))
    if entry.package is not None:
        return _packaged(entry)
    folder = folder_of(entry)
    if not (folder / RECORD).is_file():
        raise _missing(entry, folder)
    record = _read_record(entry, folder / RECORD)
    for name, recorded in record["files"].items():
        path = folder / name
        found = file_hash(path) if path.is_file() else "no such file"
        if found != recorded:
            raise InputError(
                f"the weights of {entry.name} are damaged", file=path, found=found, expected=recorded, fix=entry.command
            )
    return Weights(entry, folder, record["revision"], record["files"])


def folder_of(entry: Entry) -> Path:
    """Return the folder that a model is fetched into: one per revision that was asked for."""
    return cache_folder() / "weights" / f"{entry.name}@{entry.revision}".replace("/", "--")


def is_here(entry: Entry) -> bool:
    """Whether a model's weights have been fetched or installed; they are not read."""
    if entry.package is not None:
        return find_spec(_module(entry.package)) is not None
    return (folder_of(entry) / RECORD).is_file()


def _packaged(entry: Entry) -> Weights:
    """Weights inside an installed package: the folder of its safetensors file."""
    assert entry.package is not None
    spec = find_spec(_module(entry.package))
    if spec is None or not spec.submodule_search_locations:
        raise _missing(entry, None)
    root = Path(spec.submodule_search_locations[0])
    found = sorted(root.rglob("*.safetensors"))
    if not found:
        raise InputError(f"the weights of {entry.name} are damaged", file=root, fix=entry.command)
    folder = found[0].parent
    return Weights(entry, folder, importlib.metadata.version(entry.package), hash_files(folder))


def _unrecorded(entry: Entry, folder: Path) -> Weights:
    """Weights in a folder that the user names; its record is believed if it has one."""
    if not folder.is_dir():
        raise InputError("the folder of the weights does not exist", file=folder)
    if not any(path.suffix in (".safetensors", ".tflite") for path in folder.rglob("*")):
        raise InputError(
            "the folder holds no safetensors file",
            file=folder,
            found=sorted(path.name for path in folder.iterdir())[:8],
            expected="model.safetensors beside config.json",
            fix=f"{entry.command} brings them (pickled weights are never loaded)",
        )
    record = folder / RECORD
    revision = _read_record(entry, record)["revision"] if record.is_file() else None
    return Weights(entry, folder, revision, hash_files(folder))


def hash_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a model, by its path in the folder."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in paths if path.name != RECORD}


def _read_record(entry: Entry, path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {"revision": str(record["revision"]), "files": {str(k): str(v) for k, v in record["files"].items()}}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the record of {entry.name} is damaged", file=path, found=error, fix=entry.command) from error


def _missing(entry: Entry, folder: Path | None) -> InputError:
    known = catalogue()
    others = [f"{name} ({'here' if is_here(known[name]) else 'missing'})" for name in entry.stand_ins]
    return InputError(
        f"the weights of {entry.name} are not here",
        file=folder,
        expected=f"{entry.title}; {entry.size}, licence {entry.licence}, commercial use: {entry.commercial_use}",
        fix=entry.command + (f"; models that could stand in: {', '.join(others)}" if others else ""),
    )


def _module(package: str) -> str:
    return package.replace("-", "_")
