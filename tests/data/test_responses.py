from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2m_encoding.data import Cleaning, Responses, average_repeats
from b2m_encoding.data.events import label_clips
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced


def repeated(n_clips: int = 3, n_repeats: int = 4, samples: int = 5) -> Runs:
    """A warm-up clip that repeats the last one, then an ordered list of clips played several times."""
    order = [n_clips - 1, *(list(range(n_clips)) * n_repeats)]
    clip = np.repeat([f"clip-{i}" for i in order], samples)
    runs = Runs.from_labels(np.full(len(clip), "test"), 1.5, clip=clip)
    return runs.discard(samples * 1.5)


def test_repeats_are_averaged_position_by_position(rng: np.random.Generator) -> None:
    runs = repeated()
    values = rng.standard_normal((len(runs), 2))
    averaged, kept = average_repeats(values, runs)
    assert np.allclose(averaged, values[5:].reshape(4, 15, 2).mean(axis=0))
    assert kept.clip.tolist() == np.repeat(["clip-0", "clip-1", "clip-2"], 5).tolist()


def test_repeats_average_across_runs_too() -> None:
    runs = repeated(n_repeats=2)
    both = Runs.concatenate([runs, replace(runs, run=np.full(len(runs), "other"))])
    values = np.repeat([0.0, 1.0], len(runs))[:, None]
    averaged, kept = average_repeats(values, both)
    assert (averaged == 0.5).all()
    assert kept.names == ("test",)


def test_repeats_back_to_back_are_repeats(rng: np.random.Generator) -> None:
    clip, presentation = ["x"] * 8 + ["y"] * 4, [0] * 4 + [1] * 4 + [2] * 4
    runs = Runs.from_labels(["test"] * 12, 1.5, clip=clip, presentation=presentation)
    values = rng.standard_normal((12, 2))
    averaged, kept = average_repeats(values, runs)
    assert np.allclose(averaged, np.concatenate([(values[:4] + values[4:8]) / 2, values[8:]]))
    assert [(part.start, part.stop) for part in kept.presentations] == [(0, 4), (4, 8)]


@pytest.mark.parametrize("durations", [(29.98, 30.0, 30.02), (30.0, 29.98, 30.02), (30.02, 30.0, 29.98)])
def test_repeats_whose_durations_jitter(durations: tuple[float, ...], rng: np.random.Generator) -> None:
    """Where 30 s are 37.5 volumes, presentations of one clip have 37 or 38 samples: the last one is left out."""
    events = pd.DataFrame({"onset": [4.0, 40.0, 80.0], "duration": durations, "stim_file": "a.wav"})
    runs = label_clips(Runs.from_lengths({"r": 150}, 0.8), {"r": events}, {"r": Path("e.tsv")})
    assert {part.stop - part.start for part in runs.presentations} == {37, 38}
    values = rng.standard_normal((150, 2))
    averaged, kept = average_repeats(values, runs)
    assert len(kept) == 37
    assert np.allclose(averaged, np.mean([values[part.start : part.start + 37] for part in runs.presentations], axis=0))


def test_a_clip_that_began_before_its_run_is_not_averaged() -> None:
    events = {
        name: pd.DataFrame({"onset": [at], "duration": 10.0, "stim_file": "a.wav"})
        for name, at in (("r", -2.0), ("s", 6.0))
    }
    runs = label_clips(Runs.from_lengths({"r": 20, "s": 20}, 2.0), events, dict.fromkeys("rs", Path("e.tsv")))
    assert [part.stop - part.start for part in runs.presentations] == [4, 5]
    with pytest.raises(InputError, match="where none begins with its run"):
        average_repeats(np.zeros((40, 1)), runs)


def test_a_truncated_repeat_is_refused() -> None:
    runs = repeated()
    with pytest.raises(InputError, match="differ in length"):
        average_repeats(np.zeros((len(runs) - 2, 1)), runs.take(np.arange(len(runs) - 2)))


@pytest.mark.parametrize("detrend", ["none", "linear", "cosine", "median"])
def test_cleaning_stays_in_the_run_and_in_the_target(detrend: str, rng: np.random.Generator) -> None:
    runs = Runs.from_lengths([60, 60], 1.5)
    values = rng.standard_normal((120, 4)).astype(np.float32)
    spoilt = values.copy()
    spoilt[60:] *= 100
    spoilt[:, 3] = np.nan
    spoilt[:, 2] = 7
    recipe = Cleaning(detrend, cutoff=60.0)
    clean, other = (
        Responses.from_array(v, runs, Unplaced(4)).cleaned(recipe).load_run("run-01") for v in (values, spoilt)
    )
    assert np.allclose(clean[:, :2], other[:, :2], atol=1e-5)
    assert np.isnan(other[:, 3]).all()
    assert not other[:, 2].any()


def test_cosine_removes_slow_drift_and_keeps_fast_signal() -> None:
    time = np.arange(400) * 1.5
    drift, signal = np.cos(2 * np.pi * time / 500) + time / 300, np.sin(2 * np.pi * time / 20)
    cleaned = Cleaning("cosine", 128.0).transform((10_000 + 50 * (signal + 5 * drift))[:, None], 1.5)[:, 0]
    assert np.corrcoef(cleaned, signal)[0, 1] > 0.98
    assert np.allclose([cleaned.mean(), cleaned.std()], [0, 1], atol=1e-4)


@given(st.floats(1e-2, 1e4), st.floats(-1e5, 1e5))
def test_zscore_ignores_scale_and_offset(scale: float, offset: float) -> None:
    values = np.random.default_rng(0).standard_normal((50, 2))
    a, b = Cleaning("linear").transform(values, 1.5), Cleaning("linear").transform(values * scale + scale * offset, 1.5)
    assert np.allclose(a, b, atol=0.05)


def test_a_reader_that_returns_another_shape_is_caught() -> None:
    runs = Runs.from_lengths({"a": 5}, 1.5)
    with pytest.raises(InputError, match="another shape"):
        Responses(runs, Unplaced(3), lambda name: np.zeros((4, 3))).load_run("a")


def test_slices_of_targets_equal_the_whole(rng: np.random.Generator) -> None:
    runs = Runs.from_lengths({"a": 30}, 1.5)
    responses = Responses.from_array(rng.standard_normal((30, 6)), runs, Unplaced(6)).cleaned(Cleaning())
    assert np.allclose(responses.load_run("a", slice(2, 4)), responses.load_run("a")[:, 2:4], atol=1e-6)


def test_confounds_of_some_runs_only_are_refused() -> None:
    runs = Runs.from_lengths({"a": 5, "b": 4}, 1.5)
    responses = Responses.from_array(np.zeros((9, 2)), runs, Unplaced(2))
    tables = {name: pd.DataFrame({"x": np.arange(float(n))}) for name, n in (("a", 5), ("b", 4))}
    with pytest.raises(InputError, match=r"some runs only[\s\S]*none for b"):
        responses.cleaned(Cleaning(), {"a": tables["a"]})
    assert "regress out 1 confounds: x" in responses.cleaned(Cleaning(), tables).steps


def test_censored_samples_are_told_run_by_run() -> None:
    runs = replace(Runs.from_lengths({"a": 5, "b": 4}, 1.5), used=np.arange(9) > 1)
    responses = Responses.from_array(np.zeros((9, 2)), runs, Unplaced(2)).cleaned(Cleaning("none"))
    assert responses.steps[0] == "leave out 2 of 9 samples, discarded or censored (a 2, b 0)"
