"""The first figure of the README, as it stands there, on small simulated arrays."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_first_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    [code] = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    n = 3 * 60
    X = rng.standard_normal((n, 4)).astype(np.float32)
    Y = rng.standard_normal((n, 20484)).astype(np.float32)
    Y[3:, :500] += X[:-3] @ rng.standard_normal((4, 500)).astype(np.float32)
    np.save(tmp_path / "features.npy", X)
    np.save(tmp_path / "responses.npy", Y)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(code.replace(": 300", ": 60"), names)  # as a user would
    result = names["result"]
    assert np.median(result.r[:500]) > 0.5
    assert abs(np.median(result.r[500:])) < 0.05
    assert (tmp_path / "first_map.png").stat().st_size > 20_000
