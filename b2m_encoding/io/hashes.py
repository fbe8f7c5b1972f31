"""SHA-256 of files and folders, stored until size or times of a file change."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from b2m_encoding.errors import InputError
from b2m_encoding.io.cache import cache_folder
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.writing import reported_as_input_error, write_whole

MISSING = "missing"
"""In place of the hash of a file that does not exist."""


def sha256(path: Path) -> str:
    """SHA-256 of a file.

    Raises
    ------
    OSError
        If it cannot be read, or is no regular file: a pipe would be read for ever.
    """
    require_regular(path)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_regular(path: Path) -> bytes:
    """Content of a file; raises an ``OSError`` for a pipe or device, as :func:`sha256` does."""
    require_regular(path)
    return path.read_bytes()


def require_regular(path: Path) -> None:
    """Raise an ``OSError`` unless a path, or what a link leads to, is a regular file."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def sources_hash(folder: Path, skipped: Iterable[str] = ()) -> str:
    """SHA-256 of the names and content of all modules below a folder, but for those in some folders."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        if not name.startswith(tuple(f"{part}/" for part in skipped)):
            total.update(f"{name}\n".encode() + path.read_bytes())
    return total.hexdigest()


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
    """Table of the SHA-256 of files and folders, kept in a JSON file.

    An object hashes each path once: all that ask it get the same answer, whatever becomes of the file meanwhile, and
    :meth:`require_unchanged` compares the files with what was hashed. A file is read again by another object if its
    size, inode, time of modification or time of change differ: the last one is set by the system at every write, and
    cannot be set back.

    Parameters
    ----------
    memory : Path
        JSON file of the table; a damaged one is ignored.
    results : Path, optional
        Results folder; it and the hidden folders beside it that are named after it belong to no other folder.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as parent:
    ...     folder = Path(parent, "bold.zarr")
    ...     folder.mkdir()
    ...     _ = Path(folder, "0.0").write_text("chunk")
    ...     hashes = FileHashes(Path(parent, "hashes.json"))
    ...     first = hashes.of(folder)
    ...     _ = Path(folder, "0.1").write_text("another chunk")
    ...     first == hashes.of(folder), [path.name for path in hashes.changed([folder])]
    (True, ['0.1', 'bold.zarr'])
    """

    def __init__(self, memory: Path, results: Path | None = None) -> None:
        self.memory, self.results = memory, results
        try:
            self.known: dict[str, list[object]] = dict(parse_json(read_regular(memory)))
        except (OSError, ValueError):
            self.known = {}
        self._answers: dict[str, str] = {}
        self._modified = False

    def of(self, path: Path) -> str:
        """SHA-256 of a file, or of the sorted names and hashes of the files of a folder; "missing" if there is none."""
        key = str(path)
        if key not in self._answers:
            self._answers[key] = self._hash_folder(path) if path.is_dir() else self._hash_file(path)
        return self._answers[key]

    def changed(self, paths: Iterable[Path], *, read: bool = False) -> Iterator[Path]:
        """Files that are not as they were when they were hashed; the folder where one was added or removed.

        Parameters
        ----------
        paths : iterable of Path
            Files and folders that were hashed by this object, or by the one that wrote the table.
        read : bool
            Hash the content again; otherwise size and times are compared. What differs is then forgotten.
        """
        for path in paths:
            if not path.is_dir():
                if self._file_changed(path, read):
                    yield path
                continue
            members = self._members(path)
            yield from (file for file in members.values() if self._file_changed(file, read))
            names = {name: str(self._entry(file)[-1]) for name, file in members.items()}
            if [_combined(names)] != self.known.get(str(path)):
                yield path

    def require_unchanged(self, paths: Iterable[Path], *, read: bool = False) -> None:
        """Raise if a file or folder is not as it was when it was hashed; see :meth:`changed`.

        Raises
        ------
        InputError
            With the first file that differs.
        """
        path = next(self.changed(paths, read=read), None)
        if path is not None:
            raise InputError(
                f"{path.name} changed while the run went on; run again",
                file=path,
                fix="the same command computes again what follows from it; earlier results are as they were",
            )

    def save(self) -> None:
        """Write the table, if it changed and its folder is there: what only explains a run creates none."""
        if self._modified and self.memory.parent.is_dir():
            with reported_as_input_error("the hashes of the inputs cannot be written", self.memory.parent):
                write_whole(self.memory, json.dumps(self.known))
            self._modified = False

    def _hash_file(self, path: Path) -> str:
        state = _state(path)
        if state is None:
            self._modified |= self.known.pop(str(path), None) is not None
            return MISSING
        entry = self._entry(path)
        if entry[:-1] != state:
            entry = self.known[str(path)] = [*state, sha256(path)]
            self._modified = True
        return str(entry[-1])

    def _hash_folder(self, path: Path) -> str:
        digest = _combined({name: self._hash_file(file) for name, file in self._members(path).items()})
        if self.known.get(str(path)) != [digest]:
            self.known[str(path)] = [digest]
            self._modified = True
        return digest

    def _file_changed(self, path: Path, read: bool) -> bool:
        state, entry = _state(path), self._entry(path)
        if state is None or len(entry) == 1:
            return not (state is None and len(entry) == 1)
        # without the inode, which some network file systems number anew
        rewritten = [state[0], state[2]] != [entry[0], entry[2]]
        # a new hard link or other permissions change the time of change as well, but not what is in the file
        doubted = read or state[3] != entry[3]
        differs = rewritten or (doubted and sha256(path) != entry[-1])
        if differs and read:
            del self.known[str(path)]
            self._modified = True
        elif doubted and not differs:
            self._modified |= entry[:-1] != state
            self.known[str(path)] = [*state, entry[-1]]
        return differs

    def _entry(self, path: Path) -> list[object]:
        """State and hash of a file as known; only "missing" for an unknown one."""
        entry = self.known.get(str(path))
        return entry if isinstance(entry, list) and len(entry) == 5 else [MISSING]

    def _members(self, folder: Path) -> dict[str, Path]:
        """Files below a folder by their relative name, sorted; links are followed, each folder is entered once."""
        members: dict[str, Path] = {}
        entered: set[tuple[int, int]] = set()
        for root, folders, names in os.walk(folder, followlinks=True):
            here = os.stat(root)
            if (here.st_dev, here.st_ino) in entered:
                folders.clear()
                continue
            entered.add((here.st_dev, here.st_ino))
            folders[:] = [name for name in folders if not self._is_of_results(Path(root, name))]
            for path in (Path(root, name) for name in names):
                if _is_file_or_link_to_nothing(path):
                    members[path.relative_to(folder).as_posix()] = path
        return dict(sorted(members.items()))

    def _is_of_results(self, path: Path) -> bool:
        results = self.results
        if results is None or path.parent != results.parent:
            return False
        return path.name == results.name or path.name.startswith(f".{results.name}.")


def _state(path: Path) -> list[object] | None:
    """Size, inode, time of modification and time of change of a file; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]


def _is_file_or_link_to_nothing(path: Path) -> bool:
    """Whether a file has content to hash, or its content has not been fetched; pipes and devices have none."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return path.is_symlink()


def _combined(hashes: Mapping[str, str]) -> str:
    """Hash of the names and hashes of the files of a folder."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()
