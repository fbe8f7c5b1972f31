"""Factors on disk: computed once, whatever the number of fits, slices, threads and kills."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch

from b2m_encoding.models import ArrayResponses, EncodingModel, fit_subsets
from b2m_encoding.models.solver.samples import factors
from b2m_encoding.models.solver.samples.factors import Factors
from b2m_encoding.runs import Runs

CPU = torch.device("cpu")


@pytest.fixture
def study(rng: np.random.Generator) -> tuple[Any, Any, Runs]:
    runs = Runs.from_lengths([30] * 4, 1.5)
    spaces = {"a": rng.standard_normal((120, 70)), "b": rng.standard_normal((120, 80))}
    Y = spaces["a"][:, :40] @ rng.standard_normal((40, 12)) / 6 + rng.standard_normal((120, 12))
    return spaces, Y.astype(np.float32), runs


def files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")}


def test_other_responses_use_what_was_computed_and_other_features_do_not(study: Any, tmp_path: Path) -> None:
    spaces, Y, runs = study
    model = EncodingModel(None, factors=tmp_path)
    model.fit(spaces, Y, runs=runs)
    first = files(tmp_path)
    assert len(first) == 2 * 3  # eigenbasis and folds of every member
    again = EncodingModel(None, factors=tmp_path).fit(spaces, -Y, runs=runs)
    assert files(tmp_path) == first
    alone = EncodingModel(None).fit(spaces, -Y, runs=runs)
    np.testing.assert_allclose(again.predict(spaces, runs), alone.predict(spaces, runs), atol=1e-5)
    for changes in ({"alphas": [1.0, 2.0]}, {"center": "block"}, {"smoothness": 2.0, "delays": (0, 1.5)}, {"cv": 2}):
        before = len(files(tmp_path))
        options = {"delays": None, **changes}
        changed = EncodingModel(factors=tmp_path, **options).fit(spaces, Y, runs=runs)
        assert len(files(tmp_path)) > before
        expected = EncodingModel(**options).fit(spaces, Y, runs=runs)
        np.testing.assert_allclose(changed.predict(spaces, runs), expected.predict(spaces, runs), atol=1e-5)


def test_factors_of_other_code_are_not_used(study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed leaves its factors; the solver may change before the next."""
    spaces, Y, runs = study
    kept = tmp_path / "kept"
    EncodingModel(None, factors=kept).fit(spaces, Y, runs=runs)
    first, solvers = files(kept), factors.SOLVERS
    for name, more in (("same", ""), ("changed", "# another way to the same\n")):
        folder = tmp_path / name
        shutil.copytree(solvers, folder, ignore=shutil.ignore_patterns("__pycache__"))
        with (folder / "solver" / "samples" / "joined.py").open("a") as file:
            file.write(more)
        monkeypatch.setattr(factors, "SOLVERS", folder)
        EncodingModel(None, factors=kept).fit(spaces, Y, runs=runs)
        assert len(files(kept)) == len(first) * (2 if more else 1)
        assert files(kept).items() >= first.items()


def test_spaces_of_the_same_size_have_factors_of_their_own(tmp_path: Path, rng: np.random.Generator) -> None:
    runs = Runs.from_lengths([30] * 4, 1.5)
    spaces = {name: rng.standard_normal((120, 60)) for name in "ab"}
    Y = (spaces["a"] @ rng.standard_normal((60, 9)) / 6 + rng.standard_normal((120, 9))).astype(np.float32)
    kept, alone = (EncodingModel(None, factors=folder).fit(spaces, Y, runs=runs) for folder in (tmp_path, None))
    assert len(files(tmp_path)) == 2 * 3
    np.testing.assert_allclose(kept.predict(spaces, runs), alone.predict(spaces, runs), atol=1e-5)


def test_slices_and_sets_of_feature_spaces_share_them(study: Any, tmp_path: Path) -> None:
    spaces, Y, runs = study
    responses = ArrayResponses(Y, runs)
    whole = dict(fit_subsets(EncodingModel(None, factors=tmp_path), spaces, responses))
    first = files(tmp_path)
    sliced = EncodingModel(None, factors=tmp_path, memory_limit=3e-5).fit_responses(spaces, responses)
    assert files(tmp_path) == first
    np.testing.assert_allclose(sliced.predict(spaces, runs), whole["a", "b"].predict(spaces, runs), atol=1e-5)


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:-1] + bytes([data[-1] ^ 1])])
def test_a_damaged_file_is_computed_again(study: Any, tmp_path: Path, damage: Any) -> None:
    spaces, Y, runs = study
    expected = EncodingModel(None, factors=tmp_path).fit(spaces, Y, runs=runs).predict(spaces, runs)
    for path in tmp_path.glob("*.safetensors"):
        path.write_bytes(damage(path.read_bytes()))
    found = EncodingModel(None, factors=tmp_path).fit(spaces, Y, runs=runs).predict(spaces, runs)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_one_of_many_computes_and_the_others_wait(tmp_path: Path) -> None:
    made, start = [], Barrier(4)

    def make() -> dict[str, torch.Tensor]:
        made.append(1)
        return {"values": torch.arange(1000.0)}

    def ask(_: int) -> torch.Tensor:
        start.wait()
        return Factors(tmp_path, CPU).get("basis", ["key"], make)["values"]

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(ask, range(4)):
            torch.testing.assert_close(found, torch.arange(1000.0))
    assert len(made) == 1
