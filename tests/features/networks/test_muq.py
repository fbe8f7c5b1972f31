"""MuQ-MuLan against independent calculations: transformers' spectrogram and conformer, and loops written out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import erf, softmax
from torch import nn

from b2m_encoding.features.networks.loading import transformers
from b2m_encoding.features.networks.muq import Conformer, LogMel, MuQSizes, Residual, Subsampling, rotary_angles, rotate
from b2m_encoding.features.networks.muq_mulan import Checkpoint
from b2m_encoding.features.networks.towers import CosineAttention, TowerSizes, gated_feed_forward

SIZES = MuQSizes(channels=4, dim=16, depth=3, heads=2, feed_forward=32, kernel=7)
TOWER = TowerSizes(dim=12, depth=2, heads=2, head_dim=8)


def random_(module: nn.Module, seed: int = 0) -> Any:
    """Random parameters and statistics, so that no norm or scale is one by chance."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) * (1 if "running_var" in name else 0.6) + 0.1)
            if "running_var" not in name:
                value.sub_(0.4)
    return module.eval()


def test_spectrogram_against_transformers() -> None:
    audio = __import__("transformers.audio_utils", fromlist=["spectrogram"])
    wave = np.random.default_rng(0).standard_normal(24_000) * 0.1
    bank = audio.mel_filter_bank(1025, 128, 0.0, 12_000.0, 24_000, norm=None, mel_scale="htk")
    expected = audio.spectrogram(
        wave,
        audio.window_function(2048, "hann"),
        frame_length=2048,
        hop_length=240,
        fft_length=2048,
        power=2.0,
        mel_filters=bank,
        log_mel="dB",
    )[:, :-1]
    found = LogMel(0.0, 1.0)(torch.from_numpy(wave[None].astype(np.float32)))[0].numpy()
    assert found.shape == (128, 100)
    assert np.abs(found - expected).max() < 2e-3
    standardised = LogMel(6.768445, 18.417923)(torch.from_numpy(wave[None].astype(np.float32)))[0].numpy()
    assert np.allclose(standardised, (found - 6.768445) / 18.417923, atol=1e-5)


def test_silence_is_the_floor() -> None:
    assert torch.allclose(LogMel(0.0, 1.0)(torch.zeros(1, 2400)), torch.tensor(-100.0))


@torch.no_grad()
def test_conformer_against_transformers() -> None:
    """The same parameters, by the same names, in the conformer that MuQ was built on."""
    library = transformers()
    config = library.Wav2Vec2ConformerConfig(
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        hidden_act="swish",
        conv_depthwise_kernel_size=7,
        position_embeddings_type="rotary",
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    ours = random_(Conformer(SIZES))
    theirs = library.Wav2Vec2ConformerModel(config).encoder.eval()
    report = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert not report.unexpected_keys
    assert all(key.startswith(("pos_conv_embed", "embed_positions")) for key in report.missing_keys)
    x = torch.randn(2, 40, 16, generator=torch.Generator().manual_seed(1))
    states = ours(x)
    taken: list[torch.Tensor] = []
    for layer in theirs.layers:
        layer.register_forward_pre_hook(lambda _, args: taken.append(args[0]))
    last = theirs(x).last_hidden_state
    assert len(states) == 4
    for found, expected in zip(states, [*taken, last], strict=True):
        assert torch.allclose(found, expected, atol=1e-5)
    assert torch.equal(ours(x, 2)[2], states[2])
    assert len(ours(x, 2)) == 3


def test_rotation_by_complex_numbers() -> None:
    x = np.random.default_rng(0).standard_normal((5, 2, 8))
    angles = np.arange(5)[:, None, None] / 10_000 ** (np.arange(4) / 4)
    turned = (x[..., :4] + 1j * x[..., 4:]) * np.exp(1j * angles)
    expected = np.concatenate([turned.real, turned.imag], axis=-1)
    found = rotate(torch.from_numpy(x), rotary_angles(5, 8, 10_000.0, torch.device("cpu")))
    assert np.abs(found.numpy() - expected).max() < 1e-6


@torch.no_grad()
def test_subsampling_keeps_channels_outside_of_frequencies() -> None:
    stem = random_(Subsampling(4, 16))
    mel = torch.randn(2, 128, 40, generator=torch.Generator().manual_seed(0))
    hidden = stem.conv(mel[:, None]).numpy()
    assert hidden.shape == (2, 4, 32, 10)
    weight, bias = stem.linear.weight.numpy().reshape(16, 4, 32), stem.linear.bias.numpy()
    expected = np.einsum("bcft,ocf->bto", hidden, weight) + bias
    assert np.abs(stem(mel).numpy() - expected).max() < 1e-4


@torch.no_grad()
def test_residual_block_by_its_parts() -> None:
    block = random_(Residual(2, 3))
    x = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))

    def batch_norm(values: np.ndarray, norm: nn.BatchNorm2d) -> np.ndarray:
        mean, variance, weight, bias = (
            part.numpy()[None, :, None, None] for part in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        )
        return (values - mean) / np.sqrt(variance + 1e-5) * weight + bias

    def convolution(values: np.ndarray, layer: nn.Conv2d, stride: int) -> np.ndarray:
        padded, weight = np.pad(values, ((0, 0), (0, 0), (1, 1), (1, 1))), layer.weight.numpy()
        rows = range(0, values.shape[2], stride)
        out = [[np.einsum("cij,ocij->o", padded[0, :, i : i + 3, j : j + 3], weight) for j in rows] for i in rows]
        return np.transpose(out, (2, 0, 1))[None] + layer.bias.numpy()[None, :, None, None]

    inner = np.maximum(batch_norm(convolution(x.numpy(), block.conv1, 2), block.bn1), 0)
    expected = batch_norm(convolution(inner, block.conv2, 1), block.bn2)
    expected = np.maximum(expected + batch_norm(convolution(x.numpy(), block.conv3, 2), block.bn3), 0)
    assert np.abs(block(x).numpy() - expected).max() < 1e-4


@torch.no_grad()
def test_cosine_attention_by_loops() -> None:
    layer = random_(CosineAttention(TOWER))
    x = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0))
    weights = {name: value.numpy() for name, value in layer.state_dict().items()}
    expected = np.zeros((2, 5, 12))
    for b, rows in enumerate(x.numpy()):
        normed = (rows - rows.mean(1, keepdims=True)) / np.sqrt(rows.var(1, keepdims=True) + 1e-5)
        normed = normed * weights["norm.learned_gamma"]
        keys, values = np.split(normed @ weights["to_kv.weight"].T, 2, axis=1)
        queries = normed @ weights["to_q.weight"].T
        heads = []
        for head in (slice(0, 8), slice(8, 16)):
            q, k = (part[:, head] / np.linalg.norm(part[:, head], axis=1, keepdims=True) for part in (queries, keys))
            scores = 8 * (q * weights["q_scale"]) @ (k * weights["k_scale"]).T
            heads.append(softmax(scores, axis=1) @ values[:, head])
        expected[b] = np.concatenate(heads, axis=1) @ weights["to_out.0.weight"].T
    assert np.abs(layer(x).numpy() - expected).max() < 1e-5


@torch.no_grad()
def test_gated_feed_forward_by_hand() -> None:
    layer = random_(gated_feed_forward(TOWER))
    assert list(layer.state_dict()) == ["0.learned_gamma", "1.weight", "4.weight"]
    assert layer[4].weight.shape == (12, 32)
    x = torch.randn(4, 12, generator=torch.Generator().manual_seed(0)).numpy()
    normed = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5) * layer[0].learned_gamma.numpy()
    value, gate = np.split(normed @ layer[1].weight.numpy().T, 2, axis=1)
    expected = (gate * 0.5 * (1 + erf(gate / np.sqrt(2))) * value) @ layer[4].weight.numpy().T
    assert np.abs(layer(torch.from_numpy(x)).numpy() - expected).max() < 1e-5


def test_short_windows_begin_again(sound: Callable[..., Any], noise: Callable[..., Any]) -> None:
    network = sound("muq_mulan")
    assert (network.rate, network.window, network.dim) == (24_000, 1.0, 10)
    wave = noise(1, 15_000)
    again = np.concatenate([wave, wave[:, :9000]], axis=1)
    assert np.array_equal(network.embed(wave), network.embed(again))


def test_window_and_layers_agree(sound: Callable[..., Any], noise: Callable[..., Any]) -> None:
    """The joint vector is made of the last state that the frame network gives."""
    joint, frames, waves = sound("muq_mulan"), sound("muq"), noise(2, 24_000)
    states = frames.embed(waves)
    assert states.shape == (2, 4, 25, 16)
    assert frames.frame_rate == 25.0
    with torch.no_grad():
        latents = joint._joint.audio_to_latents(joint._joint.audio(torch.from_numpy(states[:, -1])))
    expected = nn.functional.normalize(latents, dim=-1).numpy()
    assert np.abs(joint.embed(waves) - expected).max() < 1e-5


def test_padding_would_change_a_text(text: Callable[..., Any]) -> None:
    """Why texts are embedded in batches of equal length: the text tower averages over what it is given."""
    network = text("muq_mulan")
    tokens = network._tokenizer(["slow piano"])["input_ids"]
    padded = torch.tensor([tokens[0] + [1] * 8])
    with torch.no_grad():
        hidden = network._joint.text.model(input_ids=padded, attention_mask=(padded != 1).long()).last_hidden_state
        latents = network._joint.text_to_latents(network._joint.text(hidden))
    wrong = nn.functional.normalize(latents, dim=-1).numpy()
    assert float((wrong * network.embed_text(["slow piano"])).sum()) < 0.999


def expected_names(prefix: str, count: int, names: list[str]) -> set[str]:
    return {f"{prefix}.{i}.{name}" for i in range(count) for name in names}


def both(*names: str) -> list[str]:
    return [f"{name}.{part}" for name in names for part in ("weight", "bias")]


def published_names() -> set[str]:
    """Names of the parameters of the published checkpoint, written out from its description."""
    statistics = ["running_mean", "running_var", "num_batches_tracked"]
    norms = [f"bn{i}.{part}" for i in (1, 2, 3) for part in statistics] + both("bn1", "bn2", "bn3")
    conformer = [
        *both("ffn1_layer_norm", "ffn1.intermediate_dense", "ffn1.output_dense", "self_attn_layer_norm"),
        *both(*(f"self_attn.linear_{kind}" for kind in ("q", "k", "v", "out"))),
        *both("conv_module.layer_norm", "conv_module.batch_norm"),
        *(f"conv_module.batch_norm.{part}" for part in statistics),
        *(f"conv_module.{name}.weight" for name in ("pointwise_conv1", "depthwise_conv", "pointwise_conv2")),
        *both("ffn2_layer_norm", "ffn2.intermediate_dense", "ffn2.output_dense", "final_layer_norm"),
    ]
    tower = ["0.norm.learned_gamma", "0.to_q.weight", "0.to_kv.weight", "0.q_scale", "0.k_scale", "0.to_out.0.weight"]
    tower += ["1.0.learned_gamma", "1.1.weight", "1.4.weight"]
    roberta = both(
        *(f"attention.self.{name}" for name in ("query", "key", "value")),
        *("attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense"),
        "output.LayerNorm",
    )
    muq, text = "mulan.audio.model.model", "mulan.text.model"
    return {
        *expected_names(f"{muq}.conv.conv", 2, [*both("conv1", "conv2", "conv3"), *norms]),
        *(f"{muq}.{name}" for name in both("conv.linear", "conformer.layer_norm")),
        *expected_names(f"{muq}.conformer.layers", 12, conformer),
        *expected_names("mulan.audio.transformer.layers", 8, tower),
        *expected_names("mulan.text.transformer.layers", 8, tower),
        *expected_names(f"{text}.encoder.layer", 12, roberta),
        *(f"{text}.embeddings.{name}_embeddings.weight" for name in ("word", "position", "token_type")),
        *both(f"{text}.embeddings.LayerNorm", "mulan.audio.proj", "mulan.audio_to_latents", "mulan.text_to_latents"),
    }


def text_config(**sizes: int) -> Any:
    """XLM-RoBERTa as large as published, but for some sizes."""
    published = {"vocab_size": 250_002, "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
    return transformers().XLMRobertaConfig(**{**published, **sizes})


def test_every_parameter_has_its_published_name_and_size() -> None:
    with torch.device("meta"):  # sizes without memory
        module = Checkpoint({}, MuQSizes(), text_config())
    state = module.state_dict()
    assert set(state) == published_names()
    assert state["mulan.audio.model.model.conv.linear.weight"].shape == (1024, 512 * 32)
    assert state["mulan.audio.model.model.conformer.layers.0.conv_module.depthwise_conv.weight"].shape == (1024, 1, 31)
    assert state["mulan.audio.transformer.layers.0.1.1.weight"].shape == (4096, 768)
    assert state["mulan.audio_to_latents.weight"].shape == (512, 768)
    assert 600e6 < sum(value.numel() for value in module.parameters()) < 720e6


@pytest.mark.slow
def test_full_width(tmp_path: Path, saved: Callable[[str], Path], noise: Callable[..., Any]) -> None:
    """Saved, loaded and run with layers as wide as published, one of each kind."""
    from safetensors.torch import save_file

    from b2m_encoding.features.networks import load_audio_encoder

    text = text_config(num_hidden_layers=1, vocab_size=5000)
    towers = {name: {"tf_depth": 1} for name in ("audio_transformer", "text_transformer")}
    config = {"mulan": {"clip_secs": 2}, **towers}
    module = Checkpoint(config, MuQSizes(depth=1), text)
    save_file(module.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "muq").mkdir()
    (tmp_path / "muq" / "config.json").write_text(json.dumps({"encoder_depth": 1}))
    text.save_pretrained(tmp_path / "text")
    for path in (saved("muq_mulan") / "text").glob("tokenizer*"):
        (tmp_path / "text" / path.name).write_bytes(path.read_bytes())
    network = load_audio_encoder("muq_mulan", weights=tmp_path, device="cpu")
    waves = noise(2, 48_000)
    both_waves = network.embed(waves)
    assert both_waves.shape == (2, 512)
    assert np.abs(network.embed(waves[1:]) - both_waves[1]).max() < 1e-5
    assert network.embed_text(["slow sad piano"]).shape == (1, 512)
