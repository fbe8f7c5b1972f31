"""Evaluation of reconstructed sounds against the presented ones: identification, classes, distance, clip by clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.decoding.evaluation import class_agreement, kernel_distance
from b2m_encoding.decoding.evaluation.sounds import Sound, embed_together
from b2m_encoding.decoding.evaluation.tagger import AudioSetTagger
from b2m_encoding.decoding.identification import expected_accuracy, identification_accuracy
from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace
from b2m_encoding.features.audio import decode_audio
from b2m_encoding.results.schema import CHANCE

PRESENTED, DECODED = "heard", "decoded space"
"""Method of the presented sounds, and name of the decoded space, in the tables."""
AT_RANDOM = "chance"
"""Method whose sounds belong to no clip: its scores are means over all pairs with a clip."""
COLUMNS = ("method", "encoder", "measure", "value", "chance")
Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Score:
    """One measure of one method.

    Parameters
    ----------
    method, encoder, measure : str
    value : float
        Mean over clips, or of all clips together.
    clips : array, shape (n_clips,), or None
        Value of each clip.
    chance : float
    """

    method: str
    encoder: str
    measure: str
    value: float
    clips: Float64 | None = None
    chance: float = np.nan

    def row(self) -> Row:
        """Row of ``evaluation.tsv``."""
        return {name: getattr(self, name) for name in COLUMNS}


def mean_of(scores: Sequence[Sequence[Score]], method: str) -> list[Score]:
    """Mean over samples of the same measures, each evaluated by itself, as one method."""
    return [
        Score(method, same[0].encoder, same[0].measure, float(np.mean([one.value for one in same])),
              None if same[0].clips is None else np.mean([one.clips for one in same], axis=0), same[0].chance)
        for same in zip(*scores, strict=True)
    ]  # fmt: skip


def evaluate_vectors(
    vectors: Mapping[str, Floating], true: Floating, candidates: Floating | None = None
) -> list[Score]:
    """Identification accuracy and kernel distance in the decoded space.

    Parameters
    ----------
    vectors : mapping of method to array, shape (n_clips, n_dimensions)
        Embeddings of the sounds of each method.
    true : array, shape (n_clips, n_dimensions)
        Embeddings of the presented sounds.
    candidates : array, shape (n_candidates, n_dimensions), optional
        Embeddings of all recordings that chance draws from: its identification is the expectation over them.
    """
    scores = []
    for method, embedded in vectors.items():
        if len(true) > 1:
            if method == AT_RANDOM and candidates is not None:
                clips = expected_accuracy(candidates, true)
            else:
                clips = identification_accuracy(embedded, true)
            scores.append(Score(method, DECODED, "identification", float(clips.mean()), clips, CHANCE))
        if len(true) > 1 and np.ptp(true, axis=0).any():
            scores.append(Score(method, DECODED, "kernel distance", kernel_distance(embedded, true)))
    return scores


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

    def evaluate(self, sounds: Mapping[str, Sequence[Path]]) -> list[Score]:
        """Compare the sounds of every method with the presented sounds.

        Parameters
        ----------
        sounds : mapping of method to sequence of Path
            One sound per clip; without presented sounds among them, nothing is compared. Sounds at random count for
            every clip.
        """
        if PRESENTED not in sounds or not (self.encoder or self.tagger):
            return []
        waves = {name: [decode_audio(path) for path in files] for name, files in sounds.items()}
        presented, scores = waves.pop(PRESENTED), []
        for method, reconstructed in waves.items():
            if len(reconstructed) != len(presented):
                continue
            if self.encoder is not None and len(presented) > 1:
                scores += self._encoded(method, reconstructed, presented)
            if self.tagger is not None:
                scores += self._classes(method, reconstructed, presented)
        return scores

    def _encoded(self, method: str, reconstructed: Sequence[Sound], presented: Sequence[Sound]) -> list[Score]:
        assert self.encoder is not None
        (embedded, true), scaled = embed_together(self.encoder, reconstructed, presented)
        clips = expected_accuracy(*scaled) if method == AT_RANDOM else identification_accuracy(*scaled)
        return [
            Score(method, self.name, "identification", float(clips.mean()), clips, CHANCE),
            Score(method, self.name, "kernel distance", kernel_distance(embedded, true)),
        ]

    def _classes(self, method: str, reconstructed: Sequence[Sound], presented: Sequence[Sound]) -> list[Score]:
        assert self.tagger is not None
        found, true, labels = self._tags(reconstructed), self._tags(presented), self.tagger.labels
        n = len(true)
        if method == AT_RANDOM:  # every sound with every clip
            agreement = {
                name: values.reshape(n, n).mean(axis=0)
                for name, values in class_agreement(np.repeat(found, n, axis=0), np.tile(true, (n, 1)), labels).items()
            }
        else:
            agreement = class_agreement(found, true, labels)
        return [Score(method, "AudioSet", name, float(clips.mean()), clips) for name, clips in agreement.items()]

    def _tags(self, sounds: Sequence[Sound]) -> Float64:
        assert self.tagger is not None
        return np.concatenate([self.tagger.probabilities([wave], rate) for wave, rate in sounds])
