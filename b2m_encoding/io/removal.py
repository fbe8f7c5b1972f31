"""Removal of files and folders that the package wrote, and of nothing else. No other module removes anything.

There are two kinds of folders that may be removed:

- A *marked* folder lists in ``.b2m_encoding.json`` the files that the package writes into it. :func:`mark_folder`
  writes this list before the files; :func:`remove_written` removes what is listed, and keeps everything else.
- A *temporary* folder has a random name and was created by this process; :func:`temporary_folder` removes it with all
  that is in it. A process that is killed leaves it behind: :func:`remove_abandoned` removes it later.

Symbolic links are never followed, neither those inside such a folder nor on the way to a listed file.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from b2m_encoding.errors import InputError
from b2m_encoding.io.writing import write_whole

MARKER = ".b2m_encoding.json"
SOFTWARE = "b2m_encoding"
PARTIAL = "partial"
"""Label in the name of a folder that is being written."""


def mark_folder(folder: Path, kind: str, files: Iterable[str] = ()) -> None:
    """Create a folder of the package, or list more files of one, before they are written.

    Parameters
    ----------
    folder : Path
        A new or empty folder, or one that is marked as of the same kind.
    kind : str
        What the folder holds, such as ``"results"``; a folder of one kind is never taken for another.
    files : iterable of str
        Files that are about to be written, relative to the folder, with ``/`` between folders.

    Raises
    ------
    InputError
        If the folder holds something else, or the name of a file leads out of it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as parent:
    ...     folder = Path(parent, "corpus")
    ...     mark_folder(folder, "corpus", ["clips.tsv", "shards/1.npz"])
    ...     _ = Path(folder, "clips.tsv").write_text("written by the package")
    ...     _ = Path(folder, "notes.txt").write_text("written by the user")
    ...     remove_written(folder, "corpus"), sorted(path.name for path in folder.iterdir())
    (['notes.txt'], ['notes.txt'])
    """
    names = list(files)
    if outside := [name for name in names if not _is_inside(name)]:
        raise InputError("the name of a file leads out of its folder", file=folder, found=outside)
    known = written_files(folder, kind)
    if known is None and (folder.is_file() or (folder.is_dir() and any(folder.iterdir()))):
        raise InputError("the folder holds something else", file=folder, expected=f"a new folder, or {kind}")
    folder.mkdir(parents=True, exist_ok=True)
    _write_marker(folder, kind, {*(known or ()), *names})


def written_files(folder: Path, kind: str) -> tuple[str, ...] | None:
    """Files that the marker of a folder lists; None if it is not marked as a folder of this kind."""
    marker = folder / MARKER
    try:
        content = json.loads(marker.read_text(encoding="utf-8"))
        ours = content["software"] == SOFTWARE and content["kind"] == kind and not marker.is_symlink()
        return tuple(name for name in content["files"] if _is_inside(name)) if ours else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remove_written(folder: Path, kind: str, files: Iterable[str] | None = None) -> list[str]:
    """Remove the listed files of a marked folder, then empty folders in it, and itself if nothing is left.

    Parameters
    ----------
    folder : Path
        If it does not exist, nothing is done.
    kind : str
        As it was marked.
    files : iterable of str, optional
        Only these of the listed files; the folder then stays marked.

    Returns
    -------
    list of str
        Names of all files and links that were kept, relative to the folder: those of the user, and with ``files`` the
        others that are listed.

    Raises
    ------
    InputError
        If the folder is not marked as one of this kind.
    OSError
        If the system refuses; the folder then is still marked, so that it can be removed later.
    """
    if not folder.exists():
        return []
    listed = written_files(folder, kind)
    if listed is None:
        raise InputError("the folder was not written by this package and is kept", file=folder, expected=kind)
    chosen = set(listed) if files is None else set(listed) & set(files)
    for name in sorted(chosen):
        _remove_file(folder, name)
    if files is None:
        (folder / MARKER).unlink()
    else:
        _write_marker(folder, kind, set(listed) - chosen)
    for root, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):  # not empty, or itself a link
            os.rmdir(root)
    return sorted(_entries(folder))


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """New folder beside the place of a file or folder; at the end of the block it is removed with all that is in it.

    What shall stay is renamed to its place before the block ends: the temporary folder itself, or a part of it.

    Parameters
    ----------
    path : Path
        The folder is called ``.NAME.partial-PID-RANDOM`` after its last part.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as parent:
    ...     target = Path(parent, "subject")
    ...     with temporary_folder(target) as folder:
    ...         _ = Path(folder, "surface.gii").write_text("all of it")
    ...         _ = folder.rename(target)
    ...     [path.name for path in Path(parent).iterdir()]
    ['subject']
    """
    folder = path.with_name(f".{path.name}.{PARTIAL}-{os.getpid()}-{secrets.token_hex(4)}")
    folder.mkdir(parents=True)
    created = _identity(folder)
    try:
        yield folder
    finally:
        if _identity(folder) == created:
            shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(path: Path) -> list[Path]:
    """Remove temporary folders that killed processes left beside a file or folder.

    Only for a caller that holds a lock, so that no other process writes there.

    Returns
    -------
    list of Path
        The folders that were removed.
    """
    abandoned = siblings(path, PARTIAL)
    for folder in abandoned:
        shutil.rmtree(folder, ignore_errors=True)
    return abandoned


def siblings(path: Path, label: str) -> list[Path]:
    """Folders called ``.NAME.LABEL-PID`` or ``.NAME.LABEL-PID-RANDOM`` beside a file or folder called ``NAME``.

    The match is exact, whatever signs the name holds; files and symbolic links do not match.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as parent:
    ...     for name in (".a[1].old-17", ".a[1].old-17-0f3c9a51", ".a[1].old-notes", ".a1.old-17"):
    ...         Path(parent, name).mkdir()
    ...     [folder.name for folder in siblings(Path(parent, "a[1]"), "old")]
    ['.a[1].old-17', '.a[1].old-17-0f3c9a51']
    """
    pattern = re.compile(rf"\.{re.escape(path.name)}\.{re.escape(label)}-[0-9]+(-[0-9a-f]{{8}})?")
    if not path.parent.is_dir():
        return []
    return sorted(
        entry
        for entry in path.parent.iterdir()
        if pattern.fullmatch(entry.name) and entry.is_dir() and not entry.is_symlink()
    )


def _is_inside(name: object) -> bool:
    """Whether a listed name leads to a file below its folder, other than the marker."""
    if not isinstance(name, str) or "\\" in name or "\0" in name:
        return False
    parts = PurePosixPath(name).parts
    return bool(parts) and parts != (MARKER,) and parts[0] != "/" and ".." not in parts


def _write_marker(folder: Path, kind: str, files: Iterable[str]) -> None:
    content = {"software": SOFTWARE, "kind": kind, "files": sorted(files)}
    write_whole(folder / MARKER, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _remove_file(folder: Path, name: str) -> None:
    """Remove a listed file, unless a link or a folder has taken its place or that of a folder above it."""
    path = folder
    for part in PurePosixPath(name).parts:
        path = path / part
        if path.is_symlink():
            return
    if path.is_file():
        path.unlink()


def _entries(folder: Path) -> Iterator[str]:
    """Everything below a folder but plain folders; links to folders are named and not entered."""
    for root, folders, files in os.walk(folder):
        links = [name for name in folders if Path(root, name).is_symlink()]
        for name in (*files, *links):
            relative = Path(root, name).relative_to(folder).as_posix()
            if relative != MARKER:
                yield relative


def _identity(folder: Path) -> tuple[int, int] | None:
    """Device and inode of a folder; None if it is gone."""
    try:
        state = folder.lstat()
    except OSError:
        return None
    return state.st_dev, state.st_ino
