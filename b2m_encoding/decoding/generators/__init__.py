"""Music from decoded embeddings: generators that share one protocol, and the records of what they made."""

from b2m_encoding.decoding.generators.base import Condition, Exemplar, Generator
from b2m_encoding.decoding.generators.registry import GENERATORS, load_generator

__all__ = ["GENERATORS", "Condition", "Exemplar", "Generator", "load_generator"]
