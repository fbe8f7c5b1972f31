"""The sounds that subjects heard, found again from a results folder: for listening, and to compare with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import Wave, decode_audio
from b2m_encoding.results.clip_responses import ClipResponses, clip_responses_name
from b2m_encoding.results.reader import Results

AUDIO = (".wav", ".flac", ".mp3", ".ogg", ".au")


@dataclass(frozen=True)
class ClipSounds:
    """Files of the test clips, and the part of each that was played.

    Parameters
    ----------
    files : mapping of str to Path
    parts : mapping of str to (start, duration)
        Seconds; NaN where events do not tell.
    """

    files: Mapping[str, Path]
    parts: Mapping[str, tuple[float, float]]

    @classmethod
    def find(cls, results: Results, subjects: Iterable[str], folder: Path | None = None) -> ClipSounds:
        """Look for the stimuli where the study has them, or in a folder (``blues.00017.wav`` anywhere below it).

        Raises
        ------
        InputError
            If a folder is named and is not there; stimuli that nobody names are only missing.
        """
        if folder is not None and not folder.is_dir():
            raise InputError("the folder of the stimuli does not exist", file=folder)
        folder = folder or _stimuli_of(results)
        files = (
            {}
            if folder is None
            else {one.stem: one for one in sorted(folder.rglob("*")) if one.suffix.lower() in AUDIO}
        )
        parts: dict[str, tuple[float, float]] = {}
        for subject in subjects:
            path = results.path / f"sub-{subject}" / clip_responses_name(subject)
            if path.is_file():
                kept = ClipResponses.load(path)
                places = zip(kept.start.tolist(), kept.duration.tolist(), strict=True)
                parts |= dict(zip(kept.clips.tolist(), places, strict=True))
        return cls(files, parts)

    def wave(self, clip: str, seconds: float) -> tuple[Wave, int] | None:
        """What was played of a clip, at most some seconds of it, with its rate; None if the file is not here."""
        if clip not in self.files:
            return None
        start, duration = self.parts.get(clip, (np.nan, np.nan))
        if np.isfinite(start) and np.isfinite(duration):
            return decode_audio(self.files[clip], round(start, 4), min(round(duration, 4), seconds))
        wave, rate = decode_audio(self.files[clip])
        return wave[: round(seconds * rate)], rate


def _stimuli_of(results: Results) -> Path | None:
    """The folder of the first feature space with stimuli, if it is here."""
    for table in results.study.get("features", {}).values():
        if isinstance(named := table.get("stimuli"), str):
            folder = results.study_folder / Path(named).expanduser()
            if folder.is_dir():
                return folder
    return None
