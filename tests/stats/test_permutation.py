from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import pearsonr

from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.stats import null_maps, pearson_r, permutation, significance
from b2m_encoding.stats.arrangements import Arrangements, Blocks, Shifts
from b2m_encoding.stats.autocorrelation import joint_autocorrelation

Series = Callable[[np.random.Generator, float, tuple[int, int]], np.ndarray]
SIX_RUNS = Runs.from_lengths([100] * 6, 1.5)


@pytest.fixture
def two_runs() -> Runs:
    """Runs of 40 and 43 samples; clips of 8, silence, clips of 7 and a longer one that fits nowhere else."""
    clips = np.repeat([*"abcd", "", *"efghi", "j"], [8] * 5 + [7] * 5 + [8])
    return Runs.from_labels(np.repeat(["x", "y"], [40, 43]), 1.5, clip=clips)


def moved(ways: Arrangements, draw: np.ndarray, n_samples: int) -> np.ndarray:
    """Which row of the prediction an arrangement puts at each sample, by plain loops."""
    order = np.arange(n_samples)
    if isinstance(ways, Shifts):
        for rows, row in zip(ways.runs.slices.values(), draw, strict=True):
            order[rows] = np.roll(order[rows], row - rows.start)
        return order
    assert isinstance(ways, Blocks)
    parts, first = iter(draw), 0
    for starts, length in ways.groups:
        for place, start in enumerate(starts):
            source = starts[next(parts) - first - place * len(starts)]
            order[start : start + length] = np.arange(source, source + length)
        first += len(starts) ** 2
    return order


@pytest.mark.parametrize("method", ["shift", "block", "clip"])
def test_equals_a_plain_loop_over_the_same_arrangements(
    rng: np.random.Generator, two_runs: Runs, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permutation, "TABLE_NUMBERS", 8 * 83)  # more than one chunk of targets
    monkeypatch.setattr(permutation, "DRAWS_AT_ONCE", 128)
    ways = {"shift": Shifts(two_runs), "block": Blocks.of_length(two_runs, 5), "clip": Blocks.of_clips(two_runs)}
    predicted, measured = rng.standard_normal((2, 83, 19))
    predicted += 0.3 * measured
    length = 5 if method == "block" else None
    arguments = {"method": method, "block_length": length, "n_permutations": 300, "random_state": 3}
    found = significance(predicted, measured, two_runs, **arguments)
    orders = [moved(ways[method], draw, 83) for draw in ways[method].draw(300, np.random.default_rng(3))]
    assert all(np.array_equal(np.sort(order), np.arange(83)) for order in orders)
    null = np.stack([pearson_r(predicted[order], measured) for order in orders])
    true = pearson_r(predicted, measured)
    assert np.allclose(found.r, true, atol=1e-6)
    assert np.allclose(found.p, ((null >= true - 1e-9).sum(axis=0) + 1) / 301)
    assert np.allclose(found.p_fwe, ((null.max(axis=1)[:, None] >= true - 1e-9).sum(axis=0) + 1) / 301)
    assert np.allclose(null_maps(predicted, measured, two_runs, **arguments), null, atol=1e-5)


def test_counts_of_arrangements(two_runs: Runs) -> None:
    assert Shifts(two_runs).count == 40 * 43
    assert Blocks.of_clips(two_runs).count == 24 * 120
    assert Blocks.of_length(two_runs, 10).count == 24 * 24
    longest = Blocks.longest(two_runs)
    assert longest.groups[0][1] == 8  # 5! x 5! = 14,400; blocks of 9 leave only 4! x 4!
    assert longest.count == 120 * 120


@pytest.mark.parametrize("lengths", [[300], [150, 150], [60] * 5, [100] * 6])
@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_false_positives_hold_where_the_gaussian_null_fails(ar1: Series, rho: float, lengths: list[int]) -> None:
    rng = np.random.default_rng(1)
    predicted, measured = (np.concatenate([ar1(rng, rho, (length, 2000)) for length in lengths]) for _ in range(2))
    runs = Runs.from_lengths(lengths, 1.5)
    found = significance(predicted, measured, runs, n_permutations=500, random_state=0)
    assert 0.035 <= (found.p < 0.05).mean() <= 0.065
    paper = significance(predicted, measured, runs, method="paper")
    assert (paper.p < 0.05).mean() > 0.085
    assert (paper.p < 0.05).mean() == pytest.approx(paper.false_positive_rate, rel=0.25)


@pytest.mark.parametrize("of_clips", [True, False])
def test_rate_of_the_gaussian_null_is_known_for_windows_that_overlap(
    ar1: Series, rng: np.random.Generator, of_clips: bool
) -> None:
    """Test design of Brain2Music: 60 clips of 10 volumes, four windows of 7 volumes each, four repeats averaged."""
    noise = np.stack([ar1(rng, 0.4, (400, 1500)) for _ in range(6)]).reshape(6, 4, 10, 10, 1500).mean(axis=1)
    sound = rng.standard_normal((6, 10, 1 if of_clips else 10, 1500)) + np.zeros((10, 1))
    measured, predicted = (
        np.stack([values[:, :, start : start + 7].mean(axis=2) for start in range(4)], axis=2).reshape(240, 1500)
        for values in (noise, sound)
    )
    labels = np.repeat([f"{run}/{clip}" for run in range(6) for clip in range(10)], 4)
    runs = Runs.from_labels(np.repeat([f"{run}" for run in range(6)], 40), 1.5, clip=labels)
    paper = significance(predicted, measured, runs, method="paper")
    assert (paper.p < 0.05).mean() == pytest.approx(paper.false_positive_rate, rel=0.15)
    assert paper.false_positive_rate > 0.16
    ours = significance(predicted, measured, runs, method="clip", n_permutations=500, random_state=0)
    assert (ours.p < 0.05).mean() == pytest.approx(0.05, abs=0.012)


def test_short_blocks_are_told_and_made_up_for(
    ar1: Series, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(2)
    predicted, measured = (np.concatenate([ar1(rng, 0.9, (100, 3000)) for _ in range(6)]) for _ in range(2))
    arguments = {"method": "block", "block_length": 10, "n_permutations": 500, "random_state": 0}
    with caplog.at_level(logging.WARNING):
        found = significance(predicted, measured, SIX_RUNS, **arguments)
    assert "cuts the runs so often" in caplog.text
    assert 0.035 <= (found.p < 0.05).mean() <= 0.065
    null = null_maps(predicted, measured, SIX_RUNS, **arguments)
    monkeypatch.setattr(permutation, "widening_of", lambda *_: 1.0)
    assert (significance(predicted, measured, SIX_RUNS, **arguments).p < 0.05).mean() > 0.085
    narrow = null_maps(predicted, measured, SIX_RUNS, **arguments)
    assert np.allclose(null - null.mean(axis=0), found.widening * (narrow - narrow.mean(axis=0)), atol=1e-5)


def test_clips_hold_in_one_stream_and_apart(ar1: Series) -> None:
    rng = np.random.default_rng(2)
    clips = np.char.add("clip", (np.arange(600) // 10).astype(str))
    runs = Runs.from_labels(SIX_RUNS.run, 1.5, clip=clips)
    for length in (100, 10):  # one stream per run; clips that know nothing of each other
        data = [np.concatenate([ar1(rng, 0.9, (length, 3000)) for _ in range(600 // length)]) for _ in range(2)]
        found = significance(*data, runs, method="clip", n_permutations=500, random_state=0)
        assert 0.035 <= (found.p < 0.05).mean() <= 0.065
        assert (found.widening > 1.1) == (length == 100)


def test_auto_takes_shifts_where_there_are_enough_independent_ones(ar1: Series) -> None:
    rng = np.random.default_rng(3)
    a, b = (ar1(rng, 0.9, (600, 50)) for _ in range(2))
    assert significance(a, b, SIX_RUNS, n_permutations=100).method == "shift"
    assert significance(a, b, Runs.from_lengths([300, 300], 1.5), n_permutations=100).method == "block"


def test_true_prediction_is_significant_and_p_is_never_zero(rng: np.random.Generator) -> None:
    measured = rng.standard_normal((600, 3))
    found = significance(measured, measured, SIX_RUNS, n_permutations=999, random_state=0)
    assert np.allclose(found.p, 1 / 1000)
    assert np.allclose(found.p_fwe, 1 / 1000)
    assert (significance(measured, measured, SIX_RUNS, method="paper").p > 0).all()


def test_one_draw_for_all_targets_keeps_their_dependence(rng: np.random.Generator) -> None:
    predicted, measured = (np.repeat(rng.standard_normal((600, 1)), 5, axis=1) for _ in range(2))
    found = significance(predicted, measured, SIX_RUNS, n_permutations=200, random_state=0)
    assert np.array_equal(found.p, found.p_fwe)


def test_untestable_targets_stay_nan_and_change_no_other(rng: np.random.Generator) -> None:
    predicted, measured = rng.standard_normal((2, 600, 4))
    clean = significance(predicted, measured, SIX_RUNS, n_permutations=200, random_state=0)
    measured[:, 1] = 0
    measured[5, 2] = np.nan
    found = significance(predicted, measured, SIX_RUNS, n_permutations=200, random_state=0)
    assert np.isnan(found.p).tolist() == np.isnan(found.p_fwe).tolist() == [False, True, True, False]
    assert np.array_equal(found.p[[0, 3]], clean.p[[0, 3]])
    assert np.isnan(null_maps(predicted, measured, SIX_RUNS, n_permutations=10)[:, 1]).all()
    with_nothing = significance(predicted, np.zeros_like(measured), SIX_RUNS, n_permutations=100)
    assert np.isnan(with_nothing.p).all()


@pytest.mark.parametrize(
    ("runs", "arguments", "message"),
    [
        (Runs.from_lengths([300], 1.5), {"method": "shift"}, "too few arrangements"),
        (Runs.from_lengths([300], 1.5), {"method": "clip"}, "too few arrangements"),
        (Runs.from_lengths([300], 1.5), {"method": "block", "block_length": 60}, "too few blocks"),
        (Runs.from_lengths([2] * 5 + [290], 1.5), {"method": "block", "block_length": 0}, "block_length"),
        (Runs.from_lengths([1] * 300, 1.5), {"method": "block"}, "too few blocks"),
        (SIX_RUNS, {"method": "rows"}, "unknown method"),
        (SIX_RUNS, {"method": "shift", "block_length": 5}, "only the method block"),
        (Runs.from_lengths([299], 1.5), {}, "another number of rows"),
    ],
)
def test_what_cannot_be_tested_is_refused(
    rng: np.random.Generator, runs: Runs, arguments: dict[str, object], message: str
) -> None:
    values = rng.standard_normal((600 if runs is SIX_RUNS else 300, 1))
    with pytest.raises(InputError, match=message):
        significance(values, values, runs, **arguments)


def test_same_seed_same_p_and_global_state_untouched(rng: np.random.Generator) -> None:
    a, b = rng.standard_normal((2, 100, 4))
    runs = Runs.from_lengths([100], 1.5)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (significance(a, b, runs, method="block", block_length=10, random_state=5) for _ in range(2))
    assert np.array_equal(first.p, second.p)
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_the_gaussian_null_is_the_test_of_scipy(rng: np.random.Generator) -> None:
    a, b = rng.standard_normal((2, 600, 4))
    found = significance(a, b + 0.1 * a, SIX_RUNS, method="paper")
    assert np.allclose(found.p, pearsonr(a, b + 0.1 * a, alternative="greater").pvalue)
    assert np.isnan(found.p_fwe).all()


@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_autocorrelation_of_ar1_has_a_closed_form(ar1: Series, rho: float) -> None:
    rng = np.random.default_rng(4)
    a, b = (ar1(rng, rho, (4000, 300)) for _ in range(2))
    found = joint_autocorrelation(a, b, Runs.from_lengths([1000] * 4, 1.5))
    square = rho**2
    assert found.spread == pytest.approx((1 + square) / (1 - square), rel=0.1)
    assert found.edge == pytest.approx(2 * square / (1 - square) ** 2 / ((1 + square) / (1 - square)), rel=0.3)


@pytest.mark.parametrize("method", ["shift", "clip", "block"])
def test_resemblance_is_that_of_all_rearrangements(rng: np.random.Generator, two_runs: Runs, method: str) -> None:
    """Against r of many drawn ones, by plain loops; a period makes them alike."""
    time = np.arange(len(two_runs))
    predicted = np.stack([rng.standard_normal(len(time)), np.sin(time * 2 * np.pi / 8)], axis=1)
    found = [
        permutation.resemblance(one, one, two_runs, method=method)  # type: ignore[arg-type]
        for one in (predicted[:, :1], predicted[:, 1:])
    ]
    _, ways, _ = permutation.arrangements_of(predicted, predicted, two_runs, method=method)  # type: ignore[arg-type]
    orders = [moved(ways, draw, len(time)) for draw in ways.draw(3000, rng)]
    for one, values in zip(found, predicted.T, strict=True):
        expected = np.sqrt(np.mean([pearsonr(values[order], values)[0] ** 2 for order in orders]))
        assert one == pytest.approx(expected, abs=0.03)
    assert found[1] > 1.5 * found[0]
