"""ONNX files as networks: tiny ones written here, and Basic Pitch with its real weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="networks in ONNX files are in the extra onnx")

import onnxruntime

from b2m_encoding.errors import InputError
from b2m_encoding.features.networks import AudioEncoder, load_audio_encoder
from b2m_encoding.features.networks.basic_pitch import NAMES, pitch_features
from b2m_encoding.features.networks.onnx import shuffle

from ...io.test_tensor_bundle import varint

RATE, SAMPLES, HOP = 1000, 80, 10


def part(number: int, content: bytes | int | str) -> bytes:
    """A field of a protocol buffer."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(name: str, values: np.ndarray) -> bytes:
    kind = {np.dtype("f4"): 1, np.dtype("i8"): 7}[values.dtype]
    dims = b"".join(part(1, size) for size in values.shape)
    return dims + part(2, kind) + part(8, name) + part(9, values.tobytes())


def value_info(name: str, *shape: int) -> bytes:
    dims = b"".join(part(1, part(1, size) if size else part(2, "n")) for size in shape)
    return part(1, name) + part(2, part(1, part(1, 1) + part(2, dims)))


def node(kind: str, inputs: list[str], output: str) -> bytes:
    return b"".join(part(1, name) for name in inputs) + part(2, output) + part(4, kind)


def write_model(folder: Path, frames: bool, **description: Any) -> Path:
    """Network whose output is W times each frame of ten samples, or times the whole window."""
    rng = np.random.default_rng(0)
    length = HOP if frames else SAMPLES
    weights = {"a": rng.standard_normal((length, 3)), "b": rng.standard_normal((length, 2))}
    shape = np.array([-1, SAMPLES // HOP, HOP] if frames else [-1, SAMPLES])
    graph = part(1, node("Reshape", ["wave", "shape"], "cut"))
    graph += b"".join(part(1, node("MatMul", ["cut", name], f"out_{name}")) for name in weights)
    graph += part(2, "toy") + part(5, tensor("shape", shape))
    graph += b"".join(part(5, tensor(name, value.astype("f4"))) for name, value in weights.items())
    graph += part(11, value_info("wave", 0, SAMPLES, 1))
    for name, width in (("a", 3), ("b", 2)):
        graph += part(12, value_info(f"out_{name}", *((0, SAMPLES // HOP, width) if frames else (0, width))))
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(part(1, 8) + part(7, graph) + part(8, part(2, 13)))
    lines = {"rate": RATE, "samples": SAMPLES, "outputs": ["out_a", "out_b"], **({"hop": HOP} if frames else {})}
    content = "\n".join(f"{key} = {json.dumps(value)}" for key, value in (lines | description).items())
    (folder / "model.toml").write_text(content)
    return folder


def load(folder: Path, **options: Any) -> Any:
    return load_audio_encoder("onnx", model="laboratory/toy", weights=folder, device="cpu", **options)


def by_hand(wave: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    length = wave.shape[-1]
    weights = [rng.standard_normal((length, width)).astype("f4") for width in (3, 2)]
    return np.concatenate([wave @ value for value in weights], axis=-1)


def test_windows(tmp_path: Path, noise: Callable[..., Any]) -> None:
    network = load(write_model(tmp_path / "toy", frames=False))
    assert isinstance(network, AudioEncoder)
    assert (network.window, network.layers, network.widths, network.dim) == (0.08, (0, 1), (3, 2), 5)
    waves = noise(20, SAMPLES)
    assert np.abs(network.embed(waves) - by_hand(waves)).max() < 1e-5
    short = network.embed(waves[:, :50])
    assert np.abs(short - by_hand(np.pad(waves[:, :50], ((0, 0), (0, 30))))).max() < 1e-5


@pytest.mark.parametrize("options", [{}, {"margin": 1}, {"margin": 2, "keep": 3}])
@pytest.mark.parametrize("n_samples", [5, 80, 137, 800])
def test_frames_are_joined_whatever_the_parts(
    tmp_path: Path, noise: Callable[..., Any], options: dict[str, int], n_samples: int
) -> None:
    """Frames without context: those of every part must lie where they would in one call for the whole clip."""
    network = load(write_model(tmp_path / "toy", frames=True, **options))
    waves = noise(2, n_samples)
    n_frames = max(1, n_samples // HOP)
    whole = np.pad(waves, ((0, 0), (0, HOP)))[:, : n_frames * HOP].reshape(2, n_frames, HOP)
    found = network.embed(waves)
    assert found.shape == (2, 1, n_frames, 5)
    assert np.abs(found[:, 0] - by_hand(whole)).max() < 1e-5
    second = load(tmp_path / "toy", layers=(1,)).embed(waves)
    assert np.array_equal(second, found[..., 3:])


def test_shuffled_weights(tmp_path: Path, noise: Callable[..., Any]) -> None:
    folder, waves = write_model(tmp_path / "toy", frames=True), noise(1, 200)
    trained, first, again, other = (load(folder, shuffled_seed=seed).embed(waves) for seed in (None, 1, 1, 2))
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() > 0.01 < np.abs(first - trained).max()
    shuffled = shuffle((folder / "model.onnx").read_bytes(), 1, ("b",))
    assert list(shuffled) == ["a"]  # neither what is fixed nor the shape, which are no weights
    original = np.random.default_rng(0).standard_normal((HOP, 3)).astype("f4")
    assert np.array_equal(np.sort(shuffled["a"], axis=None), np.sort(original, axis=None))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hop": 0}, "hop: Input should be greater than 0"),
        ({"hopp": 3}, r"(?s)hopp.*expected: rate, samples, outputs"),
        ({"outputs": ["out_c"]}, "cannot be run"),
        ({"samples": 81}, "cannot be run"),
        ({"hop": 10}, "another shape"),
        ({"sha256": "0" * 64}, "not the one that is described"),
    ],
)
def test_wrong_descriptions(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(write_model(tmp_path / "toy", frames=False, **change))


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "toy", frames=True, margin=4)
    with pytest.raises(InputError, match="no frame is left"):
        load(folder)
    with pytest.raises(InputError, match="run on the CPU"):
        load_audio_encoder("onnx", model="laboratory/toy", weights=folder, device="cuda")
    whole = (folder / "model.onnx").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no graph"):
        (folder / "model.onnx").write_bytes(content)
        for seed in (None, 1):
            with pytest.raises(InputError, match="cannot be opened"):
                load(folder, shuffled_seed=seed)
    (folder / "model.toml").unlink()
    with pytest.raises(InputError, match=r"model\.toml"):
        load(folder)


def tone(key: int, seconds: float, rate: int = 22050) -> np.ndarray:
    """A note with four harmonics that decays, by its number on a piano (48 is A4)."""
    time = np.arange(round(seconds * rate)) / rate
    frequency = 27.5 * 2 ** (key / 12)
    return sum(0.2 / h * np.sin(2 * np.pi * h * frequency * time) for h in range(1, 5)) * np.exp(-1.5 * time)


def test_basic_pitch_names_notes_that_were_played(fetched: Callable[[str], Path]) -> None:
    """Real weights: a scale, then a chord; and the first part is what the file itself gives for it."""
    scale = [39, 41, 43, 44, 46]  # C4 D4 E4 F4 G4
    chord = sum(tone(key, 1.0) for key in (39, 43, 46))
    wave = np.concatenate([*(tone(key, 0.5) for key in scale), chord]).astype(np.float32)
    network = load_audio_encoder("basic_pitch", weights=fetched("basic_pitch"), device="cpu")
    frames = network.embed(wave[None])[0, 0]
    assert frames.shape == (len(wave) // 256, 20 + 88 + 88 + 264)
    pitch, note, onset, contour = np.split(frames, np.cumsum(network.widths)[:-1], axis=1)
    rate = network.frame_rate
    for i, key in enumerate(scale):
        within = slice(int((0.5 * i + 0.15) * rate), int((0.5 * i + 0.4) * rate))
        assert note[within].mean(axis=0).argmax() == key
        assert onset[int(0.5 * i * rate) + 1 :][:8].max(axis=0).argmax() == key
        assert pitch[within, 8:].mean(axis=0).argmax() == (key + 9) % 12
    in_chord, alone = pitch[int(2.65 * rate) : int(3.0 * rate)].mean(axis=0), pitch[10:30].mean(axis=0)
    assert in_chord[0] > 2 * alone[0]  # three notes sound instead of one
    assert set(np.argsort(in_chord[8:])[-3:]) == {0, 4, 7}
    session = onnxruntime.InferenceSession(str(fetched("basic_pitch") / "model.onnx"))
    first = np.pad(wave, (15 * 256, 0))[:43844].reshape(1, -1, 1)
    outputs = session.run(None, {"serving_default_input_2:0": first})
    by_file = dict(zip([one.name for one in session.get_outputs()], outputs, strict=True))
    for number, part_of_it in ((1, note), (2, onset), (0, contour)):
        assert np.abs(by_file[f"StatefulPartitionedCall:{number}"][0, 15:157] - part_of_it[:142]).max() < 1e-5
    assert network.provenance["names"]["0"][:2] == ["notes", "onsets"]
    assert network.provenance["names"]["1"][48] == "A4"
    quiet = network.embed(np.zeros((1, 30000), np.float32))
    assert np.isfinite(quiet).all()
    shuffled = load_audio_encoder("basic_pitch", weights=fetched("basic_pitch"), layers=(1,), shuffled_seed=0)
    assert np.abs(shuffled.embed(wave[None])[0, 0] - note).max() > 0.1


def test_pitch_features_by_hand() -> None:
    note, onset, contour = (np.zeros((3, n), np.float32) for n in (88, 88, 264))
    note[1, 48], note[2, [39, 51]] = 1.0, 1.0  # A4; C4 and C5
    onset[2, 39] = 0.5
    contour[1, 3 * 48], contour[2, 3 * 51] = 0.9, 0.8
    found = dict(zip(NAMES, pitch_features(note, onset, contour).T, strict=True))
    assert found["notes"].tolist() == [0, 1, 2]
    assert found["onsets"].tolist() == [0, 0, pytest.approx(2 / 7)]
    assert np.allclose(found["height"], [0, 5 / 12, 2 / 12])
    assert np.allclose(found["spread"], [0, 0, 0.5])
    assert np.allclose(found["melody"], [0, 5 / 12, 8 / 12])
    assert np.allclose(found["melody motion"], [0, 0, 3])
    assert np.allclose(found["A"], [0, 1, 0])
    assert np.allclose(found["C"], [0, 0, 1])
