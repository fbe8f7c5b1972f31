"""Construction of a corpus from a folder of recordings, shard by shard; it resumes, and lists skipped files."""

from __future__ import annotations

import json
import logging
import os
import stat
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from b2m_encoding import __version__
from b2m_encoding._typing import Float64
from b2m_encoding.decoding.retrieval.corpus import AUDIO, CLIPS, EMBEDDINGS, PRINTS, RECORD, SKIPPED, Corpus
from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace
from b2m_encoding.decoding.retrieval.metadata import describe_recordings
from b2m_encoding.decoding.retrieval.places import note_places
from b2m_encoding.decoding.retrieval.shards import Preparation, read_shard, write_shard
from b2m_encoding.errors import InputError
from b2m_encoding.io.hashes import read_regular, sha256
from b2m_encoding.io.marked import MARKER, check_markable, mark_folder, remove_work, remove_written
from b2m_encoding.io.parsing import parse_json
from b2m_encoding.io.removal import free_name, move, remove_temporary_files
from b2m_encoding.io.tables import FORMULA, tsv
from b2m_encoding.io.writing import locked, replacing, reported_as_input_error, write_whole

SHARDS, WORK = ".shards-b2m", "shards"
"""Hidden folder of the shards, below that of the corpus, and the kind it is marked as."""
LOCK = ".lock"
HALF = np.dtype("<f2")
"""Type of the stored vectors."""
CorpusProgress = Callable[[int, int], None]
"""Called with the recordings done, and all recordings."""
logger = logging.getLogger(__name__)


def build_corpus(
    audio: str | Path,
    out: str | Path,
    space: AudioEmbeddingSpace,
    preparation: Preparation | None = None,
    *,
    metadata: str | Path | None = None,
    name: str | None = None,
    shard: int = 128,
    report: CorpusProgress = lambda done, total: None,
) -> Corpus:
    """Embed every recording below a folder.

    A process that is killed loses one shard at most: the next call recognises the others by the names, sizes and times
    of their files, and by the options of the embedding. Recordings that cannot be decoded, are too short, silent, or
    have values outside of half precision are left out and listed in ``skipped.tsv``.

    Parameters
    ----------
    audio : Path
        Folder of recordings, of any depth (FMA: ``fma_large/000/000002.mp3``).
    out : Path
        A new folder, or that of an earlier call.
    space : AudioEmbeddingSpace
    preparation : Preparation, optional
    metadata : Path, optional
        ``tracks.csv`` of FMA, or a table with a column ``path``; by default one beside the recordings.
    name : str, optional
        Name of the corpus, for display.
    shard : int
        Number of recordings that are computed and stored together.
    report : callable
        Called with the recordings done, and all recordings.

    Returns
    -------
    Corpus

    Raises
    ------
    InputError
        If there are no usable recordings, ``out`` holds other files or recordings or lies among them, or cannot be
        written, or another process is building it.
    """
    audio = Path(audio)
    out = Path(out)
    metadata = None if metadata is None else Path(metadata)
    preparation = preparation or Preparation()
    _check_seconds(preparation, space)
    files, unusable = find_recordings(audio)
    _check_out(out, audio)
    described_files = describe_recordings([name.removeprefix("./") for name in files], audio, metadata)
    described_files.index = pd.Index(files)
    described = {**space.describe(), "seconds": preparation.seconds, "fade": preparation.fade, "rms": preparation.rms}
    about = {"name": name or audio.name, "space": described, **note_places(out, audio, space.table)}
    with (
        locked(out / LOCK, "another process is building this corpus"),
        reported_as_input_error("a corpus cannot be built", out),
    ):
        mark_folder(out, "corpus", [EMBEDDINGS, PRINTS, CLIPS, SKIPPED, RECORD], beside=(LOCK,))
        mark_folder(out / SHARDS, WORK)
        remove_temporary_files(out, (EMBEDDINGS, PRINTS, CLIPS, SKIPPED, RECORD, MARKER))
        parts = []
        report(0, len(files))
        for start in range(0, len(files), shard):
            members = files[start : start + shard]
            parts.append(write_shard(audio, members, out / SHARDS, space, preparation, described))
            report(start + len(members), len(files))
        _assemble(out, parts, about, described_files, unusable)
        remove_work(out / SHARDS, WORK)
    return Corpus.open(out)


def list_recordings(folder: str | Path) -> list[str]:
    """Paths of the sound files below a folder; see :func:`find_recordings`."""
    folder = Path(folder)
    return find_recordings(folder)[0]


def find_recordings(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Find the sound files below a folder.

    Returns
    -------
    paths : list of str
        Paths of regular files, relative to the folder, sorted. One that would begin as a formula begins with ``./``.
    unusable : dict of str to str
        Problems of other entries with the name of a sound file: pipes, devices, names that no table can hold.

    Raises
    ------
    InputError
        If there are none.
    """
    if not folder.is_dir():
        raise InputError("the folder of the recordings does not exist", file=folder)
    paths = sorted(
        Path(root, name).relative_to(folder).as_posix()
        for root, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(AUDIO) and not name.startswith(".")
    )
    problems = {path: _problem(folder, path) for path in paths}
    usable = [_no_formula(path) for path, problem in problems.items() if not problem]
    unusable = {_no_formula(_escaped(path)): problem for path, problem in problems.items() if problem}
    if not usable:
        found = "; ".join(f"{path}: {problem}" for path, problem in list(unusable.items())[:3])
        raise InputError("no recordings in this folder", file=folder, found=found or None, expected=", ".join(AUDIO))
    return usable, unusable


def _problem(folder: Path, path: str) -> str:
    """Why an entry with the name of a sound file is not opened; "" if it may be. Decoding reports a broken link."""
    if not _is_text(path):
        return "its name is not UTF-8"
    if any(unicodedata.category(sign) == "Cc" for sign in path):
        return "its name holds a control character"
    try:
        return "" if stat.S_ISREG((folder / path).stat().st_mode) else "not a regular file"
    except OSError:
        return ""


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escaped(path: str) -> str:
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(repr(sign)[1:-1] if unicodedata.category(sign) == "Cc" else sign for sign in text)


def _no_formula(path: str) -> str:
    return f"./{path}" if path.startswith(FORMULA) else path


def _assemble(
    out: Path,
    parts: Sequence[Path],
    about: dict[str, Any],
    described_files: pd.DataFrame,
    unusable: Mapping[str, str],
) -> None:
    """Join the shards, one in memory at a time; the record, which completes the corpus, comes last."""
    _keep_edited(out)
    remove_written(out, "corpus", [RECORD])
    mark_folder(out, "corpus", [RECORD])
    columns: dict[str, list[Any]] = {
        "path": [], "seconds": [], "sound": [], "skipped": list(unusable), "problem": list(unusable.values())
    }  # fmt: skip
    for part in map(read_shard, parts):
        for key, values in zip(
            columns, (part.files, part.seconds, part.sounds, part.skipped, part.problems), strict=True
        ):
            columns[key] += values.tolist()
    skipped = pd.DataFrame({"path": columns["skipped"], "problem": columns["problem"]})
    files = columns["path"]
    if not files:
        first = skipped.iloc[0]
        raise InputError("no recording can be used", file=out, found=f"{first['path']}: {first['problem']}")
    centre, spread = _write_vectors(out / EMBEDDINGS, parts, len(files))
    _write_prints(out / PRINTS, parts, len(files))
    table = pd.DataFrame(
        {"clip": _unique_names(files), "path": files, "seconds": columns["seconds"], "sound": columns["sound"]}
    )
    _write_table(out / CLIPS, table.join(described_files, on="path"))
    _write_table(out / SKIPPED, skipped)
    numbers = {"clips": len(files), "dimensions": len(centre), "skipped": len(skipped)}
    software = f"b2m_encoding {__version__}"
    moments = {"centre": centre.tolist(), "spread": spread.tolist()}
    hashes = {name: sha256(out / name) for name in (CLIPS, SKIPPED)}
    record = {**about, **numbers, "software": software, "tables": hashes, **moments}
    write_whole(out / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def _keep_edited(out: Path) -> None:
    """Move tables of an earlier corpus that are not as they were written to ``NAME.edited``."""
    try:
        written = parse_json(read_regular(out / RECORD))["tables"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    for name, digest in written:
        path = out / name
        if name in (CLIPS, SKIPPED) and path.is_file() and sha256(path) != digest:
            target = free_name(path, "edited")
            move(path, target)
            logger.warning("%s of the earlier corpus was edited; it is kept as %s", name, target)


def _unique_names(files: Sequence[str]) -> list[str]:
    """Names of recordings: their paths without the ending, unless another one differs in its ending alone."""
    stems = [name.rpartition(".")[0] for name in files]
    count: dict[str, int] = {}
    for stem in stems:
        count[stem] = count.get(stem, 0) + 1
    return [name if count[stem] > 1 else stem for name, stem in zip(files, stems, strict=True)]


def _write_vectors(path: Path, parts: Sequence[Path], n_clips: int) -> tuple[Float64, Float64]:
    """Write one array on disk, shard after shard; returns mean and standard deviation of the vectors."""
    total, squares = np.zeros(0), np.zeros(0)
    with replacing(path) as stream:  # no memory map: on a full disk the system would end the process
        for vectors in (shard.vectors.astype(np.float64) for shard in map(read_shard, parts) if len(shard.files)):
            if not len(total):
                total, squares = np.zeros((2, vectors.shape[1]))
                _write_header(stream, HALF, (n_clips, vectors.shape[1]))
            stream.write(vectors.astype(HALF).tobytes())
            total, squares = total + vectors.sum(0), squares + (vectors**2).sum(0)
    centre = total / n_clips
    return centre, np.sqrt(np.maximum(squares / n_clips - centre**2, 0.0))


def _write_prints(path: Path, parts: Sequence[Path], n_clips: int) -> None:
    """Write the coarse prints of all recordings as one array on disk, shard after shard."""
    first = True
    with replacing(path) as stream:
        for prints in (shard.prints for shard in map(read_shard, parts) if len(shard.files)):
            if first:
                _write_header(stream, prints.dtype, (n_clips, *prints.shape[1:]))
                first = False
            stream.write(prints.tobytes())


def _write_header(stream: BinaryIO, kind: np.dtype[Any], shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(stream, {"descr": kind.str, "fortran_order": False, "shape": shape})


def _check_seconds(preparation: Preparation, space: AudioEmbeddingSpace) -> None:
    """Raise an error unless the embedded part is as long as a window, and as two fades."""
    found = f"{preparation.seconds:g} s"
    if not space.shortest <= preparation.seconds < float("inf"):
        raise InputError(
            "seconds is shorter than the window of the embedding",
            found=found,
            expected=f"{space.shortest:g} s or more, finite",
        )
    if preparation.seconds < 2 * preparation.fade:
        raise InputError(
            "seconds is shorter than two fades",
            found=found,
            expected=f"at least {2 * preparation.fade:g} s",
            fix="--as-it-is leaves fades and levels out",
        )


def _check_out(out: Path, audio: Path) -> None:
    """Raise an error if the folder of the corpus is not ours, or recordings lie in it, or it among the recordings."""
    place, recordings = out.resolve(), audio.resolve()
    if place == recordings or place in recordings.parents or recordings in place.parents:
        raise InputError(
            "the folder for the corpus and that of the recordings hold each other", file=out, found=audio,
            expected="a folder beside the recordings",
        )  # fmt: skip
    try:
        check_markable(out, "corpus", beside=(LOCK,))
    except InputError as error:
        raise InputError(
            "the folder for the corpus holds other files", file=out, found=error.found, expected="a new folder"
        ) from error


def _write_table(path: Path, table: pd.DataFrame) -> None:
    write_whole(path, tsv(table, na="", float_format=None))
