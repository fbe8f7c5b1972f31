"""Evaluation of reconstructed sounds against the presented ones: identification, classes, distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.decoding.evaluation import class_agreement, kernel_distance, sound_identification
from b2m_encoding.decoding.evaluation.sounds import Sound, embed_sounds
from b2m_encoding.decoding.evaluation.tagger import AudioSetTagger
from b2m_encoding.decoding.identification import identification_accuracy
from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace
from b2m_encoding.features.audio import decode_audio
from b2m_encoding.results.schema import CHANCE

PRESENTED, DECODED = "heard", "decoded space"
"""Method of the presented sounds, and name of the decoded space, in the tables."""
COLUMNS = ("method", "encoder", "measure", "value", "chance")
Row = dict[str, Any]


def evaluate_vectors(vectors: Mapping[str, Floating], true: Floating) -> list[Row]:
    """Identification accuracy and kernel distance in the decoded space.

    Parameters
    ----------
    vectors : mapping of method to array, shape (n_clips, n_dimensions)
        Embeddings of the sounds of each method.
    true : array, shape (n_clips, n_dimensions)
        Embeddings of the presented sounds.

    Returns
    -------
    list of dict
        Rows of ``evaluation.tsv``: ``method``, ``encoder``, ``measure``, ``value``, ``chance``.
    """
    rows = []
    for method, embedded in vectors.items():
        if len(true) > 1:
            value = identification_accuracy(embedded, true).mean()
            rows.append(_row(method, DECODED, "identification", value, CHANCE))
        if len(true) > 1 and np.ptp(true, axis=0).any():
            rows.append(_row(method, DECODED, "kernel distance", kernel_distance(embedded, true)))
    return rows


@dataclass(frozen=True, eq=False)
class Evaluators:
    """Encoder and tagger that evaluate sounds beside the decoded space.

    Parameters
    ----------
    encoder : AudioEmbeddingSpace, optional
        A second encoder, on which no generator is conditioned.
    name : str
        Name of the encoder.
    tagger : AudioSetTagger, optional
    """

    encoder: AudioEmbeddingSpace | None = None
    name: str = "another encoder"
    tagger: AudioSetTagger | None = None

    def evaluate(self, sounds: Mapping[str, Sequence[Path]]) -> list[Row]:
        """Compare the sounds of every method with the presented sounds.

        Parameters
        ----------
        sounds : mapping of method to sequence of Path
            One sound per clip; without presented sounds among them, nothing is compared.

        Returns
        -------
        list of dict
            Rows as of :func:`evaluate_vectors`.
        """
        if PRESENTED not in sounds or not (self.encoder or self.tagger):
            return []
        waves = {name: [decode_audio(path) for path in files] for name, files in sounds.items()}
        presented, rows = waves.pop(PRESENTED), []
        for method, reconstructed in waves.items():
            if len(reconstructed) != len(presented):
                continue
            if self.encoder is not None and len(presented) > 1:
                value = sound_identification(self.encoder, reconstructed, presented).mean()
                rows.append(_row(method, self.name, "identification", value, CHANCE))
                rows.append(_row(method, self.name, "kernel distance", self._distance(reconstructed, presented)))
            if self.tagger is not None:
                agreement = class_agreement(self._tags(reconstructed), self._tags(presented), self.tagger.labels)
                rows += [_row(method, "AudioSet", name, values.mean()) for name, values in agreement.items()]
        return rows

    def _distance(self, reconstructed: Sequence[Sound], presented: Sequence[Sound]) -> float:
        assert self.encoder is not None
        return kernel_distance(embed_sounds(self.encoder, reconstructed), embed_sounds(self.encoder, presented))

    def _tags(self, sounds: Sequence[Sound]) -> Float64:
        assert self.tagger is not None
        return np.concatenate([self.tagger.probabilities([wave], rate) for wave, rate in sounds])


def _row(method: str, encoder: str, measure: str, value: Any, chance: float = np.nan) -> Row:
    return dict(zip(COLUMNS, (method, encoder, measure, float(value), chance), strict=True))
