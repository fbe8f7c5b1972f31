"""Atomic writing of files, errors of full disks, and locks on folders."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from b2m_encoding.errors import InputError
from b2m_encoding.io.removal import new_folder, replacing_path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL_TEXTS = (*(os.strerror(code) for code in FULL), "requested and")
"""Parts of the messages of a full disk where an error has no number: numpy has "N requested and M written"."""
AGAIN = "give the same command again: what is done is kept"
UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Binary stream to a temporary file that replaces a file when the block ends, and not if the block fails.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "a.txt")) as stream:
    ...         written = stream.write(b"whole")
    ...     Path(folder, "a.txt").read_text()
    'whole'
    """
    with replacing_path(path) as temporary, temporary.open("wb") as stream:
        yield stream


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write a file of text (UTF-8) or bytes, whole or not at all.

    Returns
    -------
    Path
        The file.
    """
    with replacing(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
    return path


def write_all(contents: Mapping[Path, str | bytes], problem: str) -> list[Path]:
    """Write several files of text (UTF-8) or bytes: all of them, or none.

    A symbolic link in the place of a file stays; the file that it leads to is replaced.

    Parameters
    ----------
    contents : mapping of Path to str or bytes
    problem : str
        Message of the error if they cannot be written.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InputError
        With the folder, and how much is needed and free if the disk is full.
    """
    data = {path: part.encode() if isinstance(part, str) else part for path, part in contents.items()}
    folders = list(dict.fromkeys(path.parent for path in data))
    with reported_as_input_error(problem, folders[0], sum(map(len, data.values()))), ExitStack() as stack:
        for folder in folders:
            stack.enter_context(new_folder(folder))
        for path, part in data.items():
            target = path.resolve() if path.is_symlink() else path
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            stack.enter_context(replacing_path(target)).write_bytes(part)
    return list(data)


@contextmanager
def reported_as_input_error(problem: str, folder: Path, needed: int | None = None) -> Iterator[None]:
    """Raise what the system refuses within the block (a full disk, a read-only folder) as an :class:`InputError`.

    Parameters
    ----------
    problem : str
    folder : Path
        Where the block writes. Named by the error where the system names no file, and where the disk is full.
    needed : int, optional
        Bytes that the block writes.

    Raises
    ------
    InputError
        With the file and the reason that the system gives; with the room on the disk, if it is full.
    """
    try:
        yield
    except OSError as error:
        raise write_error(problem, folder, error, needed) from error


def write_error(problem: str, folder: Path, error: OSError, needed: int | None = None) -> InputError:
    """Error for the user from one of the system; see :func:`reported_as_input_error`."""
    if is_full(error):
        if (limit := _size_limit(error)) is not None:
            return InputError(
                f"{problem}: a file would be larger than this process may write",
                file=error.filename or folder,
                found=f"{os.strerror(errno.EFBIG)}; {limit}",
                fix=f"raise the limit (ulimit -f unlimited), or choose a disk whose files may be larger, then {AGAIN}",
            )
        return InputError(
            f"{problem}: the disk is full",
            file=folder,
            found=f"{_reason(error)}; {_size(_free(folder))} free",
            expected=None if needed is None else f"{_size(needed)} free",
            fix=f"free space there, or choose a folder on another disk, then {AGAIN}",
        )
    return InputError(
        problem,
        file=error.filename or folder,
        found=_reason(error),
        fix=f"make the folder writable, or choose another one, then {AGAIN}",
    )


def is_full(error: OSError) -> bool:
    """Whether a disk, a quota or the largest size of a file was exceeded."""
    return error.errno in FULL or any(text in str(error) for text in FULL_TEXTS)


def _size_limit(error: OSError) -> str | None:
    """Largest size of a file, where it is this that was exceeded and not the room on a disk."""
    largest = _own_limit()
    named = error.errno == errno.EFBIG or os.strerror(errno.EFBIG) in str(error)
    if not named and (error.errno is not None or largest is None or os.strerror(errno.ENOSPC) in str(error)):
        return None
    if not named and (free := _free(Path.cwd())) is not None and free < (largest or 0):
        return None
    return f"a file may have {_size(largest)}" if largest is not None else "the limit is that of its disk"


def _own_limit() -> int | None:
    """Largest size of a file of this process, bytes; None if there is none."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    largest = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if largest == resource.RLIM_INFINITY else largest


def _reason(error: OSError) -> str:
    """Reason of the system; libraries may name it in their text alone."""
    if error.errno is None and is_full(error):
        return next((os.strerror(code) for code in FULL if os.strerror(code) in str(error)), os.strerror(FULL[0]))
    return error.strerror or str(error)


def _free(folder: Path) -> int | None:
    """Bytes that are free on the disk of a folder, which need not exist."""
    try:
        return shutil.disk_usage(next(path for path in (folder, *folder.absolute().parents) if path.exists())).free
    except OSError:
        return None


def _size(n_bytes: int | None) -> str:
    if n_bytes is None:
        return "unknown space"
    unit, name = next((pair for pair in UNITS if n_bytes >= pair[0]), UNITS[-1])
    return f"{n_bytes / unit:.1f} {name}"


@contextmanager
def locked(lock: Path, problem: str, wait: float = 0.0) -> Iterator[None]:
    """Lock a folder against other processes; the lock ends with the block, or with this process.

    Parameters
    ----------
    lock : Path
        File that stands for its folder, which is created; the file is not removed.
    problem : str
        Message of the error where another process holds the lock.
    wait : float
        Longest time to wait for that process, s; -1 without limit.

    Raises
    ------
    InputError
        If another process holds the lock, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(lock, timeout=wait)
        held.acquire()
    except Timeout as error:
        raise InputError(problem, file=lock.parent, fix="wait for it, or stop it") from error
    except OSError as error:
        raise InputError("the folder cannot be written", file=lock.parent, found=error.strerror) from error
    try:
        yield
    finally:
        held.release()
