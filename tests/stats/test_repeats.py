"""Presentations of one stimulus are one unit: in permutations, in blocks, in averages."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from b2m_encoding.runs import Runs
from b2m_encoding.stats import block_sums, score_interval, significance
from b2m_encoding.stats.arrangements import Blocks
from b2m_encoding.stats.repeats import Together, copies_of_samples, different_samples, first_presentations
from b2m_encoding.stats.sums.gather import block_units
from b2m_encoding.stats.sums.join import merge_blocks

N = 96


def story(n_runs: int) -> Runs:
    """The same story, once in every run."""
    return Runs.from_labels(np.repeat([f"run-{i}" for i in range(n_runs)], N), 1.5, clip=["story"] * (n_runs * N))


def slow(rng: np.random.Generator, n_runs: int, n: int, rho: float) -> np.ndarray:
    noise = rng.standard_normal((n_runs, N + 50, n)) * np.sqrt(1 - rho**2)
    return lfilter([1], [1, -rho], noise, axis=1)[:, 50:].reshape(n_runs * N, n)


def test_copies_are_found_by_clip_and_position() -> None:
    runs = Runs.from_labels(list("aaaaabbb"), 1.5, clip=["x", "x", "", "y", "y", "y", "x", "x"])
    assert first_presentations(runs).tolist() == [0, 1, 2, 3, 4, 3, 0, 1]
    assert copies_of_samples(runs).tolist() == [[0, 1, 2, 3, 4], [6, 7, -1, 5, -1]]  # type: ignore[union-attr]
    assert different_samples(runs).run.tolist() == list("aaaaa")
    assert copies_of_samples(Runs.from_lengths([5, 5], 1.5)) is None


@pytest.mark.parametrize("method", ["auto", "block", "shift"])
def test_what_follows_the_stimulus_is_not_what_the_features_explain(method: str) -> None:
    """Moved apart, copies of a reliable response make a fifth of empty targets significant."""
    rng, runs = np.random.default_rng(0), story(4)
    predicted, reliable = (np.tile(slow(rng, 1, 1500, 0.8), (4, 1)) for _ in range(2))
    measured = reliable + slow(rng, 4, 1500, 0.5)
    if method == "shift":  # one run of different samples has too few shifts
        half = (np.arange(len(runs)) % N >= N // 2).astype(str)
        runs = Runs.from_labels(np.char.add(runs.run, half), 1.5, clip=np.char.add("story", half))
    found = significance(predicted, measured, runs, method=method, n_permutations=300, random_state=0)  # type: ignore[arg-type]
    apart = significance(predicted, measured, Runs.from_labels(runs.run, 1.5), n_permutations=300, random_state=0)
    assert 0.035 < (found.p < 0.05).mean() < 0.066
    assert (apart.p < 0.05).mean() > 0.12
    interval = score_interval(predicted, measured, story(4), n_bootstraps=200, random_state=0)
    assert 0.92 < ((interval.low <= 0) & (interval.high >= 0)).mean() < 0.975


def test_an_arrangement_of_all_presentations_is_that_of_their_sums(rng: np.random.Generator) -> None:
    runs = story(3)
    copies = copies_of_samples(runs)
    assert copies is not None
    ways = Together(Blocks.of_length(runs.take(copies[0]), 12), copies)
    stimulus = np.tile(rng.standard_normal((N, 4)), (3, 1))
    measured = rng.standard_normal((3 * N, 4))
    table = ways.table(torch.from_numpy(stimulus), torch.from_numpy(measured))
    summed = measured.reshape(3, N, 4).sum(axis=0)
    assert np.allclose(table, ways.ways.table(torch.from_numpy(stimulus[:N]), torch.from_numpy(summed)))
    for column in ways.sources(20, rng).T:
        assert (column[:N] + N == column[N : 2 * N]).all()
        assert sorted(column) == list(range(3 * N))


def test_blocks_hold_all_presentations(rng: np.random.Generator) -> None:
    runs, values = story(2), rng.standard_normal((2, 2 * N, 5))
    sums = block_sums({("a",): values[0]}, values[1], runs, block_length=12)
    assert sums.n.tolist() == [24.0] * 8
    apart = block_sums({("a",): values[0]}, values[1], Runs.from_labels(runs.run, 1.5), block_length=12)
    assert np.allclose(sums.yy, apart.yy[:8] + apart.yy[8:])
    assert np.allclose(sums.scores()[("a",)], apart.scores()[("a",)])


@pytest.mark.parametrize("lengths", [[50, 37, 20], [96]])
def test_merged_blocks_are_those_of_longer_ones(rng: np.random.Generator, lengths: list[int]) -> None:
    runs = Runs.from_lengths(lengths, 1.5)
    values = rng.standard_normal((2, len(runs), 3))
    short, long = (block_sums({("a",): values[0]}, values[1], runs, block_length=n) for n in (5, 15))
    merged = merge_blocks(short, runs, 5, 15)
    for key in ("n", "y", "yy", "split"):
        assert np.allclose(getattr(merged, key), getattr(long, key))
    assert np.allclose(merged.contributions(("a",)), long.contributions(("a",)))
    assert block_units(runs, 15).max() + 1 == merged.n_blocks
