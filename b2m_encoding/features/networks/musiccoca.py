"""MusicCoCa of Magenta RealTime 2, run in a separate Python with waves, texts and embeddings as files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError
from b2m_encoding.features.networks import musiccoca_worker
from b2m_encoding.features.networks.magenta_process import Worker, find_interpreter
from b2m_encoding.features.networks.torch_network import check_waves, refuse_layers
from b2m_encoding.features.weights import Weights

RESOURCES = "resources/musiccoca"


class MusicCoCa:
    """Encoder of windows of 10 s and of texts to 768 dimensions, not normalised; on the CPU.

    Its packages (JAX, LiteRT) conflict with those of this package. It runs in another Python, which is started with the
    first batch and ends with this object. A shorter window is padded with zeros, as MusicCoCa does.

    Parameters
    ----------
    interpreter : path, optional
        Python with magenta-rt; by default that of ``$B2M_MAGENTA_PYTHON``, or this one if it has magenta-rt.
    """

    rate = musiccoca_worker.RATE
    window = 10.0
    frame_rate = None
    layers: tuple[int, ...] = ()
    widths: tuple[int, ...] = ()
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
        refuse_layers(layers, "musiccoca")
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
        """Model, revision, hashes, window, and the version of magenta-rt, which starts the process."""
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

    def embed(self, batch: Float32) -> Float32:
        """Embed windows of audio, shape (n_waves, dim)."""
        waves = check_waves(batch, self.rate, self.window)
        return self._worker.request("waves.npy", lambda path: np.save(path, waves), (len(waves), self.dim))

    def embed_text(self, texts: Sequence[str]) -> Float32:
        """Embed texts, shape (n_texts, dim)."""
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        content = json.dumps(list(texts))
        return self._worker.request(
            "texts.json", lambda path: path.write_text(content, "utf-8"), (len(texts), self.dim)
        )
