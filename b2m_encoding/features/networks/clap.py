"""LAION-CLAP through transformers: sound and text in one space; and the CLAP inside MusicLDM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import soxr
import torch
from torch import Tensor

from b2m_encoding.features.networks.base import Floats
from b2m_encoding.features.networks.loading import from_folder, pretrained
from b2m_encoding.features.networks.network import TorchNetwork, check_waves, no_layers
from b2m_encoding.features.weights import Weights


class Clap(TorchNetwork):
    """Windows of 10 s and texts to 512 dimensions, unit length.

    The mel filters are those that the checkpoint was trained with (its ``preprocessor_config.json``). Windows are never
    longer than 10 s, so nothing is cropped or fused at random; a shorter one is repeated, then padded with zeros.
    """

    frame_rate = None
    layers: tuple[int, ...] = ()
    folders = ("", "", "")
    """Of the model, the tokenizer and the feature extractor."""

    def __init__(
        self, weights: Weights, *, layers: Sequence[int] = (), device: str = "auto", shuffled_seed: int | None = None
    ) -> None:
        no_layers(layers, weights.entry.name)
        model, tokenizer, extractor = (weights.folder / folder for folder in self.folders)
        module = pretrained("ClapModel", model, weights)
        self._tokenizer = from_folder("AutoTokenizer", tokenizer, weights)
        self._extractor = from_folder("ClapFeatureExtractor", extractor, weights)
        self.rate: int = self._extractor.sampling_rate
        self.window: float = float(self._extractor.max_length_s)
        self.dim: int = module.config.projection_dim
        self._fusion: bool = module.config.audio_config.enable_fusion
        self._max_tokens: int = module.config.text_config.max_position_embeddings - 2
        super().__init__(weights, module, device, shuffled_seed)

    def settings(self) -> dict[str, Any]:
        """Window, mel filters, and what happens to shorter windows."""
        filters = "HTK" if self._extractor.truncation == "fusion" else "Slaney"
        return {"rate": self.rate, "window": self.window, "mel": filters, "padding": self._extractor.padding}

    def embed(self, batch: Floats) -> Floats:
        """Embed windows, shape (n_waves, dim)."""
        return self._embed(check_waves(batch, self.rate, self.window))

    def _embed(self, waves: Floats) -> Floats:
        rate = self._extractor.sampling_rate
        mel = np.stack(self._extractor(list(waves), sampling_rate=rate)["input_features"])
        features = self.tensor(mel if self._fusion else mel[:, :1])
        # The extractor marks a wave at random as longer than the window; none is.
        longer = torch.zeros(len(waves), 1, dtype=torch.bool, device=self.device)
        with self.running():
            found = self._module.get_audio_features(input_features=features, is_longer=longer)
            return _vectors(found)

    def embed_text(self, texts: Sequence[str]) -> Floats:
        """Embed texts, shape (n_texts, dim)."""
        options = {"truncation": True, "max_length": self._max_tokens}
        tokens = self._tokenizer(list(texts), **options)["input_ids"] if texts else []

        def run(batch: Tensor) -> Tensor:
            found = self._module.get_text_features(input_ids=batch, attention_mask=torch.ones_like(batch))
            vectors: Tensor = found.pooler_output
            return vectors

        return self.embed_tokens(tokens, run)


class MusicLDMClap(Clap):
    """The CLAP that the MusicLDM generator listens to: waves at 16 kHz, raised to 48 kHz as in its training."""

    folders = ("text_encoder", "tokenizer", "feature_extractor")

    def __init__(self, weights: Weights, **options: Any) -> None:
        super().__init__(weights, **options)
        self.rate = 16000

    def embed(self, batch: Floats) -> Floats:
        """Embed windows, shape (n_waves, dim)."""
        waves = check_waves(batch, self.rate, self.window)
        up = self._extractor.sampling_rate
        n_samples = waves.shape[1] * up // self.rate
        return self._embed(np.stack([_resampled(wave, self.rate, up, n_samples) for wave in waves]))


def _resampled(wave: Floats, rate: int, up: int, n_samples: int) -> Floats:
    """Exactly as many samples as the window has: resampling may miss the length by one."""
    found = soxr.resample(wave, rate, up, quality="HQ")[:n_samples]
    return np.pad(found, (0, n_samples - len(found)), mode="edge")


def _vectors(found: Any) -> Floats:
    vectors: Floats = found.pooler_output.float().cpu().numpy()
    return vectors
