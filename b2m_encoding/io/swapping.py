"""Put a complete folder in the place of another one: by renaming, or by its content where renaming is impossible."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from b2m_encoding.io.marked import mark_folder, remove_work
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.removal import move, random_sibling, remove_abandoned, siblings, temporary_folder
from b2m_encoding.io.writing import write_whole

OLD = "old"
"""Label in the name of a folder that has been replaced."""
SWAP = ".b2m_encoding-swap"
"""Folder in which content is swapped, below the folder that is replaced."""
LOG = "swap.json"
NOT_RENAMED = (errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS)
"""Reasons why a folder cannot be renamed although its content can: a mount point, or a parent that is read-only."""

Keep = Callable[[Path, Path], object]
"""Called with the replaced folder and the new one: moves what shall stay from the first to the second."""


def place_of(path: Path) -> Path:
    """The folder that is written for a path: the target of a link, so that the link stays."""
    return path.resolve() if path.is_symlink() else path.absolute()


def staging_place(path: Path) -> Path:
    """Path beside which a new version is written: the path itself, or one below it where it is a mount point."""
    if path.is_dir() and (os.path.ismount(path) or not os.access(path.parent, os.W_OK)):
        return path / path.name
    return path


def put_in_place(folder: Path, path: Path, keep: Keep) -> None:
    """Put a complete folder in the place of another one, and remove that one.

    A process that is killed leaves the earlier or the new version, and what is missing of it in a hidden folder: see
    :func:`finish_replacing`.

    Parameters
    ----------
    folder : Path
        The new version, of :func:`~b2m_encoding.io.removal.temporary_folder` beside :func:`staging_place`.
    path : Path
        The folder that is replaced; no link. It need not exist.
    keep : callable
        Called with the replaced folder and the new one: moves what shall stay. What it leaves is removed.
    """
    if folder.parent == path:
        return _swap_content(folder, path, keep)
    old = random_sibling(path, OLD)
    try:
        with suppress(FileNotFoundError):
            move(path, old)
    except OSError as error:
        if error.errno not in NOT_RENAMED:
            raise
        return _swap_content(folder, path, keep)
    try:
        move(folder, path)
    except OSError:
        with suppress(FileNotFoundError):
            move(old, path)
        raise
    _keep_and_remove(path, keep, lambda replaced: replaced == old)


def finish_replacing(path: Path, keep: Keep, ours: Callable[[Path], bool]) -> None:
    """Finish what a killed process began: complete a swap, restore or remove a version, remove partial ones.

    Only for a caller that holds a lock.

    Parameters
    ----------
    path : Path
        No link.
    keep : callable
        As of :func:`put_in_place`.
    ours : callable
        Whether a folder is a version that the package wrote; others are left alone.
    """
    if (path / SWAP / LOG).is_file():
        _complete_swap(path, keep)
    else:
        remove_work(path / SWAP, "swap")
    old = [folder for folder in siblings(path, OLD) if ours(folder)]
    if old and not os.path.lexists(path):
        move(old.pop(), path)
    _keep_and_remove(path, keep, ours)
    for place in (path, path / path.name):
        remove_abandoned(place, ours=lambda folder: ours(folder) or not any(folder.iterdir()))


def _keep_and_remove(path: Path, keep: Keep, ours: Callable[[Path], bool]) -> None:
    for folder in siblings(path, OLD):
        if ours(folder):
            keep(folder, path)
    remove_abandoned(path, OLD, ours)


def _swap_content(folder: Path, path: Path, keep: Keep) -> None:
    """Move all entries of a folder away and those of a new version in, on the file system of the folder."""
    swap = path / SWAP
    mark_folder(swap, "swap")
    (swap / OLD).mkdir()
    try:
        move(folder, swap / "new")
    except OSError as error:
        if error.errno not in NOT_RENAMED:
            raise
        with temporary_folder(swap / "new") as copied:
            shutil.copytree(folder, copied, symlinks=True, dirs_exist_ok=True)
            move(copied, swap / "new")
    log = {"old": sorted(set(os.listdir(path)) - {SWAP}), "new": sorted(os.listdir(swap / "new"))}
    write_whole(swap / LOG, json.dumps(log))
    _complete_swap(path, keep)


def _complete_swap(path: Path, keep: Keep) -> None:
    """Do what is left of a swap whose log is written; it may be stopped and called again at any point."""
    swap = path / SWAP
    log = parse_json((swap / LOG).read_text(encoding="utf-8"))
    for name in log["old"]:
        if os.path.lexists(path / name) and not os.path.lexists(swap / OLD / name):  # else it was moved before
            move(path / name, swap / OLD / name)
    for name in log["new"]:
        if os.path.lexists(swap / "new" / name):
            move(swap / "new" / name, path / name)
    keep(swap / OLD, path)
    remove_work(path / SWAP, "swap")
