"""Stimuli as presented: excerpts of files with fades and a common level; their checks, hashes and files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from b2m_encoding.errors import InputError, Problems
from b2m_encoding.features.audio import (
    DS003720_RMS,
    LEVEL_FLOOR,
    Wave,
    decode_audio,
    encode_wav,
    is_silent,
    prepare_stimulus,
    resample,
)
from b2m_encoding.features.clips import Clip
from b2m_encoding.features.stimulus_files import elsewhere, file_state
from b2m_encoding.io.names import safe_name
from b2m_encoding.io.writing import write_all


@dataclass(frozen=True)
class Stimuli:
    """Clips of a study, made from the files of its stimuli.

    The stimuli of ds003720 are not published, but follow from GTZAN and the event files: 15 s from ``start``, quarter
    sine fades of 2 s at both ends, and a common root mean square. These are the defaults.

    Parameters
    ----------
    folder : Path
        Folder of the files that events name.
    fade : float
        Length of the fades, s; 0 for none.
    rms : float
        Root mean square of every clip, full scale = 1; 0 keeps the levels.
    allow_silence : bool
        Whether clips may be silent.
    """

    folder: Path
    fade: float = 2.0
    rms: float = DS003720_RMS
    allow_silence: bool = False

    def __post_init__(self) -> None:
        for key, value in {"fade": self.fade, "rms": self.rms}.items():
            if not 0 <= value < float("inf"):
                raise InputError(f"{key} of stimuli must be a number >= 0", found=value)

    def native_wave(self, clip: Clip, *, check_channels: bool = False) -> tuple[Wave, int]:
        """Wave of a presented clip at the sampling rate of its file, and this rate in Hz.

        Raises
        ------
        InputError
            If the file cannot be decoded, or the clip is too short for its fades.
        """
        wave, rate = decode_audio(clip.file(self.folder), clip.start, clip.duration, check_channels=check_channels)
        try:
            return prepare_stimulus(wave, rate, self.fade, self.rms or None), rate
        except InputError as error:
            raise InputError(
                error.problem,
                file=clip.file(self.folder),
                found=f"{clip.duration:g} s",
                expected=error.expected,
                fix="shorten fade under the feature space",
            ) from error

    def wave(self, clip: Clip, rate: int) -> Wave:
        """Wave of a presented clip at a sampling rate (Hz), shape (n_samples,)."""
        wave, native_rate = self.native_wave(clip)
        return resample(wave, native_rate, rate, clip.duration)

    def digest(self, clip: Clip) -> str:
        """Hash of the presented samples and their sampling rate."""
        return _digest(self, clip, file_state(clip.file(self.folder)))[0]

    def check(self, clips: Iterable[Clip]) -> None:
        """Check that every clip can be decoded and prepared.

        Raises
        ------
        InputError, ProblemList
            With all missing files in one message, and one message for each file that cannot be used.
        """
        clips, problems, missing = sorted(clips), Problems(), []
        for clip in clips:
            with problems.collect():
                path = clip.file(self.folder)
                if path.is_dir() or not (path.exists() or path.is_symlink()):
                    missing.append(clip.stimulus)
                else:
                    self.digest(clip)
        problems.found[:0] = self._missing(sorted(set(missing))) + self._silent(clips, set(missing))
        problems.raise_any()

    def _missing(self, stimuli: list[str]) -> list[InputError]:
        """What is wrong with stimuli that have no file."""
        if not stimuli:
            return []
        where = elsewhere(self.folder, stimuli[0])
        several = f"{len(stimuli)} audio files are missing" if len(stimuli) > 1 else "an audio file is missing"
        return [
            InputError(
                several,
                file=self.folder,
                found=", ".join(stimuli),
                expected="files below this folder, named as in the events (another ending of a sound file will do)",
                fix=f"{where[0]} has this name: move it, or name its folder as the folder of the stimuli"
                if where
                else "check the folder of the stimuli",
            )
        ]

    def _silent(self, clips: list[Clip], missing: set[str]) -> list[InputError]:
        """One problem that names all clips in which nothing is heard."""
        silent = []
        for clip in clips if not self.allow_silence else ():
            with suppress(InputError):
                if clip.stimulus not in missing and _digest(self, clip, file_state(clip.file(self.folder)))[1]:
                    silent.append(clip)
        if not silent:
            return []
        return [
            InputError(
                "nothing is heard in a clip" if len(silent) == 1 else f"nothing is heard in {len(silent)} clips",
                file=silent[0].file(self.folder),
                found=", ".join(f"{clip.stimulus} from {clip.start:g} s" for clip in silent),
                expected=f"a level above {LEVEL_FLOOR:g} (root mean square, full scale = 1)",
                fix="export the sound again, or allow_silence = true under the feature space if silence was presented",
            )
        ]

    def write(self, clips: Iterable[Clip], folder: str | Path) -> list[Path]:
        """Write every clip as presented: ``blues.00017_15s.wav``, float samples at the sampling rate of its file.

        The names of clips that share name and duration contain the start: ``blues.00017_15s_from-3.2.wav``; names that
        cannot be those of files are changed as by :func:`~b2m_encoding.io.names.safe_name`.

        Returns
        -------
        list of Path
            Files in the order of the sorted clips.
        """
        folder = Path(folder)
        clips = sorted(clips)
        ids = [clip.id for clip in clips]
        written = []
        for clip in clips:
            name = clip.id if ids.count(clip.id) == 1 else f"{clip.id}_from-{clip.start:g}"
            path = folder / f"{safe_name(name)}.wav"
            wave, rate = self.native_wave(clip)
            written += write_all({path: encode_wav(wave, rate, "FLOAT")}, "a stimulus cannot be written")
        return written


@cache
def _digest(stimuli: Stimuli, clip: Clip, _state: tuple[int, int, int]) -> tuple[str, bool]:
    """Hash of a presented wave and its sampling rate, and whether it is silent."""
    wave, rate = stimuli.native_wave(clip, check_channels=True)
    return hashlib.sha256(f"{rate} Hz ".encode() + wave.tobytes()).hexdigest(), is_silent(wave)
