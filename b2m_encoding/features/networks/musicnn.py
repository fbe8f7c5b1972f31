"""musicnn and its VGG: convolutional taggers of windows of 3 s, trained on MagnaTagATune or the Million Song Dataset.

The architectures are those of the published package (Pons & Serra 2019, arXiv 1909.06654; ISC licence), written for
inference in torch, because the package needs TensorFlow 1. Parameters keep the names that its checkpoints give them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from b2m_encoding._typing import Float32
from b2m_encoding.features.networks.loading import load_tensors
from b2m_encoding.features.networks.tags import tags_of
from b2m_encoding.features.networks.torch_network import TorchNetwork, check_waves, resolve_layers
from b2m_encoding.features.spectrum import slaney_bank
from b2m_encoding.features.weights import Weights

RATE, N_FFT, HOP, N_MELS, N_FRAMES = 16000, 512, 256, 96, 187
LARGEST_HALF = 65504.0
EPSILON = 1e-3
"""Added to the variance in batch norms, as in TensorFlow."""
N_TAGS = 50
WAVES_PER_BATCH = 8
"""Windows whose maps of the first convolutions are in memory at once."""


class LogMel(nn.Module):
    """Logarithm of a power mel spectrogram, with powers rounded to half precision as in training; always float32.

    The published code multiplies in half precision, too, where loud sounds overflow to infinity; this one does not.
    """

    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        bank = slaney_bank(RATE, N_FFT // 2 + 1, N_MELS)
        self.register_buffer("filters", torch.tensor(bank, dtype=torch.float32), persistent=False)
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)

    def forward(self, waves: Tensor) -> Tensor:
        """Compute the spectrogram, shape (n_waves, 1, 187, 96); that of a shorter wave is repeated."""
        with torch.autocast(waves.device.type, enabled=False):
            spectrum = torch.stft(
                waves.float(), N_FFT, HOP, window=self.window, center=True, pad_mode="reflect", return_complex=True
            )
            power = (self.filters @ spectrum.abs().square()).clamp_max(LARGEST_HALF).half().float()
            frames = (10000 * power + 1).log10().transpose(1, 2)[:, : waves.shape[1] // HOP]
        repeats = -(-N_FRAMES // frames.shape[1])
        return frames.repeat(1, repeats, 1)[:, None, :N_FRAMES]


class MusicnnModule(nn.Module):
    """Filters as tall as a timbre or as long as a rhythm, three convolutions over time, pooling, and a dense layer."""

    WIDTHS = (561, 64, 64, 64, 1506, 200, N_TAGS, N_TAGS)
    FRONT = ((204, 7, 38), (204, 7, 67), (51, 128, 1), (51, 64, 1), (51, 32, 1))
    """Filters of the first layer: number, frames, mel bands."""

    def __init__(self) -> None:
        super().__init__()
        self.mel = LogMel()
        convolutions = [nn.Conv2d(1, n, (height, width)) for n, height, width in self.FRONT]
        convolutions += [nn.Conv2d(1, 64, (7, width)) for width in (561, 64, 64)]
        norms = [nn.BatchNorm2d(n, EPSILON) for n in (1, 204, 204, 51, 51, 51, 64, 64, 64)]
        for kind, layers in (("conv2d", convolutions), ("batch_normalization", norms)):
            for i, layer in enumerate(layers):
                self.add_module(kind if i == 0 else f"{kind}_{i}", layer)
        self.batch_normalization_9 = nn.BatchNorm1d(1506, EPSILON)
        self.batch_normalization_10 = nn.BatchNorm1d(200, EPSILON)
        self.dense, self.dense_1 = nn.Linear(1506, 200), nn.Linear(200, N_TAGS)

    def forward(self, waves: Tensor) -> list[Tensor]:
        """Layers of every wave, each of shape (n_waves, width)."""
        x = self.get_submodule("batch_normalization")(self.mel(waves))
        front = torch.cat([self._front(x, i) for i in range(len(self.FRONT))], dim=2)
        first = self._middle(front, 5)
        second = self._middle(first, 6) + first
        third = self._middle(second, 7) + second
        stack = torch.cat([front, first, second, third], dim=2)
        pools = torch.stack([stack.amax(dim=1), stack.mean(dim=1)], dim=2).flatten(1)
        dense = functional.relu(self.dense(self.batch_normalization_9(pools)))
        penultimate = self.batch_normalization_10(dense)
        logits = self.dense_1(penultimate)
        means = [layer.mean(dim=1) for layer in (front, first, second, third)]
        return [*means, pools, penultimate, logits, torch.sigmoid(logits)]

    def _front(self, x: Tensor, i: int) -> Tensor:
        """Filter, then take the largest output over mel bands; shape (n_waves, n_frames, n_filters).

        A rectified, normalised output is largest where the output is, or smallest if the norm turns its sign.
        """
        convolution, norm = self.get_submodule("conv2d" if i == 0 else f"conv2d_{i}"), self._norm(i + 1)
        height = self.FRONT[i][1]
        maps = convolution(functional.pad(x, (0, 0, (height - 1) // 2, height // 2)))
        turned = norm.weight[:, None] < 0
        extreme = torch.where(turned, maps.amin(dim=3), maps.amax(dim=3))
        out: Tensor = norm(functional.relu(extreme)[..., None])[..., 0].transpose(1, 2)
        return out

    def _middle(self, x: Tensor, i: int) -> Tensor:
        """Convolve over time, with all channels; shape (n_waves, n_frames, 64)."""
        padded = functional.pad(x[:, None], (0, 0, 3, 3))
        out: Tensor = self._norm(i + 1)(functional.relu(self.get_submodule(f"conv2d_{i}")(padded)))
        return out[..., 0].transpose(1, 2)

    def _norm(self, i: int) -> Any:
        return self.get_submodule(f"batch_normalization_{i}")


class VGGModule(nn.Module):
    """Five small convolutions with pooling over time and frequency."""

    WIDTHS = (128, 128, 128, 128, 256, N_TAGS, N_TAGS)
    POOLS: tuple[tuple[int | tuple[int, int], int], ...] = (((4, 1), 2), (2, 2), (2, 2), (2, 2), (4, 4))
    """Size and stride of the pooling of each layer."""

    def __init__(self) -> None:
        super().__init__()
        self.mel = LogMel()
        self.batch_normalization = nn.BatchNorm2d(1, EPSILON)
        for i in range(1, 6):
            self.add_module(f"{i}CNN", nn.Conv2d(1 if i == 1 else 128, 128, 3, padding=1))
            self.add_module(f"batch_normalization_{i}", nn.BatchNorm2d(128, EPSILON))
        self.dense = nn.Linear(256, N_TAGS)

    def forward(self, waves: Tensor) -> list[Tensor]:
        """Layers of every wave, each of shape (n_waves, width)."""
        x, means = self.batch_normalization(self.mel(waves)), []
        for i, (size, stride) in enumerate(self.POOLS, start=1):
            maps = functional.relu(self.get_submodule(f"{i}CNN")(x))
            x = functional.max_pool2d(self.get_submodule(f"batch_normalization_{i}")(maps), size, stride)
            means.append(x.mean(dim=(2, 3)))
        last = x.permute(0, 2, 3, 1).flatten(1)
        logits = self.dense(last)
        return [*means[:-1], last, logits, torch.sigmoid(logits)]


class Musicnn(TorchNetwork):
    """Encoder of windows of 3 s to the layers of a tagger, side by side; frames within the window are averaged.

    The layer ``tags`` holds the probability of each of :attr:`tags`, ``logits`` its log odds. The spectrogram of a
    shorter window is repeated, as in training.
    """

    module: type[nn.Module] = MusicnnModule
    rate, window, frame_rate, packages = RATE, 3.0, None, ("torch",)

    def __init__(
        self, weights: Weights, *, layers: Sequence[int] = (), device: str = "auto", shuffled_seed: int | None = None
    ) -> None:
        module: Any = self.module()
        self.layers = resolve_layers(layers, len(module.WIDTHS) - 1)
        self.widths = tuple(module.WIDTHS[layer] for layer in self.layers)
        self.dim = sum(self.widths)
        self.tags = tags_of(weights.entry.file)
        load_tensors(module, weights.path(weights.entry.file), weights)
        super().__init__(weights, module, device, shuffled_seed)

    def settings(self) -> dict[str, Any]:
        """File of the weights, sampling rate, window, padding of shorter windows, layers, and the names of tags."""
        settings = {"file": self._weights.entry.file, "rate": self.rate, "window": self.window, "padding": "repeat"}
        last = len(self._module.WIDTHS) - 1
        names = {str(layer): list(self.tags) for layer in self.layers if layer >= last - 1}
        return {**settings, "layers": list(self.layers), "names": names}

    def embed(self, batch: Float32) -> Float32:
        """Embed windows of audio, shape (n_waves, dim)."""
        waves = check_waves(batch, self.rate, self.window, shortest=N_FFT)
        parts = []
        for start in range(0, len(waves), WAVES_PER_BATCH):
            with self.running():
                outputs = self._module(self.tensor(waves[start : start + WAVES_PER_BATCH]))
                parts.append(torch.cat([outputs[layer].float() for layer in self.layers], dim=1).cpu().numpy())
        return np.concatenate(parts)


class MusicnnVGG(Musicnn):
    """Encoder of windows of 3 s by the VGG of musicnn, in the same way."""

    module = VGGModule
