"""Objects of this package as files: dataclasses, mappings and arrays, in JSON and one NumPy archive; no pickle."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.stored_arrays import SideBySide, StoredArray

STRUCTURE, ARRAYS = "value.json", "value.npz"
PACKAGE = "b2m_encoding."


def save_tree(value: Any, folder: Path) -> None:
    """Write an object into a folder.

    Parameters
    ----------
    value : object
        Made of dataclasses of this package, mappings, sequences, arrays (not of objects), numbers, text and None;
        paths become text.
    folder : Path

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from b2m_encoding.runs import Runs
    >>> with TemporaryDirectory() as folder:
    ...     save_tree({("a", "b"): Runs.from_lengths([2, 3], tr=1.5)}, Path(folder))
    ...     load_tree(Path(folder))["a", "b"].names
    ('run-01', 'run-02')
    """
    arrays: dict[str, NDArray[Any]] = {}
    structure = _write(value, arrays)
    with (folder / ARRAYS).open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
    (folder / STRUCTURE).write_text(json.dumps(structure), encoding="utf-8")


def load_tree(folder: Path, *, large: bool = True) -> Any:
    """Read what :func:`save_tree` wrote.

    Parameters
    ----------
    folder : Path
    large : bool
        Whether to read the arrays of fields that are marked as large; if not, they stay in the file, as
        :class:`~b2m_encoding.io.stored_arrays.StoredArray`.

    Raises
    ------
    InputError
        If the files hold anything but objects of this package.
    """
    structure = parse_json((folder / STRUCTURE).read_text(encoding="utf-8"))
    with (folder / ARRAYS).open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return _read(structure, arrays, None if large else folder / ARRAYS)


def size_in_memory(value: Any) -> int:
    """Bytes of the arrays of an object."""
    if isinstance(value, np.ndarray | SideBySide):
        return value.nbytes
    if is_dataclass(value) and not isinstance(value, type):
        return sum(size_in_memory(getattr(value, one.name)) for one in fields(value))
    if isinstance(value, Mapping):
        return sum(size_in_memory(item) for item in value.values())
    return sum(size_in_memory(item) for item in value) if isinstance(value, tuple | list) else 0


def _write(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("an array of objects cannot be stored")
        arrays[name := f"a{len(arrays)}"] = value
        return {"array": name}
    if is_dataclass(value) and not isinstance(value, type):
        own = {one.name: _write(getattr(value, one.name), arrays) for one in fields(value)}
        return {"class": f"{type(value).__module__}:{type(value).__qualname__}", "fields": own}
    if isinstance(value, Mapping):
        return {"dict": [[_write(key, arrays), _write(item, arrays)] for key, item in value.items()]}
    if isinstance(value, tuple | list):
        return {type(value).__name__: [_write(item, arrays) for item in value]}
    raise TypeError(f"a {type(value).__name__} cannot be stored")


def _read(structure: Any, arrays: Mapping[str, NDArray[Any]], archive: Path | None, *, stored: bool = False) -> Any:
    """Object of a structure; ``archive`` is where large arrays stay, ``stored`` tells that these are such."""
    if not isinstance(structure, dict):
        return structure
    if "array" in structure:
        name = structure["array"]
        return StoredArray.of(archive, name) if stored and archive else arrays[name]
    if "dict" in structure:
        pairs = structure["dict"]
        return {_read(key, arrays, archive): _read(item, arrays, archive, stored=stored) for key, item in pairs}
    if "class" in structure:
        # fields were checked when the object was made; making it again by its constructor would need its arguments
        made: Any = object.__new__(_known_class(structure["class"]))
        large = {one.name for one in fields(made) if one.metadata.get("large")}
        for name, item in structure["fields"].items():
            object.__setattr__(made, name, _read(item, arrays, archive, stored=name in large))
        return made
    if "tuple" in structure:
        return tuple(_read(item, arrays, archive, stored=stored) for item in structure["tuple"])
    return [_read(item, arrays, archive, stored=stored) for item in structure["list"]]


def _known_class(name: str) -> type:
    """A dataclass of this package, and nothing else."""
    module, _, qualified = name.partition(":")
    found: Any = None
    if module.startswith(PACKAGE):
        found = getattr(importlib.import_module(module), qualified, None)
    if not (isinstance(found, type) and is_dataclass(found) and found.__module__ == module):
        raise InputError("a stored object has an unknown type", found=name)
    return found
