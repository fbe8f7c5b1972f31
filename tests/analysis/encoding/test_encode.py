"""Held-out prediction: splits, scores pooled over them, and status."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from b2m_encoding.analysis.encoding.encode import encode_subject
from b2m_encoding.analysis.encoding.predict import new_model, predict_held_out, training_values
from b2m_encoding.analysis.splits import split_samples
from b2m_encoding.data import Responses
from b2m_encoding.data.cleaning import drift_basis, regressed_out
from b2m_encoding.features.delays import delay
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced
from b2m_encoding.study import EvaluationTable, Study

ALPHA = 30.0


def study(tmp_path: Path, **evaluation: object) -> Study:
    table = {
        "name": "study",
        "output": str(tmp_path / "results"),
        "data": {"reader": "table", "files": "{subject}.txt", "regions": ["a"], "tr": 2.0},
        "features": {"rate": {"extractor": "word_rate", "textgrid": "x"}},
        "model": {
            "delays": [2.0, 4.0],
            "delay_prior": "flat",
            "filter_features": False,
            "alphas": {"low": ALPHA, "high": ALPHA * (1 + 1e-9), "number": 2},
        },
        "evaluation": evaluation,
        "statistics": {"permutations": 200, "refits": 1000, "block": 16.0},
    }
    return Study.model_validate(table)


@pytest.fixture
def simulated(rng: np.random.Generator) -> tuple[Runs, np.ndarray, np.ndarray]:
    runs = Runs.from_lengths([60, 70, 80], 2.0)
    features = rng.standard_normal((210, 3)).astype(np.float32)
    drive = delay(features, runs, [2.0, 4.0]) @ rng.standard_normal((6, 4))
    return runs, features, (drive + 2 * rng.standard_normal((210, 4))).astype(np.float32)


def test_scores_equal_a_plain_loop_over_runs(simulated: tuple[Runs, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    """R2 pools residuals over folds of unscaled responses; r pools standardised folds."""
    runs, features, values = simulated
    space = FeatureSpace("rate", features, runs)
    found = encode_subject(
        Responses.from_array(values, runs, Unplaced(4)), {"rate": space}, study(tmp_path, kind="cross-validation")
    )
    X = delay(features, runs, [2.0, 4.0])
    predicted, centred, scaled, truth = [], [], [], []
    for rows in runs.slices.values():
        test = np.isin(np.arange(210), np.arange(rows.start, rows.stop))
        mean, deviation = X[~test].mean(axis=0), X[~test].std(axis=0)
        model = Ridge(alpha=ALPHA).fit((X[~test] - mean) / deviation, values[~test])
        y_hat = model.predict((X[test] - mean) / deviation)
        predicted.append(y_hat - values[test].mean(axis=0))
        centred.append(values[test] - values[test].mean(axis=0))
        scaled.append((y_hat - y_hat.mean(axis=0)) / y_hat.std(axis=0))
        truth.append(centred[-1] / values[test].std(axis=0))
    y, y_hat = np.concatenate(centred), np.concatenate(predicted)
    expected = 1 - ((y - y_hat) ** 2).sum(axis=0) / (y**2).sum(axis=0)
    assert np.allclose(found.r2["joint"], expected, atol=1e-4)
    assert np.allclose(found.r["joint"], (np.concatenate(scaled) * np.concatenate(truth)).mean(axis=0), atol=1e-4)
    assert np.allclose(found.r2["joint"], r2_score(y, y_hat, multioutput="raw_values"), atol=0.02)


@pytest.mark.parametrize("evaluation", [{"kind": "test", "test_runs": "run-03"}, {"kind": "cross-validation"}])
def test_each_feature_space_is_tested_as_if_it_were_the_only_one(
    simulated: tuple[Runs, np.ndarray, np.ndarray], tmp_path: Path, evaluation: dict[str, str]
) -> None:
    runs, features, values = simulated
    responses = Responses.from_array(values, runs, Unplaced(4))
    spaces = {
        "rate": FeatureSpace("rate", features[:, :1], runs),
        "other": FeatureSpace("other", features[:, 1:], runs),
    }
    table = study(tmp_path, **evaluation)
    both = encode_subject(responses, spaces, with_two(table))
    for name in spaces:
        alone = encode_subject(responses, {name: spaces[name]}, with_two(table))
        assert np.allclose(both.r[name], alone.r["joint"], atol=1e-6)
        assert np.allclose(both.inference.of(name).significance.p, alone.p, rtol=1e-3)
        assert np.allclose(both.q_of(name), alone.q, rtol=1e-3)
        assert not alone.inference.spaces
    assert np.array_equal(both.q_of("joint"), both.q)


TWO = {"rate": slice(0, 1), "other": slice(1, None)}


def weights_on_the_simplex(X: dict[str, np.ndarray], y: np.ndarray, folds: list[np.ndarray]) -> np.ndarray:
    """Weights of ridge models of each space and of both, from their out-of-fold predictions, by plain loops."""
    rows, predicted = np.concatenate(folds), np.zeros((3, len(y)))
    about = np.zeros(len(y))
    for number, names in enumerate([("rate",), ("other",), ("rate", "other")]):
        sizes = [X[name].shape[1] for name in names]
        design = np.hstack([X[name] * np.sqrt(sum(sizes) / (len(names) * X[name].shape[1])) for name in names])
        design /= np.hstack([X[name] for name in names])[rows].std(axis=0)
        for out in folds:
            inside = np.setdiff1d(rows, out)
            about[out] = y[out] - y[inside].mean()
            fitted = Ridge(ALPHA).fit(design[inside], y[inside])
            predicted[number, out] = fitted.predict(design[out]) - y[inside].mean()
    P, target = predicted[:, rows].T, about[rows]
    mixtures = [np.array([i, j, 8 - i - j]) / 8 for i in range(9) for j in range(9 - i)]
    prior = {1: 0.4 / 3, 2: 0.3 / 21, 3: 0.3 / 21}  # of each mixture of one, two, three models
    error = np.array([((target - P @ mixture) ** 2).sum() for mixture in mixtures])
    likelihood = np.exp(-len(target) / 4 * (error / error.min() - 1) / 2)  # a quarter of the samples is independent
    posterior = likelihood * [prior[np.count_nonzero(mixture)] for mixture in mixtures]
    return np.asarray(posterior @ np.array(mixtures) / posterior.sum())


@pytest.mark.parametrize("evaluation", [{"kind": "test", "test_runs": "run-04"}, {"kind": "cross-validation"}])
def test_stacking_weights_are_those_of_out_of_fold_predictions(tmp_path: Path, evaluation: dict[str, str]) -> None:
    rng, runs = np.random.default_rng(3), Runs.from_lengths([40, 44, 36, 40], 2.0)
    features = rng.standard_normal((160, 31)).astype(np.float32)
    X = {name: delay(features[:, own], runs, [2.0, 4.0]) for name, own in TWO.items()}
    values = np.stack([2 * X["rate"][:, 0], X["other"][:, 3], X["rate"][:, 1] + X["other"][:, 4]], axis=1)
    values = np.hstack([values + 0.7 * rng.standard_normal((160, 3)), np.ones((160, 1))]).astype(np.float32)
    spaces = {name: FeatureSpace(name, features[:, own], runs) for name, own in TWO.items()}
    table = with_two(study(tmp_path, **evaluation))
    held, splits = split_samples(runs, table.evaluation)
    responses = Responses.from_array(values, held, Unplaced(4))
    models = [("rate",), ("other",), ("rate", "other")]
    found = predict_held_out(responses, spaces, table, splits, models).stack
    assert found is not None
    assert list(found) == models
    written = [
        np.stack([
            weights_on_the_simplex(X, y, [rows for name in runs.names if split.train[rows := runs.rows([name])].all()])
            for y in values.T[:3]
        ], axis=1)
        for split in splits
    ]  # fmt: skip
    stacked = np.stack(list(found.values()))
    assert np.allclose(stacked[:, :3], np.mean(written, axis=0), atol=1e-3)
    assert np.isnan(stacked[:, 3]).all()
    for solver, given in (("ridge", spaces), ("stacked", {"rate": spaces["rate"]})):
        asked = asking(table, solver=solver)
        assert predict_held_out(responses, given, asked, splits[:1], [tuple(given)]).stack is None


def test_a_space_that_only_blurs_the_other_gets_no_weight_by_itself(tmp_path: Path) -> None:
    rng, runs = np.random.default_rng(3), Runs.from_lengths([40] * 5, 2.0)
    features = rng.standard_normal((200, 31)).astype(np.float32)
    drive = 2 * delay(features[:, :1], runs, [2.0])
    values = (drive + 0.7 * rng.standard_normal((200, 20))).astype(np.float32)
    spaces = {name: FeatureSpace(name, features[:, own], runs) for name, own in TWO.items()}
    table = asking(with_two(study(tmp_path, kind="test", test_runs="run-05")), alphas={"low": 1, "high": 1e4})
    held, splits = split_samples(runs, table.evaluation)
    found = predict_held_out(
        Responses.from_array(values, held, Unplaced(20)), spaces, table, splits, [("rate",), ("other",), tuple(TWO)]
    ).stack
    assert found is not None
    assert found[("other",)].max() < 0.02
    assert found[("rate",)].mean() > 0.5
    assert found[("rate",)].mean() > found[tuple(TWO)].mean()  # whose penalty all but leaves the other out


def asking(table: Study, **keys: object) -> Study:
    known = table.model_dump(mode="json", exclude_defaults=True)
    return Study.model_validate(known | {"model": known["model"] | keys})


def test_means_of_runs_are_removed_if_asked_for(simulated: tuple[Runs, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    """Offsets of training runs, of features and responses alike, enter the fit unless every run is centred."""
    runs, features, values = simulated
    steps = np.repeat([0, 2, 4], [60, 70, 80])[:, None].astype(np.float32)
    space = FeatureSpace("rate", features + steps, runs)
    responses = Responses.from_array(values + 2 * steps, runs, Unplaced(4))
    table = study(tmp_path, kind="test", test_runs="run-03")
    whole, block = (
        encode_subject(responses, {"rate": space}, asking(table, center=key)).held_out.weights["rate"].reshape(6, 4)
        for key in ("all", "block")
    )
    train = [runs.slices[name] for name in runs.names[:2]]
    X, Y = (
        np.concatenate([part[rows] - part[rows].mean(axis=0) for rows in train])
        for part in (delay(features + steps, runs, [2.0, 4.0]), values)
    )
    oracle = Ridge(alpha=ALPHA, fit_intercept=False).fit(X / X.std(axis=0), Y).coef_ / X.std(axis=0)
    np.testing.assert_allclose(block, oracle.T, atol=2e-3)
    assert np.abs(whole - block).max() > 0.1


def test_a_banded_model_is_refined_if_asked_for(simulated: tuple[Runs, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    """Gradient steps give every target a balance of its own, starting at the one that was tried."""
    runs, features, values = simulated
    responses = Responses.from_array(values, runs, Unplaced(4))
    spaces = {name: FeatureSpace(name, features[:, part], runs) for name, part in (("rate", [0]), ("other", [1, 2]))}
    table = with_two(study(tmp_path, kind="test", test_runs="run-03"))
    one = table.model.model_copy(update={"solver": "banded", "scalings": 1})
    without, refined = (
        encode_subject(
            responses, spaces, table.model_copy(update={"model": one.model_copy(update={"refine": steps})})
        ).held_out.deltas
        for steps in (0, 10)
    )
    assert np.ptp(without[0] - without[1]) < 1e-6
    assert np.ptp(refined[0] - refined[1]) > 0.1
    for wrong in ({}, {"solver": "banded", "scoring": "r"}, {"solver": "banded", "alpha_per": "all"}):
        with pytest.raises(ValidationError, match=r"model\.refine"):
            asking(study(tmp_path, kind="cross-validation"), refine=5, **wrong)


def with_two(table: Study) -> Study:
    return table.model_copy(update={"features": {name: table.features["rate"] for name in ("rate", "other")}})


def test_held_out_samples_never_reach_the_fit(simulated: tuple[Runs, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    """Whatever happens in the test run, the penalty and the predictions of the model stay the same."""
    runs, features, values = simulated
    table = study(tmp_path, kind="test", test_runs="run-03")
    space = FeatureSpace("rate", features, runs)
    spoilt = values.copy()
    spoilt[130:] = -7 * spoilt[130:] + 100
    first, second = (
        encode_subject(Responses.from_array(v, runs, Unplaced(4)), {"rate": space}, table) for v in (values, spoilt)
    )
    assert np.allclose(first.r["joint"], -second.r["joint"], atol=1e-5)
    assert np.array_equal(first.alpha, second.alpha)


@pytest.mark.parametrize(("where", "kind"), [(10, "test"), (200, "test"), (10, "cross-validation")])
def test_status_tells_missing_from_constant(
    simulated: tuple[Runs, np.ndarray, np.ndarray], tmp_path: Path, where: int, kind: str
) -> None:
    runs, features, values = simulated
    values[where, 0] = np.nan
    values[:, 1] = 5.0
    found = encode_subject(
        Responses.from_array(values, runs, Unplaced(4)),
        {"rate": FeatureSpace("rate", features, runs)},
        study(tmp_path, kind=kind, test_runs="run-03"),
    )
    assert found.status.tolist() == ["missing", "constant", "tested", "tested"]
    for values_of in (found.r["joint"], found.r2["joint"], found.p, found.q, found.alpha):
        assert np.isfinite(values_of).tolist() == [False, False, True, True]


def test_blocks_of_one_run_are_held_out_with_their_gap() -> None:
    _, splits = split_samples(
        Runs.from_lengths([100], 2.0), EvaluationTable(kind="cross-validation", blocks=4, gap=8.0)
    )
    assert len(splits) == 4
    for split in splits:
        assert not (split.train & split.test).any()
        distance = np.abs(np.flatnonzero(split.train)[:, None] - np.flatnonzero(split.test))
        assert distance.min() * 2.0 > 8.0
    assert np.sum([split.test for split in splits], axis=0).max() == 1


def test_keys_of_the_model_reach_it(simulated: tuple[Runs, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    """Drift of features is removed as from the responses; priors and scoring of the study are those of the model."""
    runs, features, _ = simulated
    drifting = features + np.linspace(0, 20, len(features), dtype=np.float32)[:, None] ** 2
    plain = study(tmp_path, kind="cross-validation")
    _, [split, *_] = split_samples(runs, plain.evaluation)
    keys = {"filter_features": True, "smoothness": 2.0, "scoring": "r", "solver": "ridge", "delay_prior": "flat",
            "center": "block", "screening": False}  # fmt: skip
    asked = plain.model_copy(update={"model": plain.model.model_copy(update=keys)})
    found = training_values({"rate": FeatureSpace("rate", drifting, runs)}, asked, split)["rate"]
    for rows in runs.slices.values():
        n = rows.stop - rows.start
        by_hand = regressed_out(drifting[rows], drift_basis(n, runs.tr, 128.0), np.ones(n, dtype=bool))
        np.testing.assert_allclose(found[rows], by_hand, atol=2e-3)
    trend = np.linspace(5, 9, len(features), dtype=np.float32)[:, None]
    alone = {"rate": FeatureSpace("rate", np.hstack([features, trend]), runs)}
    assert (training_values(alone, asked, split)["rate"][:, 3] == 0).all()  # nothing is left, not even rounding
    auto = plain.model_copy(update={"model": plain.model.model_copy(update={"filter_features": None})})
    assert np.array_equal(training_values({"rate": FeatureSpace("rate", drifting, runs)}, auto, split)["rate"], found)
    unfiltered = training_values({"rate": FeatureSpace("rate", drifting, runs)}, plain, split)["rate"]
    assert np.array_equal(unfiltered, drifting)
    model = new_model(asked)
    for key in keys.keys() - {"filter_features"}:
        assert getattr(model, key) == keys[key]
    table = plain.model_dump(mode="json") | {"windows": {}, "model": {"filter_features": True}}
    with pytest.raises(ValidationError, match="filter_features"):
        Study.model_validate(table)
