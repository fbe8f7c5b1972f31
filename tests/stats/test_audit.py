"""Every check of the audit: a clean study passes, a planted leak is caught."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import lfilter
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from b2m_encoding.errors import InputError
from b2m_encoding.models import EncodingModel
from b2m_encoding.runs import Runs
from b2m_encoding.stats.audit import (
    alpha_at_edge,
    control_model,
    drift_within_runs,
    fold_gap,
    grade,
    noise_across_gap,
    repeats_in_a_row,
    shuffled_blocks,
    stimulus_overlap,
    time_features,
)
from b2m_encoding.stats.autocorrelation import autocorrelation_at
from b2m_encoding.stats.fitted_features import standardised_on_test

RUNS = Runs.from_lengths([120, 120, 120, 120], 1.5)
TRAIN = RUNS.run != "run-04"


def autocorrelated(rng: np.random.Generator, width: int, rho: float) -> np.ndarray:
    parts = [lfilter([1], [1, -rho], rng.standard_normal((170, width)), axis=0)[50:] for _ in RUNS.names]
    return np.concatenate(parts)


def held_out_r(X: np.ndarray, Y: np.ndarray, train: np.ndarray) -> np.ndarray:
    model = EncodingModel(None, alphas=np.logspace(0, 4, 5)).fit({"x": X}, Y, runs=replace(RUNS, used=train))
    return np.asarray(model.score_targets({"x": X}, Y, runs=replace(RUNS, used=~train), scoring="r"))


def test_a_clean_study_passes_the_time_only_model_and_common_drift_fails(rng: np.random.Generator) -> None:
    Y = autocorrelated(rng, 200, 0.5)
    clean = control_model(held_out_r(time_features(RUNS), Y, TRAIN))
    assert clean.status == "pass"
    assert abs(clean.value) < 0.05
    drift = np.tile(np.linspace(-1, 1, 120), 4)[:, None]
    assert control_model(held_out_r(time_features(RUNS), Y + drift, TRAIN)).status == "fail"


def test_samples_left_out_at_random_fail_the_time_only_model(rng: np.random.Generator) -> None:
    """In one long run, slow noise lets time predict samples between training samples."""
    Y = lfilter([1], [1, -0.99], rng.standard_normal((480, 200)), axis=0)
    one = Runs.from_lengths([480], 1.5)
    model = EncodingModel(None, alphas=np.logspace(-2, 4, 7), scoring="r")
    scores = model.fit({"time": time_features(one)}, Y, runs=shuffled_blocks(one, 4, random_state=0)).cv_scores_
    assert control_model(scores).status == "fail"


def test_reported_scores_of_shuffled_folds_are_caught(rng: np.random.Generator) -> None:
    """Smooth features and smooth unrelated noise: only shuffled folds predict anything."""
    X, Y = autocorrelated(rng, 60, 0.97), autocorrelated(rng, 100, 0.97)
    model = EncodingModel(None, alphas=np.logspace(-1, 4, 6), scoring="r")
    whole = model.fit({"x": X}, Y, runs=RUNS).cv_scores_
    shuffled = model.fit({"x": X}, Y, runs=shuffled_blocks(RUNS, 4, random_state=0)).cv_scores_
    clean = fold_gap(held_out_r(X, Y, TRAIN), whole, shuffled)
    assert clean.status == "pass"
    leaky = held_out_r(X, Y, np.random.default_rng(1).random(480) < 0.75)
    caught = fold_gap(leaky, whole, shuffled)
    assert caught.status == "fail"
    assert caught.value > 0.7
    assert fold_gap(whole, whole, whole).status == "pass"
    assert fold_gap(np.full(3, np.nan), np.zeros(3), np.ones(3)).status == "not possible"


def test_shuffled_blocks_keep_runs_and_unused_samples() -> None:
    found = shuffled_blocks(RUNS.discard(15.0), 5, random_state=0)
    assert found.names == RUNS.names
    assert len(found.blocks) == 5
    assert found.used.sum() == 440
    assert all(len(set(found.run[found.rows([block])])) == 4 for block in found.blocks)


def test_penalties_at_the_edge_are_counted_among_predicted_targets() -> None:
    grid = np.logspace(0, 4, 5)
    alphas = np.array([1e2, 1e2, 1e2, 1e4, 1e4, np.nan])
    assert alpha_at_edge(alphas, grid, np.array([1, 1, 1, 0, 0, 1], bool)).status == "pass"
    assert alpha_at_edge(alphas, grid, np.array([1, 1, 1, 1, 0, 0], bool)).status == "warn"
    assert alpha_at_edge(alphas, grid, np.array([1, 0, 0, 1, 1, 0], bool)).status == "fail"
    impossible = alpha_at_edge(alphas, grid, np.zeros(6, bool))
    assert (impossible.status, "no target is predicted" in impossible.meaning) == ("not possible", True)


def test_shared_stimuli_are_counted() -> None:
    assert stimulus_overlap(["a", "b", ""], ["c", ""]).status == "pass"
    caught = stimulus_overlap(["a", "b"], ["b", "b", "c"], what="hash of the sound")
    assert (caught.status, caught.value) == ("fail", 1)
    assert "hash of the sound: b" in caught.line
    assert stimulus_overlap([""], [""]).status == "not possible"


@pytest.mark.parametrize("leak", [None, "scaler", "pca", "test"])
def test_features_fitted_to_test_samples_are_caught(rng: np.random.Generator, leak: str | None) -> None:
    """Float32, as in the pipeline; the space beside it is clean."""
    raw = autocorrelated(rng, 8, 0.8) @ rng.standard_normal((8, 8)) + 3
    if leak in (None, "scaler"):
        values = StandardScaler().fit(raw[TRAIN] if leak is None else raw).transform(raw)
    elif leak == "pca":
        values = PCA(5).fit_transform(raw)
    else:
        values = StandardScaler().fit(raw[~TRAIN]).transform(raw)
    clean = PCA(4).fit(raw[TRAIN]).transform(raw)
    spaces = {"mine": values.astype(np.float32), "clean": clean.astype(np.float32), "raw": raw}
    found = standardised_on_test(spaces, TRAIN, ~TRAIN)
    assert found.value == (0 if leak is None else 1)
    assert found.status == ("pass" if leak is None else "fail")
    assert ("mine" in found.meaning) == (leak is not None)


def test_features_standardised_in_every_run_alike_pass(rng: np.random.Generator) -> None:
    raw = autocorrelated(rng, 5, 0.8)
    values = np.concatenate([StandardScaler().fit_transform(raw[rows]) for rows in RUNS.slices.values()])
    assert standardised_on_test({"mine": values}, TRAIN, ~TRAIN).status == "pass"


@pytest.mark.parametrize("leak", ["pca beside raw", "z beside raw", "z over 99 %", "pca over 99 %"])
def test_features_partly_or_nearly_fitted_to_test_samples_are_caught(rng: np.random.Generator, leak: str) -> None:
    raw = autocorrelated(rng, 12, 0.8) @ rng.standard_normal((12, 12)) + 3
    most = rng.random(480) < 0.99
    values = {
        "pca beside raw": lambda: np.hstack([raw[:, :2], PCA(5).fit_transform(raw)]),
        "z beside raw": lambda: np.hstack([raw[:, :2], StandardScaler().fit_transform(raw[:, 2:])]),
        "z over 99 %": lambda: StandardScaler().fit(raw[most]).transform(raw),
        "pca over 99 %": lambda: PCA(8, whiten=True).fit(raw[most]).transform(raw),
    }[leak]()
    assert standardised_on_test({"mine": values.astype(np.float32)}, TRAIN, ~TRAIN).status == "fail"


def test_features_fitted_elsewhere_pass(rng: np.random.Generator) -> None:
    """Raw features; standardised over a larger corpus; components of training samples beside raw columns; labels."""
    for _ in range(20):
        raw = autocorrelated(rng, 6, 0.8)
        corpus = np.vstack([raw, *(autocorrelated(rng, 6, 0.8) for _ in range(4))])
        spaces = {
            "raw": raw, "noise": rng.standard_normal((480, 8)), "corpus": StandardScaler().fit(corpus).transform(raw),
            "labels": np.eye(6)[rng.integers(0, 6, 480)],
            "own": np.hstack([raw[:, :2], PCA(4).fit(raw[TRAIN]).transform(raw)]),
        }  # fmt: skip
        found = standardised_on_test(spaces, TRAIN, ~TRAIN)
        assert found.status == "pass", found.meaning


@pytest.mark.parametrize(("rho", "gap", "status"), [(0.4, 0, "fail"), (0.4, 5, "pass"), (0.9, 5, "fail"),
                                                    (0.95, 20, "warn"), (0.9, 40, "pass")])  # fmt: skip
def test_noise_that_reaches_across_the_gap_is_caught(
    rng: np.random.Generator, rho: float, gap: int, status: str
) -> None:
    """Blocks of one run, noise of known autocorrelation; the nearest training sample is gap + 1 samples away."""
    noise = lfilter([1], [1, -rho], rng.standard_normal((1800, 100)), axis=0)[600:]
    kept = np.concatenate([noise[i : i + 200 - gap] for i in range(0, 1200, 200)])
    reach = autocorrelation_at(kept, Runs.from_lengths([200 - gap] * 6, 1.5), gap + 1)
    assert reach <= rho ** (gap + 1) + 0.05
    assert noise_across_gap(reach, gap * 1.5).status == status
    assert noise_across_gap(autocorrelation_at(kept, Runs.from_lengths([200 - gap] * 6, 1.5), 199), 300).status == (
        "not possible"
    )


@pytest.mark.parametrize("order", [1, 2])
def test_drift_over_runs_is_told_from_slow_noise(rng: np.random.Generator, order: int) -> None:
    for rho in (0.0, 0.5, 0.9):
        assert drift_within_runs(autocorrelated(rng, 300, rho), RUNS).status == "pass"
    course = np.linspace(-1, 1, 120) ** order
    course = (course - course.mean()) / course.std()
    drift = np.concatenate([course[:, None] * rng.standard_normal(300) for _ in RUNS.names])  # of any size and sign
    values = autocorrelated(rng, 300, 0.5)
    values /= values.std()
    found = [drift_within_runs(values + size * drift, RUNS).status for size in (0.1, 0.6, 2.0)]
    assert found == ["pass", "warn", "fail"]


def test_drift_is_compared_with_every_shift_of_its_course(rng: np.random.Generator) -> None:
    runs, values = (
        Runs.from_lengths([60, 90, 20], 1.5),
        rng.standard_normal((170, 3)) + np.arange(170)[:, None] % 60 / 9,
    )
    own, elsewhere, total = np.zeros(3), np.zeros(3), np.zeros(3)
    for part in (values[:60], values[60:150]):  # the last run is too short
        line = np.arange(len(part)) - (len(part) - 1) / 2
        line /= np.sqrt(line @ line)
        centred = part - part.mean(axis=0)
        own += (line @ centred) ** 2
        elsewhere += np.mean([(np.roll(line, i) @ centred) ** 2 for i in range(len(part))], axis=0)
        total += (centred**2).sum(axis=0)
    assert drift_within_runs(values, runs).value == pytest.approx(np.mean((own - elsewhere) / total))


def test_repeats_in_a_row_count_slow_noise_as_signal() -> None:
    order = np.repeat(["a", "b", "c", "a", "b", "c"], 5)
    apart = Runs.from_labels(["run"] * 30, 1.5, clip=order)
    assert repeats_in_a_row(apart, 0.9).value == 0
    row = Runs.from_labels(["run"] * 30, 1.5, clip=np.sort(order), presentation=np.tile(np.repeat([0, 1], 5), 3))
    assert repeats_in_a_row(row, 0.9).status == "fail"
    assert repeats_in_a_row(row, 0.01).status == "pass"
    assert repeats_in_a_row(Runs.from_labels(["run"] * 10, 1.5, clip=["a"] * 10), 0.9).status == "not possible"


def test_masks_of_another_length_are_refused() -> None:
    with pytest.raises(InputError, match="differ in length"):
        standardised_on_test({"a": np.zeros((3, 1))}, TRAIN, ~TRAIN)


def test_status_follows_from_the_thresholds() -> None:
    assert [grade("x", v, 1, 2, "").status for v in (0.5, 1, 2, np.nan)] == ["pass", "warn", "fail", "not possible"]
    assert grade("x", 0.5, 1, 2, "why").row()["value"] == 0.5
