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


def load_tree(folder: Path) -> Any:
    """Read what :func:`save_tree` wrote.

    Raises
    ------
    InputError
        If the files hold anything but objects of this package.
    """
    structure = parse_json((folder / STRUCTURE).read_text(encoding="utf-8"))
    with (folder / ARRAYS).open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return _read(structure, dict(arrays))


def size_of_tree(folder: Path) -> int:
    """Bytes that an object takes in memory, about."""
    return (folder / ARRAYS).stat().st_size


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


def _read(structure: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if not isinstance(structure, dict):
        return structure
    if "array" in structure:
        return arrays[structure["array"]]
    if "dict" in structure:
        return {_read(key, arrays): _read(item, arrays) for key, item in structure["dict"]}
    if "class" in structure:
        # fields were checked when the object was made; making it again by its constructor would need its arguments
        made: Any = object.__new__(_known_class(structure["class"]))
        for name, item in structure["fields"].items():
            object.__setattr__(made, name, _read(item, arrays))
        return made
    if "tuple" in structure:
        return tuple(_read(item, arrays) for item in structure["tuple"])
    return [_read(item, arrays) for item in structure["list"]]


def _known_class(name: str) -> type:
    """A dataclass of this package, and nothing else."""
    module, _, qualified = name.partition(":")
    found: Any = None
    if module.startswith(PACKAGE):
        found = getattr(importlib.import_module(module), qualified, None)
    if not (isinstance(found, type) and is_dataclass(found) and found.__module__ == module):
        raise InputError("a stored object has an unknown type", found=name)
    return found
