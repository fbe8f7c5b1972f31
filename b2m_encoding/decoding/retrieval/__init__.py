"""Retrieval: a corpus of recordings, embedded, and an exact search for the nearest of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from b2m_encoding.decoding.retrieval.build import build_corpus, list_recordings
    from b2m_encoding.decoding.retrieval.corpus import Corpus, Vectors
    from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace, InMemoryAudio, check_same_space
    from b2m_encoding.decoding.retrieval.exact_search import search
    from b2m_encoding.decoding.retrieval.metadata import describe_recordings
    from b2m_encoding.decoding.retrieval.shards import Preparation
    from b2m_encoding.decoding.retrieval.similarity import Metric, Neighbours

# Names load on first use: opening the table of a corpus needs no torch.
_HOMES = {
    "AudioEmbeddingSpace": "embedding_space",
    "Corpus": "corpus",
    "InMemoryAudio": "embedding_space",
    "Metric": "similarity",
    "Neighbours": "similarity",
    "Preparation": "shards",
    "Vectors": "corpus",
    "build_corpus": "build",
    "check_same_space": "embedding_space",
    "describe_recordings": "metadata",
    "list_recordings": "build",
    "search": "exact_search",
}
__all__ = [
    "AudioEmbeddingSpace",
    "Corpus",
    "InMemoryAudio",
    "Metric",
    "Neighbours",
    "Preparation",
    "Vectors",
    "build_corpus",
    "check_same_space",
    "describe_recordings",
    "list_recordings",
    "search",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
