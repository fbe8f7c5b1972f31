"""Scripts of himalaya and of the voxelwise tutorials carried over; himalaya's numbers are the oracle."""

from __future__ import annotations

import difflib
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from himalaya.ridge import ColumnTransformerNoStack, GroupRidgeCV
from himalaya.ridge import Ridge as TheirRidge
from himalaya.ridge import RidgeCV as TheirRidgeCV
from himalaya.scoring import correlation_score, r2_score
from scipy.sparse import csr_array
from scipy.stats import zscore
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from b2m_encoding import BandedRidgeCV, Delayer, InputError, Ridge, RidgeCV, plot_flatmap
from b2m_encoding.figures.images import read_map
from b2m_encoding.spaces import PycortexMapper
from b2m_encoding.stats import repeat_ceiling

MIGRATION = Path(__file__).resolve().parents[2] / "docs" / "migration"
ALPHAS = np.logspace(-1, 4, 8)
GAMMAS = np.array([[0.5, 0.5], [0.8, 0.2], [0.1, 0.9]])
LABELS = np.array([1, 0, 0, 1, -1, 1, 0, 1])


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    """Centred, because himalaya has no intercept by default."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((120, 8))
    Y = X @ rng.standard_normal((8, 6)) + 5 * rng.standard_normal((120, 6)) * np.linspace(1, 3, 120)[:, None]
    return X - X.mean(0), Y - Y.mean(0)


def test_the_script_of_the_guide() -> None:
    """Fewer than 20 lines change, what is printed is the same, and the page shows it."""
    scripts = {name: MIGRATION / f"{name}_script.py" for name in ("himalaya", "b2m")}
    lines = [path.read_text().splitlines() for path in scripts.values()]
    changes = [line[0] for line in difflib.ndiff(*lines)]
    assert 0 < max(changes.count("+"), changes.count("-")) < 20
    theirs, ours = (runpy.run_path(str(path)) for path in scripts.values())
    np.testing.assert_allclose(ours["X"][0], theirs["X"][0])
    np.testing.assert_allclose(ours["model"].deltas_, theirs["model"].deltas_, atol=1e-6)
    np.testing.assert_allclose(ours["model"].coef_, theirs["model"].coef_, atol=1e-5)
    np.testing.assert_allclose(ours["predicted"], theirs["predicted"], atol=1e-4)
    np.testing.assert_allclose(ours["r"], theirs["r"], atol=1e-5)
    penalties = np.exp(-ours["model"].deltas_[:, 0]).round(1)
    printed = f"median r {np.median(ours['r']).round(3)} penalties {penalties}"
    assert printed in (MIGRATION.parent / "migration.md").read_text()


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n", [1, 6])
def test_ridge(data: Any, fit_intercept: bool, n: int) -> None:
    X, Y = data
    X, Y = (X + 3, Y + 50) if fit_intercept else (X, Y)
    Y = Y[:, 0] if n == 1 else Y
    cv, options = KFold(4), {"fit_intercept": fit_intercept}
    for ours, theirs in (
        (Ridge(7.0, precision="float64", **options), TheirRidge(7.0, **options)),
        (RidgeCV(ALPHAS, cv=cv, precision="float64", **options), TheirRidgeCV(ALPHAS, cv=cv, **options)),
    ):
        ours.fit(X, Y), theirs.fit(X, Y)
        assert ours.coef_.shape == theirs.coef_.shape
        np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-8)
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-7)
        if fit_intercept:
            np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-7)
    np.testing.assert_allclose(ours.best_alphas_, theirs.best_alphas_)
    np.testing.assert_allclose(
        ours.score_targets(X, Y), r2_score(Y.reshape(120, -1), theirs.predict(X).reshape(120, -1)), atol=1e-8
    )


@pytest.mark.parametrize("scoring", ["r2", "r"])
def test_the_mean_over_folds_is_that_of_himalaya(data: Any, scoring: str) -> None:
    X, Y = data
    function = {"r2": r2_score, "r": correlation_score}[scoring]
    cv, options = KFold(4), {"fit_intercept": True}
    theirs = TheirRidgeCV(ALPHAS, cv=cv, solver_params={"score_func": function}, **options).fit(X, Y)
    ours = RidgeCV(ALPHAS, cv=cv, scoring=scoring, precision="float64", **options).fit(X, Y)
    np.testing.assert_allclose(ours.best_alphas_, theirs.best_alphas_)
    np.testing.assert_allclose(ours.cv_scores_, theirs.cv_scores_, atol=1e-7)


def forms(X: np.ndarray) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Two feature spaces as himalaya's users hold them: columns of one array, a list, a dict, tensors."""
    parts = [X[:, LABELS == 0], X[:, LABELS == 1]]
    return {
        "labels": (X, {"bands": LABELS}),
        "list": (parts, {}),
        "dict": ({"0": parts[0], "1": parts[1]}, {}),
        "tensors": ([torch.tensor(part) for part in parts], {}),
    }


@pytest.mark.parametrize("form", forms(np.zeros((1, 8))))
def test_groups_of_features(data: Any, form: str) -> None:
    X, Y = data
    cv, parameters = KFold(4), {"n_iter": GAMMAS, "alphas": ALPHAS, "progress_bar": False, "score_func": r2_score}
    theirs = GroupRidgeCV(LABELS, cv=cv, solver_params=parameters).fit(X, Y)
    features, options = forms(X)[form]
    ours = BandedRidgeCV(
        ALPHAS, cv=cv, scalings=GAMMAS, scoring="r2", fit_intercept=False, precision="float64", **options
    )
    ours.fit(features, Y)
    np.testing.assert_allclose(ours.deltas_, theirs.deltas_, atol=1e-8)
    np.testing.assert_allclose(ours.best_alphas_, theirs.best_alphas_)
    np.testing.assert_allclose(ours.predict(features), theirs.predict(X), atol=1e-7)
    if form == "labels":  # himalaya has no rows for unused columns, and those of one group after the other
        assert (ours.coef_[LABELS < 0] == 0).all()
        np.testing.assert_allclose(X @ ours.coef_, theirs.predict(X), atol=1e-7)
    else:
        np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-8)
    one = BandedRidgeCV(ALPHAS, cv=cv, scalings=GAMMAS, **options).fit(features, Y[:, 0])
    assert one.deltas_.shape == (2,)


def test_pipelines_of_himalaya(data: Any) -> None:
    X, Y = data
    columns = ColumnTransformerNoStack([("a", StandardScaler(), [0, 1, 2]), ("b", StandardScaler(), slice(3, 8))])
    parameters = {"n_iter": GAMMAS, "alphas": ALPHAS, "progress_bar": False, "score_func": r2_score}
    theirs = make_pipeline(columns, GroupRidgeCV("input", cv=4, solver_params=parameters)).fit(X, Y)
    options = {"scalings": GAMMAS, "scoring": "r2", "fit_intercept": False, "precision": "float64"}
    ours = make_pipeline(columns, BandedRidgeCV(ALPHAS, cv=4, **options)).fit(X, Y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-7)
    parts = ours[-1].predict_bands(ours[0].transform(X))
    np.testing.assert_allclose(sum(parts.values()), theirs.predict(X), atol=1e-5)


def test_bands_that_do_not_fit(data: Any) -> None:
    X, Y = data
    for bands, problem in (
        (LABELS[:3], "one label for every column"),
        (np.full(8, -1), "all negative"),
        ("suffix", "unknown bands"),
    ):
        with pytest.raises(InputError, match=problem):
            BandedRidgeCV(bands=bands).fit(X, Y)
    with pytest.raises(InputError, match="labels of the columns of one array"):
        BandedRidgeCV(bands=LABELS).fit([X[:, :4], X[:, 4:]], Y)


def test_helpers_of_the_tutorials(data: Any) -> None:
    """Explainable variance and delays as the tutorials compute them, within one run."""
    rng = np.random.default_rng(0)
    repeats = rng.standard_normal((1, 70, 5)) + rng.standard_normal((4, 70, 5))
    scaled = zscore(repeats, axis=1)
    raw = scaled.mean(0).var(0, ddof=1) / scaled.var(1, ddof=1).mean(0)
    np.testing.assert_allclose(repeat_ceiling(scaled).explainable_variance, raw - (1 - raw) / 3)
    X = data[0]
    delayed = Delayer([0, 2]).fit_transform(X, runs=["one"] * len(X))
    np.testing.assert_array_equal(delayed[:, :8], X)
    np.testing.assert_array_equal(delayed[2:, 8:], X[:-2])
    assert (delayed[:2, 8:] == 0).all()


def test_voxels_of_a_mapper_are_a_space() -> None:
    """What has no way to the cortex is an error that says so."""
    mapper = PycortexMapper(csr_array(np.ones((4, 40), "f4") / 40), np.ones((2, 2), bool))
    values, space = read_map(np.arange(40.0), mapper)
    assert space is mapper
    assert mapper.picture(values).shape == (1, 2, 2)
    with pytest.raises(InputError, match="cannot be drawn on the cortex"):
        plot_flatmap(values, mapper)
