"""MusicCoCa of Magenta RealTime 2, in a Python of its own: waves and texts go there as files, vectors come back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from b2m_encoding.errors import InputError
from b2m_encoding.features.networks import musiccoca_worker
from b2m_encoding.features.networks.base import Floats
from b2m_encoding.features.networks.magenta import Worker, find_interpreter
from b2m_encoding.features.networks.network import check_waves, no_layers
from b2m_encoding.features.weights import Weights

RESOURCES = "resources/musiccoca"


class MusicCoCa:
    """Windows of 10 s and texts to 768 dimensions, not normalised; on the CPU.

    Its packages (JAX, LiteRT) do not go together with ours, so it runs in another Python, which is started with the
    first batch and ends with this object. A shorter window is padded with zeros, as MusicCoCa does.

    Parameters
    ----------
    interpreter : path, optional
        Magenta's Python; by default the one that ``$B2M_MAGENTA_PYTHON`` names, or this one if it has magenta-rt.
    """

    rate = musiccoca_worker.RATE
    window = 10.0
    frame_rate = None
    layers: tuple[int, ...] = ()
    dim = 768

    def __init__(
        self,
        weights: Weights,
        *,
        layers: Sequence[int] = (),
        device: str = "auto",
        shuffled_seed: int | None = None,
        interpreter: str | Path | None = None,
    ) -> None:
        no_layers(layers, "musiccoca")
        if shuffled_seed is not None:
            raise InputError("the weights of musiccoca cannot be shuffled", expected="another network for this control")
        if device not in ("auto", "cpu"):
            raise InputError("musiccoca runs on the CPU", found=device, expected='device = "cpu"')
        self.name = weights.entry.name
        self._weights = weights
        resources = weights.path(f"{RESOURCES}/music_encoder.tflite").parent
        python = find_interpreter("MusicCoCa", interpreter)
        self._worker = Worker("MusicCoCa", python, musiccoca_worker.__file__, resources)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Model, revision, hashes, window, and the version of magenta-rt (which starts its Python)."""
        return {
            "network": "MusicCoCa",
            **self._weights.provenance,
            "shuffled_seed": None,
            "dtype": "float32",
            "rate": self.rate,
            "window": self.window,
            "padding": "zeros",
            "packages": {"magenta-rt": self._worker.version},
        }

    def embed(self, batch: Floats) -> Floats:
        """Embed windows, shape (n_waves, dim)."""
        waves = check_waves(batch, self.rate, self.window)
        return self._worker.ask("waves.npy", lambda path: np.save(path, waves), (len(waves), self.dim))

    def embed_text(self, texts: Sequence[str]) -> Floats:
        """Embed texts, shape (n_texts, dim)."""
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        content = json.dumps(list(texts))
        return self._worker.ask("texts.json", lambda path: path.write_text(content, "utf-8"), (len(texts), self.dim))
