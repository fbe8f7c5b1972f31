"""Shards of a corpus: recordings that are decoded and embedded together, and stored so that a build can resume."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from b2m_encoding._typing import Float32, Float64
from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace, InMemoryAudio
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import DS003720_RMS, Wave, is_silent, resample, undecodable
from b2m_encoding.features.clips import Clip
from b2m_encoding.features.coarse_prints import COLUMNS, coarse_print, frames_of
from b2m_encoding.features.mp3 import open_sound
from b2m_encoding.features.sound_copies import sound_hash
from b2m_encoding.features.stimuli import Stimuli
from b2m_encoding.io.archives import read_archive
from b2m_encoding.io.presence import require_file
from b2m_encoding.io.removal import remove_hash_named
from b2m_encoding.io.writing import replacing

HALF_MAX = float(np.finfo(np.float16).max)
"""Largest value of half precision."""


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


@dataclass(frozen=True, eq=False)
class Shard:
    """Vectors, hashes and coarse prints of the usable recordings of one shard, and the problems of the others."""

    files: NDArray[np.str_]
    seconds: Float64
    sounds: NDArray[np.str_]
    prints: NDArray[np.int8]
    vectors: Float32
    skipped: NDArray[np.str_]
    problems: NDArray[np.str_]


def write_shard(
    audio: Path,
    files: Sequence[str],
    folder: Path,
    space: AudioEmbeddingSpace,
    preparation: Preparation,
    described: Any,
) -> Path:
    """Path of a shard below a folder; it is computed unless it exists."""
    states = [[name, *_state(audio / name)] for name in files]
    key = hashlib.sha256(json.dumps([described, states], sort_keys=True).encode()).hexdigest()[:32]
    path = folder / f"{key}.npz"
    if not _complete(path):
        embedded = _embedded(audio, files, space, preparation)
        with replacing(path) as stream:
            np.savez(stream, allow_pickle=False, **vars(embedded))
    return path


def _embedded(audio: Path, files: Sequence[str], space: AudioEmbeddingSpace, preparation: Preparation) -> Shard:
    """Decode files in threads, then embed those without a problem."""
    stimuli, rate = Stimuli(audio, preparation.fade, preparation.rms), space.rate

    def decode(name: str) -> tuple[Clip, Wave] | str:
        try:
            seconds = min(preparation.seconds, _seconds(audio / name))
            if seconds < space.shortest:
                return f"too short: {seconds:.2f} s of at least {space.shortest:g} s"
            clip = Clip(name, 0.0, seconds)
            wave, own = stimuli.native_wave(clip, check_channels=True)
            wave = resample(wave, own, rate, clip.duration)
            return "silent, or nearly so" if is_silent(wave) else (clip, wave)
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
            problems[clip.stimulus] = f"its vector cannot be stored: largest value {np.abs(vector).max():g}"
            del vectors[clip]
    clips = sorted(vectors, key=lambda clip: clip.stimulus)
    return Shard(
        np.array([clip.stimulus for clip in clips], dtype=np.str_),
        np.array([clip.duration for clip in clips], dtype=np.float64),
        np.array([sound_hash(audio / clip.stimulus, preparation.seconds) for clip in clips], dtype=np.str_),
        np.array([coarse_print(audio / clip.stimulus, preparation.seconds) for clip in clips], dtype=np.int8).reshape(
            len(clips), frames_of(preparation.seconds), COLUMNS
        ),
        np.array([vectors[clip] for clip in clips], dtype=np.float32).reshape(len(clips), -1 if clips else 0),
        np.array(sorted(problems), dtype=np.str_),
        np.array([problems[name] for name in sorted(problems)], dtype=np.str_),
    )


def _seconds(path: Path) -> float:
    """Length of a file, from its header."""
    require_file(path, "an audio file", folder=False)
    try:
        with open_sound(path) as file:
            return float(file.frames / file.samplerate)
    except (soundfile.LibsndfileError, OSError) as error:
        if not isinstance(error, soundfile.LibsndfileError) or not path.is_file():
            raise InputError("audio file cannot be decoded", file=path, found=str(error).splitlines()[0]) from error
        raise undecodable(path, error.error_string) from error


def _state(path: Path) -> tuple[int, int]:
    """Size and time of a file."""
    try:
        state = path.stat()
    except OSError:  # a broken link: decoding reports it
        return 0, 0
    return state.st_size, state.st_mtime_ns


def _complete(path: Path) -> bool:
    """Check that a shard can be read, and remove a damaged one."""
    try:
        read_shard(path)
    except InputError:
        remove_hash_named(path)
        return False
    return True


def read_shard(path: Path) -> Shard:
    """Read the file of :func:`write_shard`."""
    return Shard(**read_archive(path, "a shard of a corpus", Shard.__dataclass_fields__, fix="build it again"))
