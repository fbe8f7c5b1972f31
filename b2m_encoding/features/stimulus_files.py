"""Files of stimuli: found by the name that events give them, whatever their ending and the case of their letters."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from b2m_encoding.data.clips import CONTAINERS, SOUND_ENDINGS, safe_stimulus, without_ending
from b2m_encoding.errors import InputError


def find_stimulus(folder: Path, stimulus: str) -> Path:
    """Path of the file of a stimulus; the path that it should have, where there is none.

    Parameters
    ----------
    folder : Path
        Folder of the stimuli.
    stimulus : str
        Path below it, as events name it, with or without an ending.

    Raises
    ------
    InputError
        If the name leads out of the folder, or several files could be meant.
    """
    path = folder / safe_stimulus(stimulus, folder)
    if path.is_file() and not is_container(path):
        return path
    alike = _alike(path)
    if len(alike) > 1:
        raise InputError(
            "several files could be a stimulus",
            file=path,
            found=", ".join(one.name for one in alike),
            expected="one, or the very name that the events give",
            fix="move the others out of the folder",
        )
    return alike[0] if alike else path


def is_container(path: Path) -> bool:
    """Whether the name of a file is that of a video, or of a container that libsndfile does not read."""
    return path.suffix[1:].lower() in CONTAINERS


def elsewhere(folder: Path, stimulus: str) -> list[str]:
    """Files below the folder that have the name of a stimulus but lie in another place, relative to the folder."""
    wanted = _plain(without_ending(stimulus.rpartition("/")[2]))
    found = []
    for place, below, files in os.walk(folder):
        below.sort()
        found += [Path(place, name) for name in sorted(files) if _plain(without_ending(name)) == wanted]
    return [path.relative_to(folder).as_posix() for path in found if not path.name.startswith(".")]


def _alike(path: Path) -> list[Path]:
    """Sound files beside a path whose names differ in the case of letters, or else in their ending."""
    try:
        files = sorted(one for one in path.parent.iterdir() if not one.name.startswith("."))
    except OSError:
        return []
    same = [one for one in files if _plain(one.name) == _plain(path.name) and not is_container(one)]
    if not same:
        stems = _plain(without_ending(path.name)), _plain(path.name)  # converters make a.mp3.wav of a.mp3
        same = [one for one in files if one.suffix[1:].lower() in SOUND_ENDINGS and _plain(one.stem) in stems]
    return [one for one in same if one.is_file() or one.is_symlink()]  # a link may lead to what is not fetched yet


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def file_state(path: Path) -> tuple[int, int, int]:
    """Times of modification and change, and size of a file; zeros if there is none."""
    try:
        stat = path.stat()
    except OSError:
        return (0, 0, 0)
    return (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)
