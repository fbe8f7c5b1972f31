"""Pretrained networks: sound or text in, embeddings out; one module each, all with the same protocol.

Examples
--------
>>> from b2m_encoding.features.networks import load_sound
>>> network = load_sound("clap")  # doctest: +SKIP
>>> network.embed(windows).shape  # windows of 10 s at network.rate  # doctest: +SKIP
(4, 512)
"""

from b2m_encoding.features.networks.base import SoundEmbedder, TextEmbedder
from b2m_encoding.features.networks.registry import SOUND, TEXT, load_sound, load_text

__all__ = ["SOUND", "TEXT", "SoundEmbedder", "TextEmbedder", "load_sound", "load_text"]
