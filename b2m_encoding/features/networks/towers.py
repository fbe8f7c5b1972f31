"""Towers of MuQ-MuLan: transformers on an audio and a text encoder, with the parameter names of the checkpoint.

The architecture is that of MuQ-MuLan (Zhu et al. 2025, arXiv 2501.01108; code MIT), after the open MuLan of
musiclm-pytorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SCALE = 8.0
"""Scale of the cosine attention."""


@dataclass(frozen=True)
class TowerSizes:
    """Sizes of a tower; the defaults are those of MuQ-MuLan large."""

    dim: int = 768
    depth: int = 8
    heads: int = 8
    head_dim: int = 64
    multiple: int = 4

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> TowerSizes:
        """Read the sizes from a table of the configuration, such as ``audio_transformer``."""
        usual = cls()
        return cls(
            dim=config.get("dim", usual.dim),
            depth=config.get("tf_depth", usual.depth),
            heads=config.get("heads", usual.heads),
            head_dim=config.get("dim_head", usual.head_dim),
            multiple=config.get("ff_mult", usual.multiple),
        )


class Tower(nn.Module):
    """Encoder, projection, and transformer without positions, averaged over tokens."""

    def __init__(self, encoder: nn.Module, encoder_dim: int, sizes: TowerSizes, *, always_project: bool) -> None:
        super().__init__()
        self.model = encoder
        same = encoder_dim == sizes.dim and not always_project
        self.proj = nn.Identity() if same else nn.Linear(encoder_dim, sizes.dim)
        self.transformer = Transformer(sizes)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map the states of the encoder, (n, n_tokens, encoder_dim), to (n, dim)."""
        out: Tensor = self.transformer(self.proj(hidden)).mean(dim=-2)
        return out


class Transformer(nn.Module):
    """Layers of cosine attention and gated feed-forward steps."""

    def __init__(self, sizes: TowerSizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList([CosineAttention(sizes), gated_feed_forward(sizes)]) for _ in range(sizes.depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the module; the shape does not change."""
        for layer in self.layers:
            for step in layer.children():
                x = x + step(x)
        return x


class CosineAttention(nn.Module):
    """Self-attention with the cosine similarity of queries and keys."""

    def __init__(self, sizes: TowerSizes) -> None:
        super().__init__()
        inner = sizes.heads * sizes.head_dim
        self.heads = sizes.heads
        self.norm = Norm(sizes.dim)
        self.to_q = nn.Linear(sizes.dim, inner, bias=False)
        self.to_kv = nn.Linear(sizes.dim, 2 * inner, bias=False)
        self.q_scale, self.k_scale = nn.Parameter(torch.ones(sizes.head_dim)), nn.Parameter(torch.ones(sizes.head_dim))
        self.to_out = nn.Sequential(nn.Linear(inner, sizes.dim, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the module; the shape does not change."""
        x = self.norm(x)
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.to_q(x), *self.to_kv(x).chunk(2, dim=-1))
        )
        q = functional.normalize(q, dim=-1) * self.q_scale
        k = functional.normalize(k, dim=-1) * self.k_scale
        mixed = functional.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, scale=SCALE)
        out: Tensor = self.to_out(mixed.transpose(1, 2).flatten(-2))
        return out


def gated_feed_forward(sizes: TowerSizes) -> nn.Sequential:
    """Norm, two linear maps and a gate between them; the identity replaces the dropout of the checkpoint."""
    inner = int(sizes.dim * sizes.multiple * 2 / 3)
    return nn.Sequential(
        Norm(sizes.dim),
        nn.Linear(sizes.dim, 2 * inner, bias=False),
        Gate(),
        nn.Identity(),
        nn.Linear(inner, sizes.dim, bias=False),
    )


class Gate(nn.Module):
    """GEGLU activation: the first half times the GELU of the second."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the gate; the last dimension is halved."""
        value, gate = x.chunk(2, dim=-1)
        return functional.gelu(gate) * value


class Norm(nn.Module):
    """Layer norm without a bias."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.learned_gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the module; the shape does not change."""
        return functional.layer_norm(x, x.shape[-1:], self.learned_gamma)
