"""The examples of CONTRIBUTING.md are run as they stand."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from safetensors.torch import save_file
from scipy.io import savemat

from b2m_encoding.analysis.encoding.encoding import Encoding, Scores
from b2m_encoding.decoding.decoders import registry
from b2m_encoding.errors import InputError
from b2m_encoding.features import AudioEncoder, StimulusTimeline, build_spaces
from b2m_encoding.features.networks import registry as networks
from b2m_encoding.gallery import KINDS, FigureRequest, draw_kind, kinds
from b2m_encoding.io import file_hash
from b2m_encoding.results.bundle import ResultsWriter
from b2m_encoding.results.reader import Results
from b2m_encoding.results.schema import LABELS
from b2m_encoding.results.schema.maps import Q, R
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import RegionSpace, load_atlas, surface_space
from b2m_encoding.stats import NoCeiling
from b2m_encoding.study import CleaningTable

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
STUDY = 'name = "A study"\n[features.text]\n'


def examples(heading: str, language: str = "python") -> list[str]:
    """The blocks of code under a heading."""
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def run(code: str, module: ModuleType) -> Any:
    """Run a block in a module, and return its names."""
    exec(compile(code, f"CONTRIBUTING.md, {module.__name__}", "exec", dont_inherit=True), vars(module))
    return SimpleNamespace(**vars(module))


def entry(code: str, registry: ModuleType) -> dict[str, Any]:
    """An entry of a registry, with the names of its module."""
    made: dict[str, Any] = eval(compile("{" + code.strip() + "}", "CONTRIBUTING.md", "eval"), dict(vars(registry)))
    return made


def installed(code: str, name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a block as a module of the package."""
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    return run(code, sys.modules[name])


def test_every_addition_has_an_example() -> None:
    rows = [row.strip("| ").split(" | ") for row in TEXT.split("\n") if row.startswith("| a")][1:]
    assert len(rows) == 7
    for added, touched in rows:
        heading = {"a reader of responses": "A reader", "a kind of figure": "A figure"}.get(added, added.capitalize())
        assert examples(heading) or examples(heading, "toml"), heading
        assert len(re.split(", and |, | and ", touched)) <= 3, touched
        for path in re.findall(r"`([a-z_/]+\.py)`", touched):
            assert (ROOT / "b2m_encoding" / path).is_file(), path


def test_a_feature_space() -> None:
    [code] = examples("A feature space")
    table = TypeAdapter(run(code, ModuleType("example")).Position).validate_python({"extractor": "position"})
    events = pd.DataFrame([(0, 15, "jazz", "1", "2.0")], columns=["onset", "duration", "genre", "track", "start"])
    spaces = build_spaces({"position": table}, StimulusTimeline(Runs.from_lengths({"a": 12}, 1.5), {"a": events}))
    assert np.allclose(spaces["position"].values[:10, 0], 1.5 * np.arange(10))
    assert spaces["position"].provenance["extractor"] == "position"


def test_a_pretrained_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, line = examples("A pretrained network")
    installed(code, "b2m_encoding.features.networks.tiny", monkeypatch)
    for mapping in ("NETWORKS", "AUDIO_ENCODERS"):
        monkeypatch.setattr(networks, mapping, {**getattr(networks, mapping), **entry(line, networks)})
    torch.manual_seed(0)
    tensors = {"0.weight": torch.randn(8, 1, 64), "0.bias": torch.randn(8)}
    save_file(tensors, tmp_path / "model.safetensors")
    network = networks.load_audio_encoder("tiny", model="laboratory/tiny", weights=tmp_path, device="cpu")
    assert isinstance(network, AudioEncoder)
    waves = np.random.default_rng(0).standard_normal((2, 8000)).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(waves, 64, axis=1)[:, ::32]
    filtered = frames @ tensors["0.weight"][:, 0].numpy().T + tensors["0.bias"].numpy()
    assert np.allclose(network.embed(waves), np.maximum(filtered, 0).mean(axis=1), rtol=1e-4)
    assert network.provenance["files"] == {"model.safetensors": file_hash(tmp_path / "model.safetensors")}
    with pytest.raises(InputError, match="layers"):
        networks.load_audio_encoder("tiny", model="laboratory/tiny", weights=tmp_path, layers=(1,))


def test_a_reader(tmp_path: Path) -> None:
    [code] = examples("A reader")
    reader = run(code, ModuleType("example")).MatlabSource
    runs = {name: np.random.default_rng(i).standard_normal((30 + i, 4)) for i, name in enumerate(("first", "second"))}
    savemat(tmp_path / "01.mat", runs)
    source = TypeAdapter(reader).validate_python({"reader": "matlab", "folder": str(tmp_path), "tr": 2.0})
    assert source.list_subjects() == ("01",)
    recording = source.read("01", CleaningTable().build())
    assert recording.responses.runs.slices == {"first": slice(0, 30), "second": slice(30, 61)}
    assert recording.responses.load_run("second").shape == (31, 4)
    assert np.allclose(recording.responses.read_run("second"), runs["second"])
    assert recording.inputs == (tmp_path / "01.mat",)
    with pytest.raises(InputError, match="not in the data set"):
        source.model_copy(update={"subjects": ("02",)}).list_subjects()


def test_an_atlas(tmp_path: Path) -> None:
    (tmp_path / "planum.toml").write_text(examples("An atlas", "toml")[0])
    space = surface_space("fsaverage5")
    atlas, whole = load_atlas(str(tmp_path / "planum.toml"), space), load_atlas("hcp-mmp1", space)
    assert atlas.mask("plane", "L").sum() > whole.mask("A1", "L").sum() > 0


def test_a_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plot, code, line = examples("A figure")
    module = ModuleType("example")
    vars(module).update(vars(kinds))
    run(plot, module)
    run(code, module)
    monkeypatch.setitem(KINDS, "histogram", entry(line, module)["histogram"])
    with ResultsWriter(tmp_path / "results", "test", ["01"]) as writer:
        writer.write_map("01", "joint", "r", np.array([0.1, 0.4, np.nan]), RegionSpace(("A1", "V1", "V2")), {})
        writer.file("study.toml").write_text(STUDY)
    [png, *_] = draw_kind(tmp_path / "results", "histogram", FigureRequest(), {"formats": ("png",)})
    assert png.stat().st_size > 5000
    assert "2 tested targets, median 0.250" in png.with_suffix(".txt").read_text()


def test_a_statistic_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("example")
    for code in examples("A statistic map"):
        names = run(code, module)
    kind, space = names.FISHER_Z, surface_space("fsaverage5")
    monkeypatch.setitem(LABELS, kind.stat, kind.label)
    r = np.random.default_rng(0).uniform(-0.2, 0.8, space.n_targets)
    [*maps] = names._fisher_maps(encoding_of({"text": r / 2, "joint": r}))
    assert {desc for desc, *_ in maps} == set(kind.descs(["text"]))
    with ResultsWriter(tmp_path / "results", "test", ["01"]) as writer:
        for desc, kind_of, values, sidecar in [*maps, ("joint", R, r, {}), ("joint", Q, (r < 0.3) * 1.0, {})]:
            writer.write_map("01", desc, kind_of.stat, values, space, sidecar)
        writer.file("study.toml").write_text(STUDY)
    results = Results.open(tmp_path / "results")
    assert np.allclose(results.map("01", "text", "fisherz"), 0.5 * np.log((1 + r / 2) / (1 - r / 2)), atol=1e-6)
    assert results.sidecar("01", "joint", "fisherz") == {"Description": "Fisher's z of r"}
    [png, *_] = draw_kind(results.path, "accuracy", FigureRequest(score="fisherz"), {"formats": ("png",)})
    assert png.name == "sub-01_accuracy_fisherz.png"
    assert kind.label.lower() in png.with_suffix(".txt").read_text().lower()


def encoding_of(r: dict[str, NDArray[np.floating]]) -> Encoding:
    """Encoding models of one subject of which only the scores are given."""
    n_targets = len(r["joint"])
    ceiling = NoCeiling("no repeats")
    scores = Scores(r, r, None, np.ones(n_targets), np.full(n_targets, "tested"), None, 100, 50, ceiling)
    return Encoding(scores, None, None)


def test_a_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    code, line = examples("A decoder")
    installed(code, "b2m_encoding.decoding.decoders.nearest", monkeypatch)
    monkeypatch.setattr(registry, "DECODERS", {**registry.DECODERS, **entry(line, registry)})
    settings = registry.DecoderSettings({}, n_best=1, n_targets=None, device="cpu")
    decoder = registry.build_decoders(("nearest",), settings)["nearest"]
    rng = np.random.default_rng(0)
    clips = np.tile(np.arange(10), 4)
    Y = rng.standard_normal((10, 3))[clips]
    X = Y @ rng.standard_normal((3, 30)) + 0.1 * rng.standard_normal((40, 30))
    X[:, 5] = np.nan
    runs = Runs.from_labels(np.repeat(["a", "b", "c", "d"], 10), 1.5, clip=clips.astype(str))
    training = np.arange(30)
    fitted = decoder.fit(X[training], Y[training], runs=runs.take(training))
    assert np.array_equal(fitted.predict(X[30:], runs=runs.take(np.arange(30, 40))), Y[30:])
    assert np.array_equal(decoder.cross_val_predict(X, Y, runs=runs), Y)


def test_a_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    monkeypatch.setattr(sys, "argv", ["correlation", "--quick"])
    import harness

    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    run(examples("A benchmark")[0], ModuleType("example")).main()
    [row] = json.loads((tmp_path / "correlation-quick.json").read_text())["rows"]
    assert row["agreement"]["largest difference"] < 1e-5
    assert "200 samples" in capsys.readouterr().out


def test_the_hooks_are_those_of_make_lint() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    for tool in ("ruff format", "ruff check", "mypy", "lint-imports"):
        assert tool in hooks
        assert f"$(BIN)/{tool}" in (ROOT / "Makefile").read_text()
