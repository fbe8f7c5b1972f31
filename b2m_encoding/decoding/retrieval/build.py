"""Construction of a corpus from a folder of recordings, shard by shard; it resumes, and lists skipped files."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
from numpy.typing import NDArray

from b2m_encoding import __version__
from b2m_encoding.decoding.retrieval.corpus import AUDIO, CLIPS, EMBEDDINGS, RECORD, SKIPPED, Corpus
from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace, InMemoryAudio
from b2m_encoding.decoding.retrieval.metadata import describe_recordings
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import DS003720_RMS, Wave
from b2m_encoding.features.clips import Clip
from b2m_encoding.features.stimuli import Stimuli
from b2m_encoding.io.archives import read_archive
from b2m_encoding.io.writing import locked, replacing, replacing_path, reported_as_input_error, write_whole

SHARDS = "shards"
HALF_MAX = float(np.finfo(np.float16).max)
CorpusProgress = Callable[[int, int], None]
"""Called with the recordings done, and all recordings."""


@dataclass(frozen=True, order=True)
class Recording(Clip):
    """File of a corpus as a clip: its name is its path below the folder."""

    def track(self, folder: Path) -> Path:
        """The file."""
        return folder / self.name


@dataclass(frozen=True)
class Preparation:
    """Part of each recording that is embedded, and its preparation as a stimulus.

    Parameters
    ----------
    seconds : float
        Length from the beginning; shorter recordings are embedded whole.
    fade, rms : float
        See :class:`~b2m_encoding.features.stimuli.Stimuli`: presented stimuli were faded and brought to one level, and
        recordings that are compared with them should be, too. 0 leaves recordings unchanged.
    """

    seconds: float = 15.0
    fade: float = 2.0
    rms: float = DS003720_RMS


def build_corpus(
    audio: Path,
    out: Path,
    space: AudioEmbeddingSpace,
    preparation: Preparation | None = None,
    *,
    metadata: Path | None = None,
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
        If there are no usable recordings, ``out`` holds other files or cannot be written, or another process is
        building it.
    """
    preparation = preparation or Preparation()
    _check_seconds(preparation, space)
    files = list_recordings(audio)
    _check_out(out)
    described_files = describe_recordings(files, audio, metadata)
    described = {**space.describe(), "seconds": preparation.seconds, "fade": preparation.fade, "rms": preparation.rms}
    table = space.table.model_dump(mode="json")
    about = {"name": name or audio.name, "audio": str(audio.absolute()), "space": described, "table": table}
    with (
        locked(out / ".lock", "another process is building this corpus"),
        reported_as_input_error("a corpus cannot be built", out),
    ):
        (out / SHARDS).mkdir(exist_ok=True)
        parts = []
        report(0, len(files))
        for start in range(0, len(files), shard):
            members = files[start : start + shard]
            parts.append(_shard(audio, members, out / SHARDS, space, preparation, described))
            report(start + len(members), len(files))
        _assemble(out, parts, about, described_files)
        shutil.rmtree(out / SHARDS, ignore_errors=True)
    return Corpus.open(out)


def list_recordings(folder: Path) -> list[str]:
    """Paths of the sound files below a folder, relative to it, sorted.

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
    if not paths:
        raise InputError("no recordings in this folder", file=folder, expected=", ".join(AUDIO))
    return paths


@dataclass(frozen=True, eq=False)
class _Shard:
    """Vectors of the usable recordings of one shard, and the problems of the others."""

    files: NDArray[np.str_]
    seconds: NDArray[np.float64]
    vectors: NDArray[np.float32]
    skipped: NDArray[np.str_]
    problems: NDArray[np.str_]


def _shard(
    audio: Path,
    files: Sequence[str],
    folder: Path,
    space: AudioEmbeddingSpace,
    preparation: Preparation,
    described: Any,
) -> Path:
    """Path of a shard, which is computed unless it exists."""
    states = [[name, *_state(audio / name)] for name in files]
    key = hashlib.sha256(json.dumps([described, states], sort_keys=True).encode()).hexdigest()[:32]
    path = folder / f"{key}.npz"
    if not _complete(path):
        embedded = _embedded(audio, files, space, preparation)
        with replacing(path) as stream:
            np.savez(stream, allow_pickle=False, **vars(embedded))
    return path


def _embedded(audio: Path, files: Sequence[str], space: AudioEmbeddingSpace, preparation: Preparation) -> _Shard:
    """Decode files in threads, then embed those without a problem."""
    stimuli, rate = Stimuli(audio, preparation.fade, preparation.rms), space.rate

    def decode(name: str) -> tuple[Recording, Wave] | str:
        try:
            seconds = min(preparation.seconds, _seconds(audio / name))
            if seconds < space.shortest:
                return f"too short: {seconds:.2f} s of at least {space.shortest:g} s"
            clip = Recording("", name, 0.0, seconds)
            wave = stimuli.wave(clip, rate)
            return (clip, wave) if np.any(wave) else "silent"
        except InputError as error:
            return f"{error.problem}: {error.found}" if error.found else error.problem

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        decoded = dict(zip(files, pool.map(decode, files), strict=True))
    sounds = InMemoryAudio(
        {clip: (wave, rate) for clip, wave in (part for part in decoded.values() if not isinstance(part, str))}
    )
    vectors = space.embed(sounds, sounds.waves)
    problems = {name: problem for name, problem in decoded.items() if isinstance(problem, str)}
    for clip, vector in list(vectors.items()):
        if not np.any(vector) or np.abs(vector).max() > HALF_MAX:
            problems[clip.name] = f"its vector cannot be stored: largest value {np.abs(vector).max():g}"
            del vectors[clip]
    clips = sorted(vectors, key=lambda clip: clip.name)
    return _Shard(
        np.array([clip.name for clip in clips], dtype=np.str_),
        np.array([clip.duration for clip in clips], dtype=np.float64),
        np.array([vectors[clip] for clip in clips], dtype=np.float32).reshape(len(clips), -1 if clips else 0),
        np.array(sorted(problems), dtype=np.str_),
        np.array([problems[name] for name in sorted(problems)], dtype=np.str_),
    )


def _assemble(out: Path, parts: Sequence[Path], about: dict[str, Any], described_files: pd.DataFrame) -> None:
    """Join the shards, one in memory at a time; the record, which completes the corpus, comes last."""
    (out / RECORD).unlink(missing_ok=True)
    columns: dict[str, list[Any]] = {"path": [], "seconds": [], "skipped": [], "problem": []}
    for part in map(_read, parts):
        for key, values in zip(columns, (part.files, part.seconds, part.skipped, part.problems), strict=True):
            columns[key] += values.tolist()
    skipped = pd.DataFrame({"path": columns["skipped"], "problem": columns["problem"]})
    files = columns["path"]
    if not files:
        first = skipped.iloc[0]
        raise InputError("no recording can be used", file=out, found=f"{first['path']}: {first['problem']}")
    centre, spread = _write_vectors(out / EMBEDDINGS, parts, len(files))
    names = [name.rpartition(".")[0] for name in files]
    table = pd.DataFrame({"clip": names, "path": files, "seconds": columns["seconds"]})
    _write_table(out / CLIPS, table.join(described_files, on="path"))
    _write_table(out / SKIPPED, skipped)
    numbers = {"clips": len(files), "dimensions": len(centre), "skipped": len(skipped)}
    software = f"b2m_encoding {__version__}"
    record = {**about, **numbers, "software": software, "centre": centre.tolist(), "spread": spread.tolist()}
    write_whole(out / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def _write_vectors(path: Path, parts: Sequence[Path], n_clips: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Write one array on disk, shard after shard; returns mean and standard deviation of the vectors."""
    whole: Any = None
    start, total, squares = 0, np.zeros(1), np.zeros(1)
    with replacing_path(path) as temporary:
        for vectors in (shard.vectors.astype(np.float64) for shard in map(_read, parts) if len(shard.files)):
            if whole is None:
                shape = (n_clips, vectors.shape[1])
                whole = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
            whole[start : start + len(vectors)] = vectors
            start, total, squares = start + len(vectors), total + vectors.sum(0), squares + (vectors**2).sum(0)
        whole.flush()
        del whole
    centre = total / n_clips
    return centre, np.sqrt(np.maximum(squares / n_clips - centre**2, 0.0))


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


def _check_out(out: Path) -> None:
    names = {EMBEDDINGS, CLIPS, SKIPPED, RECORD, SHARDS}
    if out.exists() and (not out.is_dir() or {path.name for path in out.iterdir() if path.name[0] != "."} - names):
        raise InputError("the folder for the corpus holds other files", file=out, expected="a new folder")


def _seconds(path: Path) -> float:
    """Length of a file, from its header."""
    try:
        return float(soundfile.info(path).duration)
    except (soundfile.LibsndfileError, OSError) as error:
        raise InputError("audio file cannot be decoded", file=path, found=str(error).splitlines()[0]) from error


def _state(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
    except OSError:  # a broken link: decoding reports it
        return 0, 0
    return state.st_size, state.st_mtime_ns


def _complete(path: Path) -> bool:
    try:
        _read(path)
    except InputError:
        path.unlink(missing_ok=True)
        return False
    return True


def _read(path: Path) -> _Shard:
    return _Shard(**read_archive(path, "a shard of a corpus", _Shard.__dataclass_fields__, fix="build it again"))


def _write_table(path: Path, table: pd.DataFrame) -> None:
    write_whole(path, table.to_csv(sep="\t", index=False))
