"""Ridge against scikit-learn, himalaya and closed forms, in every form and precision."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, ShuffleSplit

from b2m_encoding.errors import InputError
from b2m_encoding.models import EncodingModel, RidgeCV, cross_val_predict
from b2m_encoding.models.solver.filters import compress, shrinkage
from b2m_encoding.runs import Runs

ALPHAS = np.logspace(-2, 5, 12)
FORMS = ("gram", "prediction", "dual")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(300, 12), (240, 90), (90, 200)])
def test_float64_is_scikit_learn(make, oracle, form, shape):
    X, Y, runs = make(*shape, 8)
    path = oracle(X, Y, runs, ALPHAS)
    best = ALPHAS[path.argmax(0)]
    model = EncodingModel(None, alphas=ALPHAS, standardize=False, form=form, precision="float64").fit(X, Y, runs=runs)
    np.testing.assert_allclose(model.cv_path_, path, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(model.best_alphas_, best)
    np.testing.assert_allclose(model.cv_scores_, path.max(0), atol=1e-9)
    for j, alpha in enumerate(best):
        exact = Ridge(alpha, solver="svd").fit(X, Y[:, j])
        coef = model.coef_["features"][0, :, j]
        np.testing.assert_allclose(coef, exact.coef_, rtol=0, atol=1e-9 * np.abs(exact.coef_).max())
        np.testing.assert_allclose(model.intercept_[j], exact.intercept_, rtol=1e-9)
    assert model.form_ == form


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scoring", ["r2_pooled", "r2", "r"])
@pytest.mark.parametrize("standardize", [False, True])
def test_scores_are_those_of_explicit_folds(make, oracle, form, scoring, standardize):
    X, Y, runs = make(180, 40, 5, seed=1)
    path = oracle(X, Y, runs, ALPHAS, scoring, standardize)
    options = {"scoring": scoring, "standardize": standardize, "form": form, "precision": "float64"}
    model = EncodingModel(None, alphas=ALPHAS, **options).fit(X, Y, runs=runs)
    np.testing.assert_allclose(model.cv_path_, path, rtol=0, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_a_correlation_keeps_its_digits_whatever_the_penalty(make, oracle, form):
    """Of a large penalty the predictions are far below the rounding of the responses; without variation they are 0."""
    X, Y, runs = make(240, 60, 12)
    alphas = [1.0, 1e7, 1e10]
    model = EncodingModel(None, alphas=alphas, scoring="r", standardize=False, form=form).fit(X, Y, runs=runs)
    np.testing.assert_allclose(model.cv_path_, oracle(X, Y, runs, alphas, "r"), atol=1e-4)
    flat = EncodingModel(None, alphas=alphas, scoring="r", form=form).fit(np.ones_like(X), Y, runs=runs)
    assert (flat.cv_path_ == 0).all()
    constant = Y.copy()
    constant[runs.rows(["run-02"]), :6] = Y.mean() + 1 / 3
    rest = oracle(X, Y, runs, alphas, "r")
    found = EncodingModel(None, alphas=alphas, scoring="r", standardize=False, form=form).fit(X, constant, runs=runs)
    assert np.isfinite(found.cv_path_).all()
    np.testing.assert_allclose(found.cv_path_[:, 6:], rest[:, 6:], atol=1e-4)
    assert (found.cv_path_[:, :6] < 5 / 6 + 1e-6).all()  # no correlation in one fold of six


@pytest.mark.parametrize("form", FORMS)
def test_float32_agrees_to_its_rounding(make, oracle, form):
    X, Y, runs = make(300, 60, 40, seed=2)
    path = oracle(X, Y, runs, ALPHAS)
    model = EncodingModel(None, alphas=ALPHAS, standardize=False, form=form).fit(
        X.astype(np.float32), Y.astype(np.float32), runs=runs
    )
    np.testing.assert_allclose(model.cv_path_, path, rtol=0, atol=2e-5)
    same = model.best_alphas_ == ALPHAS[path.argmax(0)]
    tied = path.max(0) - path[np.searchsorted(ALPHAS, model.best_alphas_ * 0.999), np.arange(40)] < 1e-5
    assert (same | tied).all()


@pytest.mark.filterwarnings("ignore:Solving")
@pytest.mark.parametrize("shape", [(240, 16), (240, 60), (60, 150)])
def test_himalaya_chooses_the_same(shape):
    from himalaya.kernel_ridge import KernelRidgeCV as TheirKernelRidgeCV
    from himalaya.ridge import RidgeCV as TheirRidgeCV

    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape)
    Y = X @ rng.standard_normal((shape[1], 40)) / np.sqrt(shape[1]) + rng.standard_normal((shape[0], 40)) + 3
    groups = np.repeat(np.arange(6), shape[0] // 6)
    splits = list(LeaveOneGroupOut().split(X, groups=groups))
    alphas = np.logspace(-1, 5, 10)
    ours = RidgeCV(alphas, precision="float64").fit(X, Y, groups=groups)
    single = RidgeCV(alphas).fit(X.astype("f4"), Y.astype("f4"), groups=groups)
    for model in (TheirRidgeCV, TheirKernelRidgeCV):
        theirs = model(alphas=alphas, cv=splits, fit_intercept=True).fit(X, Y)
        np.testing.assert_allclose(ours.best_alphas_, theirs.best_alphas_)
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-5)
    assert np.isclose(single.best_alphas_, ours.best_alphas_).mean() > 0.95
    same = single.best_alphas_ == ours.best_alphas_
    np.testing.assert_allclose(single.coef_[:, same], ours.coef_[:, same], atol=1e-4 * np.abs(ours.coef_).max())


def test_splitters_and_groups_choose_as_explicit_splits(make):
    X, Y, runs = make(200, 10, 6)
    groups = np.random.default_rng(0).integers(0, 5, 200)  # not contiguous
    direct = RidgeCV(ALPHAS).fit(X, Y, groups=groups)
    left_out = RidgeCV(ALPHAS, cv=LeaveOneGroupOut()).fit(X, Y, groups=groups)
    explicit = RidgeCV(ALPHAS, cv=list(LeaveOneGroupOut().split(X, groups=groups))).fit(X, Y)
    for other in (left_out, explicit):
        np.testing.assert_array_equal(direct.best_alphas_, other.best_alphas_)
        np.testing.assert_allclose(direct.coef_, other.coef_, atol=1e-5)
    kfold = EncodingModel(None, cv=GroupKFold(3)).fit(X, Y, runs=runs)
    assert np.isfinite(kfold.best_alphas_).all()
    with pytest.raises(InputError, match="at most once"):
        RidgeCV(cv=ShuffleSplit(3, test_size=0.5, random_state=0)).fit(X, Y)


@pytest.mark.parametrize("form", ["prediction", "dual", "gram"])
@pytest.mark.parametrize("solver", ["ridge", "banded", "stacked"])
def test_the_order_of_folds_does_not_matter(make, form, solver):
    """scikit-learn's ``GroupKFold`` begins with the last of equal groups; folds may also leave runs out."""
    X, Y, runs = make(160, 60, 30)
    X = {"a": X[:, :20], "b": X[:, 20:]}

    def fit(cv):
        return EncodingModel(None, solver=solver, alphas=ALPHAS, form=form, cv=cv, random_state=0).fit(X, Y, runs=runs)

    names = runs.blocks
    pairs = [(fit(None), fit(order)) for order in (GroupKFold(len(names)), [[name] for name in reversed(names)])]
    pairs.append((fit([[names[0]], [names[-1]]]), fit([[names[-1]], [names[0]]])))
    for usual, other in pairs:
        np.testing.assert_allclose(other.cv_scores_, usual.cv_scores_, atol=2e-5)
        np.testing.assert_allclose(other.predict(X, runs=runs), usual.predict(X, runs=runs), atol=1e-3)


@pytest.mark.parametrize("form", ["prediction", "dual", "gram"])
def test_a_target_that_is_nearly_zero_in_one_run_stops_nothing(make, form):
    """As at the edge of the field of view, or in the tails of smoothing."""
    X, Y, runs = make(160, 60, 30)
    edge = Y.copy()
    edge[runs.rows(runs.blocks[:1]), 3] *= 1e-24
    edge[:, 4] = 1e-24 * Y[:, 4]
    usual, found = (
        EncodingModel(None, solver="ridge", alphas=ALPHAS, form=form).fit(X, values, runs=runs) for values in (Y, edge)
    )
    others = np.delete(np.arange(30), [3, 4])
    np.testing.assert_allclose(
        found.predict(X, runs=runs)[:, others], usual.predict(X, runs=runs)[:, others], atol=1e-4
    )
    assert np.isfinite(found.predict(X, runs=runs)).all()


def test_every_group_is_held_out_once_and_alpha_can_be_shared(make):
    X, Y, runs = make(200, 10, 6)
    whole = EncodingModel(None, alpha_per="all").fit(X, Y, runs=runs)
    assert len(set(whole.best_alphas_)) == 1
    labels = np.array(["a", "b", "a", "b", "a", "b"])
    by_group = EncodingModel(None, alpha_per=labels).fit(X, Y, runs=runs)
    alone = EncodingModel(None, alpha_per="all").fit(X, Y[:, labels == "a"], runs=runs)
    np.testing.assert_array_equal(by_group.best_alphas_[labels == "a"], alone.best_alphas_)


@pytest.mark.parametrize("form", FORMS)
def test_a_fold_never_sees_its_own_responses(make, form):
    """Held-out responses are replaced: the predictions of their fold stay, those of the others change."""
    X, Y, runs = make(120, 5, 3)
    held = runs.rows([runs.blocks[1]])
    other = Y.copy()
    other[held] = np.random.default_rng(1).standard_normal((len(held), 3)) * 50
    model = EncodingModel(None, alphas=[1.0], standardize=False, form=form, precision="float64")
    a, b = (cross_val_predict(model.fit(X, y, runs=runs), X, y, runs) for y in (Y, other))
    np.testing.assert_allclose(a[held], b[held], rtol=1e-6)
    assert not np.allclose(np.delete(a, held, axis=0), np.delete(b, held, axis=0))
    one = clone(model).set_params(cv=[(runs.blocks[1],)])
    lost = [(1 - one.fit(X, y, runs=runs).cv_scores_) * y[held].var(axis=0) * len(held) for y in (Y, other)]
    expected = [((y[held] - p[held]) ** 2).sum(0) for y, p in ((Y, a), (other, a))]
    np.testing.assert_allclose(lost, expected, rtol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_limits(make, form):
    X, Y, runs = make(150, 8, 4)
    ols = EncodingModel(None, alphas=[0.0], form=form, precision="float64").fit(X, Y, runs=runs)
    np.testing.assert_allclose(ols.coef_["features"][0], LinearRegression().fit(X, Y).coef_.T, atol=1e-8)
    nothing = EncodingModel(None, alphas=[1e14], form=form, precision="float64").fit(X, Y, runs=runs)
    np.testing.assert_allclose(nothing.coef_["features"], 0, atol=1e-9)
    np.testing.assert_allclose(nothing.predict(X), np.broadcast_to(Y.mean(0), Y.shape), rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_block_centring_removes_every_offset(make, form):
    X, Y, runs = make(200, 10, 5)
    model = EncodingModel(None, center="block", form=form, precision="float64")
    one = model.fit(X, Y, runs=runs)
    coef, path = one.coef_["features"].copy(), one.cv_path_.copy()
    offsets = np.random.default_rng(0).standard_normal((len(runs.names), 5)) * 100
    index = np.searchsorted(runs.names, runs.run)
    other = model.fit(X, Y + offsets[index], runs=runs)
    np.testing.assert_allclose(other.coef_["features"], coef, atol=1e-9)
    np.testing.assert_allclose(other.cv_path_, path, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rank_deficient_features(make, dtype):
    X, Y, runs = make(200, 10, 5)
    doubled = np.hstack([X, X, np.zeros((200, 3))]).astype(dtype)
    precision = "float32" if dtype == np.float32 else "float64"
    models = [
        EncodingModel(None, alphas=np.logspace(-1, 4, 8), form=form, precision=precision).fit(doubled, Y, runs=runs)
        for form in FORMS
    ]
    for other in models[1:]:
        np.testing.assert_allclose(other.cv_path_, models[0].cv_path_, atol=1e-5)
    single = EncodingModel(None, alphas=np.logspace(-1, 4, 8) / 2, precision="float64").fit(X, Y, runs=runs)
    np.testing.assert_allclose(models[0].cv_path_, single.cv_path_, atol=1e-5)


def test_compression_keeps_its_bound():
    rng = torch.Generator().manual_seed(0)
    values = torch.logspace(-6, 4, 200, dtype=torch.float64)
    norms = values.sqrt() * torch.rand(200, generator=rng, dtype=torch.float64) * 2
    alphas = torch.logspace(-3, 6, 30, dtype=torch.float64)
    for tolerance in (1e-2, 1e-5, 1e-8):
        filters = compress(values, norms, alphas, tolerance)
        approximate = torch.zeros(30, 200, dtype=torch.float64)
        approximate[:, filters.start :] = filters.mix @ filters.basis
        error = ((approximate - shrinkage(values, alphas)) * norms * values.sqrt()).norm(dim=1)
        assert error.max() <= 1.5 * tolerance  # one tolerance for each of the two truncations, in quadrature
    assert compress(values, norms, alphas, 1e-2).mix.shape[1] < compress(values, norms, alphas, 1e-8).mix.shape[1] < 30


def test_edge_of_the_grid_is_noted(make):
    X, Y, runs = make(200, 10, 5)
    model = EncodingModel(None, alphas=[1e4, 1e5, 1e6]).fit(X, Y, runs=runs)
    assert any("smallest penalty" in note for note in model.notes_)
    assert any("gram" in note for note in model.notes_)


def test_one_block_cannot_be_cross_validated(make):
    X, Y, _ = make(60, 3, 2)
    with pytest.raises(InputError, match="two blocks"):
        EncodingModel(None).fit(X, Y, runs=Runs.from_lengths([60], tr=1.0))
