"""Networks with few and random weights, saved as the published ones are: real code, in a moment."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from b2m_encoding.features.networks.loading import transformers

DIM = 10
"""Dimensions of the joint embedding."""
HEARS = 1
"""Seconds in a window of the CLAP of MusicLDM, where the published one hears 10."""


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


def save_clap(folder: Path, model: str = "", tokenizer: str = "", extractor: str = "", seconds: int = 10) -> None:
    """CLAP and its tokenizer."""
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
    library.ClapFeatureExtractor(truncation="rand_trunc", max_length_s=seconds).save_pretrained(folder / extractor)


def save_musicldm(folder: Path) -> None:
    """Every part of MusicLDM, 16 kHz, with the CLAP that it listens to."""
    diffusers = pytest.importorskip("diffusers", reason="generators are in the extra generate")
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(
        sample_size=32, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=(8, 16), attention_head_dim=4, norm_num_groups=4, class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=DIM, class_embeddings_concat=True,
    )  # fmt: skip
    vae = diffusers.AutoencoderKL(
        in_channels=1, out_channels=1, latent_channels=4, block_out_channels=(8, 16), norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, scaling_factor=0.9,
    )  # fmt: skip
    config = transformers().SpeechT5HifiGanConfig(
        model_in_dim=64, sampling_rate=16_000, upsample_initial_channel=16, upsample_rates=[5, 4, 4, 2],
        upsample_kernel_sizes=[10, 8, 8, 4], resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1, 3]],
        normalize_before=False,
    )  # fmt: skip
    scheduler = diffusers.DDIMScheduler(
        beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False
    )
    unet.save_pretrained(folder / "unet")
    vae.save_pretrained(folder / "vae")
    vocoder = transformers().SpeechT5HifiGan(config)
    with torch.no_grad():
        for parameter in vocoder.parameters():  # as they are drawn, nothing would be heard
            parameter.mul_(20)
    vocoder.save_pretrained(folder / "vocoder")
    scheduler.save_pretrained(folder / "scheduler")
    save_clap(folder, "text_encoder", "tokenizer", "feature_extractor", seconds=HEARS)


def save_musicgen(folder: Path) -> None:
    """MusicGen, 8 kHz, with its codec and text encoder."""
    pytest.importorskip("transformers", reason="pretrained networks are in the extra models")
    library = transformers()
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
    model.save_pretrained(folder)
    save_tokenizer(folder)
