"""Sentence encoders of sentence-transformers: pooled last layer of a transformer, unit length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from b2m_encoding._typing import Float32
from b2m_encoding.errors import InputError, notice
from b2m_encoding.features.networks.loading import from_folder, pretrained
from b2m_encoding.features.networks.torch_network import TorchNetwork
from b2m_encoding.features.weights import Weights
from b2m_encoding.io.parsing import parse_json

POOLINGS = {"mean_tokens", "cls_token", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"}


class Sentences(TorchNetwork):
    """Encoder of texts to unit vectors: mean over tokens of the last layer, or the first token, by configuration."""

    def __init__(self, weights: Weights, *, device: str = "auto", shuffled_seed: int | None = None) -> None:
        module = pretrained("AutoModel", weights.folder, weights)
        self._tokenizer = from_folder("AutoTokenizer", weights.folder, weights)
        self._pooling = _pooling(weights)
        self._max_tokens = _max_tokens(weights, self._tokenizer)
        self.dim: int = module.config.hidden_size
        super().__init__(weights, module, device, shuffled_seed)

    def settings(self) -> dict[str, Any]:
        """Pooling, and the maximal number of tokens."""
        return {"pooling": self._pooling, "max_tokens": self._max_tokens}

    def embed_text(self, texts: Sequence[str]) -> Float32:
        """Embed texts, shape (n_texts, dim)."""
        options = {"truncation": True, "max_length": self._max_tokens}
        tokens = self._tokenizer(list(texts), **options)["input_ids"] if texts else []
        whole = self._tokenizer(list(texts), truncation=False, verbose=False)["input_ids"] if texts else []
        if longer := sum(len(own) > self._max_tokens for own in whole):
            notice(
                f"{longer} of {len(whole)} texts are longer than the {self._max_tokens} tokens that the sentence "
                f"encoder takes (up to {max(map(len, whole))}): what comes later is not read"
            )

        def run(batch: Tensor) -> Tensor:
            hidden = self._module(input_ids=batch, attention_mask=torch.ones_like(batch)).last_hidden_state
            pooled = hidden.float().mean(dim=1) if self._pooling == "mean" else hidden[:, 0].float()
            return functional.normalize(pooled, dim=-1)

        return self.embed_tokens(tokens, run)


def _pooling(weights: Weights) -> str:
    """Read the pooling from the configuration of the model; the mean if there is none."""
    path = weights.folder / "1_Pooling" / "config.json"
    if not path.is_file():
        return "mean"
    config = parse_json(path.read_text(encoding="utf-8"))
    modes = {key.removeprefix("pooling_mode_") for key, value in config.items() if value is True}
    named = str(config.get("pooling_mode", "+".join(sorted(modes & POOLINGS)))).removesuffix("_tokens")
    if named not in ("mean", "cls_token", "cls"):
        raise InputError("this pooling is not supported", file=path, found=named, expected="mean or cls")
    return named.removesuffix("_token")


def _max_tokens(weights: Weights, tokenizer: Any) -> int:
    """Maximal number of tokens: that of the training of the model, else that of its tokenizer."""
    path = weights.folder / "sentence_bert_config.json"
    if path.is_file():
        longest = parse_json(path.read_text(encoding="utf-8")).get("max_seq_length")
        if longest:
            return int(longest)
    return min(int(tokenizer.model_max_length), 512)
