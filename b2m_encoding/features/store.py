"""Store of features on disk, keyed by stimulus and recipe, shared between studies and written atomically."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError
from b2m_encoding.features.networks.protocols import AudioEncoder, TextEncoder
from b2m_encoding.io.cache import cache_folder
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.removal import HASH, remove_hash_named, temporary_folder
from b2m_encoding.io.writing import write_error, write_whole

logger = logging.getLogger(__name__)
_required: ContextVar[bool] = ContextVar("_required", default=False)

VERSION = "1"
"""Part of every recipe: raise it when the same recipe would give other numbers."""
NOTED = ("packages", "layers", "names")
"""Parts of the provenance of a network that are recorded beside the features but do not change them."""


def network_recipe(network: AudioEncoder | TextEncoder, **options: Any) -> dict[str, Any]:
    """Recipe of features from a network: model, revision, hashes and precision, with further options."""
    provenance = {key: value for key, value in network.provenance.items() if key not in NOTED}
    return {"network": {"name": network.name, **provenance}, **options}


class Store:
    """Arrays of one recipe, by key.

    Each recipe has a folder, named by the hash of its content, with ``recipe.json`` beside the arrays. Arrays are
    stored in shards, safetensors files named by the hash of their bytes: a damaged shard is detected, logged and
    removed, and its arrays are computed again. Shards are only added, each atomically, so that a process may be killed
    at any time and several processes may fill one store.

    Parameters
    ----------
    recipe : mapping
        Plain JSON values: everything that the numbers depend on, beside the key.
    notes : mapping
        Further content of ``recipe.json`` that does not distinguish recipes.
    """

    def __init__(self, recipe: Mapping[str, Any], notes: Mapping[str, Any] | None = None) -> None:
        self.recipe = {**recipe, "version": VERSION}
        self.notes = dict(notes or {})

    @cached_property
    def folder(self) -> Path:
        """Folder of the shards."""
        text = json.dumps(self.recipe, sort_keys=True)
        return cache_folder() / "features" / hashlib.sha256(text.encode()).hexdigest()[:32]

    def find(self, keys: Iterable[str]) -> dict[str, Float32]:
        """Read the stored arrays of the given keys; keys that are not stored are omitted."""
        wanted = set(keys)
        stored: dict[str, Float32] = {}
        for path in sorted(path for path in self.folder.glob("*.safetensors") if HASH.fullmatch(path.stem)):
            shard_keys = _keys(path)
            if shard_keys is None or wanted & shard_keys - stored.keys():
                arrays = _read(path)
                stored.update({key: arrays[key] for key in wanted & arrays.keys()})
        return stored

    def add(self, arrays: Mapping[str, Float32]) -> None:
        """Add a shard of arrays. A folder that cannot be written is logged, or an error in :func:`where_required`."""
        from safetensors.numpy import save

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
            if _required.get():
                raise write_error("features cannot be stored", self.folder, error, len(content)) from error
            logger.warning("features cannot be stored in %s: %s", self.folder, error.strerror)


@contextmanager
def where_required() -> Iterator[None]:
    """Raise within the block if features cannot be stored: they are all that it is for."""
    token = _required.set(True)
    try:
        yield
    finally:
        _required.reset(token)


def check_store() -> Path:
    """Return the folder of all stores, or raise if it cannot be written.

    Raises
    ------
    InputError
        With the reason of the system.
    """
    folder = cache_folder() / "features"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder / "store"):
            pass
    except OSError as error:
        fix = "set B2M_CACHE to a folder that can be written"
        raise InputError("features cannot be stored", file=folder, found=error.strerror, fix=fix) from error
    return folder


def array_key(*parts: str | NDArray[np.generic]) -> str:
    """Hash texts and arrays to a key of a store."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else np.ascontiguousarray(part).tobytes()
        digest.update(f"|{len(content)}|".encode())  # lengths, so that different splits into parts give different keys
        digest.update(content)
    return digest.hexdigest()[:32]


def _keys(path: Path) -> set[str] | None:
    """Read the keys in the header of a shard; None if it cannot be read."""
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = stream.read(min(length, 100_000_000))
        return set(parse_json(header)) - {"__metadata__"}
    except (OSError, ValueError):
        return None


def _read(path: Path) -> dict[str, Float32]:
    """Read the arrays of a shard; a damaged shard has none and is removed."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest()[:32] == path.stem:
            arrays: dict[str, Float32] = load(content)
            return arrays
        logger.warning("%s is damaged and will be computed again", path)
        remove_hash_named(path)
    except (OSError, SafetensorError) as error:
        logger.warning("%s cannot be read and will be computed again: %s", path, error)
    return {}
