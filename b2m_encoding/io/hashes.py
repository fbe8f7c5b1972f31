"""SHA-256 of files, stored until size or times of a file change."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

from b2m_encoding.io.cache import cache_folder
from b2m_encoding.io.writing import write_whole


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@cache
def file_digest(path: Path) -> str:
    """SHA-256 of a file that does not change while the program runs."""
    return sha256(path)


def file_hash(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, from the cache if the file has not changed since.

    A cache that cannot be written is no error: the hash is then computed each time.
    """
    state = path.stat()
    key = f"{path.resolve()}|{state.st_size}|{state.st_mtime_ns}"
    note = cache_folder() / "hashes" / hashlib.sha256(key.encode()).hexdigest()[:32]
    digest = _read(note)
    if digest is None:
        digest = sha256(path)
        _write(note, digest)
    return digest


def _read(note: Path) -> str | None:
    try:
        text = note.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return text if re.fullmatch(r"[0-9a-f]{64}", text) else None


def _write(note: Path, text: str) -> None:
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        write_whole(note, text)


class FileHashes:
    """Table of the SHA-256 of files, kept in a JSON file.

    A file is read again if its size, inode, time of modification or time of change differ: the last one is set by the
    system at every write, and cannot be set back.

    Parameters
    ----------
    memory : Path
        JSON file of the table; a damaged one is ignored.
    """

    def __init__(self, memory: Path) -> None:
        self.memory = memory
        try:
            self.known: dict[str, list[object]] = dict(json.loads(memory.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            self.known = {}
        self.changed = False

    def of(self, path: Path) -> str:
        """SHA-256 of a file; "missing" if there is none."""
        try:
            status = path.stat()
        except OSError:
            return "missing"
        state: list[object] = [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]
        entry = self.known.get(str(path))
        if not (isinstance(entry, list) and len(entry) == 5 and entry[:4] == state):
            entry = self.known[str(path)] = [*state, sha256(path)]
            self.changed = True
        return str(entry[4])

    def save(self) -> None:
        """Write the table, if it changed."""
        if self.changed:
            write_whole(self.memory, json.dumps(self.known))
            self.changed = False
