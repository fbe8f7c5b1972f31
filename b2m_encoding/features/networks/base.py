"""What every pretrained network offers: batches of sound or text in, embeddings out, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@runtime_checkable
class SoundEmbedder(Protocol):
    """A network that hears.

    Window models (MuQ-MuLan, CLAP) take windows of ``window`` seconds and give one vector each. Frame models
    (w2v-BERT, EnCodec) have ``window`` None: they take a whole clip once and give a vector per frame and layer, which
    are averaged over windows afterwards.

    Attributes
    ----------
    name : str
    rate : int
        Hertz that waves must have.
    window : float or None
        Seconds that every wave must have; None for frame models.
    frame_rate : float or None
        Frames per second of a frame model; None for window models.
    layers : tuple of int
        Layers in the output of a frame model; empty for window models.
    dim : int
        Length of a vector.
    provenance : mapping
        Model, revision, hash of the weights, layers, dtype, versions of packages: plain JSON values.
    """

    name: str
    rate: int
    window: float | None
    frame_rate: float | None
    layers: tuple[int, ...]
    dim: int

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where the numbers come from."""

    def embed(self, batch: Floats) -> Floats:
        """Embed waves of equal length.

        Parameters
        ----------
        batch : array of float32, shape (n_waves, n_samples)
            A window model pads waves that are shorter than its window as it was trained (CLAP repeats them, MuQ-MuLan
            begins again); longer ones are an error, because cutting is the caller's choice.

        Returns
        -------
        array of float32
            Shape (n_waves, dim) for window models, (n_waves, n_layers, n_frames, dim) for frame models; frame *k*
            begins at *k* / ``frame_rate``. A wave gives the same vector alone and in any batch, to 1e-5 of its length
            on a CPU.
        """


@runtime_checkable
class TextEmbedder(Protocol):
    """A network that reads: the text tower of a joint model, or a sentence encoder."""

    name: str
    dim: int

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where the numbers come from."""

    def embed_text(self, texts: Sequence[str]) -> Floats:
        """Embed texts, shape (n_texts, dim); a text gives the same vector alone and in any batch, to 1e-5."""
