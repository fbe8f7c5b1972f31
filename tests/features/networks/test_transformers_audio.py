from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch

from b2m_encoding.errors import InputError
from b2m_encoding.features.networks import load_audio_encoder
from b2m_encoding.features.networks.loading import transformers


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_w2v_bert_against_transformers(
    attention: str, sound: Callable[..., Any], saved: Callable[[str], Path], noise: Callable[..., Any]
) -> None:
    """With the padding mask of its own extractor, where the last frame is half padding; distances are cut at 64."""
    library = transformers()
    waves = noise(2, 32_000 + 160)
    inputs = library.SeamlessM4TFeatureExtractor()(list(waves), sampling_rate=16_000, return_tensors="pt")
    n_frames = int(inputs["attention_mask"][0].sum())
    assert n_frames == inputs["input_features"].shape[1] - 1
    model = library.Wav2Vec2BertModel.from_pretrained(saved("w2v_bert"), attn_implementation=attention).eval()
    with torch.no_grad():
        states = model(**inputs, output_hidden_states=True).hidden_states
    expected = torch.stack(states, dim=1)[:, :, :n_frames].numpy()
    found = sound("w2v_bert").embed(waves)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("name", ["wav2vec2", "hubert"])
def test_raw_wave_models_layer_by_layer(
    name: str, sound: Callable[..., Any], saved: Callable[[str], Path], noise: Callable[..., Any]
) -> None:
    """Each state is what the layer after it takes in, by hooks on the layers themselves."""
    library = transformers()
    kind = {"wav2vec2": "Wav2Vec2Model", "hubert": "HubertModel"}[name]
    model = getattr(library, kind).from_pretrained(saved(name)).eval()
    taken: list[torch.Tensor] = []
    for layer in model.encoder.layers:
        layer.register_forward_pre_hook(lambda _, args: taken.append(args[0]))
    waves = noise(1, 8000)
    normalised = (waves - waves.mean()) / np.sqrt(waves.var() + 1e-7)
    with torch.no_grad():
        last = model(torch.from_numpy(normalised)).last_hidden_state
    expected = torch.stack([*taken, last], dim=1).numpy()
    assert np.abs(sound(name).embed(waves) - expected).max() < 1e-4


def test_whisper_frames_of_the_padding_are_left_out(
    sound: Callable[..., Any], saved: Callable[[str], Path], noise: Callable[..., Any]
) -> None:
    library = transformers()
    network, waves = sound("whisper_base"), noise(1, 16_000)
    model = library.WhisperModel.from_pretrained(saved("whisper_base")).eval()
    inputs = library.WhisperFeatureExtractor(chunk_length=2)(list(waves), sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        expected = model.encoder(inputs["input_features"]).last_hidden_state.numpy()
    assert expected.shape[1] == 100
    found = network.embed(waves)
    assert found.shape == (1, 3, 50, 16)
    assert np.abs(found[:, -1] - expected[:, :50]).max() < 1e-5
    with pytest.raises(InputError, match="longer"):
        network.embed(noise(1, 33_000))


def test_layers_above_the_wanted_one_are_dropped(sound: Callable[..., Any]) -> None:
    assert len(sound("w2v_bert", layers=(0,))._module.encoder.layers) == 1
    assert len(sound("w2v_bert", layers=(1, 2))._module.encoder.layers) == 3
    assert len(sound("whisper_base", layers=(0,))._module.layers) == 1


def test_attention_is_fused_where_the_model_allows(sound: Callable[..., Any]) -> None:
    assert sound("w2v_bert").provenance["attention"] == "sdpa"


def test_too_short(sound: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match="too short"):
        sound("wav2vec2").embed(np.zeros((1, 200), dtype=np.float32))


def test_an_unknown_kind_of_model(saved: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    copytree(saved("w2v_bert"), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
    with pytest.raises(InputError, match=r"not supported[\s\S]*bert[\s\S]*wav2vec2"):
        load_audio_encoder("w2v_bert", weights=folder, device="cpu")


def test_code_of_a_repository_is_never_run(saved: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    copytree(saved("w2v_bert"), folder)
    config = json.loads((folder / "config.json").read_text())
    custom = {"model_type": "mert_model", "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config | custom))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(InputError):
        load_audio_encoder("w2v_bert", weights=folder, device="cpu")
    assert not (tmp_path / "ran").exists()
