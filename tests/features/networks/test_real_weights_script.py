"""The script that compares published weights, on small networks with random weights in a folder."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setenv("B2M_SHARED", str(tmp_path / "none"))
    spec = importlib.util.spec_from_file_location("real_weights", BENCHMARKS / "real_weights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "real_weights", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SECONDS", 1.5)  # the small Whisper takes 2 s
    monkeypatch.setattr(module, "REFERENCE", tmp_path / "reference.json")
    return module


def test_every_kind_of_model_is_run_compared_and_recorded(
    script: ModuleType, saved: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = ["clap", "w2v_bert", "wav2vec2", "whisper_base", "codec", "muq_mulan"]
    for name in models:
        (tmp_path / name).symlink_to(saved(name))
    rows, agreed = script.run(models, tmp_path, record=True)
    assert agreed, capsys.readouterr().out
    for row in rows:
        published = (row.agreement or {})["published"]
        assert published == "muq is not installed" if row.case == "muq_mulan" else published < 1e-4, row
    again, agreed = script.run(["clap", "codec"], tmp_path, record=False)
    assert agreed
    assert all((row.agreement or {})["recorded"] < 1e-4 for row in again)
    script.REFERENCE.write_text(script.REFERENCE.read_text().replace('"chirp": [', '"chirp": [9,'))
    rows, agreed = script.run(["clap"], tmp_path, record=False)
    assert not agreed
    (tmp_path / "mpnet").mkdir()  # weights are missing: the others go on
    rows, agreed = script.run(["mpnet", "codec"], tmp_path, record=True)
    assert not agreed
    assert "failed: InputError" in rows[0].ours
    assert "1 sounds" in rows[1].ours
