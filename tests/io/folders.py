"""A folder of files, and its content by name."""

from __future__ import annotations

from pathlib import Path

FILES = ("a.txt", "sub/b.txt", "sub/deep/c.txt")


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def fill(folder: Path, files: tuple[str, ...] = FILES) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
