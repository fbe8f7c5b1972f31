"""Numbers of a reconstruction: whether its sounds identify what was heard, are of its classes, and how far they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.decoding.evaluation import class_agreement, kernel_distance, sound_identification
from b2m_encoding.decoding.evaluation.sounds import Sound, embed_sounds
from b2m_encoding.decoding.evaluation.tagger import AudioSetTagger
from b2m_encoding.decoding.identification import identification_accuracy
from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace
from b2m_encoding.features.audio import decode_audio
from b2m_encoding.results.schema import CHANCE

HEARD, DECODED = "heard", "decoded space"
COLUMNS = ("method", "encoder", "measure", "value", "chance")
Row = dict[str, Any]


def evaluate_vectors(vectors: Mapping[str, NDArray[np.floating]], true: NDArray[np.floating]) -> list[Row]:
    """Identification accuracy and kernel distance in the decoded space.

    Parameters
    ----------
    vectors : mapping of method to array, shape (n_clips, n_dimensions)
        Embeddings of its sounds.
    true : array, shape (n_clips, n_dimensions)
        Of what was heard.
    """
    rows = []
    for method, own in vectors.items():
        if len(true) > 1:
            value = identification_accuracy(own, true).mean()
            rows.append(_row(method, DECODED, "identification", value, CHANCE))
        if len(true) > 1 and np.ptp(true, axis=0).any():
            rows.append(_row(method, DECODED, "kernel distance", kernel_distance(own, true)))
    return rows


@dataclass(frozen=True, eq=False)
class Evaluators:
    """Who listens to the sounds besides the space that was decoded.

    Parameters
    ----------
    encoder : AudioEmbeddingSpace, optional
        Another encoder, which no generator listened to.
    name : str
        Of the encoder.
    tagger : AudioSetTagger, optional
    """

    encoder: AudioEmbeddingSpace | None = None
    name: str = "another encoder"
    tagger: AudioSetTagger | None = None

    def evaluate(self, sounds: Mapping[str, Sequence[Path]]) -> list[Row]:
        """Compare the sounds of every method with those that were heard.

        Parameters
        ----------
        sounds : mapping of method to sequence of Path
            A sound per clip; nothing is compared unless what was heard is among them.
        """
        if HEARD not in sounds or not (self.encoder or self.tagger):
            return []
        waves = {name: [decode_audio(path) for path in files] for name, files in sounds.items()}
        heard, rows = waves.pop(HEARD), []
        for method, made in waves.items():
            if len(made) != len(heard):
                continue
            if self.encoder is not None and len(heard) > 1:
                value = sound_identification(self.encoder, made, heard).mean()
                rows.append(_row(method, self.name, "identification", value, CHANCE))
                rows.append(_row(method, self.name, "kernel distance", self._distance(made, heard)))
            if self.tagger is not None:
                found = class_agreement(self._tags(made), self._tags(heard), self.tagger.labels)
                rows += [_row(method, "AudioSet", name, values.mean()) for name, values in found.items()]
        return rows

    def _distance(self, made: Sequence[Sound], heard: Sequence[Sound]) -> float:
        assert self.encoder is not None
        return kernel_distance(embed_sounds(self.encoder, made), embed_sounds(self.encoder, heard))

    def _tags(self, sounds: Sequence[Sound]) -> NDArray[np.float64]:
        assert self.tagger is not None
        return np.concatenate([self.tagger.probabilities([wave], rate) for wave, rate in sounds])


def _row(method: str, encoder: str, measure: str, value: Any, chance: float = np.nan) -> Row:
    return dict(zip(COLUMNS, (method, encoder, measure, float(value), chance), strict=True))
