"""The catalogue, the store and its checks."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.features.networks import AUDIO_ENCODERS, TEXT_ENCODERS, load_audio_encoder
from b2m_encoding.features.weights import catalogue, entry_of, find_weights, hash_files, is_installed
from b2m_encoding.features.weights.installed import RECORD, folder_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_every_entry_can_be_loaded_fetched_and_replaced() -> None:
    for name, entry in catalogue().items():
        assert entry.network in AUDIO_ENCODERS or entry.network in TEXT_ENCODERS or entry.makes
        assert set(entry.stand_ins) <= set(catalogue()) - {name}
        assert sum(source is not None for source in (entry.repository, entry.package, entry.wheel)) == 1
        assert entry.of is None or entry.wheel == catalogue()[entry.of].wheel
        assert entry.wheel is None or entry.file in entry.wheel.files.values()
        for source in entry.sources:
            assert re.fullmatch(r"[0-9a-f]{40}|main", source.revision)
            assert source.files
            assert not any(pattern.endswith((".bin", ".pt", ".ckpt", ".pkl", "*")) for pattern in source.files) or (
                name == "musicldm_clap"  # folders of a tokenizer and a feature extractor
            )
        assert entry.dim or entry.makes
        assert entry.role
        assert entry.pickle == (entry.repository is not None and not any(map(weighty, entry.files)))
    for network in {**AUDIO_ENCODERS, **TEXT_ENCODERS}.values():
        assert network.model is None or network.model in catalogue()


def weighty(pattern: str) -> bool:
    return pattern.endswith((".safetensors", ".tflite"))


def test_models_by_name_and_by_repository() -> None:
    assert entry_of("laion/larger_clap_music").name == "clap"
    assert entry_of("clap", "abc").command == "b2m models fetch clap --revision abc --allow-pickle"
    other = entry_of("facebook/hubert-base-ls960", COMMIT)
    assert other.command == f"b2m models fetch facebook/hubert-base-ls960 --revision {COMMIT}"
    assert folder_of(other).name == f"facebook--hubert-base-ls960@{COMMIT}"
    with pytest.raises(InputError, match="muq_mulan"):
        entry_of("muq_mulam")


def test_missing_weights_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B2M_CACHE", str(tmp_path))
    with pytest.raises(InputError) as raised:
        load_audio_encoder("muq_mulan")
    for part in ("b2m models fetch muq_mulan", "2.67 GB", "CC-BY-NC-4.0", "commercial use: no", "clap (missing)"):
        assert part in str(raised.value)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("B2M_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def stored(cache: Path, name: str = "codec") -> Path:
    """A recorded model, as fetching leaves it."""
    folder = folder_of(catalogue()[name])
    assert cache in folder.parents
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"w" * 100)
    (folder / "config.json").write_text("{}")
    (folder / RECORD).write_text(json.dumps({"revision": COMMIT, "files": hash_files(folder)}))
    return folder


def test_recorded_weights_are_found_and_checked(cache: Path) -> None:
    entry = catalogue()["codec"]
    assert not is_installed(entry)
    folder = stored(cache)
    assert is_installed(entry)
    weights = find_weights(entry)
    assert weights.revision == COMMIT
    assert weights.files["model.safetensors"] == hashlib.sha256(b"w" * 100).hexdigest()
    assert set(weights.files) == {"model.safetensors", "config.json"}
    (folder / "model.safetensors").write_bytes(b"w" * 99 + b"x")
    with pytest.raises(InputError, match="damaged") as raised:
        find_weights(entry)
    assert raised.value.fix == "b2m models fetch codec"
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="no such file"):
        find_weights(entry)
    (folder / RECORD).write_text('{"revision"')
    with pytest.raises(InputError, match="record of codec is damaged"):
        find_weights(entry)


def test_hashes_are_computed_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from b2m_encoding.io import hashes as module

    computed: list[Path] = []

    def counted(path: Path) -> str:
        computed.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(module, "sha256", counted)
    folder = stored(cache)
    for _ in range(3):
        find_weights(catalogue()["codec"])
    assert len(computed) == 2
    for note in (cache / "hashes").iterdir():
        note.write_text("damaged")
    find_weights(catalogue()["codec"])
    os.utime(folder / "config.json", ns=(1, 1))
    find_weights(catalogue()["codec"])
    assert len(computed) == 5


def test_a_folder_of_the_users(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"abc")
    weights = find_weights(catalogue()["codec"], tmp_path / "model")
    assert (weights.revision, set(weights.files)) == (None, {"model.safetensors"})
    with pytest.raises(InputError, match=r"config\.json"):
        weights.path("config.json")


def test_list_shows_every_model(b2m: Callable[..., tuple[int, str]]) -> None:
    code, printed = b2m("models", "list")
    assert code == 0
    for name in catalogue():
        assert f"\n{name}: " in f"\n{printed}"
    for part in (
        "missing; b2m models fetch clap --allow-pickle (0.78 GB)",
        "CC-BY-NC-4.0 (code MIT); commercial use: no",
        "512 dimensions per window of 10 s at 24 kHz, or text",
        "1024 dimensions, 50 times per second, of sound at 16 kHz",
        "384 dimensions per text",
    ):
        assert part in printed
