"""Hashes of large files, computed once: kept by path, size and time of change."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from tempfile import NamedTemporaryFile

from b2m_encoding.spaces.cache import cache_folder
from b2m_encoding.spaces.files import sha256


def file_hash(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, from the cache if the file has not changed since.

    A cache that cannot be written is no error: the hash is then computed each time.
    """
    state = path.stat()
    key = f"{path.resolve()}|{state.st_size}|{state.st_mtime_ns}"
    note = cache_folder() / "hashes" / hashlib.sha256(key.encode()).hexdigest()[:32]
    found = _read(note)
    if found is None:
        found = sha256(path)
        _write(note, found)
    return found


def _read(note: Path) -> str | None:
    try:
        text = note.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return text if re.fullmatch(r"[0-9a-f]{64}", text) else None


def _write(note: Path, text: str) -> None:
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=note.parent, prefix=".partial-", delete=False, encoding="ascii") as stream:
            stream.write(text)
        Path(stream.name).replace(note)
    except OSError:
        return
