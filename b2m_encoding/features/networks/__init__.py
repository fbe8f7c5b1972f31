"""Pretrained networks as audio and text encoders: one module each, with one protocol, and one entry in the registry.

Examples
--------
>>> from b2m_encoding.features.networks import load_audio_encoder
>>> network = load_audio_encoder("clap")  # doctest: +SKIP
>>> network.embed(windows).shape  # windows of 10 s at network.rate  # doctest: +SKIP
(4, 512)
"""

from b2m_encoding.features.networks.protocols import AudioEncoder, TextEncoder
from b2m_encoding.features.networks.registry import (
    AUDIO_ENCODERS,
    JOINT_ENCODERS,
    NETWORKS,
    TEXT_ENCODERS,
    NetworkEntry,
    load_audio_encoder,
    load_text_encoder,
)

__all__ = [
    "AUDIO_ENCODERS",
    "JOINT_ENCODERS",
    "NETWORKS",
    "TEXT_ENCODERS",
    "AudioEncoder",
    "NetworkEntry",
    "TextEncoder",
    "load_audio_encoder",
    "load_text_encoder",
]
