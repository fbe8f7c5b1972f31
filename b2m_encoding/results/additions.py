"""What others put into results: kept when the results are written anew."""

from __future__ import annotations

import logging
import os
from pathlib import Path, PurePosixPath

from b2m_encoding.io.marked import entries
from b2m_encoding.io.removal import free_name, is_temporary_file, move
from b2m_encoding.results.manifest import is_intact, read_manifest
from b2m_encoding.results.schema.files import MANIFEST

logger = logging.getLogger(__name__)

EDITED = "edited"
TEXTS = (".tsv", ".json", ".toml", ".txt", ".html", "")
"""Suffixes of files that people edit: tables, descriptions, the study file, captions, pages, README."""


def keep_additions(earlier: Path, results: Path) -> list[Path]:
    """Move what others put into earlier results to the new ones.

    Files, links and empty folders that the manifest does not list are kept under their names: figures drawn on demand,
    pages, notes. Without a readable manifest, that is everything that the new results do not have. Texts that were
    edited, and links in the place of a file, are kept as ``NAME.edited`` and logged.

    Parameters
    ----------
    earlier, results : Path
        On one file system.

    Returns
    -------
    list of Path
        Files that are kept under another name.
    """
    for folder in _empty_folders(earlier):
        _make_folder(results / folder, results)
    manifest = read_manifest(earlier)
    written: dict[str, str] = {} if manifest is None else manifest["files"]
    names = [name for name in sorted(entries(earlier)) if name != MANIFEST and not is_temporary_file(Path(name).name)]
    for name in names:
        target = results / name
        if name not in written and not os.path.lexists(target) and _make_folder(target.parent, results):
            move(earlier / name, target)
    renamed = []
    for name in (name for name in names if os.path.lexists(earlier / name)):
        source, added = earlier / name, name not in written
        if source.is_symlink() or (added and manifest is not None) or is_edited(source, name, written):
            target = _aside(results, name)
            move(source, target)
            renamed.append(target)
            logger.warning("%s of the earlier results is not as it was written; it is kept as %s", name, target)
    return renamed


def _empty_folders(folder: Path) -> list[Path]:
    """Folders below a folder that hold nothing, relative to it: the package itself leaves none."""
    return [Path(place).relative_to(folder) for place, folders, files in os.walk(folder) if not (folders or files)]


def is_edited(path: Path, name: str, written: dict[str, str]) -> bool:
    """Whether a text is not as it was written."""
    parts = PurePosixPath(name)
    if parts.suffix not in TEXTS or ".zarr/" in name or name not in written:
        return False
    return path.is_file() and not is_intact(path, written[name])


def _make_folder(folder: Path, results: Path) -> bool:
    """Create a folder below results; False if a file or link of the results is in its place."""
    for place in (folder, *folder.parents):
        if place == results:
            break
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            return False
    folder.mkdir(parents=True, exist_ok=True)
    return True


def _aside(results: Path, name: str) -> Path:
    """A free name for an edited file, beside the new one, or at the top of the results."""
    target = results / PurePosixPath(name)
    return free_name(target if _make_folder(target.parent, results) else results / target.name, EDITED)
