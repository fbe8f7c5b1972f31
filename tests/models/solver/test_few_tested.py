"""Fits leave out the targets that cannot be tested where these are many: nothing else changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from b2m_encoding.models import EncodingModel
from b2m_encoding.models.responses import ArrayResponses
from b2m_encoding.models.solver import fitting
from b2m_encoding.models.solver.weights import WeightsOfTested
from b2m_encoding.runs import Runs

RUNS = Runs.from_lengths([40] * 4, 1.5)
TESTED = np.array([1, 4, 5, 9])
OPTIONS: list[dict[str, Any]] = [
    {},
    {"solver": "banded", "n_scalings": 5},
    {"solver": "ridge"},
    {"alpha_per": "all"},
    {"alpha_per": np.arange(10) % 2},
    {"scoring": "r"},
]


@pytest.fixture(scope="module")
def data() -> tuple[dict[str, Any], np.ndarray]:
    rng = np.random.default_rng(0)
    X = {"a": rng.standard_normal((160, 4)), "b": rng.standard_normal((160, 5))}
    Y = np.full((160, 10), np.nan)
    Y[:, TESTED] = X["a"] @ rng.standard_normal((4, 4)) + rng.standard_normal((160, 4))
    Y[:, [0, 7]] = 3.0
    return X, Y


@pytest.mark.parametrize("form", ["gram", "prediction", "dual"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_values_are_those_of_a_fit_to_the_tested_targets_alone(data: Any, form: Any, options: dict[str, Any]) -> None:
    X, Y = data
    model = EncodingModel((1.5, 3.0), form=form, random_state=0, **options).fit(X, Y, runs=RUNS)
    if not isinstance(labels := options.get("alpha_per", ""), str):
        options = {"alpha_per": labels[TESTED]}
    alone = EncodingModel((1.5, 3.0), form=form, random_state=0, **options).fit(X, Y[:, TESTED], runs=RUNS)
    assert isinstance(model.weights_, WeightsOfTested)
    assert model.status_.tolist() == [
        "constant", "tested", "missing", "missing", "tested", "tested", "missing", "constant", "missing", "tested"
    ]  # fmt: skip
    for name in ("best_alphas_", "cv_scores_", "intercept_", "deltas_"):
        if getattr(alone, name) is not None:
            same(getattr(model, name), getattr(alone, name))
    np.testing.assert_allclose(model.weights_.mean_y.numpy()[[0, 7]], 3.0)
    same(model.predict(X, RUNS), alone.predict(X, RUNS))
    same(model.score_targets(X, Y, RUNS), alone.score_targets(X, Y[:, TESTED], RUNS))
    for name, values in model.coef_.items():
        same(values, alone.coef_[name])
    some = np.array([9, 0, 4])
    design = model.design(X, RUNS)
    np.testing.assert_allclose(model.predict_design(design, some), model.predict_design(design)[:, some], atol=1e-5)


def same(found: np.ndarray, of_tested: np.ndarray) -> None:
    np.testing.assert_allclose(found[..., TESTED], of_tested, rtol=1e-5, atol=1e-6)
    assert np.isnan(np.delete(found, TESTED, axis=-1)).all()


def test_few_untested_targets_are_fitted_with_the_others(data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path that large studies take, where untested targets are computed and hidden, gives the same."""
    X, Y = data
    model = EncodingModel((1.5, 3.0), random_state=0).fit(X, Y, runs=RUNS)
    monkeypatch.setattr(fitting, "MOST_TESTED", 0.0)
    every = EncodingModel((1.5, 3.0), random_state=0).fit(X, Y, runs=RUNS)
    assert not isinstance(every.weights_, WeightsOfTested)
    np.testing.assert_array_equal(model.best_alphas_, every.best_alphas_)
    np.testing.assert_allclose(model.predict(X, RUNS), every.predict(X, RUNS), atol=1e-5)


@pytest.mark.parametrize("form", ["gram", "prediction"])
@pytest.mark.parametrize("intercept", [True, False])
def test_slices_that_differ_in_tested_targets_are_joined(form: Any, intercept: bool) -> None:
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((160, 6)), (5 + rng.standard_normal((160, 40))).astype(np.float32)
    Y[:, 20:38] = np.nan
    model = EncodingModel(None, form=form, fit_intercept=intercept, memory_limit=4e-5)
    sliced = model.fit_responses({"a": X}, ArrayResponses(Y, RUNS))
    whole = EncodingModel(None, form=form, fit_intercept=intercept).fit({"a": X}, Y, runs=RUNS)
    assert not isinstance(sliced.weights_, WeightsOfTested)
    assert isinstance(whole.weights_, WeightsOfTested)
    np.testing.assert_allclose(sliced.predict({"a": X}), whole.predict({"a": X}), atol=1e-4)
    np.testing.assert_allclose(sliced.intercept_, whole.intercept_, atol=1e-4)


def test_rescaled_weights_keep_their_places(data: Any) -> None:
    X, Y = data
    model = EncodingModel((1.5,), random_state=0).fit(X, Y, runs=RUNS)
    factors = np.arange(1.0, 11.0)
    torch.testing.assert_close(
        model.weights_.rescaled(factors).full(),
        (model.weights_.full().double() * torch.from_numpy(factors)[:, None]).to(model.weights_.full()),
        equal_nan=True,
    )
