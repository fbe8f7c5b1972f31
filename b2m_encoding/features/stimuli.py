"""Stimuli as they were heard: cut from their tracks, faded, at a common level; checked, identified, written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import soundfile

from b2m_encoding.errors import InputError, Problems
from b2m_encoding.features.audio import DS003720_RMS, Wave, decode_audio, prepare_stimulus, resample
from b2m_encoding.features.clips import Clip
from b2m_encoding.io.writing import replacing_path


@dataclass(frozen=True)
class Stimuli:
    """The clips of a study, made from a folder of tracks.

    The stimuli of ds003720 are not published, but follow from GTZAN and the event files: 15 s from ``start``, a quarter
    sine of 2 s at both ends, one root mean square for all.

    Parameters
    ----------
    folder : Path
        Tracks in GTZAN layout, ``genre/genre.00000.wav``.
    fade : float
        Seconds; 0 for none.
    rms : float
        Root mean square of every clip, full scale = 1; 0 leaves the levels alone.
    """

    folder: Path
    fade: float = 2.0
    rms: float = DS003720_RMS

    def heard(self, clip: Clip) -> tuple[Wave, int]:
        """The wave of a clip at the rate of its file, and that rate."""
        wave, rate = decode_audio(clip.track(self.folder), clip.start, clip.duration)
        try:
            return prepare_stimulus(wave, rate, self.fade, self.rms or None), rate
        except InputError as error:
            raise InputError(
                error.problem,
                file=clip.track(self.folder),
                found=f"{clip.duration:g} s",
                expected=error.expected,
                fix="shorten fade under the feature space",
            ) from error

    def wave(self, clip: Clip, rate: int) -> Wave:
        """The wave of a clip at a model's rate."""
        wave, own_rate = self.heard(clip)
        return resample(wave, own_rate, rate, clip.duration)

    def digest(self, clip: Clip) -> str:
        """Hash of the samples that were heard, and of their rate."""
        return _digest(self, clip, _state(clip.track(self.folder)))

    def check(self, clips: Iterable[Clip]) -> None:
        """Decode every clip.

        Raises
        ------
        InputError, ProblemList
            With all missing files in one message, and one message for each file that cannot be used.
        """
        clips, problems = sorted(clips), Problems()
        missing = sorted({str(path.relative_to(self.folder)) for path in map(self._track, clips) if not path.is_file()})
        if missing:
            with problems.collect():
                raise InputError(
                    f"{len(missing)} audio files are missing" if len(missing) > 1 else "an audio file is missing",
                    file=self.folder,
                    found=", ".join(missing),
                    expected="genre/genre.00000.wav, as in GTZAN",
                    fix="check the folder of the stimuli",
                )
        for clip in clips:
            if self._track(clip).is_file():
                with problems.collect():
                    self.digest(clip)
        problems.raise_any()

    def write(self, clips: Iterable[Clip], folder: Path) -> list[Path]:
        """Write every clip as it was heard: ``blues.00017_15s.wav``, float samples at the rate of its track.

        Two clips of one track and duration (other starts) carry their start as well: ``blues.00017_15s_from-3.2.wav``.
        """
        clips = sorted(clips)
        ids = [clip.id for clip in clips]
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for clip in clips:
            name = clip.id if ids.count(clip.id) == 1 else f"{clip.id}_from-{clip.start:g}"
            path = folder / f"{name}.wav"
            wave, rate = self.heard(clip)
            with replacing_path(path) as temporary:
                soundfile.write(temporary, wave, rate, subtype="FLOAT")
            written.append(path)
        return written

    def _track(self, clip: Clip) -> Path:
        return clip.track(self.folder)


def _state(path: Path) -> tuple[int, int]:
    """What changes when a file does."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)


@cache
def _digest(stimuli: Stimuli, clip: Clip, _state: tuple[int, int]) -> str:
    wave, rate = stimuli.heard(clip)
    return hashlib.sha256(f"{rate} Hz ".encode() + wave.tobytes()).hexdigest()
