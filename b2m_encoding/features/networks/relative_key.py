"""Self-attention of w2v-BERT with products computed per distance instead of per pair of frames.

The scores contain the product of every query with an embedding of its distance to every key, clipped at 64 frames
before and 8 after: 73 embeddings. transformers expands them to every pair of frames, which for a clip of 15 s is slower
than the rest of the attention.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class RelativeKeyAttention(nn.Module):
    """Attention with the parameters and the output of an attention module of w2v-BERT."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.heads = attention.num_heads
        self.before, self.after = attention.left_max_position_embeddings, attention.right_max_position_embeddings
        self.linear_q, self.linear_k = attention.linear_q, attention.linear_k
        self.linear_v, self.linear_out = attention.linear_v, attention.linear_out
        self.distance_embedding = attention.distance_embedding

    def forward(self, hidden_states: Tensor, **_: Any) -> tuple[Tensor, None]:
        """Apply the attention, shape (n_waves, n_frames, dim), without a mask: waves of a batch are equally long."""
        q, k, v = (
            layer(hidden_states).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.linear_q, self.linear_k, self.linear_v)
        )
        frames = torch.arange(q.shape[2], device=q.device)
        distance = (frames[None] - frames[:, None]).clamp(-self.before, self.after) + self.before
        scale = q.shape[-1] ** -0.5
        by_distance = q @ self.distance_embedding.weight.T.to(q.dtype) * scale
        bias = by_distance.gather(-1, distance.expand(*q.shape[:2], -1, -1))
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype), scale=scale)
        return self.linear_out(mixed.transpose(1, 2).flatten(-2)), None


def use_relative_key_attention(layers: Any) -> None:
    """Replace the attention in layers of w2v-BERT that use relative keys."""
    for layer in layers:
        if getattr(layer.self_attn, "position_embeddings_type", None) == "relative_key":
            layer.self_attn = RelativeKeyAttention(layer.self_attn)
