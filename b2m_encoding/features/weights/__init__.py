"""Weights of pretrained networks: catalogue, installed files, and download, the only step that uses the internet."""

from b2m_encoding.features.weights.catalogue import Entry, OnnxModel, catalogue, entry_of
from b2m_encoding.features.weights.installed import Weights, find_weights, hash_files, is_installed

__all__ = ["Entry", "OnnxModel", "Weights", "catalogue", "entry_of", "find_weights", "hash_files", "is_installed"]
