"""Paths as they may be shared: without folders of a machine, and so without names of users and projects."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HASH_LENGTH = 8


def portable_path(path: Path, folder: Path) -> str:
    """Path relative to a folder; for one outside of it, its name and a hash of the path.

    Examples
    --------
    >>> portable_path(Path("/home/ann/study/bold/run-1.npy"), Path("/home/ann/study"))
    'bold/run-1.npy'
    >>> portable_path(Path("/data/ds003720"), Path("/home/ann/study"))
    'ds003720-0d9fa84d'
    """
    for absolute in (os.path.abspath, os.path.realpath):
        whole, base = Path(absolute(path)), Path(absolute(folder))
        if whole.is_relative_to(base):
            return whole.relative_to(base).as_posix()
    whole = Path(os.path.abspath(path))
    return f"{whole.name or 'root'}-{hashlib.sha256(os.fsencode(whole)).hexdigest()[:HASH_LENGTH]}"


def without_hash(text: str) -> str:
    """Name of a path that :func:`portable_path` gave with a hash; other texts as they are.

    Examples
    --------
    >>> without_hash("ds003720-0d9fa84d"), without_hash("bold/run-1.npy")
    ('ds003720', 'bold/run-1.npy')
    """
    return re.sub(rf"-[0-9a-f]{{{HASH_LENGTH}}}$", "", text)


def is_below(path: Path, folder: Path) -> bool:
    """Whether a path leads into a folder, or is that folder."""
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))


def portable_tree(value: Any, folder: Path) -> Any:
    """A tree of mappings and sequences in which every path is as :func:`portable_path` gives it."""
    if isinstance(value, Path):
        return portable_path(value, folder)
    if isinstance(value, dict):
        return {key: portable_tree(item, folder) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [portable_tree(item, folder) for item in value]
    return value


def portable_arguments(arguments: Iterable[str]) -> list[str]:
    """Arguments of a command without folders and addresses.

    Examples
    --------
    >>> portable_arguments(["/usr/bin/b2m", "run", "../a/study.toml", "--out=/home/ann/x", "--cluster", "tcp://ann:1"])
    ['b2m', 'run', 'study.toml', '--out=x', '--cluster', 'tcp']
    """
    return [_portable_argument(text) for text in arguments]


def _portable_argument(text: str) -> str:
    option, equals, value = text.partition("=") if text.startswith("-") else ("", "", text)
    scheme, separator, _ = value.partition("://")
    if separator:
        value = scheme
    elif "/" in value or os.sep in value:
        value = Path(value).name
    return f"{option}{equals}{value}"
