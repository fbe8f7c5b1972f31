"""Features on disk: found by what was heard and how it was embedded, shared between studies, never half-written."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from b2m_encoding.errors import InputError
from b2m_encoding.io.cache import cache_folder
from b2m_encoding.io.writing import write_whole

logger = logging.getLogger(__name__)

VERSION = "1"
"""Part of every recipe: raise it when the same recipe would give other numbers."""
Features = NDArray[np.float32]


class Store:
    """Arrays of one recipe, by key.

    A recipe has a folder of its own, named by the hash of its content, with ``recipe.json`` beside the arrays. These
    come in shards, safetensors files that are named by the hash of their bytes: a damaged one gives itself away, is
    reported and removed, and what it held is computed again. Shards are only ever added, each in one step, so that a
    process may be killed at any time, and several may fill one store together.

    Parameters
    ----------
    recipe : mapping
        Plain JSON values: everything that the numbers depend on, beside the key.
    notes : mapping
        Written into ``recipe.json`` as well, but two recipes that differ in them alone are the same.
    """

    def __init__(self, recipe: Mapping[str, Any], notes: Mapping[str, Any] | None = None) -> None:
        self.recipe = {**recipe, "version": VERSION}
        self.notes = dict(notes or {})

    @cached_property
    def folder(self) -> Path:
        """Where the shards are."""
        text = json.dumps(self.recipe, sort_keys=True)
        return cache_folder() / "features" / hashlib.sha256(text.encode()).hexdigest()[:32]

    def find(self, keys: Iterable[str]) -> dict[str, Features]:
        """Arrays of those keys that are here."""
        wanted = set(keys)
        found: dict[str, Features] = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            held = _keys(path)
            if held is None or wanted & held - found.keys():
                arrays = _read(path)
                found.update({key: arrays[key] for key in wanted & arrays.keys()})
        return found

    def add(self, arrays: Mapping[str, Features]) -> None:
        """Keep arrays. A folder that cannot be written is no error, but is reported."""
        if not arrays:
            return
        content = save({key: np.ascontiguousarray(array) for key, array in arrays.items()})
        name = hashlib.sha256(content).hexdigest()[:32]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / "recipe.json").exists():
                record = json.dumps({**self.recipe, "notes": self.notes}, indent=2, sort_keys=True) + "\n"
                write_whole(self.folder / "recipe.json", record)
            write_whole(self.folder / f"{name}.safetensors", content)
        except OSError as error:
            logger.warning("features cannot be kept in %s: %s", self.folder, error.strerror)


def check_store() -> Path:
    """Folder of all features, or raise if it cannot be written."""
    folder = cache_folder() / "features"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / ".writable", b"")
        (folder / ".writable").unlink(missing_ok=True)
    except OSError as error:
        fix = "set B2M_CACHE to a folder that can be written"
        raise InputError("features cannot be kept", file=folder, found=error.strerror, fix=fix) from error
    return folder


def array_key(*parts: str | NDArray[np.generic]) -> str:
    """Hash of texts and arrays, as a key of a store."""
    found = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else np.ascontiguousarray(part).tobytes()
        found.update(f"|{len(content)}|".encode())  # lengths, so that parts cannot run into each other
        found.update(content)
    return found.hexdigest()[:32]


def _keys(path: Path) -> set[str] | None:
    """Keys that the header of a shard names; None if it cannot be read."""
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = stream.read(min(length, 100_000_000))
        return set(json.loads(header)) - {"__metadata__"}
    except (OSError, ValueError):
        return None


def _read(path: Path) -> dict[str, Features]:
    """Arrays of a shard; none if it is damaged, and then it is removed."""
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest()[:32] == path.stem:
            arrays: dict[str, Features] = load(content)
            return arrays
        logger.warning("%s is damaged and will be computed again", path)
        path.unlink(missing_ok=True)
    except (OSError, SafetensorError) as error:
        logger.warning("%s cannot be read and will be computed again: %s", path, error)
    return {}
