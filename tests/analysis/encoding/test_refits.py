"""Refits of a subject: what is rearranged, what is joined, and what a study is told about repeats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

from b2m_encoding.analysis.encoding.encode import encode_subject
from b2m_encoding.analysis.encoding.encoding import Encoding
from b2m_encoding.analysis.encoding.refits import of_random_phase, rearrange
from b2m_encoding.analysis.splits import Split, block_samples, describe_repeats, scored_rows, split_samples
from b2m_encoding.data import Responses
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced
from b2m_encoding.stats.ceilings import Ceiling
from b2m_encoding.stats.sums.join import merge_blocks
from b2m_encoding.stats.variance_partition import partition_blocks
from b2m_encoding.study import EvaluationTable, Study

N = 60


def study(tmp_path: Path, names: tuple[str, ...] = ("f",), **evaluation: object) -> Study:
    return Study.model_validate(
        {
            "name": "s",
            "output": str(tmp_path / "r"),
            "data": {"reader": "table", "files": "{subject}.txt", "regions": ["a"], "tr": 1.5},
            "features": {name: {"extractor": "word_rate", "textgrid": "x"} for name in names},
            "model": {"delays": [0.0]},
            "evaluation": evaluation,
            "statistics": {
                "permutations": 200, "bootstraps": 100, "refits": 2000, "audit": False, "partition": len(names) > 1,
            },
        }
    )  # fmt: skip


def encoded(Y: np.ndarray, X: dict[str, np.ndarray], runs: Runs, table: Study) -> Encoding:
    spaces = {name: FeatureSpace(name, values.astype(np.float32), runs) for name, values in X.items()}
    return encode_subject(Responses.from_array(Y.astype(np.float32), runs, Unplaced(Y.shape[1])), spaces, table)


def test_a_study_of_joined_folds_holds_its_rates(tmp_path: Path) -> None:
    rng, runs = np.random.default_rng(1), Runs.from_lengths([N] * 5, 1.5)
    X, Y = rng.standard_normal((300, 8)), rng.standard_normal((300, 800))
    Y[:, :40] += X @ rng.standard_normal((8, 40)) * 0.4
    found = encoded(Y, {"f": X}, runs, study(tmp_path, kind="cross-validation"))
    p, interval = found.p[40:], found.interval
    assert 0.03 < (p < 0.05).mean() < 0.07
    assert found.significance.fold_dependence > 1.2
    assert found.significance.n_refits >= 2000
    assert (found.q[:40] < 0.05).mean() > 0.9
    assert interval is not None
    held = (interval.low[40:] <= 0) & (interval.high[40:] >= 0)
    assert 0.92 < held.mean() < 0.98
    assert interval.widening is not None
    assert interval.widening[40:].mean() > interval.widening[:40].mean() >= 1


def test_a_test_set_needs_no_refits(tmp_path: Path) -> None:
    rng, runs = np.random.default_rng(1), Runs.from_lengths([N] * 5, 1.5)
    found = encoded(
        rng.standard_normal((300, 5)), {"f": rng.standard_normal((300, 3))}, runs,
        study(tmp_path, kind="test", test_runs="run-0[345]"),
    )  # fmt: skip
    assert found.refits is None
    assert found.significance.n_refits == 0
    assert found.interval is not None
    assert found.interval.widening is None


def test_comparisons_of_joined_folds_are_widened(tmp_path: Path) -> None:
    rng, runs = np.random.default_rng(2), Runs.from_lengths([N] * 5, 1.5)
    X = {name: rng.standard_normal((300, 4)) for name in "ab"}
    Y = 0.5 * (X["a"] + X["b"]) @ rng.standard_normal((4, 60)) + rng.standard_normal((300, 60))
    found = encoded(Y, X, runs, study(tmp_path, ("a", "b"), kind="cross-validation"))
    assert found.refits is not None
    assert set(found.refits.nulls) == {"a", "b", "joint"}
    ratios = found.refits.dependence.ratios
    assert {"r", "difference", "unique", "a", "b", "a+b"} == set(ratios)
    assert ratios["difference"][0] > 1.15
    assert found.preference is not None
    assert found.preference.widening >= 1


def test_rearranged_presentations_of_a_clip_stay_together(rng: np.random.Generator) -> None:
    clip = np.repeat(["x", "y", "x", "y"], 3)
    runs = Runs.from_labels(["a"] * 12, 1.5, clip=clip)
    rows = scored_rows(runs, [Split(np.zeros(12, bool), np.ones(12, bool))], average=True)
    assert rows.tolist() == [[i, i + 6] for i in range(6)]
    values = rng.standard_normal((12, 2)).astype(np.float32)
    sources = np.stack([np.roll(np.arange(6), 3), np.arange(6)], axis=1)
    moved = rearrange(values, np.array([0, 1]), rows, sources)
    assert np.array_equal(moved[:, 1], values[:, 1])
    assert np.array_equal(moved[[0, 1, 2, 6, 7, 8], 0], values[[3, 4, 5, 9, 10, 11], 0])


def test_a_story_of_several_runs_is_averaged_and_has_a_ceiling(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    names = np.repeat(["run-01", "run-02", "test-1", "test-2", "test-3"], N)
    runs = Runs.from_labels(names, 1.5, clip=np.repeat(["a", "b", "story", "story", "story"], N))
    story = rng.standard_normal((N, 20))
    Y = rng.standard_normal((5 * N, 20)) + np.concatenate([np.zeros((2 * N, 20)), np.tile(story, (3, 1))])
    X = np.concatenate([rng.standard_normal((2 * N, 3)), np.tile(rng.standard_normal((N, 3)), (3, 1))])
    table = study(tmp_path, kind="test", test_runs="test*", average_repeats=True)
    found = encoded(Y, {"f": X}, runs, table)
    assert found.n_test == N
    assert isinstance(found.ceiling, Ceiling)
    assert found.ceiling.n_repeats == 3
    assert np.mean(found.ceiling.explainable_variance) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize(
    ("evaluation", "said"),
    [
        (
            {"kind": "test", "test_runs": "test*", "average_repeats": True},
            "their mean is scored, within runs and across",
        ),
        ({"kind": "test", "test_runs": "test*"}, "up to 2 times in held-out samples: all presentations of one move"),
        ({"kind": "test", "test_runs": "test-1"}, None),
        (
            {"kind": "cross-validation"},
            "3 folds hold out all presentations of a stimulus together; stimuli are presented",
        ),
    ],
)
def test_check_says_what_becomes_of_repeats(evaluation: dict[str, object], said: str | None) -> None:
    names = np.repeat(["run-1", "run-2", "test-1", "test-2"], 4)
    runs = Runs.from_labels(names, 1.5, clip=np.repeat(["a", "b", "story", "story"], 4))
    table = EvaluationTable.model_validate(evaluation)
    found = describe_repeats(*split_samples(runs, table), table)
    assert (found is None) if said is None else said in str(found)


def test_parts_of_fixed_folds_are_drawn_in_blocks_as_long_as_slow_noise_asks(tmp_path: Path) -> None:
    rng, runs = np.random.default_rng(4), Runs.from_lengths([150] * 6, 1.5)
    slow = lfilter([1], [1, -0.95], rng.standard_normal((900, 24)), axis=0)
    X = {"a": slow[:, :2], "b": slow[:, 2:4]}
    Y = slow[:, 4:] / slow[:, 4:].std(0) + 0.3 * (X["a"] + X["b"]) @ rng.standard_normal((2, 20))
    table = study(tmp_path, ("a", "b"), kind="test", test_runs="run-0[456]")
    found = encoded(Y, X, runs, table)
    comparison, parts, held_out = found.comparison, found.partition, found.held_out
    assert held_out is not None
    assert parts is not None
    assert parts.interval is not None
    shortest = block_samples(table, 1.5)
    assert comparison.block_length >= 3 * shortest
    known = np.flatnonzero(np.isfinite(parts.interval["a",][0]))
    assert len(known) > 5
    models = [("a",), ("b",), ("a", "b")]
    width = {}
    for length in (comparison.block_length, shortest):
        sums = merge_blocks(held_out.sums, held_out.runs, shortest, length).take_models(models).take_targets(known)
        own = partition_blocks(sums, n_bootstraps=table.statistics.bootstraps, random_state=table.seed).interval
        assert own is not None
        width[length] = own["a",]
    np.testing.assert_allclose(parts.interval["a",][:, known], width[comparison.block_length])
    assert not np.allclose(width[shortest], width[comparison.block_length], rtol=0.01)


def test_random_phases_keep_the_spectrum_of_every_run(rng: np.random.Generator) -> None:
    runs = Runs.from_lengths([40, 31], 1.5)
    values = np.cumsum(rng.standard_normal((71, 3)), axis=0).astype(np.float32)
    moved = of_random_phase(values, runs, rng)
    for part in runs.slices.values():
        before, after = (np.abs(np.fft.rfft(one[part], axis=0)) for one in (values, moved))
        np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-3)
        assert np.abs(np.corrcoef(values[part].T, moved[part].T)[:3, 3:]).max() < 0.99


@pytest.mark.parametrize(("test", "expected"), [("auto", "phase"), ("shift", "shift")])
def test_blocks_of_one_run_are_not_taken_for_independent(tmp_path: Path, test: str, expected: str) -> None:
    """A filter makes neighbouring blocks negatively related: refits keep that, unless another test is asked for."""
    rng, runs = np.random.default_rng(5), Runs.from_lengths([360], 2.0)
    table = study(tmp_path, kind="cross-validation", blocks=6, gap=16.0)
    statistics = table.statistics.model_copy(update={"test": test, "refits": 1000})
    X, Y = rng.standard_normal((360, 3)), rng.standard_normal((360, 20))
    found = encoded(Y, {"f": X}, runs, table.model_copy(update={"statistics": statistics}))
    assert found.significance.refit_method == expected
    assert found.significance.method == "shift"
