"""MusicGen with tiny random weights: guidance through our own states is that of the text path, seeds decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from b2m_encoding.decoding.reconstruction import Condition, load_generator
from b2m_encoding.errors import InputError
from b2m_encoding.features.networks.loading import transformers

from .conftest import save_tokenizer

SECONDS = 0.4
TOLD = Condition("x", np.zeros(3, np.float32), text="slow piano")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers", reason="pretrained networks are in the extra models")
    made, library = tmp_path_factory.mktemp("musicgen"), transformers()
    text = library.T5Config(vocab_size=20, d_model=12, d_kv=6, d_ff=16, num_layers=1, num_decoder_layers=1, num_heads=2)
    codec = library.EncodecConfig(
        sampling_rate=8000, upsampling_ratios=[8, 5, 4], num_filters=2, hidden_size=8, codebook_size=16, codebook_dim=8,
        num_lstm_layers=1, target_bandwidths=[0.8], norm_type="weight_norm",
    )  # fmt: skip
    decoder = library.MusicgenDecoderConfig(
        vocab_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, ffn_dim=16, num_codebooks=4,
        max_position_embeddings=400, pad_token_id=16, bos_token_id=16,
    )  # fmt: skip
    torch.manual_seed(0)
    config = library.MusicgenConfig(text_encoder=text, audio_encoder=codec, decoder=decoder)
    model = library.MusicgenForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in (*model.decoder.parameters(), *model.enc_to_dec_proj.parameters()):
            parameter.mul_(8)  # as they are drawn, the text would hardly matter
    for layer in model.audio_encoder.quantizer.layers:  # made of zeros, which would make every token sound the same
        layer.codebook.embed.normal_()
    model.generation_config.decoder_start_token_id = model.generation_config.pad_token_id = 16
    model.generation_config.bos_token_id = 16
    model.save_pretrained(made)
    save_tokenizer(made)
    return made


def load(folder: Path, **settings: Any) -> Any:
    return load_generator("musicgen", weights=folder, device="cpu", **settings)


@pytest.mark.parametrize("guidance", [3.0, 1.0])
def test_guidance_is_that_of_the_text_path(folder: Path, guidance: float) -> None:
    generator = load(folder, guidance=guidance)
    wave, rate = generator.generate(TOLD, SECONDS, random_state=3)
    tokens = generator.tokenizer([TOLD.text], return_tensors="pt")
    torch.manual_seed(3)
    expected = generator.model.generate(
        **tokens, guidance_scale=guidance, do_sample=True, max_new_tokens=round(SECONDS * 50) + 3
    )
    assert (rate, len(wave)) == (8000, 3200)
    assert np.array_equal(wave, expected[0, 0, :3200].numpy())
    other = Condition("x", TOLD.embedding, text="a longer text of more words than two")
    assert not np.array_equal(generator.generate(other, SECONDS, random_state=3)[0], wave)


def test_the_seed_decides_and_leaves_the_others_alone(folder: Path) -> None:
    generator = load(folder)
    assert generator.model is not None  # loading draws numbers
    state = torch.random.get_rng_state()
    first, again, other = (generator.generate(TOLD, SECONDS, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_provenance_and_bad_requests(folder: Path) -> None:
    generator = load(folder)
    assert generator.provenance["guidance"] == 3.0
    assert len(generator.provenance["files"]["model.safetensors"]) == 64
    with pytest.raises(InputError, match="needs the text"):
        generator.generate(Condition("x", np.zeros(3, np.float32)), SECONDS, 1)
    with pytest.raises(InputError, match="at most 30 s"):
        generator.generate(TOLD, 31.0, 1)
