"""Layers of audio encoders of transformers: w2v-BERT, wav2vec 2, HuBERT, WavLM, the encoder of Whisper."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError
from b2m_encoding.features.networks.loading import from_folder, pretrained, read_config
from b2m_encoding.features.networks.relative_key import use_relative_key_attention
from b2m_encoding.features.networks.torch_network import TorchNetwork, check_waves, resolve_layers
from b2m_encoding.features.weights import Weights

CLASSES = {
    "wav2vec2-bert": "Wav2Vec2BertModel",
    "wav2vec2": "Wav2Vec2Model",
    "wav2vec2-conformer": "Wav2Vec2ConformerModel",
    "hubert": "HubertModel",
    "wavlm": "WavLMModel",
    "whisper": "WhisperModel",
}
WHISPER_STRIDE = 2


class TransformersAudio(TorchNetwork):
    """Encoder of whole clips to one vector per frame and layer.

    Layer 0 is the input of the first layer, layer *k* the output of the *k*-th, the last one with the final norm of the
    model. Whisper pads every clip to 30 s; the frames of the padding are removed.
    """

    window = None

    def __init__(
        self, weights: Weights, *, layers: Sequence[int] = (), device: str = "auto", shuffled_seed: int | None = None
    ) -> None:
        kind = read_config(weights).get("model_type")
        if kind not in CLASSES:
            raise InputError(
                "this type of model is not supported",
                file=weights.folder / "config.json",
                found=kind,
                expected=", ".join(CLASSES),
            )
        self._whisper = kind == "whisper"
        module = pretrained(CLASSES[kind], weights.folder, weights)
        module = module.encoder if self._whisper else module
        config = module.config
        self._extractor = from_folder("AutoFeatureExtractor", weights.folder, weights)
        self.rate: int = self._extractor.sampling_rate
        self._stride = _samples_per_frame(config, self._extractor)
        self.frame_rate: float = self.rate / self._stride
        self.dim: int = config.hidden_size
        self._longest: float | None = self._extractor.chunk_length if self._whisper else None
        self.layers = resolve_layers(layers, config.num_hidden_layers)
        # one layer above the highest one is kept: its input is that state without the norm after the last layer
        stack = (module if self._whisper else module.encoder).layers
        del stack[max(self.layers) + 1 :]
        if kind == "wav2vec2-bert":
            use_relative_key_attention(stack)
        super().__init__(weights, module, device, shuffled_seed)

    def settings(self) -> dict[str, Any]:
        """Layers, sampling rate, frame rate and the implementation of attention."""
        return {
            "rate": self.rate,
            "frame_rate": self.frame_rate,
            "layers": list(self.layers),
            "attention": self._module.config._attn_implementation,
        }

    def embed(self, batch: Float32) -> Float32:
        """Embed whole clips, shape (n_waves, n_layers, n_frames, dim)."""
        waves = check_waves(batch, self.rate, self._longest, shortest=4 * self._stride)
        inputs = self._extractor(list(waves), sampling_rate=self.rate, return_tensors="np")
        values = inputs[self._extractor.model_input_names[0]]
        n_frames = -(-waves.shape[1] // self._stride) if self._whisper else None
        if values.ndim == 3 and not self._whisper:  # w2v-BERT masks a last frame that is partly padding
            values = values[:, : inputs["attention_mask"][0].sum()]
        with self.running():
            output = self._module(self.tensor(values), output_hidden_states=True)
            states = [*output.hidden_states[:-1], output.last_hidden_state]  # with the final norm of the model
            return np.stack([states[layer][:, :n_frames].float().cpu().numpy() for layer in self.layers], axis=1)


def _samples_per_frame(config: Any, extractor: Any) -> int:
    if config.model_type == "wav2vec2-bert":
        return int(0.01 * extractor.sampling_rate) * int(extractor.stride)
    if config.model_type == "whisper":
        return int(extractor.hop_length) * WHISPER_STRIDE
    return int(prod(config.conv_stride))
