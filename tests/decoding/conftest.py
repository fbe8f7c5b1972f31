"""Recordings to build a corpus from, and a tiny CLAP with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from b2m_encoding.features.networks.loading import transformers

RATE, DIM = 8000, 10


@pytest.fixture(autouse=True)
def store_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep features where no other test finds them."""
    monkeypatch.setenv("B2M_CACHE", str(tmp_path / "cache"))


def tone(seconds: float, hertz: float, seed: int, rate: int = RATE) -> np.ndarray:
    """A chord that swells, in a little noise."""
    rng, time = np.random.default_rng(seed), np.arange(round(seconds * rate)) / rate
    chord = sum(np.sin(2 * np.pi * hertz * step * time + seed) for step in (1, 1.25, 1.5))
    return np.asarray(0.1 * (1 + np.sin(2 * np.pi * 0.3 * time)) * chord + 0.01 * rng.standard_normal(len(time)))


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven recordings in two folders, two of which cannot be used; never change them, take a copy."""
    folder = tmp_path_factory.mktemp("recordings")
    for i in range(5):
        path = folder / ("low" if i < 3 else "high") / f"{i:06d}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, tone(17 if i else 12, 150 * 1.7**i, i), RATE, subtype="PCM_16")
    soundfile.write(folder / "low" / "short.wav", tone(3, 100, 0), RATE)
    (folder / "high" / "damaged.mp3").write_bytes(b"no sound" * 100)
    (folder / "notes.txt").write_text("not a sound")
    return folder


def save_tokenizer(folder: Path) -> None:
    """A tokenizer that knows no word."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    vocabulary = Tokenizer(WordLevel({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}, unk_token="<unk>"))
    vocabulary.pre_tokenizer = Whitespace()
    vocabulary.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    fast = transformers().PreTrainedTokenizerFast(tokenizer_object=vocabulary, model_max_length=30, **names)
    fast.save_pretrained(folder)


def save_clap(folder: Path, model: str = "", tokenizer: str = "", extractor: str = "") -> None:
    """A tiny CLAP with random weights and its tokenizer, as the published ones are saved."""
    pytest.importorskip("transformers", reason="pretrained networks are in the extra models")
    library = transformers()
    text = {"vocab_size": 40, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2}
    audio = {"patch_embeds_hidden_size": 8, "depths": [1, 1], "num_attention_heads": [2, 2], "hidden_size": 16}
    audio |= {"patch_size": 8, "patch_stride": (8, 8), "num_hidden_layers": 2, "projection_dim": DIM}
    config = library.ClapConfig(
        text_config={**text, "intermediate_size": 24, "max_position_embeddings": 34, "projection_dim": DIM},
        audio_config=audio,
        projection_dim=DIM,
    )
    torch.manual_seed(0)
    library.ClapModel(config).save_pretrained(folder / model)
    save_tokenizer(folder / tokenizer)
    library.ClapFeatureExtractor(truncation="rand_trunc").save_pretrained(folder / extractor)


@pytest.fixture(scope="session")
def tiny_clap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder; never change it, take a copy."""
    folder = tmp_path_factory.mktemp("clap")
    save_clap(folder)
    return folder
