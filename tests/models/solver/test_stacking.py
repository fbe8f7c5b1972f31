"""Stacked ridge against members, folds and weights written out, and the priors over members and delays."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from scipy.stats import gamma
from sklearn.linear_model import Ridge

from b2m_encoding.features.delays import delay
from b2m_encoding.models import ArrayResponses, EncodingModel, cross_val_predict, fit_subsets
from b2m_encoding.models.simplex import simplex_weights
from b2m_encoding.models.solver.stacking import PRIOR_SD, member_sets
from b2m_encoding.runs import Runs

ALPHAS = [1.0, 30.0, 1000.0]


def on_simplex(gram: Any, product: Any) -> Any:
    """Least squares with weights >= 0 that sum to one, by scipy's non-negative least squares with a heavy row."""
    root = np.linalg.cholesky(gram).T
    heavy = 1e6 * np.sqrt(np.trace(gram))
    rows = np.vstack([root, heavy * np.ones(len(gram))])
    return nnls(rows, np.r_[np.linalg.solve(root.T, product), heavy])[0]


class Written:
    """Stacked ridge of one target by scikit-learn, fold by fold."""

    def __init__(self, spaces: Any, y: Any, runs: Runs) -> None:
        self.spaces, self.names = spaces, tuple(spaces)
        self.members = member_sets(self.names)
        folds = [runs.rows([block]) for block in runs.blocks]
        rows = runs.rows()
        predicted, self.alphas = np.zeros((len(self.members), len(y))), []
        about = np.zeros(len(y))
        for i, names in enumerate(self.members):
            tried = np.zeros((len(ALPHAS), len(y)))
            for out in folds:
                inside = np.setdiff1d(rows, out)
                about[out] = y[out] - y[inside].mean()
                for j, alpha in enumerate(ALPHAS):
                    coef = self.weights(names, y, inside, alpha, scaled_by=rows)
                    tried[j, out] = (self.design(names)[out] - self.design(names)[inside].mean(0)) @ coef
            best = int(((about - tried)[:, rows] ** 2).sum(1).argmin())
            predicted[i], self.alphas = tried[best], [*self.alphas, ALPHAS[best]]
        P, target = predicted[:, rows], about[rows]
        pull = ((target - P[-1]) ** 2).mean() / PRIOR_SD**2
        own = np.eye(len(P))[-1]
        self.shares = on_simplex(P @ P.T + pull * np.eye(len(P)), P @ target + pull * own)
        varied = sum(((y[out] - y[out].mean()) ** 2).sum() for out in folds)
        self.score = 1 - ((target - self.shares @ P) ** 2).sum() / varied
        for i, (names, alpha) in enumerate(zip(self.members, self.alphas, strict=True)):
            for out in folds:  # models of the rest alone, their scales too
                inside = np.setdiff1d(rows, out)
                coef = self.weights(names, y, inside, alpha)
                predicted[i, out] = (self.design(names)[out] - self.design(names)[inside].mean(0)) @ coef
        self.held_out = self.shares @ predicted + y - about
        self.coef = self.full(y, rows)

    def design(self, names: Any) -> Any:
        return np.hstack([self.spaces[name] for name in names])

    def weights(self, names: Any, y: Any, rows: Any, alpha: float, scaled_by: Any = None) -> Any:
        """Ridge on standardised features, each space divided by the square root of its size."""
        sizes = [self.spaces[name].shape[1] for name in names]
        root = np.repeat(np.sqrt(sum(sizes) / (len(sizes) * np.array(sizes))), sizes)
        X, own = self.design(names)[rows], rows if scaled_by is None else scaled_by
        scale = root / self.design(names)[own].std(0)
        return Ridge(alpha).fit(X * scale, y[rows]).coef_ * scale

    def full(self, y: Any, rows: Any) -> Any:
        total = {name: np.zeros(self.spaces[name].shape[1]) for name in self.names}
        for names, share, alpha in zip(self.members, self.shares, self.alphas, strict=True):
            coef = self.weights(names, y, rows, alpha)
            cuts = np.cumsum([0, *(self.spaces[name].shape[1] for name in names)])
            for name, (start, stop) in zip(names, pairwise(cuts), strict=True):
                total[name] += share * coef[start:stop]
        return total


@pytest.fixture
def unequal() -> tuple[dict[str, Any], Any, Runs]:
    """Three feature spaces of unlike size and units, one of them useless; a target that is constant."""
    rng = np.random.default_rng(4)
    runs = Runs.from_lengths([50, 46, 54, 50], 1.5)
    spaces = {name: rng.standard_normal((200, n)) for name, n in (("small", 3), ("large", 40), ("useless", 12))}
    Y = 2 * rng.standard_normal((200, 5)) + 100
    Y[:, :2] += spaces["small"] @ rng.standard_normal((3, 2))
    Y[:, 1:3] += spaces["large"] @ rng.standard_normal((40, 2)) / 4
    Y[:, 4] = 7.0
    return {"small": spaces["small"] * 50 + 9, "large": spaces["large"], "useless": spaces["useless"]}, Y, runs


@pytest.mark.parametrize("form", ["gram", "prediction", "dual"])
def test_members_weights_and_score_are_those_written_out(unequal: Any, form: Any) -> None:
    spaces, Y, runs = unequal
    model = EncodingModel(None, alphas=ALPHAS, form=form, precision="float64").fit(spaces, Y, runs=runs)
    crossed = cross_val_predict(model, spaces, Y, runs, targets=np.array([1, 0]))
    stack = model.stack_
    assert stack is not None
    assert np.isnan(stack.weights[:, 4]).all()
    for target in range(2):
        written = Written(spaces, Y[:, target], runs)
        np.testing.assert_array_equal(stack.alphas[:, target], written.alphas)
        np.testing.assert_allclose(stack.weights[:, target], written.shares, atol=1e-6)
        np.testing.assert_allclose(model.cv_scores_[target], written.score, atol=1e-8)
        for name, coef in written.coef.items():
            np.testing.assert_allclose(model.coef_[name][0, :, target], coef, atol=1e-6)
        np.testing.assert_allclose(crossed[:, 1 - target], written.held_out, atol=1e-4)
    assert 0 < (stack.weights[:, :4] == 0).mean() < 1
    parts = model.predict_bands(spaces, runs)
    np.testing.assert_allclose(sum(parts.values()) + Y.mean(0), model.predict(spaces, runs), atol=1e-3)


def test_models_of_sets_share_members_and_equal_those_fitted_alone(unequal: Any) -> None:
    spaces, Y, runs = unequal
    options: Any = {"delays": None, "alphas": ALPHAS, "precision": "float64"}
    for names, shared in fit_subsets(EncodingModel(**options), spaces, ArrayResponses(Y, runs)):
        alone = EncodingModel(**options).fit({name: spaces[name] for name in names}, Y, runs=runs)
        np.testing.assert_allclose(shared.cv_scores_, alone.cv_scores_, atol=1e-9)
        for name in names:
            np.testing.assert_allclose(shared.coef_[name], alone.coef_[name], atol=1e-7)


def test_useless_features_cost_next_to_nothing() -> None:
    """Ten useful features beside 300 useless ones: one penalty for all loses nearly everything."""
    rng = np.random.default_rng(0)
    spaces = {"useful": rng.standard_normal((900, 10)), "useless": rng.standard_normal((900, 300))}
    Y = spaces["useful"] @ rng.standard_normal((10, 40)) + 6 * rng.standard_normal((900, 40))
    training, test = slice(0, 500), slice(500, None)
    runs = Runs.from_lengths([100] * 5, 1.5)

    def accuracy(names: Any, solver: Any) -> float:
        some = {name: spaces[name] for name in names}
        model = EncodingModel(None, solver=solver).fit(
            {n: x[training] for n, x in some.items()}, Y[training], runs=runs
        )
        rest = Runs.from_lengths([400], 1.5)
        return float(np.mean(model.score_targets({n: x[test] for n, x in some.items()}, Y[test], rest, "r")))

    best = accuracy(["useful"], "ridge")
    assert best > 0.4
    assert accuracy(list(spaces), "stacked") > best - 0.02
    assert accuracy(list(spaces), "ridge") < best - 0.1


@pytest.mark.parametrize("n", [2, 3, 7, 13])
def test_simplex_weights_are_those_of_nonnegative_least_squares(n: int) -> None:
    rng = np.random.default_rng(n)
    common = rng.standard_normal((60, 30, 1))
    P = common + np.array([0.01, 0.3, 3.0])[np.arange(60) % 3, None, None] * rng.standard_normal((60, 30, n))
    y = 0.7 * common[..., 0] + rng.standard_normal((60, 30))
    gram, product = P.swapaxes(1, 2) @ P + 1e-3 * np.eye(n), (P * y[..., None]).sum(1)
    ours = simplex_weights(torch.from_numpy(gram), torch.from_numpy(product)).numpy()
    np.testing.assert_allclose(ours, [on_simplex(*pair) for pair in zip(gram, product, strict=True)], atol=1e-5)
    np.testing.assert_allclose(ours.sum(1), 1)


@pytest.mark.parametrize("form", ["gram", "prediction", "dual"])
@pytest.mark.parametrize("smoothness", [None, 2.0])
def test_weights_over_delays_follow_the_haemodynamic_response(make: Any, form: Any, smoothness: float | None) -> None:
    X, Y, runs = make(240, 5, 4)
    delays = np.array([0.0, 1.5, 4.5, 9.0])
    height = (gamma.pdf(delays, 6) - gamma.pdf(delays, 16) / 6) / gamma.pdf(5, 6)
    deviation = np.sqrt(height**2 + 0.2**2)
    alike = np.exp(-0.5 * (np.subtract.outer(delays, delays) / (smoothness or 1.5)) ** 2)
    covariance = np.outer(deviation, deviation) * alike
    covariance = np.kron(covariance * 4 / np.trace(covariance), np.eye(5))
    model = EncodingModel(
        delays, alphas=[10.0], smoothness=smoothness, standardize=False, form=form, precision="float64"
    ).fit(X, Y, runs=runs)
    D = delay(X, runs, delays)
    D, centred = D - D.mean(0), Y - Y.mean(0)
    exact = np.linalg.solve(D.T @ D + 10 * np.linalg.inv(covariance), D.T @ centred)
    np.testing.assert_allclose(model.coef_["features"].reshape(20, 4), exact, atol=1e-7)
