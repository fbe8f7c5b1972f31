"""Feature extractors from transcripts of speech: word rate, and the sentence embedding of preceding words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from b2m_encoding._typing import Float32, Float64
from b2m_encoding.config import StudyPath
from b2m_encoding.data.clips import check_one_at_a_time, played_clips
from b2m_encoding.errors import InputError, Problems, notice
from b2m_encoding.features.clip_names import ClipNames
from b2m_encoding.features.clips import Clip, ClipProgress, StimulusTimeline
from b2m_encoding.features.extractors.base import Extractor, silent
from b2m_encoding.features.extractors.from_arrays import matching_files
from b2m_encoding.features.networks import TextEncoder, load_text_encoder
from b2m_encoding.features.transcripts import Transcript, preceding_words, read_transcript, word_rate
from b2m_encoding.features.weights import catalogue, find_weights
from b2m_encoding.io.presence import require_file


class TranscriptExtractor(Extractor):
    """Base class of extractors from transcripts: of the whole study, of each run, or of each sound that is played.

    With ``{clip}`` in its path a transcript is that of a sound file, and begins with it; with ``{run}`` it is that of a
    run. Otherwise all runs have the same one.
    """

    transcript: StudyPath | None = None
    """TextGrid, table with the columns ``onset`` (s) and ``word``, JSON of an aligner, or subtitles of one word each;
    ``{clip}``, ``{run}`` and ``{subject}`` in its path stand for the name of a sound file, of a run, and the label of
    the subject."""
    textgrid: StudyPath | None = None
    """The same, under its earlier name."""
    first_volume: float = 0.0
    """Time of the first volume in the transcript, s; not of transcripts of sound files."""

    @model_validator(mode="after")
    def _one_transcript(self) -> Self:
        if (self.transcript is None) == (self.textgrid is None):
            raise ValueError("give transcript = the path of a TextGrid, or of a table with the columns onset and word")
        return self

    @property
    def path(self) -> Path:
        """Path of the transcript."""
        path = self.transcript or self.textgrid
        assert path is not None
        return path

    def needs(self) -> tuple[Path, ...]:
        """Return the transcript, or the folder of transcripts."""
        return matching_files(self.path, "{clip}", "{run}", "{subject}")

    def shared(self) -> bool:
        """Return whether all subjects have the same transcripts in runs of one name."""
        return not any(one in str(self.path) for one in ("{clip}", "{subject}"))

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise with every transcript that is missing or cannot be read, or if no word of any of them is heard.

        Volumes without words are zero; transcripts of which no word is heard (instrumental pieces) are logged.
        """
        problems, unheard = Problems(), []
        of_path: dict[Path, list[Part]] = defaultdict(list)
        for part in self.parts(stimulation):
            of_path[part.path].append(part)
        for path, parts in of_path.items():
            with problems.collect():
                _check_there(path)
                read_transcript(path)
                if not any(word_rate(part.words(), part.times, stimulation.volumes.tr).any() for part in parts):
                    unheard.append(path)
        problems.raise_any()
        if unheard and len(unheard) == len(of_path):
            raise _unheard(of_path)
        if unheard:
            names = ", ".join(str(path) for path in unheard[:5]) + (" ..." if len(unheard) > 5 else "")
            notice(f"{len(unheard)} of {len(of_path)} transcripts have no word that is heard, and are zero: {names}")

    def parts(self, stimulation: StimulusTimeline) -> list[Part]:
        """Stretches of volumes, each with its transcript and the times of the volumes in it."""
        volumes, parts = stimulation.volumes, []
        for run, rows in volumes.slices.items():
            own = np.arange(rows.start, rows.stop)
            if "{clip}" not in str(self.path):
                path = Path(str(self.path).replace("{run}", run).replace("{subject}", stimulation.subject))
                parts.append(Part(path, own, volumes.time[rows] + self.first_volume, -np.inf, np.inf))
            elif run in stimulation.events:
                parts += self._of_clips(stimulation, run, own)
        return parts

    def _of_clips(self, stimulation: StimulusTimeline, run: str, rows: NDArray[np.intp]) -> list[Part]:
        """Stretches of the sounds that are played in a run."""
        parts, time = [], stimulation.volumes.time[rows]
        for played in check_one_at_a_time(played_clips(stimulation.events[run], stimulation.columns, run), run):
            clip = Clip(played.stimulus, played.start, played.duration)
            pattern = str(self.path).replace("{run}", run).replace("{subject}", stimulation.subject)
            paths = [Path(pattern.replace("{clip}", name)) for name in ClipNames([clip]).of(clip)]
            under = (time + stimulation.volumes.tr > played.onset) & (time < played.onset + played.duration)
            times = time[under] - played.onset + played.start
            path = next((path for path in paths if path.is_file()), paths[-2])
            parts.append(Part(path, rows[under], times, played.start, played.start + played.duration))
        return parts


class Part(NamedTuple):
    """Volumes under a transcript.

    Parameters
    ----------
    path : Path
    rows : array of int, shape (n,)
    times : array, shape (n,)
        In the transcript, s.
    first, last : float
        Part of the transcript that is heard, s.
    """

    path: Path
    rows: NDArray[np.intp]
    times: Float64
    first: float
    last: float

    def words(self) -> Transcript:
        """The words that are heard."""
        whole = read_transcript(self.path)
        heard = (whole.onset >= self.first) & (whole.onset < self.last)
        text = tuple(word for word, kept in zip(whole.text, heard, strict=True) if kept)
        return Transcript(text, whole.onset[heard], whole.end[heard])


def _check_there(path: Path) -> None:
    """Raise if a transcript is missing."""
    try:
        require_file(path, "a transcript", folder=False)
    except InputError as error:
        if path.exists() or error.fix:
            raise
        fix = "for a sound without words, write a table with the line onset,word alone"
        raise InputError(error.problem, file=path, found=error.found, expected=error.expected, fix=fix) from error


def _unheard(of_path: Mapping[Path, Sequence[Part]]) -> InputError:
    """The error of transcripts whose times do not meet those of the volumes, or without any word."""
    spoken = [path for path in of_path if len(read_transcript(path).onset)]
    path = next(iter(spoken or of_path))
    onset = read_transcript(path).onset
    times = np.concatenate([part.times for part in of_path[path]])
    return InputError(
        "no word of a transcript is heard",
        file=path,
        found=f"words from {onset[0]:g} to {onset[-1]:g} s" if len(onset) else "no words",
        expected=f"some from {times.min():g} to {times.max():g} s" if len(times) else "some under the volumes of a run",
        fix="times count from the start of the sound with {clip} in the path, else from the first volume; first_volume "
        "(s) under the feature space is the time of the first volume in the transcript",
    )


class WordRate(TranscriptExtractor):
    """Number of words per second."""

    extractor: Literal["word_rate"]

    def values(self, stimulation: StimulusTimeline, progress: ClipProgress = silent) -> Float32:
        """Count word onsets per sample."""
        out = np.zeros((len(stimulation.volumes), 1), dtype=np.float32)
        for part in self.parts(stimulation):
            out[part.rows] += word_rate(part.words(), part.times, stimulation.volumes.tr)
        return stimulation.volumes_to_samples(out)


class SpeechContext(TranscriptExtractor):
    """Sentence embedding of the words before each sample."""

    extractor: Literal["context"]
    words: Annotated[int, Field(ge=1)] = 12
    """Number of words."""
    model: Literal["minilm"] = "minilm"
    """Sentence encoder."""

    def needs(self) -> tuple[Path, ...]:
        """Return the transcript and the folder of the sentence encoder."""
        return (*TranscriptExtractor.needs(self), find_weights(catalogue()["minilm"]).folder)

    def values(self, stimulation: StimulusTimeline, progress: ClipProgress = silent) -> Float32:
        """Embed the preceding words of each sample."""
        texts = [""] * len(stimulation.volumes)
        for part in self.parts(stimulation):
            own = preceding_words(part.words(), part.times, stimulation.volumes.tr, self.words)
            for row, text in zip(part.rows.tolist(), own, strict=True):
                texts[row] = text
        return stimulation.volumes_to_samples(embed_sentences(tuple(texts)))


@cache
def embed_sentences(texts: tuple[str, ...]) -> Float32:
    """Embed texts with MiniLM, shape (n_texts, n_dimensions); empty texts are zeros.

    Subjects with the same transcript share the result, which is cached.
    """
    encoder = _sentence_encoder()
    unique = sorted(set(texts) - {""})
    embedded = dict(zip(unique, encoder.embed_text(unique), strict=True))
    zero = np.zeros(encoder.dim, dtype=np.float32)
    return np.stack([embedded.get(text, zero) for text in texts])


@cache
def _sentence_encoder() -> TextEncoder:
    return load_text_encoder("sentences", device="cpu")
