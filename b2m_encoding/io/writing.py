"""Files that are written whole or not at all, in folders that one process writes at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from b2m_encoding.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file beside its place; it takes that place when the block ends, and not if it fails.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "a.txt")) as stream:
    ...         written = stream.write(b"whole")
    ...     Path(folder, "a.txt").read_text()
    'whole'
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            yield stream
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def telling(problem: str, folder: Path) -> Iterator[None]:
    """Tell what the system refuses within the block, a disk that is full or a folder that is read-only, as an error.

    Parameters
    ----------
    problem : str
    folder : Path
        Told where the system names no file.

    Raises
    ------
    InputError
        With the file, and what the system says.
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
    """Keep other processes out of the folder of a lock, which is made; it ends with this process, however that ends.

    Parameters
    ----------
    lock : Path
        File that stands for the folder; it stays.
    problem : str
        What is told where another process has it.

    Raises
    ------
    InputError
        If another process has it, or the folder cannot be written.
    """
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
