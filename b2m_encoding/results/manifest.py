"""Manifest of results: the hash of every file, so that damaged or edited files are detected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from b2m_encoding.io.hashes import read_regular, sha256
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.results.schema.files import MANIFEST


def write_manifest(folder: Path, basis: str) -> None:
    """Write the hashes of all files of a results folder.

    Parameters
    ----------
    folder : Path
    basis : str
        Hash of the study, its inputs and the code.
    """
    files = {str(path.relative_to(folder)): sha256(path) for path in _files(folder)}
    (folder / MANIFEST).write_text(json.dumps({"basis": basis, "files": files}, indent=1) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Read the manifest; None if there is none, or it is damaged."""
    try:
        content = parse_json(read_regular(folder / MANIFEST))
        return content if isinstance(content["files"], dict) and isinstance(content["basis"], str) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def changed_files(folder: Path, files: dict[str, str]) -> list[str]:
    """List files that are missing or differ from their hash."""
    return [name for name, expected in files.items() if not is_intact(folder / name, expected)]


def is_intact(path: Path, expected: str) -> bool:
    """Whether a file has the hash that was recorded."""
    try:
        return sha256(path) == expected
    except OSError:
        return False


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST)
