"""The check of solutions: passes what is right in every form, finds what is wrong, and mends it where float64 can."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from b2m_encoding.errors import InputError
from b2m_encoding.models import EncodingModel, RidgeCV
from b2m_encoding.models.solver import fitting
from b2m_encoding.models.solver.verify import TOLERANCE, solution_error
from b2m_encoding.runs import Runs

FORMS = ("gram", "prediction", "dual")
OPTIONS: dict[str, dict[str, Any]] = {
    "standardised": {},
    "as they are": {"standardize": False},
    "smooth": {"smoothness": 1.5, "center": "block"},
    "banded": {"solver": "banded", "n_scalings": 6, "random_state": 0, "smoothness": 2.0},
    "refined": {"solver": "banded", "n_scalings": 4, "refine": 2, "random_state": 0},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_right_weights_pass_and_wrong_ones_do_not(
    form: str, options: dict[str, Any], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    if options.get("refine") and form != "gram":
        pytest.skip("only the Gram form has a refinement")
    errors = []

    def both(problem: Any, weights: Any, penalties: Any, tested: Any) -> float:
        """Errors of the solution, and of one whose first feature weighs 2 % of the largest weight more."""
        found = solution_error(problem, weights, penalties, tested)
        full = weights.full().clone()
        full[:, 0] += 0.02 * full.abs().amax()
        errors.append((found, solution_error(problem, replace(weights, reduced=full, back=None), penalties, tested)))
        return found

    monkeypatch.setattr(fitting, "solution_error", both)
    X = {"a": rng.standard_normal((120, 8)), "b": 3 * rng.standard_normal((120, 5))}
    Y = X["a"][:, :3] @ rng.standard_normal((3, 20)) + rng.standard_normal((120, 20))
    EncodingModel((0.0, 1.0), form=form, **options).fit(X, Y, runs=Runs.from_lengths([40] * 3, 1.0))
    right, wrong = max(pair[0] for pair in errors), min(pair[1] for pair in errors)  # of all members
    assert right < TOLERANCE / 10
    assert wrong > 10 * TOLERANCE


def test_nothing_tested_has_no_error(rng: np.random.Generator) -> None:
    model = RidgeCV().fit(rng.standard_normal((20, 2)), np.zeros((20, 3)))
    assert np.isnan(model.coef_).all()


@pytest.mark.parametrize("form", FORMS)
def test_what_float32_cannot_solve_is_solved_in_float64(form: str, rng: np.random.Generator) -> None:
    X = rng.standard_normal((100, 6))
    X = np.hstack([X, X + 1e-5 * rng.standard_normal((100, 6))])
    Y = X @ rng.standard_normal((12, 4)) + rng.standard_normal((100, 4))
    model = RidgeCV([1e-9], form=form).fit(X, Y)
    assert any("solved again in float64" in note for note in model.model_.notes_)
    exact = Ridge(1e-9, solver="svd").fit(X, Y).predict(X)
    assert np.abs(model.predict(X) - exact).max() < 0.05 * Y.std()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_features_of_too_unlike_scale_are_refused(form: str, precision: str, rng: np.random.Generator) -> None:
    """Not where they are standardised, nor where the small ones are far below the penalty."""
    X, Y = rng.standard_normal((40, 5)), rng.standard_normal((40, 2))
    X[:, 0] *= 1e9
    with pytest.raises(InputError, match=r"4 columns are up to .*e\+0[89] times smaller"):
        RidgeCV([1.0, 100.0], form=form, precision=precision).fit(X, Y)
    RidgeCV([1.0, 100.0], form=form, precision=precision, standardize=True).fit(X, Y)
    tiny = X * np.array([1e-9, 1e-9, 1e-9, 1e-9, 1])
    model = RidgeCV([1.0], form=form, precision=precision).fit(tiny, Y)
    exact = Ridge(1.0, solver="svd").fit(tiny, Y)
    assert np.abs(model.predict(tiny) - exact.predict(tiny)).max() < 1e-5
    assert torch.is_tensor(model.model_.weights_.reduced)
