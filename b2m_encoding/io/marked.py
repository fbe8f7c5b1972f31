"""Folders of the package: a marker in each lists the files that the package wrote, and nothing else is removed.

A *marked* folder lists in ``.b2m_encoding.json`` the files that the package writes into it. :func:`mark_folder` writes
this list before the files; :func:`remove_written` removes what is listed, and keeps everything else. Working folders,
of kinds in :data:`WHOLE`, hold nothing of the user's; :func:`remove_work` removes what is in them without a list.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath

from b2m_encoding.errors import InputError
from b2m_encoding.io.names import first_of
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.removal import (
    is_temporary_file,
    remove_below,
    remove_empty,
    remove_listed,
    replacing_path,
    temporary_below,
)

MARKER = ".b2m_encoding.json"
SOFTWARE = "b2m_encoding"
WHOLE = ("work", "shards", "swap")
"""Kinds of hidden folders in which everything is ours."""
KINDS = (*WHOLE, "corpus", "demo")


def mark_folder(folder: Path, kind: str, files: Iterable[str] = (), *, beside: Collection[str] = ()) -> None:
    """Create a folder of the package, or list more files of one, before they are written.

    Parameters
    ----------
    folder : Path
        A new or empty folder, or one that is marked as of the same kind.
    kind : str
        What the folder holds, such as ``"corpus"``; a folder of one kind is never taken for another.
    files : iterable of str
        Files that are about to be written, relative to the folder, with ``/`` between folders.
    beside : collection of str
        Names that a folder may hold and still count as empty, such as that of a lock.

    Raises
    ------
    InputError
        If the folder holds something else, or the name of a file leads out of it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as parent:
    ...     folder = Path(parent, "corpus")
    ...     mark_folder(folder, "corpus", ["clips.tsv", "vectors/1.npz"])
    ...     _ = Path(folder, "clips.tsv").write_text("written by the package")
    ...     _ = Path(folder, "notes.txt").write_text("written by the user")
    ...     remove_written(folder, "corpus"), sorted(path.name for path in folder.iterdir())
    (['notes.txt'], ['notes.txt'])
    """
    names = list(files)
    if outside := [name for name in names if not _is_inside(name)]:
        raise InputError("the name of a file leads out of its folder", file=folder, found=outside)
    check_markable(folder, kind, beside=beside)
    known = written_files(folder, kind)
    if known is not None and set(names) <= set(known):
        return
    folder.mkdir(parents=True, exist_ok=True)
    _write_marker(folder, kind, {*(known or ()), *names})


def check_markable(folder: Path, kind: str, *, beside: Collection[str] = ()) -> None:
    """Raise an error unless a folder is new, empty or marked as of this kind; see :func:`mark_folder`.

    Raises
    ------
    InputError
        With some of the names that it holds.
    """
    if written_files(folder, kind) is not None:
        return
    if folder.is_dir():
        others = [name for name in os.listdir(folder) if name not in beside and not is_temporary_file(name)]
    else:
        others = [folder.name] if os.path.lexists(folder) and not folder.is_symlink() else []
    if others:
        found = first_of(sorted(others), 5)
        raise InputError(
            "the folder holds something else",
            file=folder,
            found=found,
            expected=f"a new folder, or {kind}",
            fix="choose another folder; one that an earlier version of b2m_encoding wrote may be removed",
        )


def written_files(folder: Path, kind: str) -> tuple[str, ...] | None:
    """Files that the marker of a folder lists; None if it is not marked as a folder of this kind.

    A damaged marker is as none; but a working folder needs no list, and stays ours.
    """
    marker = folder / MARKER
    if marker.is_symlink() or not marker.is_file():
        return None
    try:
        content = parse_json(marker.read_text(encoding="utf-8"))
        if content["software"] == SOFTWARE and content["kind"] == kind:
            return tuple(name for name in content["files"] if _is_inside(name))
        damaged = content["software"] != SOFTWARE or content["kind"] not in KINDS
    except OSError:
        return None
    except (ValueError, KeyError, TypeError):
        damaged = True
    return () if damaged and kind in WHOLE else None


def remove_written(folder: Path, kind: str, files: Iterable[str] | None = None) -> list[str]:
    """Remove the listed files of a marked folder, the folders that held them, and itself if nothing is left.

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
    listed = _listed(folder, kind)
    chosen = set(listed) if files is None else set(listed) & set(files)
    remove_listed(folder, chosen)
    if files is None:
        remove_listed(folder, [MARKER])
        remove_empty(folder)
    else:
        _write_marker(folder, kind, set(listed) - chosen)
    return sorted(entries(folder))


def remove_work(folder: Path, kind: str, path: Path | None = None) -> None:
    """Remove a working folder, or a part of it; links in it are removed, not followed.

    Parameters
    ----------
    folder : Path
        Marked; if it does not exist, nothing is done.
    kind : str
        Of :data:`WHOLE`.
    path : Path, optional
        File or folder below it; by default all of it.

    Raises
    ------
    InputError
        If the folder is not marked as one of this kind.
    """
    if not folder.exists():
        return
    if kind not in WHOLE:
        raise ValueError(f"folders of kind {kind} may hold files of the user")
    _listed(folder, kind)
    if path is not None:
        return remove_below(folder, path)
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name == MARKER):  # the marker goes last
        remove_below(folder, entry)
    remove_empty(folder)


def remove_abandoned_work(folder: Path, kind: str) -> None:
    """Remove temporary folders that killed processes left in a working folder; the caller holds its lock."""
    for path in temporary_below(folder):
        remove_work(folder, kind, path)


def entries(folder: Path) -> Iterator[str]:
    """Names of everything below a folder but plain folders; links to folders are named and not entered."""
    for root, folders, files in os.walk(folder):
        links = [name for name in folders if Path(root, name).is_symlink()]
        for name in (*files, *links):
            relative = Path(root, name).relative_to(folder).as_posix()
            if relative != MARKER:
                yield relative


def _listed(folder: Path, kind: str) -> tuple[str, ...]:
    listed = written_files(folder, kind)
    if listed is None:
        raise InputError("the folder was not written by this package and is kept", file=folder, expected=kind)
    return listed


def _is_inside(name: object) -> bool:
    """Whether a listed name leads to a file below its folder, other than the marker."""
    if not isinstance(name, str) or "\\" in name or "\0" in name:
        return False
    parts = PurePosixPath(name).parts
    return bool(parts) and parts != (MARKER,) and parts[0] != "/" and ".." not in parts


def _write_marker(folder: Path, kind: str, files: Iterable[str]) -> None:
    content = {"software": SOFTWARE, "kind": kind, "files": sorted(files)}
    with replacing_path(folder / MARKER) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
