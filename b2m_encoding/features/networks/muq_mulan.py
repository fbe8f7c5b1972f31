"""MuQ-MuLan, a joint embedding of music and text, and the layers of its MuQ encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from b2m_encoding._typing import Float32
from b2m_encoding.features.networks.loading import from_folder, load_tensors, read_config, transformers
from b2m_encoding.features.networks.muq import RATE, STRIDE, MuQEncoder, MuQSizes
from b2m_encoding.features.networks.torch_network import TorchNetwork, check_waves, refuse_layers, resolve_layers
from b2m_encoding.features.networks.towers import Tower, TowerSizes
from b2m_encoding.features.weights import Weights

FILE = "model.safetensors"
ENCODER = "mulan.audio.model.model."


class MuQMuLan(TorchNetwork):
    """Encoder of windows of 10 s and of texts (English or Chinese) to 512 dimensions, unit length.

    A shorter window is tiled from its start, as in training. The text tower averages over all tokens, so that padding
    would change the embedding of a text: texts are embedded in batches of equal length.
    """

    rate = RATE
    frame_rate = None
    layers: tuple[int, ...] = ()

    def __init__(
        self, weights: Weights, *, layers: Sequence[int] = (), device: str = "auto", shuffled_seed: int | None = None
    ) -> None:
        refuse_layers(layers, "muq_mulan")
        config = read_config(weights)
        text_config = from_folder("AutoConfig", weights.path("text/config.json").parent, weights)
        module = Checkpoint(config, MuQSizes.read(read_config(weights, "muq/config.json")), text_config)
        load_tensors(module, weights.path(FILE), weights)
        self._tokenizer = from_folder("AutoTokenizer", weights.folder / "text", weights)
        self.dim = module.mulan.dim
        self.window: float = float(config.get("mulan", {}).get("clip_secs", 10))
        self._max_tokens = text_config.max_position_embeddings - 2
        self._state = int(config.get("audio_model", {}).get("use_layer_idx", -1))
        super().__init__(weights, module, device, shuffled_seed)
        self._joint: Any = module.mulan

    def settings(self) -> dict[str, Any]:
        """Sampling rate, window, padding of shorter windows, and the implementation of attention."""
        return {"rate": self.rate, "window": self.window, "padding": "from the start", "attention": "sdpa"}

    def embed(self, batch: Float32) -> Float32:
        """Embed windows of audio, shape (n_waves, dim)."""
        waves = check_waves(batch, self.rate, self.window)
        n_samples = round(self.window * self.rate)
        whole = np.tile(waves, (1, -(-n_samples // waves.shape[1])))[:, :n_samples]
        with self.running():
            states = self._joint.audio.model.model(self.tensor(whole))
            latents = self._joint.audio_to_latents(self._joint.audio(states[self._state]))
            out: Float32 = functional.normalize(latents.float(), dim=-1).cpu().numpy()
        return out

    def embed_text(self, texts: Sequence[str]) -> Float32:
        """Embed texts, shape (n_texts, dim)."""
        options = {"truncation": True, "max_length": self._max_tokens}
        tokens = self._tokenizer(list(texts), **options)["input_ids"] if texts else []

        def run(batch: Tensor) -> Tensor:
            hidden = self._joint.text.model(input_ids=batch).last_hidden_state
            latents = self._joint.text_to_latents(self._joint.text(hidden))
            return functional.normalize(latents.float(), dim=-1)

        return self.embed_tokens(tokens, run)


class MuQ(TorchNetwork):
    """Encoder of whole clips to the layers of MuQ in MuQ-MuLan, 25 frames per second: low-level features of music."""

    rate = RATE
    window = None
    frame_rate = RATE / STRIDE

    def __init__(
        self, weights: Weights, *, layers: Sequence[int] = (), device: str = "auto", shuffled_seed: int | None = None
    ) -> None:
        sizes = MuQSizes.read(read_config(weights, "muq/config.json"))
        self.layers = resolve_layers(layers, sizes.depth)
        self.dim = sizes.dim
        module = MuQEncoder(sizes)
        load_tensors(module, weights.path(FILE), weights, prefix=ENCODER)
        super().__init__(weights, module, device, shuffled_seed)

    def settings(self) -> dict[str, Any]:
        """Layers, sampling rate, frame rate and the implementation of attention."""
        return {"rate": self.rate, "frame_rate": self.frame_rate, "layers": list(self.layers), "attention": "sdpa"}

    def embed(self, batch: Float32) -> Float32:
        """Embed whole clips, shape (n_waves, n_layers, n_frames, dim)."""
        waves = check_waves(batch, self.rate, shortest=2 * STRIDE)
        with self.running():
            states = self._module(self.tensor(waves), max(self.layers))
            return np.stack([states[layer].float().cpu().numpy() for layer in self.layers], axis=1)


class Checkpoint(nn.Module):
    """Modules of MuQ-MuLan with the parameter names of its checkpoint."""

    def __init__(self, config: dict[str, Any], muq: MuQSizes, text: Any) -> None:
        super().__init__()
        self.mulan = Joint(config, muq, text)


class Joint(nn.Module):
    """Both towers, and their projections into the joint space."""

    def __init__(self, config: dict[str, Any], muq: MuQSizes, text: Any) -> None:
        super().__init__()
        audio_tower = TowerSizes.read(config.get("audio_transformer", {}))
        text_tower = TowerSizes.read(config.get("text_transformer", {}))
        self.dim: int = config.get("mulan", {}).get("dim_latent", 512)
        audio, text_model = MuQEncoder(muq), transformers().XLMRobertaModel(text, add_pooling_layer=False)
        self.audio = Tower(nn.ModuleDict({"model": audio}), muq.dim, audio_tower, always_project=True)
        self.text = Tower(text_model, text.hidden_size, text_tower, always_project=False)
        self.audio_to_latents = nn.Linear(audio_tower.dim, self.dim)
        self.text_to_latents = nn.Linear(text_tower.dim, self.dim)
