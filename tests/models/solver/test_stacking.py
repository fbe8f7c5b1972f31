"""Stacked ridge against members, folds and weights written out, and the priors over members and delays."""

from __future__ import annotations

from itertools import combinations_with_replacement, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import gamma
from sklearn.linear_model import Ridge

from b2m_encoding.features.delays import delay
from b2m_encoding.models import ArrayResponses, EncodingModel, cross_val_predict, fit_subsets
from b2m_encoding.models.mixtures import mixture_weights
from b2m_encoding.models.solver.stacking import member_sets
from b2m_encoding.runs import Runs

ALPHAS = [1.0, 30.0, 1000.0]


def posterior_mean(P: Any, y: Any) -> Any:
    """Mean weights of predictions over mixtures in eighths of at most three, a quarter of the samples independent."""
    shared = [np.bincount(eighths, minlength=len(P)) for eighths in combinations_with_replacement(range(len(P)), 8)]
    mixtures = np.array([eighths / 8 for eighths in shared if (eighths > 0).sum() <= 3])
    mixed = (mixtures > 0).sum(1)
    prior = np.array([[0.4, 0.3, 0.3][size - 1] / (mixed == size).sum() for size in mixed])
    error = np.array([((y - mixture @ P) ** 2).sum() for mixture in mixtures])
    posterior = prior * np.exp(-len(y) / 4 * (error / error.min() - 1) / 2)
    return posterior @ mixtures / posterior.sum()


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
        self.shares = posterior_mean(P, target)
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


@pytest.mark.parametrize("n", [1, 2, 3, 7])
@pytest.mark.parametrize("noise", [0.0, 1.0, 30.0])
def test_weights_of_mixtures_are_their_posterior_mean(n: int, noise: float) -> None:
    rng = np.random.default_rng(n)
    P = rng.standard_normal((20, n, 50)) + rng.standard_normal((20, 1, 50))
    y = 0.7 * P[:, 0] + 0.3 * P[:, -1] + noise * rng.standard_normal((20, 50)) + 1e-3 * rng.standard_normal((20, 50))
    products = torch.from_numpy(P @ P.swapaxes(1, 2)), torch.from_numpy((P * y[:, None]).sum(2))
    ours = mixture_weights(*products, torch.from_numpy((y**2).sum(1)), 50).numpy()
    np.testing.assert_allclose(ours, [posterior_mean(*pair) for pair in zip(P, y, strict=True)], atol=1e-7)
    np.testing.assert_allclose(ours.sum(1), 1)


def test_weights_of_many_models_and_of_nothing() -> None:
    """Thirteen models, the fourth of which is right; responses or predictions that are zero."""
    rng = np.random.default_rng(0)
    P, nothing = rng.standard_normal((13, 2000)), torch.zeros(1, dtype=torch.float64)
    y = P[3] + rng.standard_normal(2000)
    gram, product, squares = torch.from_numpy(P @ P.T)[None], torch.from_numpy(P @ y)[None], torch.tensor([y @ y])
    np.testing.assert_allclose(mixture_weights(gram, product, squares, 2000).numpy()[0], np.eye(13)[3], atol=1e-3)
    for one in (mixture_weights(gram, 0 * product, nothing, 2000), mixture_weights(0 * gram, 0 * product, squares, 9)):
        np.testing.assert_allclose(one.sum(), 1)
    np.testing.assert_allclose(one.numpy(), 1 / 13)


def test_a_model_beside_one_that_is_better_costs_little_and_beside_one_that_is_as_good_helps() -> None:
    """Predictions of two feature spaces and of both, in held-out samples that choose and others that judge."""
    rng = np.random.default_rng(1)
    signal, chosen, judged = rng.standard_normal((3, 400, 800))
    for share, gain in ((0.0, (-0.02, 0.0)), (0.5, (0.02, 0.3))):
        P = np.stack([signal, share * 2 * rng.standard_normal(signal.shape)])
        truth = (1 - share) * P[0] + share * P[1]
        y, new = 0.3 * truth + chosen, 0.3 * truth + judged
        P = 0.3 * np.stack([*P, P.mean(0)])
        products = np.einsum("mts,nts->tmn", P, P), np.einsum("mts,ts->tm", P, y), (y**2).sum(1)
        weights = mixture_weights(*(torch.from_numpy(values) for values in products), 800).numpy()
        mixed = np.einsum("tm,mts->ts", weights, P)
        r = [np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(one, new, strict=True)]) for one in (mixed, P[0])]
        assert gain[0] <= r[0] - r[1] <= gain[1]


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
