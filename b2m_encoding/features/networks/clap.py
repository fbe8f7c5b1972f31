"""LAION-CLAP through transformers: joint embedding of audio and text; and the CLAP of MusicLDM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from b2m_encoding._typing import Float32
from b2m_encoding.features.audio import fit_length, resample
from b2m_encoding.features.networks.loading import from_folder, pretrained
from b2m_encoding.features.networks.torch_network import TorchNetwork, check_waves, refuse_layers
from b2m_encoding.features.weights import Weights


class Clap(TorchNetwork):
    """Encoder of windows of 10 s and of texts to 512 dimensions, unit length.

    The mel filters are those of the training of the checkpoint (its ``preprocessor_config.json``). Windows are at most
    10 s long, so that none is cropped or fused at random; a shorter one is repeated, then padded with zeros.
    """

    frame_rate = None
    layers: tuple[int, ...] = ()
    folders = ("", "", "")
    """Folders of the model, the tokenizer and the feature extractor."""

    def __init__(
        self, weights: Weights, *, layers: Sequence[int] = (), device: str = "auto", shuffled_seed: int | None = None
    ) -> None:
        refuse_layers(layers, weights.entry.name)
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
        """Sampling rate, window, mel filters, and padding of shorter windows."""
        filters = "HTK" if self._extractor.truncation == "fusion" else "Slaney"
        return {"rate": self.rate, "window": self.window, "mel": filters, "padding": self._extractor.padding}

    def embed(self, batch: Float32) -> Float32:
        """Embed windows of audio, shape (n_waves, dim)."""
        return self._embed(check_waves(batch, self.rate, self.window))

    def _embed(self, waves: Float32) -> Float32:
        rate = self._extractor.sampling_rate
        mel = np.stack(self._extractor(list(waves), sampling_rate=rate)["input_features"])
        features = self.tensor(mel if self._fusion else mel[:, :1])
        # the extractor marks a random wave as longer than the window, although none is
        longer = torch.zeros(len(waves), 1, dtype=torch.bool, device=self.device)
        with self.running():
            output = self._module.get_audio_features(input_features=features, is_longer=longer)
            vectors: Float32 = output.pooler_output.float().cpu().numpy()
        return vectors

    def embed_text(self, texts: Sequence[str]) -> Float32:
        """Embed texts, shape (n_texts, dim)."""
        options = {"truncation": True, "max_length": self._max_tokens}
        tokens = self._tokenizer(list(texts), **options)["input_ids"] if texts else []

        def run(batch: Tensor) -> Tensor:
            output = self._module.get_text_features(input_ids=batch, attention_mask=torch.ones_like(batch))
            vectors: Tensor = output.pooler_output
            return vectors

        return self.embed_tokens(tokens, run)


class MusicLDMClap(Clap):
    """CLAP that conditions the MusicLDM generator: waves at 16 kHz, resampled to 48 kHz as in its training."""

    folders = ("text_encoder", "tokenizer", "feature_extractor")

    def __init__(self, weights: Weights, **options: Any) -> None:
        super().__init__(weights, **options)
        self.rate = 16000

    def embed(self, batch: Float32) -> Float32:
        """Embed windows of audio, shape (n_waves, dim)."""
        waves = check_waves(batch, self.rate, self.window)
        up = self._extractor.sampling_rate
        n_samples = waves.shape[1] * up // self.rate
        return self._embed(np.stack([fit_length(resample(wave, self.rate, up), n_samples) for wave in waves]))
