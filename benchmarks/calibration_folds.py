"""Rows of ``calibration.py`` on cross-validation, whose folds are joined: the whole analysis of a subject, on noise.

- ``cv_runs_N``, ``cv_blocks_6``: N runs of 100 samples, or one of 600 in blocks with a gap of 15 s; AR(1) responses
  and two unrelated feature spaces of 8 and 12, at the default delays: the stacked model of both. Rate of p < .05 in
  ``ours``; ``peer``: the fixed predictions, rearranged. Agreement: ours within [.035, .065], p < .001 up to .002.
- ``cv_fdr``: 10 % of targets driven; share of false discoveries at q < .05, at most .06. ``cv_fwe``: rate of maps of
  100 correlated targets with any p_fwe < .05, at most .065 and two standard errors.
- ``cv_interval_R``: how often the 95 % interval of r holds its mean over other stimuli and noise; within [.93, .97].
- ``cv_story_N``, ``cv_songs_4``: N runs of one story of 300 samples, or four of fifteen songs in an order of their own.
  Responses follow the stimuli, as strong as the noise, but not the features; a sixth of the stimuli is held out at a
  time, in all runs. How often the interval of r holds 0, within [.93, .97]; ``peer``: runs are held out, and stimuli
  not named, so that the response is known from other runs (of two, none is left to choose penalties). Rate of p < .05
  beside it; for a story within [.035, .065].
- ``cv_preference``: two feature spaces that drive alike; rate of p < .05 of the preference, within [.03, .07].
- ``power_test``, ``power_cv``: power at .05 where r is .2; ``peer``: of a test that knows the null distribution.
  Agreement: ours at least .85 of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from harness import Row
from scipy.signal import lfilter

from b2m_encoding.analysis.encoding.encode import encode_subject
from b2m_encoding.analysis.encoding.encoding import Encoding
from b2m_encoding.data import Responses
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced
from b2m_encoding.stats import significance
from b2m_encoding.study import ModelTable, Study

RUNS = {"kind": "cross-validation"}
BLOCKS = {"kind": "cross-validation", "blocks": 6, "gap": 15.0}
TEST = {"kind": "test", "test_runs": "run-0[456]"}
DESIGNS = {
    "cv_runs_3": ([100] * 3, RUNS), "cv_runs_6": ([100] * 6, RUNS), "cv_runs_12": ([100] * 12, RUNS),
    "cv_blocks_6": ([600], BLOCKS),
}  # fmt: skip
DELAYS = ModelTable().delays
STRENGTHS = {0.0: 0.0, 0.1: 0.2, 0.3: 0.43, 0.6: 0.9}
"""Mean r in six runs of 100 samples, and the standard deviation of the signal."""


def noise(rng: np.random.Generator, lengths: list[int], rho: float, n: int) -> Any:
    """AR(1) noise of unit variance, independent in every run."""
    parts = [rng.standard_normal((k + 80, n)) * np.sqrt(1 - rho**2) for k in lengths]
    return np.concatenate([lfilter([1], [1, -rho], part, axis=0)[80:] for part in parts])


def study_of(names: list[str], evaluation: Mapping[str, Any], delays: tuple[float, ...], **statistics: Any) -> Study:
    """A study of arrays; its readers are not used."""
    return Study.model_validate(
        {
            "name": "calibration",
            "output": "results",
            "data": {"reader": "table", "files": "{subject}.txt", "regions": ["a"], "tr": 1.5},
            "features": {name: {"extractor": "word_rate", "textgrid": "x"} for name in names},
            "model": {"delays": delays},
            "evaluation": evaluation,
            "statistics": {"audit": False, "partition": False, "intervals": False, **statistics},
        }
    )


def encode(
    responses: Any,
    features: Mapping[str, Any],
    runs: Runs,
    evaluation: Mapping[str, Any],
    delays: tuple[float, ...] = (0.0,),
    **statistics: Any,
) -> Encoding:
    """All models of one subject."""
    spaces = {name: FeatureSpace(name, values.astype(np.float32), runs) for name, values in features.items()}
    own = Responses.from_array(responses.astype(np.float32), runs, Unplaced(responses.shape[1]))
    return encode_subject(own, spaces, study_of(list(features), evaluation, delays, **statistics))


def signals(rng: np.random.Generator, features: Any, n: int) -> Any:
    """Weighted sums of features, of unit variance."""
    drive = features @ rng.standard_normal((features.shape[1], n))
    return drive / drive.std(axis=0)


def bounds(rate: float, n: int, low: float, high: float) -> bool:
    """Whether a rate lies within bounds, or within three standard errors of a thin simulation."""
    error = 3 * np.sqrt(0.05 * 0.95 / n)
    wider = max(error - (high - low) / 2, 0.0)
    return bool(low - wider <= rate <= high + wider)


def null_folds(quick: bool) -> Iterator[Row]:
    """Unrelated features."""
    n_sets, n_targets, refits = (4, 150, 1000) if quick else (2, 1000, 8000)
    delays = DELAYS[:2] if quick else DELAYS
    for case, (lengths, evaluation) in DESIGNS.items():
        p, fixed, runs = [], [], Runs.from_lengths(lengths, 1.5)
        for number in range(n_sets):
            rng = np.random.default_rng(number)
            features, responses = noise(rng, lengths, 0.8, 20), noise(rng, lengths, 0.5, n_targets)
            spaces = {"a": features[:, :8], "b": features[:, 8:]}
            found = encode(responses, spaces, runs, evaluation, delays, refits=refits, permutations=1000)
            p.append(found.p)
            assert found.held_out is not None
            series = (found.held_out.predicted, found.held_out.measured, found.held_out.runs)
            fixed.append(significance(*series, n_permutations=1000, random_state=0).p)
        rate, peer, small = (float(np.mean(np.concatenate(v) < a)) for v, a in ((p, 0.05), (fixed, 0.05), (p, 0.001)))
        n = n_sets * n_targets
        agreement = {
            "within": bounds(rate, n, 0.035, 0.065),
            "small_within": bool(small <= 0.002 + 2 * np.sqrt(0.001 / n)),
            "p_below_0.001": small,
            "method": found.significance.method,
            "samples": sum(lengths),
            "fold_dependence": round(found.significance.fold_dependence, 3),
        }
        yield Row(case, ours=f"{rate:.4f}", peer=f"{peer:.4f}", agreement=agreement)


def families(quick: bool) -> Iterator[Row]:
    """False discoveries among driven targets; maps with any false positive."""
    lengths = [100] * 6
    runs, shares, found = Runs.from_lengths(lengths, 1.5), [], []
    for number in range(2 if quick else 8):
        rng = np.random.default_rng(100 + number)
        features = noise(rng, lengths, 0.8, 20)
        drive = 0.6 * signals(rng, features, 500) * (np.arange(500) < 50)
        responses = drive + noise(rng, lengths, 0.5, 500)
        q = encode(responses, {"f": features}, runs, RUNS, refits=2000 if quick else 5000, permutations=200).q
        shares.append((q[50:] < 0.05).sum() / max((q < 0.05).sum(), 1))
    mean, error = float(np.mean(shares)), float(np.std(shares) / np.sqrt(len(shares)))
    agreement: dict[str, Any] = {"at_most_0.06": bool(mean - 2 * error <= 0.06), "standard_error": error}
    yield Row("cv_fdr", ours=f"{mean:.4f}", agreement=agreement)
    n_maps = 6 if quick else 60
    for number in range(n_maps):
        rng = np.random.default_rng(200 + number)
        responses = noise(rng, lengths, 0.5, 100) + 0.5 * noise(rng, lengths, 0.5, 1)
        statistics = {"refits": 1000 if quick else 1500, "permutations": 300}
        one = encode(responses, {"f": noise(rng, lengths, 0.8, 20)}, runs, RUNS, **statistics)
        found.append(one.significance.p_fwe.min() < 0.05)
    rate = float(np.mean(found))
    agreement = {"at_most_0.065": bool(rate <= 0.065 + 2 * np.sqrt(0.05 * 0.95 / n_maps)), "maps": n_maps}
    yield Row("cv_fwe", ours=f"{rate:.4f}", agreement=agreement)


def fold_intervals(quick: bool) -> Iterator[Row]:
    """Intervals of r in six runs: the truth is the mean over other stimuli and responses of the same kind."""
    lengths, (n, n_sets) = [100] * 6, (150, 1) if quick else (200, 8)
    runs, found = Runs.from_lengths(lengths, 1.5), []
    for number in range(n_sets):
        rng = np.random.default_rng(400 + number)
        features, weights = noise(rng, lengths, 0.8, 20), rng.standard_normal((len(STRENGTHS), 20, n))
        weights *= np.array(list(STRENGTHS.values()))[:, None, None] / np.linalg.norm(weights, axis=1, keepdims=True)
        responses = np.concatenate([features @ one for one in weights], axis=1)
        responses = responses + noise(rng, lengths, 0.5, responses.shape[1])
        refits = 2000 if quick else 4000
        one = encode(responses, {"f": features}, runs, RUNS, refits=refits, permutations=100, intervals=True).interval
        assert one is not None
        found.append([values.reshape(len(STRENGTHS), n) for values in (one.low, one.score, one.high)])
    low, score, high = np.concatenate(found, axis=2)
    for i, r in enumerate(STRENGTHS):
        truth = np.tanh(np.arctanh(score[i]).mean()) if r else 0.0
        rate = float(np.mean((low[i] <= truth) & (truth <= high[i])))
        agreement = {"within": bounds(rate, n * n_sets // 4, 0.93, 0.97), "mean_r": round(float(truth), 3)}
        yield Row(f"cv_interval_{r}", ours=f"{rate:.4f}", agreement=agreement)


def songs_of(rng: np.random.Generator, n_runs: int, n_songs: int, length: int) -> tuple[Any, Any]:
    """Song and sample of a song in runs that play all of them, each in an order of its own."""
    song = np.concatenate([np.repeat(rng.permutation(n_songs), length) for _ in range(n_runs)])
    return song, song * length + np.tile(np.arange(length), n_runs * n_songs)


def shared_stimuli(quick: bool) -> Iterator[Row]:
    """The same stimuli in all runs: features are unrelated to responses that follow the stimuli."""
    n, n_sets, refits = (30, 5, 1000) if quick else (30, 60, 2000)
    for case, n_runs, n_songs in (("cv_story_2", 2, 1), ("cv_story_4", 4, 1), ("cv_songs_4", 4, 15)):
        holds, rates, other, own = [], [], [], [300 // n_songs] * n_songs
        blocks = {"kind": "cross-validation", "blocks": 6, "gap": 15.0 if n_songs == 1 else 6.0}
        for number in range(n_sets):
            rng = np.random.default_rng(500 + number)
            song, source = songs_of(rng, n_runs, n_songs, own[0])
            features, stimulus = (noise(rng, own, 0.8, k)[source] for k in (20, n))
            responses = stimulus + noise(rng, [300] * n_runs, 0.5, n)
            names = np.repeat([f"run-{i}" for i in range(n_runs)], 300)
            for clip, evaluation, into in ((song.astype(str), blocks, holds), (None, RUNS, other))[: n_runs - 1]:
                runs = Runs.from_labels(names, 1.5, clip=clip)
                statistics = {"refits": refits, "permutations": 200, "intervals": True}
                one = encode(responses, {"f": features}, runs, evaluation, **statistics)
                assert one.interval is not None
                into.append((one.interval.low <= 0) & (one.interval.high >= 0))
                if evaluation is blocks:
                    rates.append(one.p < 0.05)
        rate, p = (float(np.mean(values)) for values in (holds, rates))
        agreement: dict[str, Any] = {"within": bounds(rate, n * n_sets, 0.93, 0.97), "p_below_0.05": p}
        if n_songs == 1:
            agreement["p_within"] = bounds(p, n * n_sets, 0.035, 0.065)
        yield Row(case, ours=f"{rate:.4f}", peer=f"{np.mean(other):.4f}" if other else None, agreement=agreement)


def fold_preference(quick: bool) -> Iterator[Row]:
    """Two feature spaces that drive alike."""
    lengths, n_targets, n_sets = [100] * 6, 60, 2 if quick else 16
    runs, p = Runs.from_lengths(lengths, 1.5), []
    for number in range(n_sets):
        rng = np.random.default_rng(300 + number)
        spaces = {name: noise(rng, lengths, 0.5, 8) for name in "ab"}
        drive = sum(signals(rng, values, n_targets) for values in spaces.values())
        responses = 0.35 * drive + noise(rng, lengths, 0.4, n_targets)
        found = encode(responses, spaces, runs, RUNS, refits=1000, permutations=1000, bootstraps=200).preference
        assert found is not None
        p.append(found.p[np.isfinite(found.p)])
    every = np.concatenate(p)
    rate = float((every < 0.05).mean())
    agreement = {"within": bounds(rate, len(every) // 3, 0.03, 0.07), "targets": len(every), "widening": found.widening}
    yield Row("cv_preference", ours=f"{rate:.4f}", agreement=agreement)


def power(quick: bool) -> Iterator[Row]:
    """Power at .05 beside a test that knows the distribution of r without signal."""
    lengths, n = [100] * 6, 300 if quick else 1500
    runs = Runs.from_lengths(lengths, 1.5)
    for case, evaluation, strength in (("power_test", TEST, 0.42), ("power_cv", RUNS, 0.34)):
        rng = np.random.default_rng(9)
        features = noise(rng, lengths, 0.8, 20)
        drive = np.concatenate([strength * signals(rng, features, n), np.zeros((600, n))], axis=1)
        responses = drive + noise(rng, lengths, 0.5, 2 * n)
        statistics = {"refits": 2000 if quick else 8000, "permutations": 1000}
        found = encode(responses, {"f": features}, runs, evaluation, **statistics)
        r = found.r["joint"]
        ours, peer = float(np.mean(found.p[:n] < 0.05)), float(np.mean(r[:n] > np.quantile(r[n:], 0.95)))
        error = 2 * np.sqrt(ours * (1 - ours) / n) if quick else 0.0
        agreement = {"at_least_0.85": bool(ours >= 0.85 * peer - error), "mean_r": round(float(r[:n].mean()), 3)}
        yield Row(case, ours=f"{ours:.4f}", peer=f"{peer:.4f}", agreement=agreement)


PARTS = {
    "null_folds": null_folds, "families": families, "fold_intervals": fold_intervals, "shared_stimuli": shared_stimuli,
    "fold_preference": fold_preference, "power": power,
}  # fmt: skip
