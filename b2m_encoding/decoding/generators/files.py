"""Sounds on disk with records of their making: a JSON file beside each, and metadata in WAV files."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from b2m_encoding import __version__
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import DS003720_RMS, Wave, prepare_stimulus, resample
from b2m_encoding.io.hashes import sha256
from b2m_encoding.io.removal import replacing_path
from b2m_encoding.io.writing import write_whole

SOFTWARE = f"b2m_encoding {__version__}"
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
USUAL_RATE = 44100
"""Rate to which MP3 files of other rates are resampled, Hz."""
EDGE = 0.05
"""Fade of a sound for listening, s."""
FORMATS: Mapping[str, dict[str, Any]] = {
    ".wav": {"format": "WAV", "subtype": "PCM_16"},
    ".mp3": {"format": "MP3", "compression_level": 0.5},
}


def for_listening(wave: Wave, rate: int, rms: float = DS003720_RMS) -> Wave:
    """Bring a sound to the level of the stimuli, with fades at both ends and without clipping."""
    levelled = prepare_stimulus(wave, rate, min(EDGE, len(wave) / rate / 4), rms)
    peak = float(np.abs(levelled).max(initial=0.0))
    return np.asarray(levelled / peak * 0.99 if peak > 0.99 else levelled, dtype=np.float32)


def write_sound(path: Path, wave: Wave, rate: int, record: Mapping[str, Any]) -> Path:
    """Write a sound and the record of its making, each whole or not at all, the record last.

    Parameters
    ----------
    path : Path
        ``.wav`` or ``.mp3``.
    wave : array, shape (n_samples,)
    rate : int
    record : mapping
        Plain JSON values; ``title``, ``comment`` and ``licence`` go into the metadata of a WAV file as well.

    Returns
    -------
    Path
        File of the sound.

    Raises
    ------
    InputError
        If the wave is empty or holds values that are not finite, or the file cannot be written.
    """
    if not len(wave) or not np.isfinite(wave).all():
        raise InputError("a generator returned no sound", file=path, found=f"{len(wave)} samples, not all finite")
    path.parent.mkdir(parents=True, exist_ok=True)
    options = FORMATS[path.suffix]
    if path.suffix == ".mp3" and rate not in MP3_RATES:
        wave, rate = resample(np.asarray(wave, dtype=np.float32), rate, USUAL_RATE), USUAL_RATE
    try:
        with (
            replacing_path(path) as temporary,
            soundfile.SoundFile(temporary, "w", samplerate=rate, channels=1, **options) as stream,
        ):
            if path.suffix == ".wav":  # before the samples, or they are not written
                texts = (record.get("title", path.stem), record.get("comment"), record.get("licence"), SOFTWARE)
                for name, text in zip(("title", "comment", "copyright", "software"), texts, strict=True):
                    if text:  # the library refuses empty ones
                        setattr(stream, name, str(text))
            stream.write(np.asarray(wave, dtype=np.float32))
    except soundfile.LibsndfileError as error:
        raise InputError("a sound cannot be written", file=path, found=error.error_string) from error
    facts = {"file": path.name, "sha256": sha256(path), "rate": rate, "seconds": len(wave) / rate, "software": SOFTWARE}
    write_whole(record_of(path), json.dumps({**record, **facts}, indent=1, ensure_ascii=False) + "\n")
    return path


def copy_sound(source: Path, path: Path) -> Path:
    """Copy a sound that `write_sound` wrote, with its record: an MP3 file takes a thousand times as long to encode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = json.loads(record_of(source).read_text(encoding="utf-8"))
    with replacing_path(path) as temporary:
        shutil.copyfile(source, temporary)
    write_whole(record_of(path), json.dumps({**record, "file": path.name}, indent=1, ensure_ascii=False) + "\n")
    return path


def record_of(path: Path) -> Path:
    """JSON file beside a sound."""
    return path.with_suffix(".json")


def read_record(path: Path) -> dict[str, Any] | None:
    """Record of a sound; None if the sound or its record is missing, damaged, or written by another program."""
    try:
        found: dict[str, Any] = json.loads(record_of(path).read_text(encoding="utf-8"))
        return found if found.get("sha256") == sha256(path) else None
    except (OSError, ValueError, AttributeError):
        return None


def recipe_key(recipe: Mapping[str, Any]) -> str:
    """Hash of everything on which a sound depends."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True, default=str).encode()).hexdigest()[:32]
