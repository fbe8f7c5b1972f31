"""Memory that this process may still use: that of the machine, of its container (cgroup), or of a limit."""

from __future__ import annotations

import ctypes
import resource
from contextlib import suppress
from pathlib import Path


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that are free for this process; None where the system does not tell.

    Parameters
    ----------
    root : Path
        Folder with ``proc`` and ``sys``.

    Returns
    -------
    int or None
        The least of what the machine has available, of what is left below the limits of the control groups of this
        process (version 1 or 2; its file cache counts as free), and of a limit of its address space.
    """
    found = [_of_machine(root), *_of_groups(root)]
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        found.append(limit)
    known = [size for size in found if size is not None]
    return max(min(known), 0) if known else None


def _of_machine(root: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _of_groups(root: Path) -> list[int | None]:
    """What is left below the limit of every control group of this process, up to the root."""
    names = {"": "/", "memory": "/"}
    with suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, name = line.split(":", 2)
            for controller in controllers.split(","):
                names[controller] = name
    left: list[int | None] = []
    for base, name, files in (
        (root / "sys/fs/cgroup", names[""], ("memory.max", "memory.current", "inactive_file")),
        (
            root / "sys/fs/cgroup/memory",
            names["memory"],
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ),
    ):
        folder = base / name.strip("/")
        left += [_left(place, *files) for place in (folder, *folder.parents) if place.is_relative_to(base)]
    return left


def _left(folder: Path, limit: str, usage: str, cache: str) -> int | None:
    try:
        most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
    except (OSError, ValueError):  # no such group, or "max"
        return None
    with suppress(OSError, ValueError, IndexError):
        lines = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        used -= int(lines.get(cache, 0))
    return most - used


def return_freed_memory() -> None:
    """Return memory that was freed to the system where the C library can; it keeps arrays up to 32 MB otherwise."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
