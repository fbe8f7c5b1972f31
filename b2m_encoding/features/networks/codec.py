"""EnCodec: continuous latents before quantisation, as low-level features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError
from b2m_encoding.features.networks.loading import pretrained
from b2m_encoding.features.networks.torch_network import TorchNetwork, check_waves, resolve_layers
from b2m_encoding.features.weights import Weights


class Codec(TorchNetwork):
    """Encoder of whole clips to one vector per frame (layer 0), in the place of SoundStream in Brain2Music."""

    window = None

    def __init__(
        self, weights: Weights, *, layers: Sequence[int] = (), device: str = "auto", shuffled_seed: int | None = None
    ) -> None:
        self.layers = resolve_layers(layers, 0)
        model = pretrained("EncodecModel", weights.folder, weights)
        config = model.config
        if config.audio_channels != 1 or config.normalize:
            raise InputError(
                "only mono codecs without loudness normalisation are supported",
                file=weights.folder / "config.json",
                found=f"{config.audio_channels} channels, normalize = {config.normalize}",
                expected="facebook/encodec_32khz or facebook/encodec_24khz",
            )
        self.rate: int = config.sampling_rate
        self.frame_rate: float = config.sampling_rate / config.hop_length
        self.dim: int = config.hidden_size
        super().__init__(weights, model.encoder, device, shuffled_seed)

    def settings(self) -> dict[str, Any]:
        """Sampling rate, frame rate, layer and stage of the latents."""
        return {"rate": self.rate, "frame_rate": self.frame_rate, "layers": [0], "stage": "before quantisation"}

    def embed(self, batch: Float32) -> Float32:
        """Embed whole clips, shape (n_waves, 1, n_frames, dim)."""
        waves = check_waves(batch, self.rate)
        with self.running():
            latents = self._module(self.tensor(waves)[:, None])
            out: Float32 = latents.float().transpose(1, 2)[:, None].cpu().numpy()
        return out
