"""The work folder: values and files of units, whole or absent, each with a record of what it depends on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from b2m_encoding.errors import InputError
from b2m_encoding.io.hashes import FileHashes, read_regular, sha256
from b2m_encoding.io.marked import remove_abandoned_work
from b2m_encoding.io.names import inside
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.removal import move, remove_empty, remove_hash_named, temporary_folder
from b2m_encoding.io.writing import reported_as_input_error
from b2m_encoding.results.place import WORK, results_locked, work_folder_of
from b2m_encoding.workflow.engine.inputs import describe
from b2m_encoding.workflow.engine.unit import Unit, code_version, key_of

RECORD = "record.json"
FACTORS = "factors"
PUBLISHED = "files"
"""Folder of a unit whose content belongs into the results."""


@dataclass(frozen=True)
class State:
    """Whether a unit is done.

    Parameters
    ----------
    done : bool
    reason : str
        Why not.
    """

    done: bool
    reason: str = ""


class WorkFolder:
    """Units of a study on disk.

    Every unit has a folder with its value, its files and ``record.json``: the settings, inputs, input files, code and
    other units that it depends on, and the hash of every file. Folders appear by renaming, so that a unit is there
    whole or not at all. The folder is marked as ours; all of it may be deleted at any time: it is computed again.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        results = path.with_name(path.name.removeprefix(".").removesuffix(".work"))
        self.hashes = FileHashes(path / "hashes.json", results)
        self._intact: set[str] = set()
        """Units whose files were found intact by this object; they are not read again for that."""

    @classmethod
    def beside(cls, results: Path) -> WorkFolder:
        """The work folder of results."""
        return cls(work_folder_of(results))

    @property
    def factors(self) -> Path:
        """Folder of what fits need of the features alone; its files are named after all that they depend on."""
        return self.path / FACTORS

    def drop_factors(self) -> None:
        """Remove the factors when no fit needs them any more."""
        for path in sorted(self.factors.glob("*")):
            remove_hash_named(path)
        remove_empty(self.factors)

    @property
    def size(self) -> int:
        """Bytes of all files that are there; another run may have begun, and add and remove some meanwhile."""
        total = 0
        for folder, _, names in os.walk(self.path):  # unlike rglob, it passes over a folder that is gone
            for name in names:
                with suppress(FileNotFoundError):
                    total += os.lstat(os.path.join(folder, name)).st_size
        return total

    @contextmanager
    def locked(self, wait: float = 0.0) -> Iterator[None]:
        """Keep other processes out; the lock ends with this process, however it ends.

        Parameters
        ----------
        wait : float
            Longest time to wait for another process, s; -1 without limit.

        Raises
        ------
        InputError
            If another process has it, or the folder cannot be written.
        """
        with results_locked(self.path, wait):
            remove_abandoned_work(self.path, WORK)
            yield

    def folder(self, name: str) -> Path:
        """Folder of a unit.

        Raises
        ------
        InputError
            If the name of the unit leads out of the work folder.
        """
        return inside(self.path, *name.split("/"))

    def fingerprint(self, unit: Unit, keys: Mapping[str, str]) -> dict[str, Any]:
        """Everything that the result of a unit depends on; ``keys`` are those of the units it needs.

        Paths count from the folder of the results, so that a project that is moved is not done again.
        """
        home = self.path.parent
        settings = json.dumps(unit.settings, default=str).replace(json.dumps(f"{home}/")[1:-1], "")
        return {
            "settings": parse_json(settings),
            "inputs": parse_json(json.dumps(describe(unit.inputs), default=str)),
            "files": {os.path.relpath(path, home): self.hashes.of(path) for path in unit.files},
            "code": code_version(draws=unit.draws),
            "needs": {name: keys[name] for name in unit.needs},
        }

    def state(self, unit: Unit, fingerprint: Mapping[str, Any]) -> State:
        """Whether a unit is done, with the same fingerprint, and its files are intact."""
        record = self.record(unit.name)
        if record is None:
            return State(False, "not done yet")
        if record["key"] != key_of(fingerprint):
            reasons = _differences(record["fingerprint"], fingerprint)
            return State(False, "; ".join(reasons) or "the order of feature spaces, runs or files changed")
        if unit.name not in self._intact and (damaged := self.damaged(unit.name, record)):
            return State(False, f"damaged: {damaged}")
        self._intact.add(unit.name)
        return State(True)

    def record(self, name: str) -> dict[str, Any] | None:
        """The record of a unit; None if there is none, or it is damaged."""
        try:
            record = parse_json(read_regular(self.folder(name) / RECORD))
            return record if record["key"] == key_of(record["fingerprint"]) and record["hashes"] is not None else None
        except InputError:
            raise
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def damaged(self, name: str, record: Mapping[str, Any]) -> str:
        """The first file of a unit that is not as it was written; "" if all are."""
        for file, known in record["hashes"].items():
            try:
                if sha256(self.folder(name) / file) != known:
                    return str(file)
            except OSError:
                return str(file)
        return ""

    @contextmanager
    def writing(self, unit: Unit, fingerprint: Mapping[str, Any]) -> Iterator[Path]:
        """A new folder that takes the unit's place when all is written to it."""
        target = self.folder(unit.name)
        failed = reported_as_input_error("the work folder cannot be written", self.path)
        with failed, temporary_folder(target) as part:
            yield part
            files = sorted(path for path in part.rglob("*") if path.is_file())
            record = {
                "key": key_of(fingerprint),
                "fingerprint": fingerprint,
                "hashes": {str(path.relative_to(part)): sha256(path) for path in files},
            }
            (part / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
            self.drop(unit.name)
            with suppress(FileExistsError):  # another worker was given this unit too, and has done it
                move(part, target)

    def drop(self, name: str) -> None:
        """Remove the folder of a unit."""
        target = self.folder(name)
        self._intact.discard(name)
        with temporary_folder(target) as old, suppress(FileNotFoundError):
            move(target, old / target.name)  # at once, so that no other process finds a part of it

    def adopt(self, other: WorkFolder) -> None:
        """Take the units of another work folder that are missing here, or are newer there; as links where possible."""
        for record in sorted(other.path.rglob(RECORD)):
            name = record.parent.relative_to(other.path).as_posix()
            target = self.folder(name)
            with suppress(FileNotFoundError):
                if (target / RECORD).stat().st_mtime_ns >= record.stat().st_mtime_ns:
                    continue
            failed = reported_as_input_error("the work folder cannot be written", self.path)
            with failed, temporary_folder(target) as part:
                shutil.copytree(record.parent, part, copy_function=_link_or_copy, dirs_exist_ok=True)
                self.drop(name)
                move(part, target)

    def forget(self, wanted: Iterable[str]) -> None:
        """Remove the units that a study no longer has."""
        known = set(wanted)
        for path in sorted(self.path.rglob(RECORD)):
            name = str(path.parent.relative_to(self.path))
            if name not in known:
                self.drop(name)


def _link_or_copy(source: str, target: str) -> None:
    """Link a file of a unit, which is never written again, or copy it where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Changes as text."""
    out = ["the program changed"] if old.get("code") != new["code"] else []
    out += [f"{key}: {was} -> {now}" for key, was, now in _changed(old.get("settings", {}), new["settings"])]
    out += [f"file {Path(key).name} changed" for key, *_ in _changed(old.get("files", {}), new["files"])]
    out += ["its inputs changed"] if old.get("inputs") != new["inputs"] else []
    needs = [key for key, *_ in _changed(old.get("needs", {}), new["needs"])]
    return out + ([f"follows {', '.join(needs)}"] if needs else [])


def _changed(old: Any, new: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Leaves that differ between two JSON objects."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _changed(old.get(key), new.get(key), f"{at}.{key}" if at else str(key))
    elif old != new:
        yield at, old, new
