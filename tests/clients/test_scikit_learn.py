"""Estimators as users of scikit-learn hold them; scikit-learn's own numbers are the oracle."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.linear_model import Ridge as TheirRidge
from sklearn.metrics import make_scorer, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    ShuffleSplit,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from b2m_encoding import BandedRidgeCV, Delayer, EncodingModel, InputError, Ridge, RidgeCV, Runs
from b2m_encoding.features.delays import delay

ALPHAS = [0.1, 1.0, 10.0, 100.0, 1000.0]
FORMS = ["gram", "prediction", "dual"]


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, responses of five targets and groups of unequal length and variance."""
    rng = np.random.default_rng(3)
    groups = np.repeat(["a", "b", "c", "d"], [20, 35, 12, 33])
    size = np.repeat([1.0, 3.0, 0.5, 1.5], [20, 35, 12, 33])[:, None]
    X = rng.standard_normal((100, 8)) + 2
    Y = size * (X @ rng.standard_normal((8, 5)) + 6 * rng.standard_normal((100, 5))) + 40
    return X, Y, groups


@pytest.fixture
def routing() -> Iterator[None]:
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@parametrize_with_checks(
    [EncodingModel(None), RidgeCV(), BandedRidgeCV(n_scalings=2, random_state=0), Ridge(), Ridge(fit_intercept=False)]
)
def test_conventions(estimator, check):
    """Every check that scikit-learn has; none is expected to fail."""
    check(estimator)


@pytest.mark.parametrize("model", [Ridge(3.0), RidgeCV(ALPHAS), BandedRidgeCV(ALPHAS, n_scalings=2)])
@pytest.mark.parametrize("n", [1, 5])
def test_shapes_of_one_and_many_targets(data, model, n):
    X, Y, _ = data
    Y = Y[:, 0] if n == 1 else Y
    fitted, theirs = clone(model).fit(X, Y), TheirRidge().fit(X, Y)
    assert fitted.predict(X).shape == theirs.predict(X).shape == Y.shape
    assert fitted.coef_.T.shape == theirs.coef_.shape
    assert np.shape(fitted.intercept_) == np.shape(theirs.intercept_)
    assert type(fitted.score(X, Y)) is float
    assert fitted.score_targets(X, Y).shape == (n,)
    assert fitted.predict(X).dtype == np.float64
    assert fitted.predict(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(X @ fitted.coef_ + fitted.intercept_, fitted.predict(X), rtol=1e-4)


def test_an_encoding_model_of_one_target(data):
    X, Y, groups = data
    runs = Runs.from_labels(groups, 1.5)
    one = EncodingModel((0.0, 1.5)).fit(X, Y[:, 2], runs=runs)
    assert one.coef_["features"].shape == (2, 8)
    assert type(one.intercept_) is float
    assert one.invert(X, Y[:, 2], runs) is not None


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 5.0, [0.1, 1.0, 10.0, 100.0, 1000.0]])
@pytest.mark.parametrize("wide", [False, True])
def test_plain_ridge(data, fit_intercept, alpha, wide):
    X, Y, _ = data
    if wide:
        X, Y = X[:30] @ np.random.default_rng(0).standard_normal((8, 40)) + np.eye(30, 40), Y[:30]
        alpha = np.maximum(alpha, 1e-2)
    ours = Ridge(alpha, fit_intercept=fit_intercept, precision="float64").fit(X, Y)
    theirs = TheirRidge(alpha, fit_intercept=fit_intercept, solver="svd").fit(X, Y)
    np.testing.assert_allclose(ours.coef_.T, theirs.coef_, atol=1e-7)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-6)
    np.testing.assert_allclose(ours.score(X, Y), theirs.score(X, Y), atol=1e-9)
    with pytest.raises(InputError, match="one per target"):
        Ridge([1.0, 2.0]).fit(X, Y)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("scoring", ["r2", "r2_pooled"])
@pytest.mark.parametrize("form", FORMS)
def test_choice_of_penalty_is_that_of_grid_search(data, form, scoring, fit_intercept):
    """Mean over folds as scikit-learn has it, target by target; pooled on request; groups of unequal size."""
    X, Y, groups = data
    cv = LeaveOneGroupOut()
    ours = RidgeCV(ALPHAS, cv=cv, form=form, scoring=scoring, fit_intercept=fit_intercept, precision="float64")
    ours.fit(X, Y, groups=groups)
    for target in range(Y.shape[1]):
        ridge = TheirRidge(fit_intercept=fit_intercept, solver="svd")
        if scoring == "r2":
            search = GridSearchCV(ridge, {"alpha": ALPHAS}, cv=cv, scoring="r2")
            search.fit(X, Y[:, target], groups=groups)
            scores = search.cv_results_["mean_test_score"]
        else:
            scores, y, varied = [], Y[:, target], 0.0
            varied = sum(((y[groups == g] - y[groups == g].mean()) ** 2).sum() for g in "abcd")
            for alpha in ALPHAS:
                predicted = cross_val_predict(ridge.set_params(alpha=alpha), X, y, groups=groups, cv=cv)
                scores.append(1 - ((y - predicted) ** 2).sum() / varied)
        np.testing.assert_allclose(ours.model_.cv_path_[:, target], scores, atol=1e-8)
        assert ours.best_alphas_[target] == ALPHAS[int(np.argmax(scores))]


@pytest.mark.parametrize("form", FORMS)
def test_mean_over_folds_in_a_banded_search_and_its_refinement(data, form):
    """The score of a choice is the mean over folds of the R2 of ridge with its penalties."""
    X, Y, groups = data
    options = {
        "scalings": [[0.3, 0.7]],
        "scoring": "r2",
        "form": form,
        "precision": "float64",
        "refine": 3 * (form == "gram"),
    }
    ours = BandedRidgeCV(ALPHAS, cv=LeaveOneGroupOut(), bands=[0] * 3 + [1] * 5, **options).fit(X, Y, groups=groups)
    for target in range(Y.shape[1]):
        scale = np.exp(ours.deltas_[:, target] / 2).repeat([3, 5])
        scores = cross_val_score(
            TheirRidge(1.0, solver="svd"), X * scale, Y[:, target], groups=groups, cv=LeaveOneGroupOut()
        )
        np.testing.assert_allclose(ours.cv_scores_[target], scores.mean(), atol=1e-6)


def test_score_follows_scoring(data):
    X, Y, _ = data
    ours = RidgeCV(ALPHAS).fit(X, Y)
    assert ours.score(X, Y) == pytest.approx(r2_score(Y, ours.predict(X)))
    np.testing.assert_allclose(ours.score_targets(X, Y), r2_score(Y, ours.predict(X), multioutput="raw_values"))
    r = [np.corrcoef(y, p)[0, 1] for y, p in zip(Y.T, ours.predict(X).T, strict=True)]
    np.testing.assert_allclose(ours.score_targets(X, Y, scoring="r"), r, rtol=1e-6)
    assert RidgeCV(ALPHAS, scoring="r").fit(X, Y).score(X, Y) == pytest.approx(np.mean(r), abs=0.01)
    Y = Y.copy()
    Y[:, 1] = 7.0
    assert np.isfinite(RidgeCV(ALPHAS).fit(X, Y).score(X, Y))


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("model", [RidgeCV(ALPHAS), BandedRidgeCV(ALPHAS, n_scalings=3, bands=[0] * 4 + [1] * 4)])
def test_tools_of_model_selection(data, model, n):
    X, Y, _ = data
    Y = Y[:, 0] if n == 1 else Y
    cv = KFold(3)
    scores = cross_val_score(model, X, Y, cv=cv)
    by_hand = []
    for train, test in cv.split(X):
        by_hand.append(r2_score(Y[test], clone(model).fit(X[train], Y[train]).predict(X[test])))
    np.testing.assert_allclose(scores, by_hand, atol=1e-6)
    assert cross_val_predict(model, X, Y, cv=cv).shape == Y.shape
    search = GridSearchCV(model, {"standardize": [True, False]}, cv=cv).fit(X, Y)
    assert search.best_score_ == pytest.approx(max(search.cv_results_["mean_test_score"]))
    named = cross_val_score(model, X, Y, cv=cv, scoring=make_scorer(r2_score))
    np.testing.assert_allclose(named, scores)
    pipe = make_pipeline(StandardScaler(), model).fit(X, Y)
    assert pipe.score(X, Y) == pytest.approx(pipe[-1].score(pipe[0].transform(X), Y))
    assert TransformedTargetRegressor(model, transformer=StandardScaler()).fit(X, Y).predict(X).shape == Y.shape


def test_groups_and_runs_are_routed(data, routing):
    """Through cross_validate, a search and a pipeline; runs keep delays from crossing."""
    X, Y, groups = data
    runs, cv = Runs.from_labels(groups, 1.5), LeaveOneGroupOut()
    ridge = RidgeCV(ALPHAS, cv=GroupKFold(3)).set_fit_request(groups=True)
    scores = cross_val_score(ridge, X, Y, cv=cv, params={"groups": groups})
    inside = groups != "a"
    own = RidgeCV(ALPHAS, cv=GroupKFold(3)).fit(X[inside], Y[inside], groups=groups[inside])
    assert scores[0] == pytest.approx(own.score(X[~inside], Y[~inside]))

    model = EncodingModel((0.0, 1.5), alphas=ALPHAS)
    model.set_fit_request(runs=True).set_score_request(runs=True)
    found = cross_validate(model, X, Y, cv=cv, params={"runs": runs, "groups": groups})["test_score"]
    train, test = runs.take(inside), runs.take(~inside)
    expected = clone(model).fit(X[inside], Y[inside], runs=train).score(X[~inside], Y[~inside], runs=test)
    assert found[0] == pytest.approx(expected)
    search = GridSearchCV(model, {"delays": [(0.0,), (0.0, 1.5)]}, cv=cv).fit(X, Y, runs=runs, groups=groups)
    assert search.best_params_["delays"] in [(0.0,), (0.0, 1.5)]

    delayer = Delayer([0.0, 1.5]).set_fit_request(runs=True).set_transform_request(runs=True)
    pipe = make_pipeline(StandardScaler(), delayer, RidgeCV(ALPHAS).set_fit_request(groups=True))
    pipe.fit(X, Y, runs=runs, groups=groups)
    scaled = StandardScaler().fit_transform(X)
    expected = RidgeCV(ALPHAS).fit(delay(scaled, runs, [0.0, 1.5]), Y, groups=groups).best_alphas_
    np.testing.assert_array_equal(pipe[-1].best_alphas_, expected)
    plain = make_pipeline(StandardScaler(), RidgeCV(ALPHAS)).fit(X, Y)
    assert plain.score(X, Y) == plain[-1].score(plain[0].transform(X), Y)  # which routes weights that are None
    with pytest.raises(InputError, match="not weighted"):
        plain[-1].score(X, Y, sample_weight=np.ones(len(X)))


def test_delayer_names_its_columns_and_wants_runs(data):
    X, _, groups = data
    frame = pd.DataFrame(X[:, :2], columns=["loudness", "pitch"])
    runs = Runs.from_labels(groups, 1.5)
    out = Delayer([0.0, 3.0]).set_output(transform="pandas").fit(frame).transform(frame, runs=runs)
    assert [*out.columns] == ["loudness_delay0", "pitch_delay0", "loudness_delay3", "pitch_delay3"]
    np.testing.assert_array_equal(out.to_numpy(), delay(X[:, :2], runs, [0.0, 3.0]))
    with pytest.raises(InputError, match="delays need runs"):
        Delayer().fit(X).transform(X)
    with pytest.raises(InputError, match="expecting 8 features"):
        Delayer().fit(X).transform(X[:, :3], runs=runs)


def test_feature_names_and_column_transformers(data):
    """Names of a DataFrame; feature spaces from the names that a ColumnTransformer writes."""
    X, Y, _ = data
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(8)])
    for model in (Ridge(), RidgeCV(ALPHAS), BandedRidgeCV(ALPHAS, n_scalings=3), EncodingModel(None)):
        assert model.fit(frame, Y).feature_names_in_.tolist() == [*frame.columns]
        assert not hasattr(model.fit(X, Y), "feature_names_in_")
    columns = ColumnTransformer([("text", StandardScaler(), ["c5", "c6"]), ("sound", StandardScaler(), ["c0", "c1"])])
    options = {"n_scalings": 3, "random_state": 0}
    pipe = make_pipeline(columns.set_output(transform="pandas"), BandedRidgeCV(ALPHAS, bands="prefix", **options))
    pipe.fit(frame, Y)
    assert pipe[-1].bands_ == ["sound", "text"]
    scaled = (X - X.mean(0)) / X.std(0)
    apart = BandedRidgeCV(ALPHAS, **options).fit({"sound": scaled[:, :2], "text": scaled[:, 5:7]}, Y)
    np.testing.assert_allclose(pipe.predict(frame), apart.predict({"text": scaled[:, 5:7], "sound": scaled[:, :2]}))
    with pytest.raises(InputError, match="mulan__0"):
        BandedRidgeCV(bands="prefix").fit(X, Y)


@pytest.mark.parametrize("model", [RidgeCV(ALPHAS), EncodingModel(None, alphas=ALPHAS)])
def test_splits_of_time_series_are_refused_with_the_reason(data, model):
    X, Y, groups = data
    fit = {"groups": groups} if isinstance(model, RidgeCV) else {"runs": Runs.from_labels(groups, 1.5)}
    with pytest.raises(InputError, match="TimeSeriesSplit trains on earlier samples only"):
        clone(model).set_params(cv=TimeSeriesSplit(2)).fit(X, Y, **fit)
    part = GroupShuffleSplit(2, test_size=1, train_size=2, random_state=0)
    with pytest.raises(InputError, match="every fold must train on all samples"):
        clone(model).set_params(cv=part).fit(X, Y, **fit)
    with pytest.raises(InputError):
        clone(model).set_params(cv=ShuffleSplit(3, test_size=0.1, random_state=0)).fit(X, Y, **fit)


def test_folds_as_pairs_of_rows(data):
    X, Y, groups = data
    runs = Runs.from_labels(groups, 1.5)
    pairs = list(LeaveOneGroupOut().split(X, groups=groups))
    same = [EncodingModel(None, alphas=ALPHAS, cv=cv).fit(X, Y, runs=runs).cv_path_ for cv in (None, pairs)]
    np.testing.assert_array_equal(*same)
    with pytest.raises(InputError, match="one block into training and validation"):
        EncodingModel(None, cv=list(KFold(3).split(X))).fit(X, Y, runs=runs)
    labelled = EncodingModel(None, alphas=ALPHAS).fit(X, Y, runs=groups)
    np.testing.assert_array_equal(labelled.cv_path_, same[0])


def test_a_single_target_with_a_missing_value_is_an_error(data):
    X, Y, _ = data
    y = Y[:, 0].copy()
    y[7] = np.nan
    for model in (Ridge(), RidgeCV(), EncodingModel(None)):
        with pytest.raises(InputError, match=r"Input y contains NaN[\s\S]*the first is 7"):
            model.fit(X, y)
