"""Stimuli as presented: excerpts of tracks with fades and a common level; their checks, hashes and files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from b2m_encoding.errors import InputError, Problems
from b2m_encoding.features.audio import (
    DS003720_RMS,
    Wave,
    decode_audio,
    encode_wav,
    prepare_stimulus,
    resample,
)
from b2m_encoding.features.clips import Clip
from b2m_encoding.io.names import safe_name
from b2m_encoding.io.writing import write_all


@dataclass(frozen=True)
class Stimuli:
    """Clips of a study, made from a folder of tracks.

    The stimuli of ds003720 are not published, but follow from GTZAN and the event files: 15 s from ``start``, quarter
    sine fades of 2 s at both ends, and a common root mean square.

    Parameters
    ----------
    folder : Path
        Folder of the tracks in GTZAN layout, ``genre/genre.00000.wav``.
    fade : float
        Length of the fades, s; 0 for none.
    rms : float
        Root mean square of every clip, full scale = 1; 0 keeps the levels.
    """

    folder: Path
    fade: float = 2.0
    rms: float = DS003720_RMS

    def native_wave(self, clip: Clip) -> tuple[Wave, int]:
        """Wave of a presented clip at the sampling rate of its track, and this rate in Hz.

        Raises
        ------
        InputError
            If the track cannot be decoded, or the clip is too short for its fades.
        """
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
        """Wave of a presented clip at a sampling rate (Hz), shape (n_samples,)."""
        wave, native_rate = self.native_wave(clip)
        return resample(wave, native_rate, rate, clip.duration)

    def digest(self, clip: Clip) -> str:
        """Hash of the presented samples and their sampling rate."""
        return _digest(self, clip, _state(clip.track(self.folder)))

    def check(self, clips: Iterable[Clip]) -> None:
        """Check that every clip can be decoded and prepared.

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
        """Write every clip as presented: ``blues.00017_15s.wav``, float samples at the sampling rate of its track.

        The names of clips that share track and duration contain the start: ``blues.00017_15s_from-3.2.wav``; names that
        cannot be those of files are changed as by :func:`~b2m_encoding.io.names.safe_name`.

        Returns
        -------
        list of Path
            Files in the order of the sorted clips.
        """
        clips = sorted(clips)
        ids = [clip.id for clip in clips]
        written = []
        for clip in clips:
            name = clip.id if ids.count(clip.id) == 1 else f"{clip.id}_from-{clip.start:g}"
            path = folder / f"{safe_name(name)}.wav"
            wave, rate = self.native_wave(clip)
            written += write_all({path: encode_wav(wave, rate, "FLOAT")}, "a stimulus cannot be written")
        return written

    def _track(self, clip: Clip) -> Path:
        return clip.track(self.folder)


def _state(path: Path) -> tuple[int, int, int]:
    """Times of modification and change, and size of a file; zeros if there is none."""
    try:
        stat = path.stat()
    except OSError:
        return (0, 0, 0)
    return (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size)


@cache
def _digest(stimuli: Stimuli, clip: Clip, _state: tuple[int, int, int]) -> str:
    wave, rate = stimuli.native_wave(clip)
    return hashlib.sha256(f"{rate} Hz ".encode() + wave.tobytes()).hexdigest()
