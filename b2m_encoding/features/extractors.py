"""The feature spaces a study can name, each a small table of options that builds a :class:`FeatureSpace`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from b2m_encoding.config import Config, StudyPath
from b2m_encoding.data.events import NOTHING, clip_label
from b2m_encoding.errors import InputError
from b2m_encoding.features.acoustic import acoustic_per_tr
from b2m_encoding.features.audio import prepare_stimulus, read_audio
from b2m_encoding.features.events import event_features
from b2m_encoding.features.sentences import embed_sentences, minilm_folder
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.features.text import caption_features, read_captions
from b2m_encoding.features.words import context, read_textgrid, word_rate
from b2m_encoding.runs import Runs

RATE = 22050


@dataclass(frozen=True, eq=False)
class Stimulation:
    """What an extractor may look at: the samples, and what was played when."""

    runs: Runs
    events: Mapping[str, pd.DataFrame]


class Extractor(Config, ABC):
    """Options every feature space has."""

    pca: Annotated[int, Field(ge=1)] | None = None
    """Keep this many principal components, fitted on training samples."""

    @abstractmethod
    def values(self, stimulation: Stimulation) -> NDArray[np.float32]:
        """Features of every sample, shape (n_samples, n_features)."""

    @abstractmethod
    def needs(self) -> tuple[Path, ...]:
        """Files that must exist."""

    def columns(self) -> tuple[str, ...]:
        """Columns that the events of every run must have."""
        return ()

    def build(self, name: str, stimulation: Stimulation) -> FeatureSpace:
        """Extract, and record how."""
        provenance = self.model_dump(mode="json")
        return FeatureSpace(name, self.values(stimulation), stimulation.runs, provenance)


CLIP_COLUMNS = ("genre", "track", "start")


class Acoustic(Extractor):
    """Mel bands, loudness, timbre, chroma, onsets and modulation of the sound under each sample."""

    extractor: Literal["acoustic"]
    stimuli: StudyPath
    """Folder in GTZAN layout: ``genre/genre.00000.wav``."""

    def columns(self) -> tuple[str, ...]:
        """Return what names a crop."""
        return CLIP_COLUMNS

    def needs(self) -> tuple[Path, ...]:
        """Return the stimulus folder."""
        return (self.stimuli,)

    def values(self, stimulation: Stimulation) -> NDArray[np.float32]:
        """Fill the samples of each clip with the features of its crop."""
        runs = stimulation.runs

        def crop(genre: str, clip: str, start: float, duration: float) -> NDArray[np.float32]:
            return _acoustic_crop(self.stimuli / genre / f"{clip}.wav", start, duration, runs.tr)

        return _per_clip(stimulation, crop)


class Caption(Extractor):
    """Hashed words of the caption of each clip: needs no network and is fitted to nothing."""

    extractor: Literal["caption"]
    captions: StudyPath
    """Table with the columns ``ID`` (``blues.00017_15s``) and ``DescEN``."""

    def columns(self) -> tuple[str, ...]:
        """Return what names a crop."""
        return CLIP_COLUMNS

    def needs(self) -> tuple[Path, ...]:
        """Return the caption table."""
        return (self.captions,)

    def values(self, stimulation: Stimulation) -> NDArray[np.float32]:
        """Repeat each caption's embedding over the samples of its clip."""
        captions = read_captions(self.captions)
        tr = stimulation.runs.tr

        def embed(genre: str, clip: str, start: float, duration: float) -> NDArray[np.float32]:
            key = f"{clip}_{duration:g}s"
            if key not in captions:
                raise InputError("a clip has no caption", file=self.captions, expected=f"a row with the ID {key}")
            return np.repeat(caption_features([captions[key]]), round(duration / tr), axis=0)

        return _per_clip(stimulation, embed)


class Conditions(Extractor):
    """Event regressors: the amount of each condition, or group of conditions, in each sample."""

    extractor: Literal["conditions"]
    column: str = "trial_type"
    groups: dict[str, tuple[str, ...]] = Field(min_length=1)

    def columns(self) -> tuple[str, ...]:
        """Return the column of the conditions."""
        return (self.column,)

    def needs(self) -> tuple[Path, ...]:
        """Nothing beside the events."""
        return ()

    def values(self, stimulation: Stimulation) -> NDArray[np.float32]:
        """Count events per sample."""
        return event_features(stimulation.runs, stimulation.events, self.column, self.groups)


class Transcript(Extractor):
    """What speech features share: a TextGrid, and when the first volume begins on its clock."""

    textgrid: StudyPath
    first_volume: float = 0.0
    """Time of the first volume on the clock of the transcript, s."""

    def needs(self) -> tuple[Path, ...]:
        """Return the transcript."""
        return (self.textgrid,)

    def times(self, stimulation: Stimulation) -> NDArray[np.float64]:
        """Sample times on the clock of the transcript."""
        return np.asarray(stimulation.runs.time + self.first_volume)


class WordRate(Transcript):
    """Words per second."""

    extractor: Literal["word_rate"]

    def values(self, stimulation: Stimulation) -> NDArray[np.float32]:
        """Count word onsets."""
        return word_rate(read_textgrid(self.textgrid), self.times(stimulation), stimulation.runs.tr)


class Context(Transcript):
    """Sentence embedding of the last words heard."""

    extractor: Literal["context"]
    words: Annotated[int, Field(ge=1)] = 12
    model: Literal["minilm"] = "minilm"

    def needs(self) -> tuple[Path, ...]:
        """Return the transcript and the encoder."""
        return (self.textgrid, minilm_folder())

    def values(self, stimulation: Stimulation) -> NDArray[np.float32]:
        """Embed the last words at each sample."""
        texts = context(read_textgrid(self.textgrid), self.times(stimulation), stimulation.runs.tr, self.words)
        return _embedded(tuple(texts))


class Array(Extractor):
    """Features made elsewhere: one ``.npy`` file per run, a row for every volume."""

    extractor: Literal["array"]
    files: StudyPath
    """Path with ``{run}`` in it, which stands for the name of the run (``task-Training_run-01``)."""

    def needs(self) -> tuple[Path, ...]:
        """Return the folder of the files."""
        return (self.files.parent,)

    def values(self, stimulation: Stimulation) -> NDArray[np.float32]:
        """Load the array of every run and compare its length with the run's."""
        parts = []
        for name, rows in stimulation.runs.slices.items():
            path = Path(str(self.files).replace("{run}", name))
            try:
                values = np.load(path, allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise InputError("a feature file cannot be read", file=path, found=error) from error
            if values.ndim != 2 or len(values) != rows.stop - rows.start:
                raise InputError(
                    "a feature file does not fit its run",
                    file=path,
                    found=f"shape {values.shape}",
                    expected=f"({rows.stop - rows.start}, n_features): one row per volume",
                )
            parts.append(values)
        if len({part.shape[1] for part in parts}) > 1:
            raise InputError("feature files differ in width", file=self.files, found=[part.shape for part in parts])
        return np.concatenate(parts).astype(np.float32)


AnyExtractor = Annotated[Acoustic | Caption | Conditions | WordRate | Context | Array, Field(discriminator="extractor")]


@cache
def _embedded(texts: tuple[str, ...]) -> NDArray[np.float32]:
    """Sentence embeddings; subjects who heard the same story share them."""
    return embed_sentences(list(texts))


@cache
def _acoustic_crop(path: Path, start: float, duration: float, tr: float) -> NDArray[np.float32]:
    """Features of one crop of one file; subjects who heard it share them."""
    wave = prepare_stimulus(read_audio(path, RATE, start=start, duration=duration), RATE)
    return acoustic_per_tr(wave, RATE, tr).astype(np.float32)


def _per_clip(
    stimulation: Stimulation, extract: Callable[[str, str, float, float], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Lay the features of each event's clip onto the samples under it; samples without a clip are zero.

    Of a clip that began before the first volume, or ended after the last one, the part inside the run is taken.
    """
    runs = stimulation.runs
    out: NDArray[np.float32] | None = None
    for name, table in stimulation.events.items():
        rows = runs.slices[name]
        for event in table.to_dict("records"):
            first, last = (round(t / runs.tr) for t in (event["onset"], event["onset"] + event["duration"]))
            if event["track"] in NOTHING or last <= 0 or first >= rows.stop - rows.start:
                continue
            clip = clip_label(event["genre"], event["track"])
            features = extract(event["genre"], clip, float(event["start"]), float(event["duration"]))
            if out is None:
                out = np.zeros((len(runs), features.shape[1]), dtype=np.float32)
            inside = features[max(-first, 0) : rows.stop - rows.start - first]
            begin = rows.start + max(first, 0)
            out[begin : begin + len(inside)] = inside
    if out is None:
        raise InputError("no events to take clips from")
    return out
