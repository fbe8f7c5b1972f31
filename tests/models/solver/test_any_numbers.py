"""Numbers as laboratories have them: offsets, unlike scales, SI units, folds without variation. Oracle: float64 svd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from b2m_encoding.errors import InputError
from b2m_encoding.models import BandedRidgeCV, EncodingModel, RidgeCV, cross_validation
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.runs import Runs

GRID = np.logspace(-2, 3, 6)
SHAPES = [(60, 5), (30, 50)]
FORMS = ("gram", "prediction", "dual")


def problem(n: int, p: int, seed: int = 1) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    return X, X @ rng.standard_normal((p, 3)) + rng.standard_normal((n, 3)) * [0.1, 1, 5]


def explicit_choice(X: Any, Y: Any, grid: Any, cv: Any) -> Any:
    """Penalty with the least squared error of all held-out samples together."""
    lost = [((Y - cross_val_predict(Ridge(alpha, solver="svd"), X, Y, cv=cv)) ** 2).sum(0) for alpha in grid]
    return np.asarray(grid)[np.argmin(lost, axis=0)]


@settings(max_examples=25)
@given(
    st.sampled_from(SHAPES),
    st.sampled_from(FORMS),
    st.sampled_from(["float32", "float64"]),
    st.integers(-26, 20),
    st.integers(-26, 20),
    st.sampled_from([0.0, 1e3, 1e6]),
    st.booleans(),
)
def test_ridge_is_linear_in_units_and_blind_to_offsets(
    shape: tuple[int, int], form: str, precision: str, x_unit: int, y_unit: int, offset: float, standardize: bool
) -> None:
    X, Y = problem(*shape)
    sx, sy = 10.0**x_unit, 10.0**y_unit
    grid = GRID if standardize else GRID * sx**2
    model = RidgeCV(grid, cv=5, form=form, precision=precision, standardize=standardize)
    model.fit((X + offset) * sx, (Y + offset) * sy)
    scale = X.std(0) if standardize else 1.0
    for j, alpha in enumerate(model.best_alphas_ / (1.0 if standardize else sx**2)):
        exact = Ridge(alpha, solver="svd").fit(X / scale, Y[:, j]).coef_ / scale
        found = model.coef_[:, j].astype(float) * sx / sy
        assert np.abs(found - exact).max() < 2e-3 * np.abs(exact).max()
    assert set(model.model_.status_) == {"tested"}
    predicted = model.predict((X + offset) * sx) / sy - offset
    exact = np.stack([Ridge(a, solver="svd").fit(X / scale, Y[:, j]).predict(X / scale)
                      for j, a in enumerate(model.best_alphas_ / (1.0 if standardize else sx**2))], axis=1)  # fmt: skip
    assert np.abs(predicted - exact).max() < 2e-3 * Y.std() + 4e-7 * offset


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scale", [1e3, 1e5, 1e-5])
@pytest.mark.parametrize("estimator", [RidgeCV, BandedRidgeCV])
def test_columns_of_unlike_scale(form: str, scale: float, estimator: type[RidgeCV]) -> None:
    """A feature in hertz beside others in 0 to 1, not standardised."""
    X, Y = problem(40, 60)
    X[:, 0] *= scale
    new, _ = problem(40, 60, seed=2)
    new[:, 0] *= scale
    options = {"scalings": [[1.0]]} if estimator is BandedRidgeCV else {}
    model = estimator([1.0], cv=4, form=form, **options).fit(X, Y)
    exact = Ridge(1.0, solver="svd").fit(X, Y)
    assert np.abs(model.predict(new) - exact.predict(new)).max() < 1e-4 * Y.std()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_leave_one_out_chooses_by_the_squared_error(form: str, shape: tuple[int, int], precision: str) -> None:
    X, Y = problem(*shape)
    expected = explicit_choice(X, Y, GRID, LeaveOneOut())
    for cv, groups in ((LeaveOneOut(), None), (None, np.arange(len(X)))):
        model = RidgeCV(GRID, cv=cv, form=form, precision=precision).fit(X, Y, groups=groups)
        assert model.best_alphas_.tolist() == expected.tolist()
        assert ((model.cv_scores_ > -1) & (model.cv_scores_ <= 1)).all()
    by_r = RidgeCV(GRID, cv=LeaveOneOut(), form=form, scoring="r").fit(X, Y)
    assert by_r.best_alphas_.tolist() == expected.tolist()
    assert any("too few samples for a correlation" in note for note in by_r.model_.notes_)


@pytest.mark.parametrize("solver", ["stacked", "banded", "ridge"])
def test_scores_of_leave_one_out_are_finite_whatever_the_solver(solver: Any) -> None:
    X, Y = problem(24, 4)
    runs = Runs.from_lengths([1] * 24, 1.0)
    model = EncodingModel(None, solver=solver, n_scalings=3, random_state=0)
    model.fit({"a": X[:, :2], "b": X[:, 2:]}, Y, runs=runs)
    assert ((model.cv_scores_ > -1) & (model.cv_scores_ <= 1)).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_target_with_one_value_per_block(form: str, rng: np.random.Generator) -> None:
    X, groups = rng.standard_normal((60, 4)), np.arange(60) // 5
    Y = np.stack([rng.standard_normal(12)[groups], X[:, 0] + rng.standard_normal(60)], axis=1)
    model = RidgeCV(GRID, form=form).fit(X, Y, groups=groups)
    folds = [(np.flatnonzero(groups != g), np.flatnonzero(groups == g)) for g in range(12)]
    assert model.best_alphas_.tolist() == explicit_choice(X, Y, GRID, folds).tolist()
    assert (np.abs(model.cv_scores_) < 2).all()


@pytest.mark.parametrize("form", FORMS)
def test_a_feature_that_varies_in_one_block_only(form: str, rng: np.random.Generator) -> None:
    """Without that block nothing is left to train on: the mean is predicted, and the fit goes on."""
    runs = Runs.from_lengths([20, 20, 20], 1.0)
    X = np.zeros((60, 1))
    X[:20, 0] = rng.standard_normal(20)
    Y = X + 0.1 * rng.standard_normal((60, 2))
    model = EncodingModel(None, form=form).fit(X, Y, runs=runs)
    assert np.isfinite(model.cv_scores_).all()
    assert (model.score_targets(X, Y) > 0.9).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", FORMS)
def test_constant_is_what_does_not_vary(dtype: type, form: str, rng: np.random.Generator) -> None:
    """A raw voxel far from zero varies; one without variation does not, whatever its value."""
    X = rng.standard_normal((60, 3))
    Y = np.stack([np.full(60, 10_000.3), 10_000 + X[:, 0], np.zeros(60), np.full(60, 0.1)], axis=1).astype(dtype)
    model = RidgeCV(form=form).fit(X, Y)
    assert model.model_.status_.tolist() == ["constant", "tested", "constant", "constant"]


def test_statistics_refuse_what_their_type_cannot_hold(rng: np.random.Generator) -> None:
    """Run by run there is no unit for all runs; the error comes before anything is wrong."""
    X, Y = rng.standard_normal((20, 2)), rng.standard_normal((20, 2))
    for size in (1e-26, [1, 1e26]):
        with pytest.raises(InputError, match=r"too small or too large[\s\S]*change their unit"):
            SufficientStatistics({"a": 2}).update("run-01", X, Y * size)
    edge = SufficientStatistics({"a": 2}).update("run-01", X, Y * [1, 1e-26])  # a target among others is constant
    assert (edge.pool().yy > 0).tolist() == [True, False]
    import torch

    exact = SufficientStatistics({"a": 2}, dtype=torch.float64).update("run-01", X, Y * 1e-26)
    assert torch.isfinite(exact.pool().yy).all()


@pytest.mark.parametrize("options", [{"solver": "ridge"}, {"solver": "stacked"},
                                     {"solver": "banded", "n_scalings": 4, "random_state": 0}])  # fmt: skip
@pytest.mark.parametrize(("x_unit", "y_unit"), [(1e-13, 1.0), (1.0, 1e-26), (1e-13, 1e-26), (1e12, 1e20)])
def test_predictions_of_folds_know_no_units(options: dict[str, Any], x_unit: float, y_unit: float) -> None:
    X, Y = problem(90, 4)
    runs, alphas = Runs.from_lengths([30, 30, 30], 1.0), np.array([10.0, 1000.0])
    usual, other = ({"a": x[:, :2], "b": x[:, 2:]} for x in (X, X * x_unit))
    one = EncodingModel(None, standardize=False, alphas=alphas, **options).fit(usual, Y, runs=runs)
    two = EncodingModel(None, standardize=False, alphas=alphas * x_unit**2, **options).fit(other, Y * y_unit, runs=runs)
    expected = cross_validation.cross_val_predict(one, usual, Y, runs)
    found = cross_validation.cross_val_predict(two, other, Y * y_unit, runs).astype(float) / y_unit
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_new_runs_keep_the_unit_of_the_first(rng: np.random.Generator) -> None:
    X, Y = problem(60, 5)
    runs = Runs.from_lengths([20, 20, 20], 1.0)
    first, rows = runs.select(["run-01", "run-02"])
    last, others = runs.select(["run-03"])
    whole = EncodingModel(None, alphas=GRID).fit(X * 1e-13, Y * 1e-13, runs=runs)
    grown = EncodingModel(None, alphas=GRID).fit(X[rows] * 1e-13, Y[rows] * 1e-13, runs=first)
    grown.partial_fit(X[others] * 1e-13, Y[others] * 1e-13, runs=last)
    np.testing.assert_allclose(grown.coef_["features"], whole.coef_["features"], rtol=1e-4)
    np.testing.assert_allclose(grown.intercept_, whole.intercept_, rtol=1e-4)
