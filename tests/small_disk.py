"""A small file system in memory, to fill up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SmallDisk:
    """A mounted file system.

    Parameters
    ----------
    path : Path
        Its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / ".ballast"

    def fill(self, room: int) -> None:
        """Fill it up but for some bytes."""
        self.clear()
        state = os.statvfs(self.path)
        self._ballast.write_bytes(b"\0" * (state.f_bavail * state.f_frsize - room))

    def clear(self) -> None:
        """Make room again."""
        self._ballast.unlink(missing_ok=True)

    def names(self) -> set[str]:
        """Files and folders on it."""
        return {path.relative_to(self.path).as_posix() for path in self.path.rglob("*")} - {self._ballast.name}


@contextmanager
def mounted(path: Path, megabytes: int) -> Iterator[SmallDisk | None]:
    """Mount a small disk; None where this process may not."""
    path.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
