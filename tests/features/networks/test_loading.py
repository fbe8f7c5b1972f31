"""Damaged or wrong weights end with one clear error, whichever way they are loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from b2m_encoding.errors import InputError
from b2m_encoding.features.networks import load_audio_encoder, load_text_encoder

NAMES = ["muq_mulan", "muq", "clap", "musicldm_clap", "w2v_bert", "wav2vec2", "codec"]


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    [path] = folder.rglob("model.safetensors")
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def truncated(folder: Path) -> None:
    [path] = folder.rglob("model.safetensors")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_safetensors(folder: Path) -> None:
    [path] = folder.rglob("model.safetensors")
    path.write_bytes(b"<html>not found</html>")


def missing_parameter(folder: Path) -> None:
    rewrite(folder, lambda tensors: void(tensors.pop(a_weight(tensors))))


def wrong_shape(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.update({a_weight(tensors): torch.zeros(3, 3)}))


def a_weight(tensors: dict[str, torch.Tensor]) -> str:
    """A matrix in the middle of the sound encoder."""
    names = [name for name in tensors if name.endswith("weight") and tensors[name].ndim == 2 and "text" not in name]
    layers = [name for name in names if "layers.1" in name or "audio_model" in name]
    return sorted(layers)[0] if layers else sorted(name for name in tensors if "encoder" in name)[0]


def void(_: object) -> None:
    return None


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated": (truncated, "damaged"),
    "no safetensors": (no_safetensors, "damaged"),
    "missing parameter": (missing_parameter, "lack parameters"),
    "wrong shape": (wrong_shape, "unexpected shape|belong to another architecture"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_weights(
    name: str, damage: str, saved: Callable[[str], Path], sound: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    copytree(saved(name), folder)
    change, problem = DAMAGES[damage]
    change(folder)
    with pytest.raises(InputError, match=problem) as raised:
        sound(name, folder=folder)
    assert "model" in str(raised.value.file)


@pytest.mark.parametrize("name", ["muq_mulan", "clap", "w2v_bert"])
def test_a_missing_configuration(
    name: str, saved: Callable[[str], Path], sound: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    copytree(saved(name), folder)
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match="config"):
        sound(name, folder=folder)


def test_pickled_weights_are_never_loaded(
    saved: Callable[[str], Path], sound: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    copytree(saved("clap"), folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="no safetensors") as raised:
        sound("clap", folder=folder)
    assert "b2m models fetch clap --allow-pickle" in str(raised.value)
    (folder / "model-index.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="damaged"):
        sound("clap", folder=folder)


BROKEN = """
from pathlib import Path
from b2m_encoding.errors import InputError
from b2m_encoding.features.networks import load_audio_encoder
for name in ("muq", "clap"):
    try:
        load_audio_encoder(name, weights=Path({folder!r}), device="cpu")
    except InputError as error:
        print(error)
"""


def test_a_torchaudio_of_another_build_is_named(saved: Callable[[str], Path], tmp_path: Path) -> None:
    """transformers believes the metadata, and then cannot be imported."""
    (tmp_path / "torchaudio").mkdir()
    (tmp_path / "torchaudio" / "__init__.py").write_text("raise OSError('Could not load _torchaudio.abi3.so')")
    (tmp_path / "torchaudio-2.11.0.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: torchaudio\nVersion: 2.11.0\n"
    (tmp_path / "torchaudio-2.11.0.dist-info" / "METADATA").write_text(metadata)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    script = [sys.executable, "-c", BROKEN.format(folder=str(saved("muq_mulan")))]
    done = subprocess.run(script, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True)
    assert done.stdout.count("pip uninstall torchaudio torchvision") == 2
    assert "_torchaudio.abi3.so" in done.stdout


def test_without_transformers(sound: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("b2m_encoding.features.networks.loading.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"b2m-encoding\[models\]"):
        sound("muq")


def test_names(tmp_path: Path) -> None:
    for call, problem in (
        (lambda: load_audio_encoder("muqmulan"), "muq_mulan"),
        (lambda: load_text_encoder("w2v_bert"), "no text encoder"),
        (lambda: load_audio_encoder("transformers_audio"), "needs a model"),
        (lambda: load_audio_encoder("clap", model="muq_mulan"), "cannot load this model"),
        (lambda: load_audio_encoder("clap", model="musicldm_clap"), "cannot load this model"),
        (lambda: load_text_encoder("sentences", model="whisper_base"), "cannot load this model"),
        (lambda: load_audio_encoder("clap", model="clapp"), "no model has this name"),
        (lambda: load_audio_encoder("clap", weights=tmp_path / "gone"), "does not exist"),
        (lambda: load_audio_encoder("clap", weights=tmp_path), "no safetensors"),
    ):
        with pytest.raises(InputError, match=problem):
            call()
