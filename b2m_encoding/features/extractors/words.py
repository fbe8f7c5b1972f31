"""Feature spaces from words: captions of clips, and transcripts of speech."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from b2m_encoding.config import StudyPath
from b2m_encoding.errors import Problems
from b2m_encoding.features.clips import Clip, StimulusTimeline
from b2m_encoding.features.extractors.base import ClipExtractor, Extractor, Report, silent
from b2m_encoding.features.extractors.pretrained import Pretrained, load_text_once
from b2m_encoding.features.networks import TEXT, TextEmbedder
from b2m_encoding.features.recipes import recipe
from b2m_encoding.features.sentences import embed_sentences, minilm_folder
from b2m_encoding.features.store import Store, array_key
from b2m_encoding.features.text import caption_features, read_captions
from b2m_encoding.features.words import context, read_textgrid, word_rate

Floats = NDArray[np.float32]
TextNetwork = Literal["muq_mulan", "clap", "musicldm_clap", "musiccoca", "sentences"]
BATCH = 32


class CaptionExtractor(ClipExtractor):
    """What features of captions share."""

    captions: StudyPath
    """Table with the columns ``ID`` (``blues.00017_15s``) and ``DescEN``."""

    def needs(self) -> tuple[Path, ...]:
        """Return the caption table."""
        return (self.captions,)

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise with all clips that have no caption."""
        self.texts(stimulation)

    def texts(self, stimulation: StimulusTimeline) -> dict[Clip, str]:
        """Caption of every clip."""
        captions = read_captions(self.captions, wanted=[clip.id for clip in stimulation.clips])
        return {clip: captions[clip.id] for clip in stimulation.clips}

    def of_clips(self, stimulation: StimulusTimeline, report: Report = silent) -> Mapping[Clip, Floats]:
        """Repeat the embedding of each caption over its clip."""
        texts = self.texts(stimulation)
        embedded = self.embed(sorted(set(texts.values())), report)
        return {clip: np.repeat(embedded[text][None], len(stimulation.clips[clip]), 0) for clip, text in texts.items()}

    @abstractmethod
    def embed(self, texts: list[str], report: Report) -> Mapping[str, Floats]:
        """Embed texts that differ."""


class Caption(CaptionExtractor):
    """Hashed words of the caption of each clip: needs no network and is fitted to nothing."""

    extractor: Literal["caption"]

    def embed(self, texts: list[str], report: Report) -> Mapping[str, Floats]:
        """Hash words."""
        return dict(zip(texts, caption_features(texts), strict=True))


class Text(CaptionExtractor, Pretrained):
    """Captions through the text tower of a joint model, or through a sentence encoder."""

    extractor: Literal["text"]
    network: TextNetwork = "sentences"

    def needs(self) -> tuple[Path, ...]:
        """Return the caption table, and the weights if they are named."""
        return (*CaptionExtractor.needs(self), *self.named_weights())

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise with all clips that have no caption, or if the weights are not here."""
        problems = Problems()
        with problems.collect():
            self.texts(stimulation)
        with problems.collect():
            self.find(TEXT[self.network].model, self.network)
        problems.raise_any()

    def load(self) -> TextEmbedder:
        """Load the network, or find it loaded."""
        return load_text_once(self.network, *self.identity)

    def provenance(self) -> dict[str, Any]:
        """Record the options and the network."""
        return {**CaptionExtractor.provenance(self), "pretrained": dict(self.load().provenance)}

    def embed(self, texts: list[str], report: Report) -> Mapping[str, Floats]:
        """Read embeddings from the store, or compute and keep them."""
        network = self.load()
        store = Store(recipe(network), dict(network.provenance))
        keys = {text: array_key(text) for text in texts}
        found = store.find(keys.values())
        todo = [text for text in texts if keys[text] not in found]
        for start in range(0, len(todo), BATCH):
            part = todo[start : start + BATCH]
            fresh = {keys[text]: row for text, row in zip(part, network.embed_text(part), strict=True)}
            store.add(fresh)
            found.update(fresh)
            report(start + len(part), len(todo))
        return {text: found[key] for text, key in keys.items()}


class Transcript(Extractor):
    """What speech features share: a TextGrid, and when the first volume begins on its clock."""

    textgrid: StudyPath
    first_volume: float = 0.0
    """Time of the first volume on the clock of the transcript, s."""

    def needs(self) -> tuple[Path, ...]:
        """Return the transcript."""
        return (self.textgrid,)

    def times(self, stimulation: StimulusTimeline) -> NDArray[np.float64]:
        """Times of the volumes on the clock of the transcript."""
        return np.asarray(stimulation.volumes.time + self.first_volume)


class WordRate(Transcript):
    """Words per second."""

    extractor: Literal["word_rate"]

    def values(self, stimulation: StimulusTimeline, report: Report = silent) -> Floats:
        """Count word onsets."""
        words, tr = read_textgrid(self.textgrid), stimulation.volumes.tr
        return stimulation.sampled(word_rate(words, self.times(stimulation), tr))


class Context(Transcript):
    """Sentence embedding of the last words heard."""

    extractor: Literal["context"]
    words: Annotated[int, Field(ge=1)] = 12
    model: Literal["minilm"] = "minilm"

    def needs(self) -> tuple[Path, ...]:
        """Return the transcript and the encoder."""
        return (self.textgrid, minilm_folder())

    def values(self, stimulation: StimulusTimeline, report: Report = silent) -> Floats:
        """Embed the last words at each sample."""
        words, tr = read_textgrid(self.textgrid), stimulation.volumes.tr
        return stimulation.sampled(_embedded(tuple(context(words, self.times(stimulation), tr, self.words))))


@cache
def _embedded(texts: tuple[str, ...]) -> Floats:
    """Sentence embeddings; subjects who heard the same story share them."""
    return embed_sentences(list(texts))
