"""Cleaning against nilearn and against plain definitions; what it must leave alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from nilearn.signal import clean

from b2m_encoding.data import Cleaning, Responses, average_repeats
from b2m_encoding.data.cleaning import running_median
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced

KINDS = ["none", "linear", "cosine", "median", "savgol"]
TR = 1.5


def drifting(rng: np.random.Generator, n: int = 200, targets: int = 5) -> np.ndarray:
    time = np.linspace(-1, 1, n)[:, None]
    return 1000 + 8 * time**2 + 20 * time + rng.standard_normal((n, targets))


@pytest.mark.parametrize("censored", [False, True])
@pytest.mark.parametrize("confounded", [False, True])
def test_cosine_and_confounds_equal_nilearn(censored: bool, confounded: bool, rng: np.random.Generator) -> None:
    values = drifting(rng)
    confounds = drifting(rng, targets=6) if confounded else None
    kept = np.ones(200, dtype=bool)
    if censored:
        kept[[3, 50, 51, 52, 120]] = False
    if confounds is not None:
        values = values + confounds @ rng.standard_normal((6, 5))
    line = np.arange(200.0)[:, None]
    expected = clean(
        values - values[kept].mean(axis=0),
        detrend=False,
        filter="cosine",
        high_pass=1 / 128,
        t_r=TR,
        standardize=None,
        confounds=line if confounds is None else np.hstack([line, confounds]),
        sample_mask=np.flatnonzero(kept) if censored else None,
    )
    found = Cleaning("cosine", 128.0, zscore=False).transform(values, TR, kept=kept, confounds=confounds)[kept]
    expected = expected - expected.mean(axis=0)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99999
    scaled = Cleaning("cosine", 128.0).transform(values, TR, kept=kept, confounds=confounds)[kept]
    assert np.allclose(scaled.mean(axis=0), 0, atol=1e-4)
    assert np.allclose(scaled.std(axis=0), 1, atol=1e-4)


@pytest.mark.parametrize("width", [3, 21, 61, 201])
def test_running_median_follows_its_definition(width: int, rng: np.random.Generator) -> None:
    values = rng.standard_normal((60, 3)).astype(np.float32)
    padded = np.pad(values, ((width // 2, width // 2), (0, 0)), mode="edge")
    expected = [np.median(padded[i : i + width], axis=0) for i in range(60)]
    assert np.array_equal(running_median(values, width), np.array(expected))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("detrend", KINDS)
def test_what_is_cleaned_is_not_changed(detrend: str, order: str, rng: np.random.Generator) -> None:
    values = np.array(drifting(rng), dtype=np.float32, order=order)  # type: ignore[call-overload]
    before = values.copy()
    cleaned = Cleaning(detrend, 60.0).transform(values, TR)
    assert np.array_equal(values, before)
    assert np.array_equal(cleaned, Cleaning(detrend, 60.0).transform(np.ascontiguousarray(before), TR))
    assert (cleaned.std(axis=0) > 0.9).all()


def test_savgol_is_a_cubic_fit_around_each_sample(rng: np.random.Generator) -> None:
    values = drifting(rng, 100, 2)
    cleaned = Cleaning("savgol", 60.0, zscore=False).transform(values, TR)
    width = 41
    for i in (20, 50, 79):
        window = np.arange(i - width // 2, i + width // 2 + 1)
        fit = np.polynomial.Polynomial.fit(window, values[window, 0], 3)
        assert cleaned[i, 0] == pytest.approx(values[i, 0] - fit(i), abs=1e-3)


@pytest.mark.parametrize("detrend", KINDS)
def test_a_censored_volume_changes_nothing_else(detrend: str, rng: np.random.Generator) -> None:
    values, kept = drifting(rng), np.ones(200, dtype=bool)
    kept[[0, 60, 61, 199]] = False
    confounds = drifting(rng, targets=2)
    spoilt, spoilt_confounds = values.copy(), confounds.copy()
    spoilt[~kept] = 1e5
    spoilt_confounds[~kept] = -1e5
    recipe = Cleaning(detrend, cutoff=60.0)
    first = recipe.transform(values, TR, kept=kept, confounds=confounds)
    second = recipe.transform(spoilt, TR, kept=kept, confounds=spoilt_confounds)
    assert np.allclose(first[kept], second[kept], atol=2e-3)


@pytest.mark.parametrize("detrend", ["linear", "cosine", "median", "savgol"])
def test_confounds_leave_and_bring_no_drift_back(detrend: str, rng: np.random.Generator) -> None:
    time = np.linspace(-1, 1, 400)
    motion = rng.standard_normal((400, 2))
    signal = rng.standard_normal((400, 3))
    values = signal + motion @ np.array([[3.0, -2, 1], [1, 1, 1]]) + 10 * time[:, None]
    cleaned = Cleaning(detrend, 120.0).transform(values, TR, confounds=motion + 5 * time[:, None])
    for column in range(3):
        # a running median lags behind a slope at the ends of a run: that much is left without confounds too
        assert abs(np.corrcoef(cleaned[:, column], time)[0, 1]) < (0.2 if detrend == "median" else 0.05)
        assert max(abs(np.corrcoef(cleaned[:, column], m)[0, 1]) for m in motion.T) < 0.15
        assert np.corrcoef(cleaned[:, column], signal[:, column])[0, 1] > (0.85 if detrend == "median" else 0.93)


def test_constant_and_drifting_confounds_are_left_out(rng: np.random.Generator) -> None:
    values = drifting(rng)
    useless = np.stack([np.full(200, 7.0), np.arange(200) * 3.0], axis=1)
    assert np.allclose(Cleaning().transform(values, TR, confounds=useless), Cleaning().transform(values, TR), atol=1e-4)


def test_unusable_confounds_say_why(rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match="as many confounds as samples"):
        Cleaning().transform(drifting(rng, 30), TR, confounds=rng.standard_normal((30, 30)))
    with pytest.raises(InputError, match="not finite"):
        Cleaning().transform(drifting(rng, 30), TR, confounds=np.full((30, 1), np.nan))
    with pytest.raises(InputError, match="unknown way to detrend"):
        Cleaning("spline")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="must be positive"):
        Cleaning(cutoff=0)


def test_the_split_of_a_model_does_not_change_the_cleaning(rng: np.random.Generator) -> None:
    """Held-out blocks leave ``used``; the run is cleaned as before, from what was neither discarded nor censored."""
    runs = Runs.from_lengths({"a": 80}, TR).discard(15.0)
    responses = Responses.from_array(drifting(rng, 80), runs, Unplaced(5)).cleaned(Cleaning())
    half = replace(runs, used=runs.used & (np.arange(80) < 40))
    assert np.array_equal(responses.load_run("a"), responses.with_runs(half).load_run("a"))
    assert np.allclose(responses.load_run("a")[10:].mean(axis=0), 0, atol=1e-4)


def test_every_step_is_told(rng: np.random.Generator) -> None:
    runs = Runs.from_lengths({"a": 40, "b": 40}, TR).discard(15.0)
    motion = pd.DataFrame(rng.standard_normal((40, 2)), columns=["trans_x", "trans_y"])
    responses = Responses.from_array(drifting(rng, 80), runs, Unplaced(5))
    assert responses.steps == ()
    assert responses.cleaned(Cleaning("median", 240.0), {"a": motion, "b": motion}).steps == (
        "leave out 20 of 80 samples, discarded or censored (10 of each run)",
        "subtract a running median of 240 s (161 samples)",
        "regress out 2 confounds: trans_x, trans_y",
        "z-score each target",
    )
    with pytest.raises(InputError, match="do not fit"):
        responses.cleaned(Cleaning(), {"a": motion, "b": motion.iloc[:30]})
    with pytest.raises(InputError, match="do not fit"):
        responses.cleaned(Cleaning(), {"a": motion, "b": motion, "c": motion})
    many = pd.DataFrame(rng.standard_normal((40, 29)))
    with pytest.raises(InputError, match="run b: there are as many confounds as samples"):  # of 30 that are kept
        responses.cleaned(Cleaning("none"), {"a": motion, "b": many})


def test_censored_repeats_are_left_out_of_their_mean() -> None:
    clip = np.repeat(["x", "y", "x", "y", "x", "y"], 2)
    used = np.ones(12, dtype=bool)
    used[[1, 8]] = False  # the second sample of x in its first presentation, the first one in its last
    runs = Runs.from_labels(np.full(12, "test"), TR, clip=clip, used=used)
    averaged, kept = average_repeats(np.arange(12.0)[:, None], runs)
    assert averaged[:, 0].tolist() == [(0 + 4) / 2, (5 + 9) / 2, (2 + 6 + 10) / 3, (3 + 7 + 11) / 3]
    assert kept.clip.tolist() == ["x", "x", "y", "y"]
    assert kept.used.all()


@pytest.mark.parametrize("apart", [1e-3, 1e-5, 1e-6, 1e-7, 0.0])
def test_confounds_that_are_nearly_one_leave_no_trace(apart: float, rng: np.random.Generator) -> None:
    one = rng.standard_normal(400)
    confounds = np.stack([one, one + apart * rng.standard_normal(400)], axis=1)
    values = 10 * rng.standard_normal((400, 5)) + 8 * one[:, None]
    cleaned = Cleaning("linear", zscore=False).transform(values, 1.5, confounds=confounds)
    two = [confounds[:, 1]] if apart >= 1e-3 else []  # nearer, they are one
    design = np.stack([np.ones(400), np.arange(400), one, *two], axis=1)
    expected = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    assert np.abs(cleaned - expected).max() < 0.01
    assert abs(np.corrcoef(cleaned[:, 0], one)[0, 1]) < 1e-4


@pytest.mark.parametrize("detrend", ["linear", "cosine", "median", "savgol"])
@pytest.mark.parametrize(
    ("scale", "offset"), [(1e-13, 0.0), (1e-30, 0.0), (1e12, 0.0), (1.0, 1e7), (1.0, 1e9), (1e-3, 1e5)]
)
def test_units_and_offsets_change_nothing(detrend: str, scale: float, offset: float, rng: np.random.Generator) -> None:
    """Of responses in tesla, and of those that lie far from zero, whose digits float32 does not hold."""
    values = rng.standard_normal((80, 3))
    cleaning = Cleaning(detrend, 60)  # type: ignore[arg-type]
    assert np.allclose(cleaning.transform(scale * values + offset, 2.0), cleaning.transform(values, 2.0), atol=2e-4)


@pytest.mark.parametrize("value", [0.0, 1000.1, 1e7, 1e-13])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_constant_and_a_line_leave_nothing(value: float, kind: type, rng: np.random.Generator) -> None:
    line = np.full((80, 2), value, dtype=kind)
    line[:, 1] += (value or 1.0) * np.linspace(0, 1, 80, dtype=kind)
    assert not Cleaning("linear").transform(line, 2.0).any()


def test_small_confounds_are_regressed_out(rng: np.random.Generator) -> None:
    """Squares of rotations and of their derivatives are of the order of 1e-10."""
    confound = (1e-5 * rng.standard_normal((80, 1))) ** 2
    values = rng.standard_normal((80, 3)) + 3e10 * confound
    cleaned = Cleaning("linear").transform(values, 2.0, confounds=confound)
    assert np.allclose(cleaned, Cleaning("linear").transform(values, 2.0, confounds=1e10 * confound), atol=1e-5)
    assert np.abs(np.corrcoef(cleaned.T, confound.T)[3, :3]).max() < 1e-5
