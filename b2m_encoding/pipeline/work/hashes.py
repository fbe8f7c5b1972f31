"""Hashes of input files, remembered as long as the file system says that a file is the same."""

from __future__ import annotations

import json
from pathlib import Path

from b2m_encoding.spaces.files import sha256
from b2m_encoding.spaces.writing import replacing


class FileHashes:
    """SHA-256 of files.

    A file is read again if its size, inode, time of modification or time of change differ: the last one is set by the
    system at every write, and cannot be set back.

    Parameters
    ----------
    memory : Path
        Where hashes are remembered; a damaged file is forgotten.
    """

    def __init__(self, memory: Path) -> None:
        self.memory = memory
        try:
            self.known: dict[str, list[object]] = dict(json.loads(memory.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            self.known = {}
        self.changed = False

    def of(self, path: Path) -> str:
        """Hash of a file; "missing" if there is none."""
        try:
            about = path.stat()
        except OSError:
            return "missing"
        state: list[object] = [about.st_size, about.st_ino, about.st_mtime_ns, about.st_ctime_ns]
        entry = self.known.get(str(path))
        if not (isinstance(entry, list) and len(entry) == 5 and entry[:4] == state):
            entry = self.known[str(path)] = [*state, sha256(path)]
            self.changed = True
        return str(entry[4])

    def save(self) -> None:
        """Remember what was hashed."""
        if self.changed:
            with replacing(self.memory) as stream:
                stream.write(json.dumps(self.known).encode())
            self.changed = False
