"""Generalisation to unheard genres and unseen people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.models import EncodingModel
from b2m_encoding.models.responses import ArrayResponses
from b2m_encoding.models.scores import pearson_r
from b2m_encoding.runs import Runs
from b2m_encoding.stats.generalisation import (
    TestSet,
    leave_one_label_out,
    leave_one_subject_out,
    samples_unaffected_by,
)

GENRES = np.array(["blues", "jazz", "metal", "pop"])


def design(rng: np.random.Generator, names: list[str], n_clips: int = 12) -> tuple[Runs, np.ndarray]:
    labels = np.concatenate([np.repeat(rng.permutation(np.tile(GENRES, n_clips // 4)), 10) for _ in names])
    runs = Runs.from_labels(np.repeat(names, 10 * n_clips), 1.5, clip=np.char.add(labels.astype(str), ".00001"))
    return runs, labels


def test_samples_that_answer_to_a_left_out_clip_go_with_it() -> None:
    runs = Runs.from_lengths([6, 4], 1.0)
    labels = np.array(["a", "a", "b", "b", "b", "b", "c", "c", "a", "a"])
    assert np.flatnonzero(samples_unaffected_by(runs, labels, "a", 2.0)).tolist() == [
        4,
        5,
        6,
        7,
    ]  # nothing crosses the runs
    assert np.flatnonzero(samples_unaffected_by(runs, labels, "c", 2.0)).tolist() == [0, 1, 2, 3, 4, 5]
    assert np.flatnonzero(samples_unaffected_by(runs.discard(1.0), labels, "b", 0.0)).tolist() == [1, 7, 8, 9]


def test_one_run_in_blocks_can_leave_genres_out(rng: np.random.Generator) -> None:
    """Penalties then are chosen over the blocks of the run, never over single stimuli."""
    runs, labels = design(rng, ["r1"], n_clips=24)
    test_runs, test_labels = design(rng, ["t1"])
    runs = runs.split(4)
    X, X_test = rng.standard_normal((240, 5)), rng.standard_normal((120, 5))
    weights = rng.standard_normal((5, 4))
    Y, Y_test = X @ weights + rng.standard_normal((240, 4)), X_test @ weights + rng.standard_normal((120, 4))
    model = EncodingModel((0.0,), alphas=[0.1, 10.0, 1e4], precision="float64")
    found = leave_one_label_out(
        model, {"x": X}, ArrayResponses(Y, runs), labels, TestSet({"x": X_test}, test_runs, Y_test), test_labels
    )
    for i, name in enumerate(found.labels):
        own = EncodingModel(**model.get_params()).fit({"x": X}, Y, runs=replace(runs, used=labels != name))
        rows = test_labels == name
        predicted = own.predict({"x": X_test}, runs=test_runs)
        assert np.allclose(found.r_without[i], pearson_r(predicted[rows], Y_test[rows]), atol=1e-6)


def test_a_model_without_a_genre_is_that_of_the_other_samples_alone(rng: np.random.Generator) -> None:
    """Against a fit to samples cut out of the arrays beforehand."""
    runs, labels = design(rng, ["r1", "r2", "r3"])
    test_runs, test_labels = design(rng, ["t1"])
    X, X_test = rng.standard_normal((360, 5)), rng.standard_normal((120, 5))
    weights = rng.standard_normal((5, 4))
    Y, Y_test = X @ weights + rng.standard_normal((360, 4)), X_test @ weights + rng.standard_normal((120, 4))
    Y[3, 3] = np.nan
    model = EncodingModel((0.0, 3.0), alphas=[50.0], precision="float64")
    found = leave_one_label_out(
        model, {"x": X}, ArrayResponses(Y, runs), labels, TestSet({"x": X_test}, test_runs, Y_test), test_labels
    )
    assert set(found.labels) == set(GENRES)
    for i, name in enumerate(found.labels):
        near = [labels[max(row - 2, row // 120 * 120) : row + 1] for row in range(360)]
        used = np.array([name not in own for own in near])
        kept = Runs.from_labels(runs.run, 1.5, used=used)
        own = EncodingModel(**model.get_params()).fit({"x": X}, Y, runs=kept)
        rows = test_labels == name
        r = own.score_targets({"x": X_test}, Y_test, Runs.from_labels(test_runs.run, 1.5, used=rows), "r")
        assert np.allclose(found.r_without[i], r, atol=1e-6, equal_nan=True)
        assert np.isnan(found.r_with[i]).tolist() == [False, False, False, True]
    assert found.pooled_without[:3] == pytest.approx(found.r_without[:, :3].mean(0))


def test_what_only_one_genre_teaches_is_lost_without_it(rng: np.random.Generator) -> None:
    """Feature 0 is heard in metal alone, so that nothing else can teach its weight."""
    runs, labels = design(rng, ["r1", "r2", "r3", "r4"])
    test_runs, test_labels = design(rng, ["t1", "t2"])
    X, X_test = (rng.standard_normal((len(own), 4)) for own in (labels, test_labels))
    for values, own in ((X, labels), (X_test, test_labels)):
        values[own != "metal", 0] = 0
        values[own == "metal", 1:] *= 0.1
    Y, Y_test = (np.repeat(x.sum(1, keepdims=True), 30, 1) + rng.standard_normal((len(x), 30)) for x in (X, X_test))
    model = EncodingModel(None, alphas=np.logspace(-1, 3, 5))
    found = leave_one_label_out(
        model, {"x": X}, ArrayResponses(Y, runs), labels, TestSet({"x": X_test}, test_runs, Y_test), test_labels
    )
    metal = found.labels.index("metal")
    assert found.r_with[metal].mean() > 0.4
    assert abs(found.r_without[metal].mean()) < 0.2
    others = [i for i in range(4) if i != metal]
    assert np.abs(found.r_with[others] - found.r_without[others]).mean() < 0.05


def test_one_label_is_not_enough(rng: np.random.Generator) -> None:
    runs, _ = design(rng, ["r1", "r2"])
    X, Y = rng.standard_normal((240, 2)), rng.standard_normal((240, 2))
    with pytest.raises(InputError, match="two labels"):
        leave_one_label_out(EncodingModel(None), {"x": X}, ArrayResponses(Y, runs), np.full(240, "a"),
                            TestSet({"x": X}, runs, Y), np.full(240, "a"))  # fmt: skip


def test_a_subject_is_predicted_by_the_others_alone(rng: np.random.Generator) -> None:
    weights, features, responses, test, raw = rng.standard_normal((6, 5)), {}, {}, {}, {}
    for i, subject in enumerate(("01", "02", "odd")):
        runs, new = Runs.from_lengths([60, 60], 1.5), Runs.from_lengths([80], 1.5)
        X, X_new = rng.standard_normal((120, 6)), rng.standard_normal((80, 6))
        own = weights if subject != "odd" else -weights
        raw[subject] = (X, X @ own + (1 + i) * rng.standard_normal((120, 5)))
        features[subject], responses[subject] = {"x": X}, ArrayResponses(raw[subject][1], runs)
        test[subject] = TestSet({"x": X_new}, new, X_new @ own + rng.standard_normal((80, 5)))
    model = EncodingModel(None, alphas=[10.0], precision="float64")
    found = leave_one_subject_out(model, features, responses, test)
    assert (found["odd"] < -0.5).all()
    X, Y = (np.concatenate([raw["01"][j], raw["odd"][j]]) for j in (0, 1))
    direct = EncodingModel(None, alphas=[10.0], precision="float64").fit(
        {"x": X}, Y, runs=Runs.from_lengths([120, 120], 1.5)
    )
    expected = direct.score_targets(test["02"].features, test["02"].measured, test["02"].runs, "r")
    assert np.allclose(found["02"], expected, atol=1e-6)


def test_clips_that_a_subject_is_tested_with_teach_nobody(rng: np.random.Generator) -> None:
    """The others heard test clips of the first in training; their responses there, and 3 s after, must not matter."""
    clips = np.repeat([f"c{i}" for i in range(12)], 10)
    X = {clip: rng.standard_normal((10, 3)) for clip in np.unique(clips)}
    heard = {"01": clips[:60], "02": clips, "03": clips[::-1]}
    features = {name: {"x": np.concatenate([X[c] for c in own[::10]])} for name, own in heard.items()}
    runs = {name: Runs.from_labels(["r"] * len(own), 1.5, clip=own) for name, own in heard.items()}
    tested = Runs.from_labels(["t"] * 60, 1.5, clip=clips[60:])
    test = {
        "01": TestSet({"x": np.concatenate([X[c] for c in clips[60::10]])}, tested, rng.standard_normal((60, 4))),
        **{name: TestSet(features[name], runs[name], rng.standard_normal((120, 4))) for name in ("02", "03")},
    }
    model = EncodingModel([1.5, 3.0], alphas=[10.0], precision="float64")
    Y = {name: rng.standard_normal((len(own), 4)) for name, own in heard.items()}
    changed = {name: values.copy() for name, values in Y.items()}
    changed["02"][60:] += rng.standard_normal((60, 4))
    changed["03"][:62] += rng.standard_normal((62, 4))  # and two volumes whose delays reach back into a test clip
    one, other = (
        leave_one_subject_out(model, features, {k: ArrayResponses(v, runs[k]) for k, v in given.items()}, test)
        for given in (Y, changed)
    )
    assert np.array_equal(one["01"], other["01"])
    assert not np.allclose(one["02"], other["02"])


def test_two_subjects_are_too_few() -> None:
    with pytest.raises(InputError, match="three subjects"):
        leave_one_subject_out(EncodingModel(None), {}, {"a": None, "b": None}, {})
