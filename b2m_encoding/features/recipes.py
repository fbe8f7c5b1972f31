"""What tells features in the store from one another: how a network is named in a recipe."""

from __future__ import annotations

from typing import Any

from b2m_encoding.features.networks.base import SoundEmbedder, TextEmbedder

NOTED = ("packages", "layers")
"""Parts of a network's provenance that are noted beside the features, but do not make other ones."""


def recipe(network: SoundEmbedder | TextEmbedder, **more: Any) -> dict[str, Any]:
    """Everything that decides what a network gives: model, revision, hashes, precision; and what is done with it."""
    own = {key: value for key, value in network.provenance.items() if key not in NOTED}
    return {"network": {"name": network.name, **own}, **more}
