"""Identification of presented clips by reconstructed sounds, in any audio embedding space."""

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
Pair = tuple[NDArray[np.float32], NDArray[np.float32]]
TINY = 1e-9


def embed_sounds(space: AudioEmbeddingSpace, sounds: Sequence[Sound]) -> NDArray[np.float32]:
    """Vectors of sounds of any rates.

    Parameters
    ----------
    space : AudioEmbeddingSpace
    sounds : sequence of (wave, rate)

    Returns
    -------
    array of float32, shape (n_sounds, n_dimensions)
    """
    out: dict[int, NDArray[np.float32]] = {}
    for rate in sorted({rate for _, rate in sounds}):
        places = [i for i, sound in enumerate(sounds) if sound[1] == rate]
        out |= dict(zip(places, space.embed_waves([sounds[i][0] for i in places], rate), strict=True))
    return np.stack([out[i] for i in range(len(sounds))])


def sound_identification(
    space: AudioEmbeddingSpace, reconstructed: Sequence[Sound], presented: Sequence[Sound]
) -> NDArray[np.float64]:
    """Identification accuracy of presented clips by their reconstructions, after both are embedded.

    In the decoded space it is the measure of Brain2Music (Fig. 4a). It is biased for generators that are conditioned on
    this very space, so that a second encoder should be used as well. Acoustic features, which have different units, are
    standardised over the presented clips.

    Parameters
    ----------
    space : AudioEmbeddingSpace
    reconstructed, presented : sequence of (wave, rate)
        One sound of each for every clip.

    Returns
    -------
    array, shape (n_clips,)
        Chance is 0.5.

    Raises
    ------
    InputError
        If the numbers of sounds differ.
    """
    if len(reconstructed) != len(presented):
        raise InputError("one sound per clip is needed", found=len(reconstructed), expected=len(presented))
    return identification_accuracy(*embed_together(space, reconstructed, presented)[1])


def embed_together(
    space: AudioEmbeddingSpace, reconstructed: Sequence[Sound], presented: Sequence[Sound]
) -> tuple[Pair, Pair]:
    """Vectors of reconstructed and of presented sounds, and the same in units in which they are compared.

    Acoustic features, which have different units, are standardised over the presented clips.
    """
    vectors, n = embed_sounds(space, [*reconstructed, *presented]), len(reconstructed)
    scaled = vectors
    if isinstance(space.table, Acoustic):
        centre, spread = vectors[n:].mean(axis=0), vectors[n:].std(axis=0)
        scaled = np.divide(vectors - centre, spread, out=np.zeros_like(vectors), where=spread > TINY)
    return (vectors[:n], vectors[n:]), (scaled[:n], scaled[n:])
