"""Checks that files are there: missing, not downloaded, no files, each reported with what to do."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from b2m_encoding.errors import InputError

ANNEX = "annex/objects/"
LFS = b"version https://git-lfs"


def require_file(path: Path, what: str = "a file", *, folder: bool = True) -> Path:
    """Return the path of a file (or a folder, for zarr) whose content is here and may be read.

    Raises
    ------
    InputError
        If it is missing, may not be read, is a link of git-annex (datalad) without its content, a pipe or a device, or
        a folder where a file is expected.
    """
    if path.is_symlink() and not path.exists():
        target = os.readlink(path)
        if ANNEX in target.replace(os.sep, "/"):
            raise _not_downloaded(path, what)
        raise InputError(f"{what} is a link to nothing", file=path, found=target)
    if not path.exists():
        raise InputError(f"{what} is missing", file=path, **_instead(path))
    if path.is_dir() and not folder:
        raise InputError(f"{what} is a folder", file=path)
    if not path.is_file() and not path.is_dir():
        raise InputError(f"{what} is no regular file", file=path, found="a pipe, a socket or a device")
    if not os.access(path, os.R_OK):
        raise InputError(f"{what} may not be read", file=path, fix="change its permissions")
    if path.is_file() and path.stat().st_size < 4096:  # a short text stands for a file that was not fetched
        head = path.read_bytes()[:64]
        if ANNEX.encode() in head:
            raise _not_downloaded(path, what)
        if head.startswith(LFS):
            fix = f"git lfs pull --include {path.name}"
            raise InputError(f"{what} is not downloaded (Git LFS)", file=path, fix=fix)
    return path


def _instead(path: Path) -> dict[str, str]:
    """What is wrong with the path of a missing file: its folder, its letters, or its separators."""
    if "\\" in path.name:
        return {"fix": "write / between folders"}
    there = next(folder for folder in path.absolute().parents if folder.is_dir())
    wanted = path.absolute().parts[len(there.parts)]
    try:
        names = sorted(one.name for one in there.iterdir())
    except OSError:
        return {}
    if there != path.absolute().parent:
        if wanted in names:
            return {"found": f"{there / wanted} is a file, not a folder"}
        near = get_close_matches(wanted, names, n=1)
        return {
            "found": f"no folder {wanted} in {there}",
            **({"expected": f"{near[0]}, which is there"} if near else {}),
        }
    alike = next((name for name in names if name.casefold() == wanted.casefold()), None)
    return {} if alike is None else {"found": f"{alike}: capital letters differ"}


def _not_downloaded(path: Path, what: str) -> InputError:
    return InputError(f"{what} is not downloaded (git-annex)", file=path, fix=f"datalad get {path}")
