"""Protocols of pretrained networks: batches of audio or text to embeddings, with provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from b2m_encoding._typing import Float32


@runtime_checkable
class AudioEncoder(Protocol):
    """Protocol of audio encoders.

    Window models (MuQ-MuLan, CLAP) embed windows of ``window`` seconds to one vector each. Frame models (w2v-BERT,
    EnCodec), whose ``window`` is None, embed whole clips to one vector per frame and layer; these are pooled in
    windows afterwards.

    Attributes
    ----------
    name : str
    rate : int
        Sampling rate of the waves, Hz.
    window : float or None
        Length of the windows, s; None for frame models.
    frame_rate : float or None
        Frames per second of a frame model; None for window models.
    layers : tuple of int
        Layers in the output; empty for window models that have one vector.
    widths : tuple of int
        Dimensions of these layers where they differ: the output then holds them side by side. Empty elsewhere.
    dim : int
        Dimension of an embedding.
    provenance : mapping
        Model, revision, hashes of the weights, layers, dtype, versions of packages: plain JSON values.
    """

    name: str
    rate: int
    window: float | None
    frame_rate: float | None
    layers: tuple[int, ...]
    widths: tuple[int, ...]
    dim: int

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Model, revision, hashes of the weights, settings and versions of packages."""

    def embed(self, batch: Float32) -> Float32:
        """Embed waves of equal length.

        Parameters
        ----------
        batch : array of float32, shape (n_waves, n_samples)
            A window model pads shorter waves as in its training (CLAP repeats them, MuQ-MuLan tiles them from the
            start); longer waves are an error.

        Returns
        -------
        array of float32
            Shape (n_waves, dim) for window models, (n_waves, n_layers, n_frames, dim) for frame models, or
            (n_waves, 1, n_frames, dim) with layers of several widths side by side; frame *k* begins at
            *k* / ``frame_rate``. On a CPU, the embedding of a wave does not depend on its batch, to a relative
            difference of 1e-5.
        """


@runtime_checkable
class TextEncoder(Protocol):
    """Protocol of text encoders: text towers of joint models, and sentence encoders.

    Attributes
    ----------
    name : str
    dim : int
        Dimension of an embedding.
    provenance : mapping
        As of :class:`AudioEncoder`.
    """

    name: str
    dim: int

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Model, revision, hashes of the weights, settings and versions of packages."""

    def embed_text(self, texts: Sequence[str]) -> Float32:
        """Embed texts, shape (n_texts, dim); an embedding does not depend on its batch, to 1e-5."""
