"""Feature extractors from captions of clips: hashed words, and pretrained text encoders."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from b2m_encoding._typing import Float32
from b2m_encoding.config import StudyPath
from b2m_encoding.errors import Problems
from b2m_encoding.features.captions import N_FEATURES, caption_features, check_captions, read_captions
from b2m_encoding.features.clip_names import find_named
from b2m_encoding.features.clips import Clip, ClipProgress, StimulusTimeline
from b2m_encoding.features.extractors.base import ClipExtractor, silent
from b2m_encoding.features.extractors.pretrained import Pretrained, TextEncoderName, cached_text_encoder
from b2m_encoding.features.networks import TEXT_ENCODERS, TextEncoder
from b2m_encoding.features.store import Store, array_key, network_recipe

BATCH = 32
"""Number of texts that are embedded and stored together."""


class CaptionExtractor(ClipExtractor):
    """Base class of extractors from captions."""

    captions: StudyPath
    """Table with a column of clips (``ID``, ``stim_file``, ``file`` or ``clip``: the file as in the events, its name,
    or ``blues.00017_15s``) and a column of texts (``DescEN``, ``caption`` or ``text``)."""

    def needs(self) -> tuple[Path, ...]:
        """Return the caption table."""
        return (self.captions,)

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise with all clips that have no caption."""
        self.texts(stimulation)

    def texts(self, stimulation: StimulusTimeline) -> dict[Clip, str]:
        """Read the caption of every clip."""
        return self.texts_of(stimulation.clips)

    def texts_of(self, clips: Iterable[Clip]) -> dict[Clip, str]:
        """Read the captions of some clips."""
        captions = read_captions(self.captions)
        found = find_named(clips, captions)
        check_captions(self.captions, [clip.id for clip, name in found.items() if name is None])
        return {clip: captions[str(name)] for clip, name in found.items()}

    def clip_features(self, stimulation: StimulusTimeline, progress: ClipProgress = silent) -> Mapping[Clip, Float32]:
        """Repeat the embedding of each caption over the spans of its clip."""
        texts = self.texts(stimulation)
        embedded = self.embed(sorted(set(texts.values())), progress)
        return {clip: np.repeat(embedded[text][None], len(stimulation.clips[clip]), 0) for clip, text in texts.items()}

    @abstractmethod
    def embed(self, texts: list[str], progress: ClipProgress) -> Mapping[str, Float32]:
        """Embed distinct texts, each to shape (n_features,)."""


class HashedCaption(CaptionExtractor):
    """Hashed words and word pairs of captions, without a network or a fit."""

    extractor: Literal["caption"]

    def width(self, stimulation: StimulusTimeline) -> int:
        """Return the number of dimensions."""
        return N_FEATURES

    def embed(self, texts: list[str], progress: ClipProgress) -> Mapping[str, Float32]:
        """Hash the words of texts."""
        return dict(zip(texts, caption_features(texts), strict=True))


class PretrainedText(CaptionExtractor, Pretrained):
    """Embedding of captions by the text tower of a joint model, or by a sentence encoder."""

    extractor: Literal["text"]
    network: TextEncoderName = "sentences"
    """Kind of text encoder."""

    def needs(self) -> tuple[Path, ...]:
        """Return the caption table, and the folder of the weights if the study names it."""
        return (*CaptionExtractor.needs(self), *self.named_weights())

    def check(self, stimulation: StimulusTimeline) -> None:
        """Raise with all clips that have no caption, and if the weights are missing or damaged."""
        problems = Problems()
        with problems.collect():
            self.texts(stimulation)
        with problems.collect():
            self.find(TEXT_ENCODERS[self.network].model, self.network)
        problems.raise_any()

    def load(self) -> TextEncoder:
        """Load the text encoder, unless it is in memory."""
        return cached_text_encoder(self.network, self.load_options)

    def provenance(self) -> dict[str, Any]:
        """Return the options, and the provenance of the network, as plain JSON values."""
        return {**CaptionExtractor.provenance(self), "pretrained": dict(self.load().provenance)}

    def embed(self, texts: list[str], progress: ClipProgress) -> Mapping[str, Float32]:
        """Read embeddings from the store, or compute and store them."""
        encoder = self.load()
        store = Store(network_recipe(encoder), dict(encoder.provenance))
        keys = {text: array_key(text) for text in texts}
        features = store.find(keys.values())
        todo = [text for text in texts if keys[text] not in features]
        for start in range(0, len(todo), BATCH):
            batch = todo[start : start + BATCH]
            computed = {keys[text]: row for text, row in zip(batch, encoder.embed_text(batch), strict=True)}
            store.add(computed)
            features.update(computed)
            progress(start + len(batch), len(todo))
        return {text: features[key] for text, key in keys.items()}
