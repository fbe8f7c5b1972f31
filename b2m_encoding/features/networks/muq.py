"""MuQ: log-mel spectrogram, convolutional subsampling and conformer, with the parameter names of its checkpoint.

The architecture is that of MuQ (Zhu et al. 2025, arXiv 2501.01108; code MIT), which builds on MusicFM and on the
conformer of transformers (Apache-2.0). This is an implementation for inference, because the published package does not
run with transformers 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from b2m_encoding.features.networks.loading import transformers

RATE = 24000
N_FFT, HOP, N_MELS = 2048, 240, 128
STRIDE = 960
"""Samples per token: four frames of the spectrogram."""


@dataclass(frozen=True)
class MuQSizes:
    """Sizes of a MuQ encoder; the defaults are those of MuQ-large."""

    channels: int = 512
    dim: int = 1024
    depth: int = 12
    heads: int = 16
    feed_forward: int = 4096
    kernel: int = 31
    rotary_base: float = 10000.0
    mean: float = 6.768444971712967
    std: float = 18.417922652295623

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> MuQSizes:
        """Read the sizes from a configuration of MuQ; missing ones are those of MuQ-large."""
        usual = cls()
        conformer, statistics = config.get("w2v2_config") or {}, config.get("stat") or {}
        return cls(
            channels=config.get("conv_dim", usual.channels),
            dim=config.get("encoder_dim", usual.dim),
            depth=config.get("encoder_depth", usual.depth),
            heads=conformer.get("num_attention_heads", usual.heads),
            feed_forward=conformer.get("intermediate_size", usual.feed_forward),
            kernel=conformer.get("conv_depthwise_kernel_size", usual.kernel),
            rotary_base=conformer.get("rotary_embedding_base", usual.rotary_base),
            mean=statistics.get("melspec_2048_mean", usual.mean),
            std=statistics.get("melspec_2048_std", usual.std),
        )


class MuQEncoder(nn.Module):
    """Encoder of waves at 24 kHz to the hidden states of every layer, 25 tokens per second."""

    def __init__(self, sizes: MuQSizes) -> None:
        super().__init__()
        self.mel = LogMel(sizes.mean, sizes.std)
        self.conv = Subsampling(sizes.channels, sizes.dim)
        self.conformer = Conformer(sizes)

    def forward(self, waves: Tensor, depth: int | None = None) -> list[Tensor]:
        """States 0 (input of the first layer) to ``depth``, each (n_waves, n_tokens, dim); the last is normalised.

        Samples beyond a whole number of tokens are omitted.
        """
        waves = waves[:, : waves.shape[1] // STRIDE * STRIDE]
        states: list[Tensor] = self.conformer(self.conv(self.mel(waves)), depth)
        return states


class LogMel(nn.Module):
    """Power mel spectrogram in decibels, standardised by statistics of the training set; always float32."""

    window: Tensor
    filters: Tensor

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        mel_filter_bank = transformers().audio_utils.mel_filter_bank
        bank = mel_filter_bank(N_FFT // 2 + 1, N_MELS, 0.0, RATE / 2, RATE, norm=None, mel_scale="htk")
        self.register_buffer("filters", torch.tensor(bank.T, dtype=torch.float32), persistent=False)
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)
        self.mean, self.std = mean, std

    def forward(self, waves: Tensor) -> Tensor:
        """Compute the spectrogram, shape (n_waves, n_mels, n_samples // hop)."""
        with torch.autocast(waves.device.type, enabled=False):
            spectrum = torch.stft(
                waves.float(), N_FFT, HOP, window=self.window, center=True, pad_mode="reflect", return_complex=True
            )
            power = self.filters @ spectrum[..., :-1].abs().square()
            return (10 * power.clamp_min(1e-10).log10() - self.mean) / self.std


class Residual(nn.Module):
    """Residual block of two convolutions and one, at half the resolution in frequency and time."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), nn.BatchNorm2d(n_out)
        self.conv2, self.bn2 = nn.Conv2d(n_out, n_out, 3, padding=1), nn.BatchNorm2d(n_out)
        self.conv3, self.bn3 = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Add both branches."""
        long = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(long + self.bn3(self.conv3(x)))


class Subsampling(nn.Module):
    """Subsampling to a quarter of the frames, projected to the width of the conformer."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(Residual(1, channels), Residual(channels, channels))
        self.linear = nn.Linear(channels * N_MELS // 4, dim)

    def forward(self, mel: Tensor) -> Tensor:
        """Map (n_waves, n_mels, n_frames) to (n_waves, n_frames / 4, dim)."""
        x = self.conv(mel[:, None])
        out: Tensor = self.linear(x.permute(0, 3, 1, 2).flatten(2))
        return out


class Conformer(nn.Module):
    """Conformer layers with rotary positions, and a norm after the last layer."""

    def __init__(self, sizes: MuQSizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ConformerLayer(sizes) for _ in range(sizes.depth))
        self.layer_norm = nn.LayerNorm(sizes.dim)
        self.head_dim, self.base = sizes.dim // sizes.heads, sizes.rotary_base

    def forward(self, x: Tensor, depth: int | None = None) -> list[Tensor]:
        """Return the input of every layer up to ``depth``, and the normalised output of the last layer."""
        states = [x]
        rotation = rotary_angles(x.shape[1], self.head_dim, self.base, x.device)
        for layer in self.layers[:depth]:
            states.append(layer(states[-1], rotation))
        if len(states) == len(self.layers) + 1:
            states[-1] = self.layer_norm(states[-1])
        return states


class ConformerLayer(nn.Module):
    """Half a feed-forward step, self-attention, convolution, half a feed-forward step (Gulati et al. 2020)."""

    def __init__(self, sizes: MuQSizes) -> None:
        super().__init__()
        self.ffn1_layer_norm, self.ffn1 = nn.LayerNorm(sizes.dim), FeedForward(sizes)
        self.self_attn_layer_norm, self.self_attn = nn.LayerNorm(sizes.dim), Attention(sizes)
        self.conv_module = Convolution(sizes)
        self.ffn2_layer_norm, self.ffn2 = nn.LayerNorm(sizes.dim), FeedForward(sizes)
        self.final_layer_norm = nn.LayerNorm(sizes.dim)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        """Apply the layer; the shape (n_waves, n_tokens, dim) does not change."""
        x = x + 0.5 * self.ffn1(self.ffn1_layer_norm(x))
        x = x + self.self_attn(self.self_attn_layer_norm(x), rotation)
        x = x + self.conv_module(x)
        x = x + 0.5 * self.ffn2(self.ffn2_layer_norm(x))
        out: Tensor = self.final_layer_norm(x)
        return out


class FeedForward(nn.Module):
    """Two linear maps with a swish activation."""

    def __init__(self, sizes: MuQSizes) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(sizes.dim, sizes.feed_forward)
        self.output_dense = nn.Linear(sizes.feed_forward, sizes.dim)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the module; the shape does not change."""
        out: Tensor = self.output_dense(functional.silu(self.intermediate_dense(x)))
        return out


class Attention(nn.Module):
    """Self-attention with queries and keys of rotated inputs; the values are not rotated."""

    def __init__(self, sizes: MuQSizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.linear_q, self.linear_k = nn.Linear(sizes.dim, sizes.dim), nn.Linear(sizes.dim, sizes.dim)
        self.linear_v, self.linear_out = nn.Linear(sizes.dim, sizes.dim), nn.Linear(sizes.dim, sizes.dim)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        """Apply the module; the shape does not change."""
        rotated = rotate(x.view(*x.shape[:-1], self.heads, -1), rotation).flatten(-2)
        q, k, v = (
            layer(values).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, values in ((self.linear_q, rotated), (self.linear_k, rotated), (self.linear_v, x))
        )
        mixed = functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.linear_out(mixed.transpose(1, 2).flatten(-2))
        return out


class Convolution(nn.Module):
    """Gated, depth-wise convolution over time."""

    def __init__(self, sizes: MuQSizes) -> None:
        super().__init__()
        dim = sizes.dim
        self.layer_norm = nn.LayerNorm(dim)
        self.pointwise_conv1 = nn.Conv1d(dim, 2 * dim, 1, bias=False)
        self.depthwise_conv = nn.Conv1d(dim, dim, sizes.kernel, padding="same", groups=dim, bias=False)
        self.batch_norm = nn.BatchNorm1d(dim)
        self.pointwise_conv2 = nn.Conv1d(dim, dim, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the module; the shape does not change."""
        x = functional.glu(self.pointwise_conv1(self.layer_norm(x).transpose(1, 2)), dim=1)
        x = functional.silu(self.batch_norm(self.depthwise_conv(x)))
        out: Tensor = self.pointwise_conv2(x).transpose(1, 2)
        return out


def rotary_angles(n_tokens: int, head_dim: int, base: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary embedding (Su et al. 2021), each (n_tokens, 1, head_dim)."""
    steps = torch.arange(0, head_dim, 2, device=device, dtype=torch.float32) / head_dim
    angles = torch.arange(n_tokens, device=device, dtype=torch.float32)[:, None] * base**-steps
    angles = torch.cat([angles, angles], dim=-1)[:, None]
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the first half of every head against its second half; shape (..., n_tokens, heads, head_dim)."""
    first, second = x.chunk(2, dim=-1)
    return x * rotation[0] + torch.cat([-second, first], dim=-1) * rotation[1]
