"""Sounds of the interactive page: presented clips, and those retrieved or reconstructed from responses."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile

from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import read_audio
from b2m_encoding.figures.interactive import Clip, Sound
from b2m_encoding.reconstruction.listening_page import LAST
from b2m_encoding.results.clip_responses import ClipResponses
from b2m_encoding.results.clip_sounds import clip_files, played_parts
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema.reconstruction_tables import RECONSTRUCTION

RATE = 22_050
LONGEST, WHOLE = 20.0, (0.0, np.nan)
"""Seconds of a clip that are put into the page."""


def page_clips(
    names: Sequence[str],
    responses: Mapping[str, ClipResponses],
    folder: Path | None,
    results: Results,
    subjects: Sequence[str],
) -> list[Clip]:
    """Clips with their sounds, as far as a folder of stimuli is given.

    Parameters
    ----------
    names : sequence of str
        Clips, in the order of the page.
    responses : mapping of str to ClipResponses
        Start and duration of every clip in its file.
    folder : Path, optional
        Folder of the stimuli, searched recursively; None: the page has no sounds.
    results : Results
    subjects : sequence of str
        Subjects whose reconstructions are played.

    Raises
    ------
    InputError
        If the folder is missing or holds none of the clips.
    """
    if folder is None:
        return [Clip(name) for name in names]
    files = clip_files(results, folder)
    if not files.keys() & set(names):
        raise InputError(
            "no stimulus of the results is in this folder", file=folder, expected=f"{(*names, 'a clip')[0]}.wav"
        )
    parts = played_parts(responses.values())
    reconstructed = _reconstructed(results, subjects)
    presented = {name: [_sound("heard", files[name], *parts.get(name, WHOLE))] for name in names if name in files}
    return [Clip(name, "", (*presented.get(name, []), *reconstructed.get(name, []))) for name in names]


def _reconstructed(results: Results, subjects: Sequence[str]) -> dict[str, list[Sound]]:
    """The best sound of every method, by clip, for the first feature space and decoder of the table."""
    if not results.has(RECONSTRUCTION):
        return {}
    table = results.table(RECONSTRUCTION)
    first = table.iloc[0]
    chosen = (table["target"] == first["target"]) & (table["decoder"] == first["decoder"]) & (table["rank"] == 1)
    chosen &= table["subject"].isin(subjects) & ~table["method"].isin(["heard", *LAST])
    sounds: dict[str, list[Sound]] = {}
    for row in table[chosen].to_dict("records"):
        path = results.path / str(row["file"])
        if path.resolve().is_relative_to(results.path.resolve()) and path.is_file():
            label = str(row["method"]) if len(subjects) == 1 else f"{row['method']}, sub-{row['subject']}"
            sounds.setdefault(str(row["clip"]), []).append(_sound(label, path, *WHOLE))
    return sounds


def _sound(label: str, path: Path, start: float, duration: float) -> Sound:
    """A file, or the presented part of it, as MP3."""
    whole = not np.isfinite(duration)
    wave = read_audio(path, RATE) if whole else read_audio(path, RATE, start, min(duration, LONGEST))
    stream = io.BytesIO()
    soundfile.write(stream, wave[: int(LONGEST * RATE)], RATE, format="MP3", compression_level=0.7)
    return Sound(label, stream.getvalue())
