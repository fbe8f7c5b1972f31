"""Feature extractors from transcripts of speech: word rate, and the sentence embedding of preceding words."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from b2m_encoding._typing import Float32, Float64
from b2m_encoding.config import StudyPath
from b2m_encoding.features.clips import ClipProgress, StimulusTimeline
from b2m_encoding.features.extractors.base import Extractor, silent
from b2m_encoding.features.networks import TextEncoder, load_text_encoder
from b2m_encoding.features.transcripts import preceding_words, read_textgrid, word_rate
from b2m_encoding.features.weights import catalogue, find_weights


class TranscriptExtractor(Extractor):
    """Base class of extractors from a transcript: its file, and the time of the first volume in it."""

    textgrid: StudyPath
    first_volume: float = 0.0
    """Time of the first volume in the transcript, s."""

    def needs(self) -> tuple[Path, ...]:
        """Return the transcript."""
        return (self.textgrid,)

    def times(self, stimulation: StimulusTimeline) -> Float64:
        """Times of the volumes in the transcript, s."""
        return np.asarray(stimulation.volumes.time + self.first_volume)


class WordRate(TranscriptExtractor):
    """Number of words per second."""

    extractor: Literal["word_rate"]

    def values(self, stimulation: StimulusTimeline, progress: ClipProgress = silent) -> Float32:
        """Count word onsets per sample."""
        transcript, tr = read_textgrid(self.textgrid), stimulation.volumes.tr
        return stimulation.volumes_to_samples(word_rate(transcript, self.times(stimulation), tr))


class SpeechContext(TranscriptExtractor):
    """Sentence embedding of the words before each sample."""

    extractor: Literal["context"]
    words: Annotated[int, Field(ge=1)] = 12
    """Number of words."""
    model: Literal["minilm"] = "minilm"

    def needs(self) -> tuple[Path, ...]:
        """Return the transcript and the folder of the sentence encoder."""
        return (self.textgrid, find_weights(catalogue()["minilm"]).folder)

    def values(self, stimulation: StimulusTimeline, progress: ClipProgress = silent) -> Float32:
        """Embed the preceding words of each sample."""
        transcript, tr = read_textgrid(self.textgrid), stimulation.volumes.tr
        texts = preceding_words(transcript, self.times(stimulation), tr, self.words)
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
