"""Renaming and removal of files and folders. No other module of the package renames or removes anything.

Every function here is safe for files of the user, each for another reason:

- :func:`move` never replaces anything; :func:`replacing_path` replaces only the file that is written.
- :func:`temporary_folder` and :func:`remove_abandoned` remove folders with a random name that the package gave.
- :func:`remove_listed` removes files that a list names, and :func:`remove_below` what lies below a folder of the
  package that holds nothing else (see :mod:`b2m_encoding.io.marked`).
- :func:`remove_temporary_files` removes files with a random name that the package gave.
- :func:`remove_hash_named` removes a file that is named by a hash.

Symbolic links are never followed, neither those inside such a folder nor on the way to a listed file.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path, PurePosixPath

PARTIAL = "partial"
"""Label in the name of a folder that is being written."""
HASH = re.compile(r"[0-9a-f]{32}")


@contextmanager
def replacing_path(path: Path) -> Iterator[Path]:
    """Name for a temporary file beside a file; it replaces that file when the block ends, and not if the block fails.

    The name begins with a dot, holds a random part and ends as that of the file, for libraries that derive the format
    from it. Threads and processes that write the same file do not disturb each other: the last one wins.

    Examples
    --------
    >>> import numpy as np
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with replacing_path(Path(folder, "a.npy")) as temporary:
    ...         np.save(temporary, np.arange(3))
    ...     [path.name for path in Path(folder).iterdir()]
    ['a.npy']
    """
    temporary = path.with_name(f".{PARTIAL}-{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Create a folder; where the block fails, remove it and the folders above it that it needed, if they are empty."""
    missing = [path for path in (folder, *folder.absolute().parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in missing:
            remove_empty(path)
        raise


def is_temporary_file(name: str) -> bool:
    """Whether a file has the name of a temporary file, which a process that was killed leaves behind."""
    return re.match(rf"\.{PARTIAL}-[0-9a-f]{{8}}-.", name) is not None


def remove_temporary_files(folder: Path, endings: Iterable[str]) -> None:
    """Remove temporary files that killed processes left in a folder, of files whose names end so.

    Only for a caller that holds a lock, so that no other process writes these files.
    """
    ends = tuple(endings)
    for path in folder.iterdir() if folder.is_dir() else ():
        if is_temporary_file(path.name) and path.name.endswith(ends) and path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)


def free_name(path: Path, ending: str) -> Path:
    """Find a name beside a path that nothing has: ``a.tsv.edited``, ``a.tsv.edited-2`` ..."""
    names = (path.with_name(f"{path.name}.{ending}{f'-{number}' if number > 1 else ''}") for number in count(1))
    return next(name for name in names if not os.path.lexists(name))


def move(source: Path, target: Path) -> None:
    """Rename a file, link or folder to a name that is free.

    Raises
    ------
    FileExistsError
        If there is something of this name.
    OSError
        If the system refuses: ``EXDEV`` on another file system, ``EBUSY`` where a folder is a mount point.
    """
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:  # another process was faster
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        raise


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """New folder beside the place of a file or folder; at the end of the block it is removed with all that is in it.

    What shall stay is moved to its place before the block ends: the temporary folder itself, or a part of it.

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
    ...         move(folder, target)
    ...     [path.name for path in Path(parent).iterdir()]
    ['subject']
    """
    folder = random_sibling(path, PARTIAL)
    folder.mkdir(parents=True)
    created = _identity(folder)
    try:
        yield folder
    finally:
        if _identity(folder) == created:
            shutil.rmtree(folder, ignore_errors=True)


def random_sibling(path: Path, label: str) -> Path:
    """Name ``.NAME.LABEL-PID-RANDOM`` beside a file or folder called ``NAME``, which no other program gives."""
    return path.with_name(f".{path.name}.{label}-{os.getpid()}-{secrets.token_hex(4)}")


def siblings(path: Path, label: str) -> list[Path]:
    """Folders beside a file or folder that have names of :func:`random_sibling`.

    The match is exact, whatever signs the name holds; files and symbolic links do not match.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as parent:
    ...     for name in (".a[1].old-17", ".a[1].old-17-0f3c9a51", ".a[1].old-notes", ".a1.old-17-0f3c9a51"):
    ...         Path(parent, name).mkdir()
    ...     [folder.name for folder in siblings(Path(parent, "a[1]"), "old")]
    ['.a[1].old-17-0f3c9a51']
    """
    pattern = _pattern(re.escape(path.name), label)
    if not path.parent.is_dir():
        return []
    return sorted(entry for entry in path.parent.iterdir() if pattern.fullmatch(entry.name) and _is_folder(entry))


def remove_abandoned(
    path: Path, label: str = PARTIAL, ours: Callable[[Path], bool] = lambda folder: True
) -> list[Path]:
    """Remove folders with names of :func:`random_sibling` that killed processes left beside a file or folder.

    Only for a caller that holds a lock, so that no other process writes there.

    Parameters
    ----------
    path : Path
    label : str
    ours : callable
        Further test of what a folder holds; it is kept unless this is true.

    Returns
    -------
    list of Path
        The folders that were removed.
    """
    abandoned = [folder for folder in siblings(path, label) if ours(folder)]
    for folder in abandoned:
        shutil.rmtree(folder, ignore_errors=True)
    return abandoned


def remove_below(root: Path, path: Path) -> None:
    """Remove a file or folder below a folder of which all content is ours; links are removed, not followed.

    Raises
    ------
    ValueError
        If the path does not lie below the folder.
    """
    relative = path.relative_to(root)
    if not relative.parts or ".." in relative.parts or not path.parent.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"{path} is not below {root}")
    if _is_folder(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def temporary_below(root: Path) -> list[Path]:
    """Folders below a folder that have names of temporary folders."""
    pattern = _pattern(".+", PARTIAL)
    return [
        Path(folder, name) for folder, names, _ in os.walk(root) for name in sorted(names) if pattern.fullmatch(name)
    ]


def remove_hash_named(path: Path) -> None:
    """Remove a file that is named by a hash of 32 hexadecimal digits, as only the package names files."""
    if HASH.fullmatch(path.stem) and path.is_file() and not path.is_symlink():
        path.unlink(missing_ok=True)


def remove_listed(folder: Path, names: Iterable[str]) -> None:
    """Remove files of a folder, and the folders that held them, if they are empty then.

    A link or a folder in the place of a file, or a link in the place of a folder above it, is kept.

    Parameters
    ----------
    folder : Path
        It is kept itself.
    names : iterable of str
        Relative to the folder, with ``/`` between folders.
    """
    held: set[Path] = set()
    for name in sorted(names):
        path = folder
        for part in PurePosixPath(name).parts:
            path = path / part
            if path.is_symlink():
                break
        else:
            held.update(folder.joinpath(*parent.parts) for parent in PurePosixPath(name).parents if parent.parts)
            if path.is_file():
                path.unlink()
    for path in sorted(held, key=lambda path: -len(path.parts)):
        with suppress(OSError):  # not empty, or gone
            path.rmdir()


def remove_empty(folder: Path) -> None:
    """Remove a folder if it is empty."""
    with suppress(OSError):
        folder.rmdir()


def _pattern(name: str, label: str) -> re.Pattern[str]:
    return re.compile(rf"\.{name}\.{re.escape(label)}-[0-9]+-[0-9a-f]{{8}}", re.DOTALL)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _identity(folder: Path) -> tuple[int, int] | None:
    """Device and inode of a folder; None if it is gone."""
    try:
        state = folder.lstat()
    except OSError:
        return None
    return state.st_dev, state.st_ino
