"""Weights of pretrained networks: what there is, where it lies, and fetching it; nothing else touches the network."""

from b2m_encoding.features.weights.catalogue import Entry, catalogue, entry_of
from b2m_encoding.features.weights.store import Weights, find_weights, hash_files, is_here

__all__ = ["Entry", "Weights", "catalogue", "entry_of", "find_weights", "hash_files", "is_here"]
