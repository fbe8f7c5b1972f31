"""Tiny networks with random weights, saved as the published ones are; and a loader of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers", reason="pretrained networks are in the extra models")

import torch
from safetensors.torch import save_file

from b2m_encoding.features.networks import load_audio_encoder, load_text_encoder
from b2m_encoding.features.networks.loading import transformers
from b2m_encoding.features.networks.muq import MuQSizes
from b2m_encoding.features.networks.muq_mulan import Checkpoint

WORDS = ["slow", "fast", "sad", "happy", "piano", "guitar", "drums", "choir", "waltz", "rock", "jazz", "and", "loud"]
MUQ = {"conv_dim": 4, "encoder_dim": 16, "encoder_depth": 3} | {
    "w2v2_config": {"num_attention_heads": 2, "intermediate_size": 32, "conv_depthwise_kernel_size": 7}
}
TOWER = {"dim": 12, "tf_depth": 2, "heads": 2, "dim_head": 8}
MULAN = {
    "mulan": {"dim_latent": 10, "clip_secs": 1},
    "audio_model": {"use_layer_idx": -1},
    "audio_transformer": TOWER,
    "text_transformer": TOWER,
}
TEXT_ENCODERS = {
    "vocab_size": 40,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}
SPEECH = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
LOADED = {
    "muq_mulan": {"name": "muq_mulan"},
    "muq": {"name": "muq"},
    "clap": {"name": "clap"},
    "clap_fused": {"name": "clap", "model": "laion/clap-htsat-fused"},
    "musicldm_clap": {"name": "musicldm_clap"},
    "w2v_bert": {"name": "w2v_bert"},
    "wav2vec2": {"name": "wav2vec2"},
    "hubert": {"name": "transformers_audio", "model": "facebook/hubert-large-ls960-ft"},
    "whisper_base": {"name": "whisper_base"},
    "codec": {"name": "codec"},
    "sentences": {"name": "sentences"},
}
SHARED = {"muq": "muq_mulan"}
"""Networks that read the files of another."""


def save_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    vocabulary = {word: i for i, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    fast = transformers().PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=30, **names)
    fast.save_pretrained(folder)


def save_muq_mulan(folder: Path) -> None:
    text = transformers().XLMRobertaConfig(**TEXT_ENCODERS, max_position_embeddings=34, pad_token_id=1)
    module = Checkpoint(MULAN, MuQSizes.read(MUQ), text)
    for name, buffer in module.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2.0)
        elif name.endswith("running_mean"):
            buffer.normal_()
    unused = {"mulan.audio.aggregator.weight": torch.zeros(1, 25, 1), "mulan.contrast.temperatures": torch.zeros(1)}
    save_file({**module.state_dict(), **unused}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(MULAN))
    (folder / "muq").mkdir()
    (folder / "muq" / "config.json").write_text(json.dumps(MUQ))
    text.save_pretrained(folder / "text")
    save_tokenizer(folder / "text")


def save_clap(folder: Path, fusion: bool = False, parts: tuple[str, str, str] = ("", "", "")) -> None:
    library = transformers()
    audio = {"patch_embeds_hidden_size": 8, "depths": [1, 1], "num_attention_heads": [2, 2], "hidden_size": 16}
    audio |= {"patch_size": 8, "patch_stride": (8, 8)}
    config = library.ClapConfig(
        text_config={**TEXT_ENCODERS, "max_position_embeddings": 34, "projection_dim": 10},
        audio_config={**audio, "projection_dim": 10, "enable_fusion": fusion, "num_hidden_layers": 2},
        projection_dim=10,
    )
    model, tokenizer, extractor = (folder / part for part in parts)
    library.ClapModel(config).save_pretrained(model)
    save_tokenizer(tokenizer)
    kind = "fusion" if fusion else "rand_trunc"
    library.ClapFeatureExtractor(truncation=kind).save_pretrained(extractor)


def save_w2v_bert(folder: Path) -> None:
    library = transformers()
    config = library.Wav2Vec2BertConfig(
        hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32, output_hidden_size=16
    )
    library.Wav2Vec2BertModel(config).save_pretrained(folder)
    library.SeamlessM4TFeatureExtractor().save_pretrained(folder)


def save_wav2vec2(folder: Path) -> None:
    library = transformers()
    library.Wav2Vec2Model(library.Wav2Vec2Config(**SPEECH)).save_pretrained(folder)
    library.Wav2Vec2FeatureExtractor().save_pretrained(folder)


def save_hubert(folder: Path) -> None:
    library = transformers()
    config = library.HubertConfig(**SPEECH, do_stable_layer_norm=True, feat_extract_norm="layer")
    library.HubertModel(config).save_pretrained(folder)
    library.Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)


def save_whisper(folder: Path) -> None:
    library = transformers()
    layers = {"encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    sizes = {"encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "d_model": 16, "max_source_positions": 100}
    config = library.WhisperConfig(**layers, **sizes, vocab_size=40, pad_token_id=1, bos_token_id=0, eos_token_id=2)
    library.WhisperModel(config).save_pretrained(folder)
    library.WhisperFeatureExtractor(chunk_length=2).save_pretrained(folder)


def save_codec(folder: Path) -> None:
    library = transformers()
    sizes = {
        "num_filters": 4,
        "hidden_size": 8,
        "codebook_size": 16,
        "codebook_dim": 8,
        "num_lstm_layers": 1,
        "target_bandwidths": [1.5],
    }
    library.EncodecModel(library.EncodecConfig(**sizes, sampling_rate=32000)).save_pretrained(folder)


def save_sentences(folder: Path) -> None:
    library = transformers()
    library.BertModel(library.BertConfig(**TEXT_ENCODERS, max_position_embeddings=32, pad_token_id=1)).save_pretrained(
        folder
    )
    save_tokenizer(folder)


SAVED: dict[str, Callable[[Path], None]] = {
    "muq_mulan": save_muq_mulan,
    "clap": save_clap,
    "clap_fused": lambda folder: save_clap(folder, fusion=True),
    "musicldm_clap": lambda folder: save_clap(folder, parts=("text_encoder", "tokenizer", "feature_extractor")),
    "w2v_bert": save_w2v_bert,
    "wav2vec2": save_wav2vec2,
    "hubert": save_hubert,
    "whisper_base": save_whisper,
    "codec": save_codec,
    "sentences": save_sentences,
}


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a tiny model, made when it is first asked for; never change it, take a copy."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        name = SHARED.get(name, name)
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            torch.manual_seed(0)
            SAVED[name](made[name])
        return made[name]

    return folder


@pytest.fixture(scope="session")
def sound(saved: Callable[[str], Path]) -> Callable[..., Any]:
    """Load a tiny network that hears."""

    def load(name: str, folder: Path | None = None, **options: Any) -> Any:
        return load_audio_encoder(**LOADED[name], weights=folder or saved(name), device="cpu", **options)

    return load


@pytest.fixture(scope="session")
def text(saved: Callable[[str], Path]) -> Callable[..., Any]:
    """Load a tiny network that reads."""

    def load(name: str, folder: Path | None = None, **options: Any) -> Any:
        return load_text_encoder(**LOADED[name], weights=folder or saved(name), device="cpu", **options)

    return load


@pytest.fixture(scope="session")
def noise() -> Callable[..., Any]:
    """Waves of noise, each of another loudness."""

    def make(n_waves: int, n_samples: int, seed: int = 0) -> Any:
        rng = np.random.default_rng(seed)
        return (rng.standard_normal((n_waves, n_samples)) * np.linspace(0.05, 0.3, n_waves)[:, None]).astype(np.float32)

    return make
