"""Every tensor of a fit is where it is used. On a GPU that is pretended: speed and CUDA's own rounding are not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from b2m_encoding.models import ArrayResponses, EncodingModel, Ridge, cross_val_predict
from b2m_encoding.models.solver.gram import problem
from b2m_encoding.models.subsets import fit_run_subsets
from b2m_encoding.runs import Runs

from ...pretended_gpu import pretended_gpu

SOLVERS: dict[str, dict[str, Any]] = {
    "ridge": {"solver": "ridge"},
    "banded": {"solver": "banded", "n_scalings": 3, "random_state": 0},
    "stacked": {"solver": "stacked"},
}
SCORES: dict[str, dict[str, Any]] = {
    "usual": {},
    "r": {"scoring": "r", "center": "block", "precision": "float64"},
    "fast": {"scoring": "r2", "fit_intercept": False, "precision": "fast"},
}
RUNS = Runs.from_lengths([30, 25, 35, 30], 1.5)


def data(width: int, n_targets: int = 140) -> tuple[dict[str, Any], Any]:
    """Two feature spaces; a quarter of the targets does not vary."""
    rng = np.random.default_rng(0)
    X = {"a": rng.standard_normal((120, width)), "b": rng.standard_normal((120, 4))}
    Y = sum(x[:, :3] @ rng.standard_normal((3, n_targets)) for x in X.values()) + rng.standard_normal((120, n_targets))
    Y[:, ::4] = 3.0
    return X, Y


def test_what_cuda_refuses_is_refused() -> None:
    with pretended_gpu():
        there = torch.ones(3, device="cuda")
        assert there.device.type == "cuda"
        assert (there + there.sum()).cpu().tolist() == [4.0] * 3
        assert there[torch.tensor([0])].device.type == "cuda"
        wrong = [
            lambda: there + torch.ones(3),
            lambda: torch.ones(3)[torch.tensor([1], device="cuda")],
            lambda: torch.randn(3, generator=torch.Generator(), device="cuda"),
            there.numpy,
        ]
        for compute in wrong:
            with pytest.raises((RuntimeError, TypeError), match=r"device|indices|generator"):
                compute()


@pytest.mark.parametrize("form", ["gram", "prediction", "dual"])
@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
@pytest.mark.parametrize("scores", SCORES.values(), ids=SCORES)
def test_a_fit_and_what_follows_from_it(form: Any, solver: dict[str, Any], scores: dict[str, Any]) -> None:
    X, Y = data(6)
    options: dict[str, Any] = {"delays": (0, 1.5), "form": form, **solver, **scores}
    cpu = EncodingModel(device="cpu", **options).fit(X, Y, runs=RUNS)
    with pretended_gpu():
        gpu = EncodingModel(device="cuda", **options).fit(X, Y, runs=RUNS)
        assert gpu.weights_.device.type == "cuda"
        np.testing.assert_allclose(gpu.cv_scores_, cpu.cv_scores_, atol=1e-3)
        np.testing.assert_allclose(gpu.predict(X, runs=RUNS), cpu.predict(X, runs=RUNS), atol=1e-2)
        gpu.predict_bands(X, runs=RUNS)
        gpu.predict_design(gpu.design(X, runs=RUNS), np.array([1, 2]))
        cross_val_predict(gpu, X, Y, RUNS, targets=np.array([1, 2]))
        assert np.isfinite(gpu.coef_["a"][..., 1]).all()
        assert np.isfinite(np.asarray(gpu.intercept_)[1])


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
def test_screening_in_the_gram_form(solver: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problem, "screening_pays", lambda *_: True)
    X, Y = data(20)
    options: dict[str, Any] = {"form": "gram", **solver}
    cpu = EncodingModel(None, device="cpu", **options).fit(X, Y, runs=RUNS)
    assert any("screened" in note for note in cpu.notes_)
    with pretended_gpu():
        gpu = EncodingModel(None, device="cuda", **options).fit(X, Y, runs=RUNS)
        np.testing.assert_allclose(gpu.cv_scores_, cpu.cv_scores_, atol=1e-3)


@pytest.mark.parametrize("form", ["gram", "prediction", "dual"])
@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
def test_other_ways_to_a_fit(form: Any, solver: dict[str, Any], tmp_path: Path) -> None:
    X, Y = data(150 if form == "dual" else 6)
    first, rows = RUNS.select(["run-01", "run-02"])
    last, others = RUNS.select(["run-03"])
    with pretended_gpu():
        model = EncodingModel(None, form=form, device="cuda", factors=tmp_path, **solver)
        for memory in (1.0, 1e-4 if form == "gram" else 2e-3):
            streamed = EncodingModel(None, form=form, device="cuda", memory_limit=memory, **solver)
            assert streamed.fit_responses(X, ArrayResponses(Y, RUNS)).weights_.device.type == "cuda"
        for _ in range(2):
            model.fit(X, Y, runs=RUNS)
        for *_, one in fit_run_subsets(model, X, ArrayResponses(Y, RUNS), [("run-01", "run-02", "run-04")]):
            one.predict({name: X[name] for name in one.bands_})
        tiny = {"a": X["a"] * np.logspace(0, 3, X["a"].shape[1]) * 1e-14, "b": X["b"] * 1e-14}
        units = EncodingModel(None, form=form, device="cuda", standardize=False, **solver)
        units.fit(tiny, Y * 1e-26, runs=RUNS)
        Ridge(1.0, device="cuda").fit(X["a"], Y).predict(X["a"])
        if form == "gram":
            grown = EncodingModel(None, form=form, device="cuda", **solver)
            grown.fit({name: x[rows] for name, x in X.items()}, Y[rows], runs=first)
            grown.partial_fit({name: x[others] for name, x in X.items()}, Y[others], runs=last)
            assert grown.statistics_ is not None
            grown.statistics_.save(tmp_path / "statistics.safetensors")


def test_penalties_that_are_refined_and_shared() -> None:
    X, Y = data(6)
    with pretended_gpu():
        refined = EncodingModel(None, solver="banded", n_scalings=3, random_state=0, refine=2, device="cuda")
        refined.fit(X, Y, runs=RUNS).invert(X, Y, RUNS).predict(Y, RUNS)
        EncodingModel(None, solver="ridge", alpha_per="all", device="cuda").fit(X, Y, runs=RUNS)
