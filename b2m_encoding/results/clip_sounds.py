"""Sounds of the presented clips: files of the stimuli of a results folder, and the part of each that was played."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from b2m_encoding.data.clips import SOUND_ENDINGS, without_ending
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import Wave, decode_audio
from b2m_encoding.features.stimulus_files import find_stimulus
from b2m_encoding.results.clip_responses import ClipResponses, clip_responses_name
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema.tables import CLIPS

AUDIO = tuple(f".{ending}" for ending in SOUND_ENDINGS)
"""Suffixes of stimuli, in small letters."""


@dataclass(frozen=True)
class ClipSounds:
    """Files of the test clips, and the part of each that was played.

    Parameters
    ----------
    files : mapping of str to Path
    parts : mapping of str to (start, duration)
        Seconds; NaN where the events have no such columns.
    """

    files: Mapping[str, Path]
    parts: Mapping[str, tuple[float, float]]

    @classmethod
    def find(cls, results: Results, subjects: Iterable[str], folder: Path | None = None) -> ClipSounds:
        """Stimuli of a study, in the folder of its features or in another one (``blues.00017.wav`` anywhere below it).

        Parameters
        ----------
        results : Results
        subjects : iterable of str
            Subjects whose clips are needed.
        folder : Path, optional
            By default the folder of the first feature space with stimuli, if it exists.

        Raises
        ------
        InputError
            If a folder is given and does not exist.
        """
        folder = folder or _stimuli_of(results)
        files = {} if folder is None else clip_files(results, folder)
        parts: dict[str, tuple[float, float]] = {}
        for subject in subjects:
            path = results.path / f"sub-{subject}" / clip_responses_name(subject)
            if path.is_file():
                parts |= played_parts([ClipResponses.load(path)])
        return cls(files, parts)

    def wave(self, clip: str, seconds: float) -> tuple[Wave, int] | None:
        """Wave of the played part of a clip, cut to a length in seconds, and its rate; None without its file."""
        if clip not in self.files:
            return None
        start, duration = self.parts.get(clip, (np.nan, np.nan))
        if np.isfinite(start) and np.isfinite(duration):
            return decode_audio(self.files[clip], round(start, 4), min(round(duration, 4), seconds))
        wave, rate = decode_audio(self.files[clip])
        return wave[: round(seconds * rate)], rate


def stimulus_files(folder: Path) -> dict[str, Path]:
    """Sound files below a folder, by the name of their clip.

    Raises
    ------
    InputError
        If the folder does not exist.
    """
    if not folder.is_dir():
        raise InputError("the folder of the stimuli does not exist", file=folder)
    found = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in AUDIO)
    return {path.stem: path for path in found if path.is_file()}


def clip_files(results: Results, folder: Path) -> dict[str, Path]:
    """Sound files of the clips of results below a folder: where the events named them, or else by the name of the clip.

    Raises
    ------
    InputError
        If the folder does not exist.
    """
    files = stimulus_files(folder)
    if not results.has(CLIPS):
        return files
    for row in results.table(CLIPS).itertuples():
        with suppress(InputError):
            if (path := find_stimulus(folder, str(row.stimulus))).is_file():
                files[str(row.clip)] = path
            elif (name := without_ending(str(row.stimulus)).rpartition("/")[2]) in files:
                files[str(row.clip)] = files[name]
    return files


def played_parts(responses: Iterable[ClipResponses]) -> dict[str, tuple[float, float]]:
    """Start and duration of each clip in its file, s; NaN where the events have no such columns."""
    return {
        str(clip): (float(start), float(duration))
        for stored in responses
        for clip, start, duration in zip(stored.clips, stored.start, stored.duration, strict=True)
    }


def _stimuli_of(results: Results) -> Path | None:
    """Folder of the first feature space with stimuli, if it exists."""
    for table in results.study.get("features", {}).values():
        if isinstance(named := table.get("stimuli"), str):
            folder = results.find_path(named)
            if folder.is_dir():
                return folder
    return None
