"""The joint space of MuQ-MuLan: a transformer on top of a sound and of a text encoder, with its checkpoint's names.

The towers are those of MuQ-MuLan (Zhu et al. 2025, arXiv 2501.01108; code MIT), after the open MuLan of
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
"""Of the cosine attention."""


@dataclass(frozen=True)
class TowerSizes:
    """Sizes of one tower; those of MuQ-MuLan large unless its ``config.json`` says otherwise."""

    dim: int = 768
    depth: int = 8
    heads: int = 8
    head_dim: int = 64
    multiple: int = 4

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> TowerSizes:
        """Sizes in a table like ``audio_transformer`` of the configuration."""
        usual = cls()
        return cls(
            dim=config.get("dim", usual.dim),
            depth=config.get("tf_depth", usual.depth),
            heads=config.get("heads", usual.heads),
            head_dim=config.get("dim_head", usual.head_dim),
            multiple=config.get("ff_mult", usual.multiple),
        )


class Tower(nn.Module):
    """An encoder, a projection and a transformer without positions; the mean over tokens comes out."""

    def __init__(self, encoder: nn.Module, encoder_dim: int, sizes: TowerSizes, *, always_project: bool) -> None:
        super().__init__()
        self.model = encoder
        same = encoder_dim == sizes.dim and not always_project
        self.proj = nn.Identity() if same else nn.Linear(encoder_dim, sizes.dim)
        self.transformer = Transformer(sizes)

    def forward(self, hidden: Tensor) -> Tensor:
        """From the states of the encoder, (n, n_tokens, encoder_dim), to (n, dim)."""
        out: Tensor = self.transformer(self.proj(hidden)).mean(dim=-2)
        return out


class Transformer(nn.Module):
    """Cosine attention and gated feed-forward steps."""

    def __init__(self, sizes: TowerSizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList([CosineAttention(sizes), gated_feed_forward(sizes)]) for _ in range(sizes.depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        for layer in self.layers:
            for step in layer.children():
                x = x + step(x)
        return x


class CosineAttention(nn.Module):
    """Self-attention by the cosine of queries and keys."""

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
        """Keep the shape."""
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
    """Norm, two linear maps and a gate between them; the fourth place was a dropout."""
    inner = int(sizes.dim * sizes.multiple * 2 / 3)
    return nn.Sequential(
        Norm(sizes.dim),
        nn.Linear(sizes.dim, 2 * inner, bias=False),
        Gate(),
        nn.Identity(),
        nn.Linear(inner, sizes.dim, bias=False),
    )


class Gate(nn.Module):
    """GEGLU: the first half times GELU of the second."""

    def forward(self, x: Tensor) -> Tensor:
        """Halve the last dimension."""
        value, gate = x.chunk(2, dim=-1)
        return functional.gelu(gate) * value


class Norm(nn.Module):
    """Layer norm without a bias."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.learned_gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return functional.layer_norm(x, x.shape[-1:], self.learned_gamma)
