"""Learning curves against models fitted to every subset by itself, and of scikit-learn."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from b2m_encoding import EncodingModel, Runs
from b2m_encoding.analysis import encode_subject, learning_curve
from b2m_encoding.analysis.learning import EVERYTHING, learning_rows, nested_subsets
from b2m_encoding.data import Responses
from b2m_encoding.errors import InputError
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.spaces import RegionSpace, Unplaced
from b2m_encoding.stats import pearson_r
from b2m_encoding.study import Study

ALPHAS = [1.0, 30.0, 1000.0]
RUNS = Runs.from_lengths([50, 44, 36, 50, 40, 60], 2.0)
SIZES = {"sound": slice(0, 4), "word": slice(4, None)}


@pytest.fixture
def simulated() -> tuple[dict[str, Any], Any]:
    """Two feature spaces, one feature of which varies in the third run alone; one target is constant."""
    rng, n = np.random.default_rng(1), len(RUNS)
    values = rng.standard_normal((n, 16))
    values[RUNS.run != "run-03", 15] = 2.0
    Y = values @ rng.standard_normal((16, 5)) / 3 + rng.standard_normal((n, 5))
    Y[:, 4] = 1.0
    return {name: values[:, own].astype(np.float32) for name, own in SIZES.items()}, Y.astype(np.float32)


@pytest.mark.parametrize("form", ["gram", "dual"])
def test_each_fit_is_that_of_its_runs_alone(simulated: Any, form: Any) -> None:
    X, Y = simulated
    model = EncodingModel([2.0, 4.0], alphas=ALPHAS, cv=3, form=form)
    found = learning_curve(model, X, Y, RUNS, test="run-0[56]", n_draws=2, random_state=3)
    assert list(found.r) == ["sound", "word", "joint"]
    assert model.cv == 3
    tested, rows = RUNS.select(["run-05", "run-06"])
    for i, names in enumerate(found.runs):
        own, at = RUNS.select(names)
        assert found.minutes[i] == pytest.approx(len(own) * 2 / 60)
        for which in ("word", "joint"):
            spaces = {name: v for name, v in X.items() if which in (name, "joint")}
            alone = EncodingModel([2.0, 4.0], alphas=ALPHAS, cv=min(3, len(names)), form=form)
            alone.fit({name: v[at] for name, v in spaces.items()}, Y[at], runs=own)
            predicted = alone.predict({name: v[rows] for name, v in spaces.items()}, runs=tested)
            np.testing.assert_allclose(found.r[which][i, :4], pearson_r(predicted, Y[rows])[:4], atol=2e-4)
    assert np.isnan(found.r["joint"][:, 4]).all()
    frame = found.to_frame({"some": np.arange(5) < 2})
    last = frame[(frame["draw"] == 0) & (frame["feature_space"] == "joint")]
    assert last["r"].item() == pytest.approx(found.r["joint"][-1, :2].mean())
    assert (last["runs"].item(), last["targets"].item()) == (4, 2)
    assert found.to_frame()["region"].unique().tolist() == [EVERYTHING]


def test_fits_of_one_feature_space_are_those_of_scikit_learn(simulated: Any) -> None:
    X, Y = simulated
    given, Y = X["sound"], Y[:, :4]
    model = EncodingModel(None, alphas=[30.0], standardize=False)
    found = learning_curve(model, given, Y, RUNS, test="run-06", sizes=[3], n_draws=2)
    _, rows = RUNS.select(["run-06"])
    assert [len(names) for names in found.runs] == [3, 3, 5]
    for i, names in enumerate(found.runs):
        _, at = RUNS.select(names)
        predicted = Ridge(30.0).fit(given[at], Y[at]).predict(given[rows])
        np.testing.assert_allclose(found.r["joint"][i], pearson_r(predicted, Y[rows]), atol=1e-5)


def test_subsets_are_nested_of_whole_runs_and_seeded() -> None:
    training = RUNS.select([f"run-0{i}" for i in range(1, 6)])[0]
    subsets = nested_subsets(training, None, 4, 7)
    assert subsets == nested_subsets(training, None, 4, 7)
    assert subsets != nested_subsets(training, None, 4, 8)
    for draw in range(1, 5):
        own = [set(names) for number, names in subsets if number == draw]
        assert [len(names) for names in own] == [2, 3, 4]
        assert all(a < b for a, b in pairwise(own))
    assert [names for number, names in subsets if not number] == [tuple(training.names)]
    assert nested_subsets(training.split(3), [1], 1, 0)[0][1] != ()
    for runs, sizes, words in (
        (training.select(["run-01", "run-02"])[0], None, "three training runs"),
        (training, [1], "2 to 5"),
        (training, [6], "2 to 5"),
    ):
        with pytest.raises(InputError, match=words):
            nested_subsets(runs, sizes, 1, 0)
    assert nested_subsets(training, np.array([2.0, 3.0]), 1, 0) == nested_subsets(training, [2, 3], 1, 0)
    with pytest.raises(InputError, match="folds of a learning curve are a number"):
        learning_curve(
            EncodingModel(cv=[("run-01",), ("run-02",)]), np.ones((280, 1)), np.ones((280, 1)), RUNS, test="*6"
        )


def table(tmp_path: Path, **keys: Any) -> Study:
    features = {name: {"extractor": "word_rate", "textgrid": "x"} for name in SIZES}
    given = {
        "name": "study",
        "output": str(tmp_path / "results"),
        "data": {"reader": "table", "files": "{subject}.txt", "regions": ["a"], "tr": 2.0},
        "features": features,
        "model": {"delays": [2.0, 4.0], "filter_features": False, "folds": 4},
        "evaluation": {"kind": "test", "test_runs": "run-0[56]"},
        "statistics": {"permutations": 200, "block": 16.0, "audit": False, "learning_curve": 2},
    }
    return Study.model_validate({key: {**own, **keys.get(key, {})} if isinstance(own, dict) else own
                                 for key, own in given.items()})  # fmt: skip


@pytest.mark.parametrize("pca", [None, 2])
def test_rows_of_a_study_end_at_its_scores(simulated: Any, tmp_path: Path, pca: int | None) -> None:
    X, Y = simulated
    spaces = {name: FeatureSpace(name, v, RUNS) for name, v in X.items()}
    features = {"word": {"extractor": "word_rate", "textgrid": "x", "pca": pca}}
    study = table(tmp_path, features=features)
    regions = RegionSpace(tuple("abcde"))
    rows = learning_rows("01", Responses.from_array(Y, RUNS, regions), spaces, study, lambda *_: None)
    whole = encode_subject(Responses.from_array(Y, RUNS, regions), spaces, study)
    for name, r in whole.r.items():
        last = {row["region"]: row["r"] for row in rows if row["draw"] == 0 and row["feature_space"] == name}
        np.testing.assert_allclose([last[one] for one in "abcd"], r[:4], atol=1e-5)
    assert len(rows) == 5 * 3 * (2 * 2 + 1)
    some = learning_rows("01", Responses.from_array(Y, RUNS, Unplaced(5)), spaces, study, lambda *_: None)
    assert {row["region"] for row in some} == {EVERYTHING}
    assert {row["targets"] for row in some} == {4}


def test_a_study_that_joins_folds_has_no_fixed_test_set(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"statistics.learning_curve needs evaluation\.kind"):
        table(tmp_path, evaluation={"kind": "cross-validation"})
