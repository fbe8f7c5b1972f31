"""Atomic writing of files, and locks on folders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from b2m_encoding.errors import InputError
from b2m_encoding.io.removal import replacing_path


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


@contextmanager
def reported_as_input_error(problem: str, folder: Path) -> Iterator[None]:
    """Raise what the system refuses within the block (a full disk, a read-only folder) as an :class:`InputError`.

    Parameters
    ----------
    problem : str
    folder : Path
        Named by the error where the system names no file.

    Raises
    ------
    InputError
        With the file and the reason that the system gives.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            problem,
            file=error.filename or folder,
            found=error.strerror or error,
            fix="make room, or let it be written, and give the same command again: what is done is kept",
        ) from error


@contextmanager
def locked(lock: Path, problem: str) -> Iterator[None]:
    """Lock a folder against other processes; the lock ends with the block, or with this process.

    Parameters
    ----------
    lock : Path
        File that stands for its folder, which is created; the file is not removed.
    problem : str
        Message of the error where another process holds the lock.

    Raises
    ------
    InputError
        If another process holds the lock, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(lock, timeout=0)
        held.acquire()
    except Timeout as error:
        raise InputError(problem, file=lock.parent, fix="wait for it, or stop it") from error
    except OSError as error:
        raise InputError("the folder cannot be written", file=lock.parent, found=error.strerror) from error
    try:
        yield
    finally:
        held.release()
