"""Places of the recordings and weights of a corpus: relative in its record, absolute in a note in the cache."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from b2m_encoding.config import Config
from b2m_encoding.io.cache import cache_folder
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.paths import is_below, portable_path
from b2m_encoding.io.writing import write_whole


def note_places(folder: Path, audio: Path, table: Config) -> dict[str, Any]:
    """Part of the record of a corpus that names its recordings and its table of options.

    A corpus may be shared: recordings beside it are named relative to it, others by name and a hash of their path.
    Where they and the weights are on this machine is noted in the cache of the user.

    Parameters
    ----------
    folder : Path
        The corpus.
    audio : Path
        Folder of the recordings.
    table : Config
        Options of the embedding.
    """
    options = table.model_dump(mode="json")
    places = {"audio": str(audio.absolute()), "weights": options.get("weights")}
    with suppress(OSError):
        _note_of(folder).parent.mkdir(parents=True, exist_ok=True)
        write_whole(_note_of(folder), json.dumps(places))
    options["stimuli"] = "."  # not used: sounds come from the recordings
    if options.get("weights"):
        options["weights"] = _portable(Path(options["weights"]), folder)
    return {"audio": _portable(audio, folder), "table": options}


def find_places(folder: Path, record: Mapping[str, Any]) -> tuple[dict[str, Any], Path]:
    """Record of a corpus with the path of its weights, and the folder of its recordings.

    The path of the record holds if it exists, relative to the corpus; otherwise that of the note.
    """
    noted: dict[str, str | None] = {}
    with suppress(OSError, ValueError):
        noted = dict(parse_json(_note_of(folder).read_text(encoding="utf-8")))
    table = dict(record["table"])
    if table.get("weights"):
        table["weights"] = str(_found(folder, table["weights"], noted.get("weights")))
    return {**record, "table": table}, _found(folder, record["audio"], noted.get("audio"))


def _found(folder: Path, named: str, noted: str | None) -> Path:
    path = Path(os.path.abspath(folder / named))
    return Path(noted) if noted and not path.exists() else path


def _portable(path: Path, folder: Path) -> str:
    """Path from a corpus to a folder beside it; otherwise name and hash."""
    parent = Path(os.path.abspath(folder)).parent
    return Path(os.path.relpath(path, folder)).as_posix() if is_below(path, parent) else portable_path(path, parent)


def _note_of(folder: Path) -> Path:
    key = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return cache_folder() / "corpora" / f"{key}.json"
