"""Banded ridge against explicit loops and himalaya, refinement, smoothness, and the split of prediction accuracy."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut

from b2m_encoding.errors import InputError
from b2m_encoding.models import BandedRidgeCV, EncodingModel, cross_val_predict
from b2m_encoding.models.scores import product_measure, r_split
from b2m_encoding.models.solver.banded import simplex_scalings

ALPHAS = np.logspace(-1, 4, 6)


@pytest.fixture
def bands(make):
    """Two feature spaces, of which each half of the targets follows one."""
    X, _, runs = make(240, 24, 1, seed=5)
    X = (X - X.mean(0)) / X.std(0)
    rng = np.random.default_rng(1)
    B = rng.standard_normal((24, 8)) * 0.3
    B[:8, :4] = 0
    B[8:, 4:] = 0
    return {"small": X[:, :8], "large": X[:, 8:]}, X @ B + rng.standard_normal((240, 8)), runs


@pytest.mark.parametrize("form", ["gram", "prediction", "dual"])
def test_explicit_loops(bands, oracle, form):
    spaces, Y, runs = bands
    scalings = np.array([[0.5, 0.5], [0.9, 0.1], [0.1, 0.9], [1.0, 0.0]])
    options = {"scalings": scalings, "alphas": ALPHAS, "standardize": False, "form": form, "precision": "float64"}
    model = EncodingModel(None, solver="banded", **options).fit(spaces, Y, runs=runs)
    X = np.hstack(list(spaces.values()))
    roots = np.sqrt(np.repeat(scalings, [8, 16], axis=1))
    paths = np.stack([oracle(X * root, Y, runs, ALPHAS) for root in roots])
    np.testing.assert_allclose(model.cv_path_, paths.max(1), atol=1e-9)
    best, alpha = np.unravel_index(paths.reshape(-1, 8).argmax(0), paths.shape[:2])
    np.testing.assert_array_equal(model.best_alphas_, ALPHAS[alpha])
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(model.deltas_, np.log(scalings[best].T / ALPHAS[alpha]))
    coef = np.concatenate([part[0] for part in model.coef_.values()])
    for j in range(8):
        exact = Ridge(ALPHAS[alpha[j]]).fit(X * roots[best[j]], Y[:, j]).coef_ * roots[best[j]]
        np.testing.assert_allclose(coef[:, j], exact, atol=1e-9)


def test_himalaya_group_ridge(bands):
    from himalaya.ridge import GroupRidgeCV

    spaces, Y, runs = bands
    groups = np.searchsorted(runs.names, runs.run)
    scalings = simplex_scalings(2, 8, random_state=0)[3:]
    parameters = {"n_iter": scalings, "alphas": ALPHAS, "progress_bar": False}
    splits = list(LeaveOneGroupOut().split(Y, groups=groups))
    theirs = GroupRidgeCV(groups="input", cv=splits, fit_intercept=True, solver_params=parameters)
    theirs.fit(list(spaces.values()), Y)
    ours = BandedRidgeCV(ALPHAS, scalings=scalings, precision="float64").fit(spaces, Y, groups=groups)
    same = np.isclose(ours.deltas_, theirs.deltas_).all(0)
    assert same.mean() > 0.8  # their folds count the same, our samples do
    np.testing.assert_allclose(ours.predict(spaces)[:, same], theirs.predict(list(spaces.values()))[:, same], atol=1e-4)


def test_the_useful_feature_space_gets_the_smaller_penalty(bands):
    spaces, Y, runs = bands
    model = EncodingModel(None, solver="banded", n_scalings=20, random_state=0).fit(spaces, Y, runs=runs)
    assert (model.deltas_[1, :4] > model.deltas_[0, :4]).all()
    assert (model.deltas_[0, 4:] > model.deltas_[1, 4:]).all()
    plain = EncodingModel(None, solver="ridge").fit(spaces, Y, runs=runs)
    assert (model.cv_scores_ >= plain.cv_scores_ - 1e-6).all()  # one scaling is that of plain ridge


@pytest.mark.parametrize("standardize", [False, True])
def test_refinement_climbs_and_its_scores_are_explicit(bands, oracle, standardize):
    spaces, Y, runs = bands
    options = {"solver": "banded", "n_scalings": 4, "alphas": ALPHAS, "precision": "float64"}
    start = EncodingModel(None, standardize=standardize, **options).fit(spaces, Y, runs=runs)
    model = EncodingModel(None, standardize=standardize, refine=20, **options).fit(spaces, Y, runs=runs)
    assert (model.cv_scores_ >= start.cv_scores_).all()
    assert model.cv_scores_.mean() > start.cv_scores_.mean() + 1e-5
    X = np.hstack(list(spaces.values()))
    for j in (0, 7):
        root = np.repeat(np.exp(model.deltas_[:, j] / 2), [8, 16])
        if not standardize:
            explicit = oracle(X * root, Y[:, [j]], runs, [1.0])[0, 0]
            np.testing.assert_allclose(model.cv_scores_[j], explicit, atol=1e-8)
            coef = np.concatenate([part[0, :, j] for part in model.coef_.values()])
            np.testing.assert_allclose(coef, Ridge(1.0).fit(X * root, Y[:, j]).coef_ * root, atol=1e-8)
    with pytest.raises(InputError, match="Gram form"):
        EncodingModel(None, refine=2, form="dual", **options).fit(spaces, Y, runs=runs)


def test_gradient_is_that_of_finite_differences(bands):
    import torch

    from b2m_encoding.models.layout import Design
    from b2m_encoding.models.solver.fit_inputs import gather_inputs
    from b2m_encoding.models.solver.make_problem import make_problem
    from b2m_encoding.models.solver.refine import held_out_error
    from b2m_encoding.models.solver.settings import Settings

    spaces, Y, runs = bands
    settings = Settings.of(EncodingModel(None, precision="float64", form="gram", standardize=True))
    design = Design.learn(spaces, runs, None)
    problem = make_problem(gather_inputs(design, Y, settings), design.layout.widths, settings)
    fold = problem.prepared_fold((runs.blocks[0],))
    logs = torch.tensor(np.random.default_rng(0).uniform(-1, 4, (8, 2)))
    _, slope = held_out_error(fold, slice(0, 8), logs, torch.tensor([8, 16]))
    for band in (0, 1):
        step = torch.zeros(2, dtype=torch.float64)
        step[band] = 1e-5
        up, down = (held_out_error(fold, slice(0, 8), logs + s * step, torch.tensor([8, 16]))[0] for s in (1, -1))
        torch.testing.assert_close(slope[:, band], (up - down) / 2e-5, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", ["gram", "prediction", "dual"])
def test_smoothness_is_a_prior_over_delays(make, form):
    X, Y, runs = make(240, 5, 4)
    delays = (0.0, 1.5, 3.0)
    distance = np.subtract.outer(delays, delays)
    covariance = np.kron(np.exp(-0.5 * (distance / 2.0) ** 2), np.eye(5))
    options = {"alphas": [10.0], "standardize": False, "form": form, "precision": "float64", "delay_prior": "flat"}
    model = EncodingModel(delays, smoothness=2.0, **options).fit(X, Y, runs=runs)
    from b2m_encoding.features.delays import delay

    D = delay(X, runs, delays)
    D, centred = D - D.mean(0), Y - Y.mean(0)
    exact = np.linalg.solve(D.T @ D + 10 * np.linalg.inv(covariance), D.T @ centred)
    np.testing.assert_allclose(model.coef_["features"].reshape(15, 4), exact, atol=1e-7)
    rough = EncodingModel(delays, smoothness=1e-3, **options).fit(X, Y, runs=runs)
    plain = EncodingModel(delays, **options).fit(X, Y, runs=runs)
    np.testing.assert_allclose(rough.coef_["features"], plain.coef_["features"], atol=1e-8)


@pytest.mark.parametrize("form", ["gram", "prediction", "dual"])
@pytest.mark.parametrize(
    ("alpha", "scaling"), [(1e-9, [1.0, 1e-11]), (0.0, [1.0, 1.0]), (0.0, [1.0, 0.0]), (50.0, [0.3, 0.7])]
)
def test_held_out_predictions_have_the_penalties_of_the_fit(bands, form, alpha, scaling):
    """Also where one is 0, or a feature space is left out, or penalties differ by many orders of magnitude."""
    spaces, Y, runs = bands
    options = {"alphas": [alpha], "scalings": [scaling], "form": form, "standardize": False}
    model = EncodingModel(None, solver="banded", **options).fit(spaces, Y, runs=runs)
    assert not np.isnan(model.deltas_).any()
    error = (Y - cross_val_predict(model, spaces, Y, runs)) ** 2
    variation = sum(((part - part.mean(0)) ** 2).sum(0) for _, part in runs.each_run(Y))
    np.testing.assert_allclose(1 - error.sum(0) / variation, model.cv_scores_, atol=2e-3)


def test_scalings_lie_on_the_simplex():
    rows = simplex_scalings(3, 40, random_state=0)
    np.testing.assert_allclose(rows.sum(1), 1)
    assert rows.shape == (40, 3)
    assert len(np.unique(rows, axis=0)) == 40
    np.testing.assert_array_equal(rows, simplex_scalings(3, 40, random_state=0))
    with pytest.raises(InputError, match="scalings need"):
        BandedRidgeCV(scalings=[[1.0, -1.0]]).fit({"a": np.eye(9), "b": np.eye(9)}, np.ones((9, 1)))


def test_a_model_splits_its_accuracy_among_feature_spaces(bands):
    spaces, Y, runs = bands
    model = EncodingModel(None, solver="banded", n_scalings=8, random_state=0).fit(spaces, Y, runs=runs)
    parts = model.predict_bands(spaces, runs)
    np.testing.assert_allclose(sum(parts.values()) + Y.mean(0), model.predict(spaces, runs), atol=1e-4)
    split = model.score_bands(spaces, Y, runs)
    np.testing.assert_allclose(sum(split.values()), model.score_targets(spaces, Y, runs=runs, scoring="r"), atol=1e-5)
    assert (split["large"][:4] > split["small"][:4]).all()
    share = model.score_bands(spaces, Y, runs, measure="r2")
    assert (sum(share.values()) > 0).all()


def test_parts_add_up():
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal((50, 4)) for _ in range(3)]
    y = sum(parts) + rng.standard_normal((50, 4))
    whole = sum(parts)
    centred, target = whole - whole.mean(0), y - y.mean(0)
    r2 = 1 - ((target - centred) ** 2).sum(0) / (target**2).sum(0)
    np.testing.assert_allclose(product_measure(parts, y).sum(0), r2)
    r = [np.corrcoef(whole[:, j], y[:, j])[0, 1] for j in range(4)]
    np.testing.assert_allclose(r_split(parts, y).sum(0), r)
