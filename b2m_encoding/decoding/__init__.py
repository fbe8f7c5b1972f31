"""Decoding: responses to features, identification of presented clips, retrieval and generation of music.

Decoders (``decoders/``) are fitted to windows of responses ``X`` and features ``Y``, as ``fit(X, Y, runs=runs)``, and
predict features. Predictions identify clips (``identification``), retrieve recordings from a corpus (``retrieval/``)
and condition generators of music (``generators/``); ``evaluation/`` compares the sounds with the presented ones.

Examples
--------
>>> import numpy as np
>>> from b2m_encoding import Runs
>>> from b2m_encoding.decoding import RidgeDecoder, identification_accuracy
>>> rng = np.random.default_rng(0)
>>> Y = rng.standard_normal((60, 3))
>>> X = Y @ rng.standard_normal((3, 20)) + rng.standard_normal((60, 20))
>>> runs = Runs.from_labels(np.repeat(["a", "b", "c"], 20), 1.5, clip=[f"clip {i}" for i in range(60)])
>>> train, test = np.arange(40), np.arange(40, 60)
>>> decoder = RidgeDecoder(device="cpu").fit(X[train], Y[train], runs=runs.take(train))
>>> predicted = decoder.predict(X[test], runs=runs.take(test))
>>> bool(identification_accuracy(predicted, Y[test]).mean() > 0.9)
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from b2m_encoding.decoding.decoders.alignment import Alignment
    from b2m_encoding.decoding.decoders.base import Decoder
    from b2m_encoding.decoding.decoders.calibration import Calibration
    from b2m_encoding.decoding.decoders.contrastive import ContrastiveDecoder
    from b2m_encoding.decoding.decoders.ensemble import EnsembleDecoder
    from b2m_encoding.decoding.decoders.inverse import InverseDecoder
    from b2m_encoding.decoding.decoders.pooled import PooledDecoder
    from b2m_encoding.decoding.decoders.region import RegionDecoder
    from b2m_encoding.decoding.decoders.registry import DECODERS, DecoderKind, DecoderSettings, build_decoders
    from b2m_encoding.decoding.decoders.ridge import RidgeDecoder
    from b2m_encoding.decoding.evaluation.classes import GROUPS, class_agreement
    from b2m_encoding.decoding.evaluation.distances import kernel_distance
    from b2m_encoding.decoding.evaluation.sounds import sound_identification
    from b2m_encoding.decoding.evaluation.summary import over_subjects
    from b2m_encoding.decoding.evaluation.tagger import AudioSetTagger
    from b2m_encoding.decoding.generators.base import Condition, Exemplar, Generator
    from b2m_encoding.decoding.generators.rank import rank_by_responses
    from b2m_encoding.decoding.generators.registry import GENERATORS, load_generator
    from b2m_encoding.decoding.identification import (
        by_label,
        chance_interval,
        chance_of_scores,
        correlations,
        identification_accuracy,
        identification_scores,
        identified,
        n_way,
        ranks,
        shared_clips,
        top_k,
    )
    from b2m_encoding.decoding.retrieval.build import build_corpus
    from b2m_encoding.decoding.retrieval.corpus import Corpus, Vectors
    from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace
    from b2m_encoding.decoding.retrieval.exact_search import search
    from b2m_encoding.decoding.retrieval.shards import Preparation
    from b2m_encoding.decoding.retrieval.similarity import Metric, Neighbours

_DRAWERS = ("decoders", "evaluation", "generators", "identification", "retrieval")
# Names load on first use: `import b2m_encoding.decoding` loads no torch.
_HOMES = {
    "DECODERS": "decoders.registry",
    "GENERATORS": "generators.registry",
    "GROUPS": "evaluation.classes",
    "Alignment": "decoders.alignment",
    "AudioEmbeddingSpace": "retrieval.embedding_space",
    "AudioSetTagger": "evaluation.tagger",
    "Calibration": "decoders.calibration",
    "Condition": "generators.base",
    "ContrastiveDecoder": "decoders.contrastive",
    "Corpus": "retrieval.corpus",
    "Decoder": "decoders.base",
    "DecoderKind": "decoders.registry",
    "DecoderSettings": "decoders.registry",
    "EnsembleDecoder": "decoders.ensemble",
    "Exemplar": "generators.base",
    "Generator": "generators.base",
    "InverseDecoder": "decoders.inverse",
    "Metric": "retrieval.similarity",
    "Neighbours": "retrieval.similarity",
    "PooledDecoder": "decoders.pooled",
    "Preparation": "retrieval.shards",
    "RegionDecoder": "decoders.region",
    "RidgeDecoder": "decoders.ridge",
    "Vectors": "retrieval.corpus",
    "build_corpus": "retrieval.build",
    "build_decoders": "decoders.registry",
    "by_label": "identification",
    "chance_interval": "identification",
    "chance_of_scores": "identification",
    "class_agreement": "evaluation.classes",
    "correlations": "identification",
    "identification_accuracy": "identification",
    "identification_scores": "identification",
    "identified": "identification",
    "kernel_distance": "evaluation.distances",
    "load_generator": "generators.registry",
    "n_way": "identification",
    "over_subjects": "evaluation.summary",
    "rank_by_responses": "generators.rank",
    "ranks": "identification",
    "search": "retrieval.exact_search",
    "shared_clips": "identification",
    "sound_identification": "evaluation.sounds",
    "top_k": "identification",
}
__all__ = [
    "DECODERS",
    "GENERATORS",
    "GROUPS",
    "Alignment",
    "AudioEmbeddingSpace",
    "AudioSetTagger",
    "Calibration",
    "Condition",
    "ContrastiveDecoder",
    "Corpus",
    "Decoder",
    "DecoderKind",
    "DecoderSettings",
    "EnsembleDecoder",
    "Exemplar",
    "Generator",
    "InverseDecoder",
    "Metric",
    "Neighbours",
    "PooledDecoder",
    "Preparation",
    "RegionDecoder",
    "RidgeDecoder",
    "Vectors",
    "build_corpus",
    "build_decoders",
    "by_label",
    "chance_interval",
    "chance_of_scores",
    "class_agreement",
    "correlations",
    "identification_accuracy",
    "identification_scores",
    "identified",
    "kernel_distance",
    "load_generator",
    "n_way",
    "over_subjects",
    "rank_by_responses",
    "ranks",
    "search",
    "shared_clips",
    "sound_identification",
    "top_k",
]


def __getattr__(name: str) -> Any:
    if name in _DRAWERS:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_DRAWERS, *__all__})
