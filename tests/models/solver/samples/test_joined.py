"""Held-out residuals from one factorisation against scikit-learn's refits, fold by fold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from b2m_encoding.models import EncodingModel
from b2m_encoding.models.solver.preparation import Preparation
from b2m_encoding.models.solver.samples.arrays import Samples
from b2m_encoding.models.solver.samples.factors import Factors
from b2m_encoding.models.solver.samples.held_out_rows import HeldOutRows
from b2m_encoding.models.solver.samples.joined import Held, JoinedFolds
from b2m_encoding.models.solver.samples.problem import SamplesProblem
from b2m_encoding.runs import Runs

CPU = torch.device("cpu")
LABELS = np.random.default_rng(5).permutation(np.repeat(list("abcd"), (17, 20, 9, 24)))
BLOCKS = {name: torch.from_numpy(np.flatnonzero(name == LABELS)) for name in "abcd"}
"""Rows of every block, which need not follow each other."""
FOLDS = {
    "blocks": [("a",), ("b",), ("c",), ("d",)],
    "two and two": [("a", "c"), ("d", "b")],
    "overlapping": [("a", "b"), ("b", "c")],
}


def problem_of(rng: np.random.Generator, p: int, form: Any, dtype: torch.dtype, center: Any = "all") -> SamplesProblem:
    n, offsets = len(LABELS), rng.uniform(-9, 9, 4)[np.searchsorted(list("abcd"), LABELS)]
    X, Y = rng.standard_normal((n, p)) + 4, rng.standard_normal((n, 3)) + offsets[:, None]
    return SamplesProblem(
        Samples(torch.from_numpy(X), torch.from_numpy(Y), BLOCKS),
        Preparation(False, [p]),
        form=form,
        center=center,
        dtype=dtype,
        device=CPU,
        factors=Factors(None, CPU),
    )


def refits(problem: SamplesProblem, folds: Any, alpha: float) -> Any:
    """Residuals of models of the other blocks, each fitted by scikit-learn."""
    X, Y, out = problem.samples.X.numpy(), problem.samples.Y.numpy(), []
    for fold in folds:
        held = problem.samples.index(fold).numpy()
        inside = np.setdiff1d(np.arange(len(X)), held)
        model = Ridge(alpha, solver="svd").fit(X[inside], Y[inside])
        out.append(Y[held] - model.predict(X[held]))
    return np.concatenate(out)


def system_of(problem: SamplesProblem, folds: Any) -> tuple[JoinedFolds, Any, Any]:
    rows = HeldOutRows([problem.samples.index(fold) for fold in folds], len(problem.samples), problem.center)
    system = JoinedFolds(problem._basis(None), rows, problem.dtype)
    y = problem._batch(slice(None))
    return system, y, system.basis.of_type(problem.dtype).T @ y


def residuals(system: JoinedFolds, held: Held, y: Any, z: Any) -> Any:
    """Of targets that all have the same penalty."""
    every = torch.arange(y.shape[1])
    return system.residuals([held], torch.zeros_like(every), every, y, z)


@pytest.mark.parametrize("folds", FOLDS.values(), ids=FOLDS)
@pytest.mark.parametrize(("p", "form"), [(12, "prediction"), (60, "prediction"), (60, "dual"), (200, "dual")])
@pytest.mark.parametrize("alpha", [1e-9, 1e-3, 1.0, 1e4])
def test_residuals_are_those_of_models_of_the_other_samples(
    rng: np.random.Generator, folds: Any, p: int, form: Any, alpha: float
) -> None:
    problem = problem_of(rng, p, form, torch.float64)
    system, y, z = system_of(problem, folds)
    held = system.penalties([alpha])[0]
    exact = refits(problem, folds, alpha)
    np.testing.assert_allclose(residuals(system, held, y, z).numpy(), exact, atol=1e-6 * np.abs(exact).max())
    plain = (y - system.basis.vectors @ (system.basis.filters(alpha, y.dtype)[:, None] * z))[system.rows.all]
    assert np.abs(plain.numpy() - exact).max() > 1e-3  # of a model that saw the samples


def test_few_digits_are_seen_and_made_up_for(rng: np.random.Generator) -> None:
    """Nearly interpolating fits in float32: in float64, or fold by fold, as the norm of the inverse demands."""
    problem = problem_of(rng, 200, "dual", torch.float32)
    system, y, z = system_of(problem, FOLDS["blocks"])
    kinds = []
    for alpha in (1e5, 1e-1, 1e-9):
        held = system.penalties([alpha])[0]
        kinds.append((held.dtype, all(held.whole)))
        exact = refits(problem, FOLDS["blocks"], alpha)
        found = residuals(system, held, y, z).numpy()
        np.testing.assert_allclose(found, exact, atol=1e-5 * np.abs(exact).max())
    assert kinds == [(torch.float32, False), (torch.float64, False), (torch.float32, True)]


@pytest.mark.parametrize("center", ["all", "block"])
def test_predictions_and_squares_are_those_of_the_held_out_samples(rng: np.random.Generator, center: Any) -> None:
    problem = problem_of(rng, 30, "prediction", torch.float64, center)
    folds = FOLDS["two and two"]
    system, y, z = system_of(problem, folds)
    error = residuals(system, system.penalties([3.0])[0], y, z)
    predicted, measured = system.rows.about_training(y, error), system.rows.about_training(y)
    torch.testing.assert_close(measured - predicted, error)
    Y, start = problem.samples.Y, 0
    squares, within = (torch.zeros(3, dtype=torch.float64) for _ in range(2))
    for fold in folds:
        held = problem.samples.index(fold)
        training = Y[np.setdiff1d(np.arange(len(Y)), held)].mean(0)
        if center == "all":
            torch.testing.assert_close(measured[start : start + len(held)], Y[held] - training)
            within += (Y[held] - Y[held].mean(0)).square().sum(0)
        else:
            for name in fold:
                within += (Y[problem.samples.rows[name]] - Y[problem.samples.rows[name]].mean(0)).square().sum(0)
        squares += measured[start : start + len(held)].square().sum(0)
        start += len(held)
    for found, expected in zip(system.rows.squares(y), (squares, within), strict=True):
        torch.testing.assert_close(found.sum(0), expected)


def test_one_sample_blocks_give_the_familiar_leave_one_out(rng: np.random.Generator) -> None:
    X, Y = rng.standard_normal((40, 60)), rng.standard_normal((40, 2))
    runs = Runs.from_lengths([1] * 40, 1.5)
    model = EncodingModel(None, alphas=[5.0], standardize=False, precision="float64").fit(X, Y, runs=runs)
    x, y = X - X.mean(0), Y - Y.mean(0)
    hat = x @ np.linalg.solve(x.T @ x + 5 * np.eye(60), x.T) + 1 / 40
    left_out = (y - hat @ y) / (1 - np.diag(hat))[:, None]
    about = y * 40 / 39  # about the mean of the others
    np.testing.assert_allclose(model.cv_scores_, 1 - (left_out**2).sum(0) / (about**2).sum(0), atol=1e-9)


@pytest.mark.parametrize("alpha", [3.0, 1e2, 1e5])
def test_inverses_in_float32_are_those_of_float64(rng: np.random.Generator, alpha: float) -> None:
    """Large norms are computed in float64; the estimate of the norm is near the largest eigenvalue."""
    problem = problem_of(rng, 200, "dual", torch.float32)
    system, _, _ = system_of(problem, FOLDS["blocks"])
    vectors = system.basis.vectors[system.rows.folds[0]]
    left = torch.eye(len(vectors), dtype=torch.float64) - 1 / len(LABELS)
    left -= (vectors * system.basis.filters(alpha, torch.float64)) @ vectors.T
    exact = torch.linalg.inv(left)
    [found], [size] = system._inverses(0, [alpha])
    largest = torch.linalg.eigvalsh(exact)[-1]
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=2e-5 * float(largest))
    assert 0.8 < size / largest < 1.7


def test_tiny_penalties_that_float32_cannot_invert_are_answered_in_float64(rng: np.random.Generator) -> None:
    """Where 1 - h rounds to 0, the factor has a zero on its diagonal; himalaya and scikit-learn need float64 there."""
    X = rng.standard_normal((256, 600))
    Y = X @ rng.standard_normal((600, 3)) / 20 + rng.standard_normal((256, 3))
    runs = Runs.from_lengths([64] * 4, 1.5)
    alphas = np.logspace(-5, 6, 8)
    found, exact = (
        EncodingModel(None, alphas=alphas, standardize=False, precision=precision).fit(X, Y, runs=runs)
        for precision in ("float32", "float64")
    )
    assert (found.best_alphas_ == exact.best_alphas_).all()
    np.testing.assert_allclose(found.cv_scores_, exact.cv_scores_, atol=1e-4)
