"""Manifest of results: the hash of every file, so that damaged or edited files are detected."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from b2m_encoding.io.hashes import read_regular, sha256
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.writing import write_all
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


def note_written(folder: Path, files: Iterable[Path]) -> None:
    """Record what the package itself wrote over listed files of results, so that it does not count as edited.

    The caller holds the lock. Without a readable manifest, nothing is done.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return
    root = folder.resolve()
    own = {path.resolve().relative_to(root).as_posix() for path in files if path.resolve().is_relative_to(root)}
    new = {name: sha256(root / name) for name in own & manifest["files"].keys()}
    if any(manifest["files"][name] != digest for name, digest in new.items()):
        manifest["files"] |= new
        text = json.dumps(manifest, indent=1) + "\n"
        write_all({folder / MANIFEST: text.encode()}, "the manifest of the results cannot be written")


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


def counted(names: list[str], what: str) -> str:
    """Clause on files: how many are so, and the first three."""
    shown = ", ".join(sorted(names)[:3]) + (" ..." if len(names) > 3 else "")
    return f"{len(names)} {'file is' if len(names) == 1 else 'files are'} {what} ({shown})"
