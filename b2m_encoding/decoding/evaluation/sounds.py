"""Identification of what was heard by the sound of a reconstruction, in any space that hears."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.decoding.identification import identification_accuracy
from b2m_encoding.decoding.retrieval.embedding_space import AudioEmbeddingSpace
from b2m_encoding.errors import InputError
from b2m_encoding.features.audio import Wave
from b2m_encoding.features.extractors import Acoustic

Sound = tuple[Wave, int]
TINY = 1e-9


def embed_sounds(space: AudioEmbeddingSpace, sounds: Sequence[Sound]) -> NDArray[np.float32]:
    """Vectors of sounds of any rates, shape (n_sounds, n_dimensions)."""
    out: dict[int, NDArray[np.float32]] = {}
    for rate in sorted({rate for _, rate in sounds}):
        places = [i for i, (_, own) in enumerate(sounds) if own == rate]
        out |= dict(zip(places, space.embed_waves([sounds[i][0] for i in places], rate), strict=True))
    return np.stack([out[i] for i in range(len(sounds))])


def sound_identification(
    space: AudioEmbeddingSpace, made: Sequence[Sound], heard: Sequence[Sound]
) -> NDArray[np.float64]:
    """Identification accuracy of clips by the sounds that were made for them, after both are embedded.

    In the space that was decoded it is the measure of Brain2Music (Fig. 4a). A generator that listens to this very
    space is flattered by it, so that another encoder should judge as well. Acoustic features, which have units, are
    standardised over the clips that were heard.

    Parameters
    ----------
    space : AudioEmbeddingSpace
    made, heard : sequence of (wave, rate)
        One of each for every clip.

    Returns
    -------
    array, shape (n_clips,)
        Chance is 0.5.
    """
    if len(made) != len(heard):
        raise InputError("one sound per clip is needed", found=len(made), expected=len(heard))
    vectors = embed_sounds(space, [*made, *heard])
    if isinstance(space.table, Acoustic):
        centre, spread = vectors[len(made) :].mean(axis=0), vectors[len(made) :].std(axis=0)
        vectors = np.divide(vectors - centre, spread, out=np.zeros_like(vectors), where=spread > TINY)
    return identification_accuracy(vectors[: len(made)], vectors[len(made) :])
