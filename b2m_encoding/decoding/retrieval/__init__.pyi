from .build import build_corpus, list_recordings
from .corpus import Corpus, Vectors
from .embedding_space import AudioEmbeddingSpace, InMemoryAudio, check_same_space
from .exact_search import search
from .metadata import describe_recordings
from .shards import Preparation
from .similarity import Metric, Neighbours

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
