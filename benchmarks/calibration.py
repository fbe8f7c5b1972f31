"""Are the statistics what they say? False positives, false discoveries, coverage and ceilings on simulated data.

    python benchmarks/calibration.py [--quick] [--parts coverage ceilings ...]

All data are simulated; nothing is timed. Rows:

- ``false_positive_RHO_N_KIND``: unrelated AR(1) series; rate of p < .05 of ``significance(method="auto")`` in ``ours``,
  of the paper's Gaussian null in ``peer``. ``plain``: series as they are; ``delays``: the prediction is a
  weighted sum of four delayed copies of one feature; ``repeats``: the response is the average of four repeats.
  Agreement: ours within [.035, .065].
- ``family_wise``: rate of maps with any p_fwe < .05; ``peer``: Gaussian null with Bonferroni.
- ``false_discovery_*``: mean share of false discoveries among correlated targets, at q < .05.
- ``coverage_*``: how often 95 % intervals hold the truth; ``peer``: plain percentiles of the same bootstrap.
  Agreement: ours within [.93, .97]. Bands are wider by the Monte-Carlo error where a simulation is thin.
- Others are described where they are made: ``calibration_clips.py``, ``calibration_designs.py``,
  ``calibration_folds.py``, ``calibration_realdata.py``, ``calibration_inherited.py``, ``calibration_regions.py``.
- ``partition_unequal``: variance partition of 10 useful features (unique part .2) beside 500 useless ones, nothing
  shared; unique part of the useful ones in ``ours`` (stacked, the default) and ``peer`` (one penalty). Agreement:
  unique and shared parts within .02 of the truth, 95 % intervals of the unique part hold it in at least 92 %.
  ``coverage_known`` is that of intervals around predictions by the true weights, which no training data can reach.
- ``ceiling_SNR_REPEATS``: mean estimated explainable variance over the truth; within 2 %. ``peer``: uncorrected.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import calibration_designs
import calibration_folds
import calibration_inherited
import calibration_realdata
import numpy as np
from calibration_clips import exchanged_clips
from calibration_folds import bounds
from calibration_regions import mixed_models
from harness import Row, arguments, environment, finish, save
from scipy.signal import lfilter

from b2m_encoding.models import ArrayResponses, EncodingModel, fit_subsets
from b2m_encoding.runs import Runs
from b2m_encoding.stats import fdr_q, significance
from b2m_encoding.stats.ceilings import repeat_ceiling
from b2m_encoding.stats.intervals import score_interval
from b2m_encoding.stats.sums.bootstrap import bootstrap_weights
from b2m_encoding.stats.sums.gather import block_sums
from b2m_encoding.stats.variance_partition import partition_blocks

DESIGNS = {
    "300": [150] * 2,
    "300one": [300],
    "300five": [60] * 5,
    "600": [100] * 6,
    "1200": [400] * 3,
    "4800": [400] * 12,
}
QUICK = ("300", "600")
KINDS = ("plain", "delays", "repeats")
HRF = (0.2, 0.4, 0.3, 0.1)
BOUNDS = (0.035, 0.065)
UNEQUAL = 0.2
"""Share of the variance that the useful features of ``partition_unequal`` explain."""


def ar1(rng: np.random.Generator, rho: float, n_samples: int, n_targets: int) -> Any:
    """Stationary AR(1) noise of unit variance."""
    noise = rng.standard_normal((n_samples + 80, n_targets)) * np.sqrt(1 - rho**2)
    return lfilter([1], [1, -rho], noise, axis=0)[80:]


def series(rng: np.random.Generator, rho: float, n: int, n_targets: int, kind: str) -> tuple[Any, Any]:
    """One run of an unrelated prediction and response."""
    measured = ar1(rng, rho, n, n_targets)
    if kind == "repeats":
        measured = np.mean([measured, *(ar1(rng, rho, n, n_targets) for _ in range(3))], axis=0)
    if kind != "delays":
        return ar1(rng, rho, n, n_targets), measured
    feature = ar1(rng, rho, n + 4, n_targets)
    return sum(weight * feature[4 - i : 4 - i + n] for i, weight in enumerate(HRF)), measured


def unrelated(rho: float, lengths: list[int], n_targets: int, kind: str) -> tuple[Any, Any, Runs]:
    rng = np.random.default_rng(11)
    parts = [series(rng, rho, n, n_targets, kind) for n in lengths]
    return (
        *(np.concatenate(values).astype(np.float32) for values in zip(*parts, strict=True)),
        Runs.from_lengths(lengths, 1.5),
    )


def false_positives(quick: bool) -> Iterator[Row]:
    n_targets, n_permutations = (4000, 500) if quick else (6000, 1000)
    for design, lengths in DESIGNS.items():
        if quick and design not in QUICK:
            continue
        for rho in (0.5, 0.7, 0.9):
            for kind in KINDS:
                n = n_targets if sum(lengths) <= 1200 else n_targets // 2
                data = unrelated(rho, lengths, n, kind)
                ours = significance(*data, n_permutations=n_permutations, random_state=0)
                paper = significance(*data, method="paper")
                rate, peer = float((ours.p < 0.05).mean()), float((paper.p < 0.05).mean())
                yield Row(
                    f"false_positive_{rho}_{design}_{kind}",
                    ours=f"{rate:.4f}",
                    peer=f"{peer:.4f}",
                    agreement={
                        "within": bounds(rate, n, *BOUNDS),
                        "method": ours.method,
                        "widening": round(ours.widening, 3),
                    },
                )


def family_wise(quick: bool) -> Row:
    """Maps of 30 correlated targets; p_fwe of each map from permutations of its own."""
    n_maps, found, paper = 300 if quick else 1000, 0, 0
    rng = np.random.default_rng(3)
    runs = Runs.from_lengths([100] * 6, 1.5)
    for _ in range(n_maps):
        shared = [np.concatenate([ar1(rng, 0.7, 100, 1) for _ in range(6)]) for _ in range(2)]
        data = [0.6 * part + np.concatenate([ar1(rng, 0.7, 100, 30) for _ in range(6)]) for part in shared]
        found += bool(significance(*data, runs, n_permutations=299).p_fwe.min() < 0.05)
        paper += bool(significance(*data, runs, method="paper").p.min() < 0.05 / 30)
    rate = found / n_maps
    within = abs(rate - 0.05) < 0.015 + 2 * np.sqrt(0.05 * 0.95 / n_maps)
    return Row("family_wise", ours=f"{rate:.4f}", peer=f"{paper / n_maps:.4f}", agreement={"within": bool(within)})


def false_discoveries(quick: bool) -> Iterator[Row]:
    """300 targets that share noise, 30 of them predicted."""
    n_maps = 40 if quick else 200
    rng = np.random.default_rng(4)
    runs = Runs.from_lengths([100] * 6, 1.5)
    shares: dict[str, list[float]] = {"bh": [], "by": [], "paper": []}
    for _ in range(n_maps):
        signal = np.concatenate([ar1(rng, 0.7, 100, 1) for _ in range(6)])
        common = np.concatenate([ar1(rng, 0.7, 100, 1) for _ in range(6)])
        own = np.concatenate([ar1(rng, 0.7, 100, 300) for _ in range(6)])
        measured = 0.7 * common + own + 0.4 * signal * (np.arange(300) < 30)
        predicted = signal + 0.3 * np.concatenate([ar1(rng, 0.7, 100, 300) for _ in range(6)])
        p = significance(predicted, measured, runs, n_permutations=2000).p
        of_paper = significance(predicted, measured, runs, method="paper").p
        for name, q in (("bh", fdr_q(p)), ("by", fdr_q(p, "by")), ("paper", fdr_q(of_paper))):
            shares[name].append((q[30:] < 0.05).sum() / max((q < 0.05).sum(), 1))
    for name in ("bh", "by"):
        mean, error = np.mean(shares[name]), np.std(shares[name]) / np.sqrt(n_maps)
        agreement = {"at_most_0.05": bool(mean - 2 * error <= 0.05), "standard_error": float(error)}
        yield Row(
            f"false_discovery_{name}", ours=f"{mean:.4f}", peer=f"{np.mean(shares['paper']):.4f}", agreement=agreement
        )


def coverage(quick: bool) -> Iterator[Row]:
    n_targets = 3000 if quick else 6000
    for design in QUICK if quick else ("300", "600", "1200", "4800"):
        for rho in (0.5, 0.9):
            for r in (0.1, 0.3, 0.7):
                for measure in ("r", "r2"):
                    n = n_targets if sum(DESIGNS[design]) <= 1200 else n_targets // 3
                    yield _coverage(design, rho, r, measure, n)


def _coverage(design: str, rho: float, r: float, measure: Any, n_targets: int) -> Row:
    signal, noise, runs = unrelated(rho, DESIGNS[design], n_targets, "plain")
    predicted = r * signal
    measured = predicted + np.sqrt(1 - r**2) * noise
    truth = r if measure == "r" else r**2
    ours = score_interval(predicted, measured, runs, measure=measure, n_bootstraps=500, random_state=0)
    rate = float(((ours.low <= truth) & (truth <= ours.high)).mean())
    sums = block_sums({("m",): predicted}, measured, runs, block_length=ours.block_length)
    weights = bootstrap_weights(sums.split, 500, 0)
    ends = [np.percentile(found[("m",)], [2.5, 97.5], axis=0) for _, found in sums.resampled(weights, measure)]
    low, high = np.concatenate(ends, axis=1)
    peer = float(((low <= truth) & (truth <= high)).mean())
    agreement = {"within": bounds(rate, n_targets, 0.93, 0.97), "blocks": ours.n_blocks}
    return Row(f"coverage_{measure}_{r}_{rho}_{design}", ours=f"{rate:.4f}", peer=f"{peer:.4f}", agreement=agreement)


def ceilings(quick: bool) -> Iterator[Row]:
    n_samples = 600
    for snr in (0.05, 0.5, 5.0) if quick else (0.05, 0.1, 0.3, 1.0, 3.0, 5.0):
        for n_repeats in (2, 4, 10) if quick else (2, 3, 4, 6, 10):
            rng = np.random.default_rng(7)
            n_batches = (20 if snr < 0.2 else 3) if quick else (60 if snr < 0.2 else 8)
            ours, peer = [], []
            for _ in range(n_batches):
                signal = np.sqrt(snr) * rng.standard_normal((n_samples, 500), dtype=np.float32)
                repeats = signal + rng.standard_normal((n_repeats, n_samples, 500), dtype=np.float32)
                ours.append(repeat_ceiling(repeats).explainable_variance)
                left = repeats - repeats.mean(axis=0)
                peer.append(1 - left.var(axis=1).mean(axis=0) / repeats.var(axis=1).mean(axis=0))
            truth = snr / (1 + snr)
            ratio, error = np.mean(ours) / truth, np.std(ours) / truth / np.sqrt(n_batches * 500)
            agreement = {"within_2_percent": bool(abs(ratio - 1) <= 0.02 + 2 * error), "standard_error": float(error)}
            yield Row(
                f"ceiling_{snr}_{n_repeats}",
                ours=f"{ratio:.4f}",
                peer=f"{np.mean(peer) / truth:.4f}",
                agreement=agreement,
            )


def partition_unequal(quick: bool) -> Row:
    """Ten useful features against 500 useless ones: what one penalty costs the joint model is no shared variance."""
    found = {solver: [_unequal(seed, solver) for seed in range(2 if quick else 6)] for solver in ("stacked", "ridge")}
    ours, peer = (np.mean(found[solver], axis=0) for solver in ("stacked", "ridge"))
    unique, useless, shared, covered, known = ours.tolist()
    errors = 2 * np.std(found["stacked"], axis=0, ddof=1) / np.sqrt(len(found["stacked"])) if quick else np.zeros(5)
    agreement = {
        "unique_within_0.02": bool(abs(unique - UNEQUAL) <= 0.02 + errors[0]),
        "useless_within_0.02": bool(abs(useless) <= 0.02 + errors[1]),
        "shared_within_0.02": bool(abs(shared) <= 0.02 + errors[2]),
        "coverage_at_least_0.92": bool(covered >= 0.92 - errors[3]),
        "unique_useless": useless,
        "shared": shared,
        "coverage": covered,
        "coverage_known": known,
        "shared_peer": float(peer[2]),
        "coverage_peer": float(peer[3]),
    }
    return Row("partition_unequal", ours=f"{unique:.4f}", peer=f"{peer[0]:.4f}", agreement=agreement)


def _unequal(seed: int, solver: Any, n_targets: int = 150) -> tuple[float, float, float, float, float]:
    """Mean unique parts of useful and useless features, shared part, coverage of ours and by known weights."""
    rng = np.random.default_rng(100 + seed)
    training, test = Runs.from_lengths([200] * 5, 1.5), Runs.from_lengths([100] * 6, 1.5)
    spaces = {name: ar1(rng, 0.7, 1600, n).astype(np.float32) for name, n in (("useful", 10), ("useless", 500))}
    signal = spaces["useful"] @ rng.standard_normal((10, n_targets))
    measured = np.sqrt(UNEQUAL) * signal / signal.std(0) + np.sqrt(1 - UNEQUAL) * ar1(rng, 0.5, 1600, n_targets)
    measured = measured.astype(np.float32)
    own = {name: values[:1000] for name, values in spaces.items()}
    model, responses = EncodingModel(None, solver=solver), ArrayResponses(measured[:1000], training)
    predicted = {
        names: np.asarray(fitted.predict({name: spaces[name][1000:] for name in names}, runs=test))
        for names, fitted in fit_subsets(model, own, responses)
    }
    known = np.sqrt(UNEQUAL) * (signal / signal.std(0))[1000:].astype(np.float32)
    true = {("useful",): known, ("useless",): 0 * known, ("useful", "useless"): known}
    parts, own_parts = (_parts(models, measured[1000:], test) for models in (predicted, true))
    return (
        float(parts.unique["useful"].mean()),
        float(parts.unique["useless"].mean()),
        float(parts.shared.mean()),
        _covered(parts),
        _covered(own_parts),
    )


def _parts(predicted: dict[Any, Any], measured: Any, runs: Runs) -> Any:
    """Partition with intervals over blocks as long as the autocorrelation asks for."""
    joint = predicted["useful", "useless"]
    length = score_interval(joint, measured, runs, n_bootstraps=100, random_state=0).block_length
    return partition_blocks(
        block_sums(predicted, measured, runs, block_length=length), n_bootstraps=300, random_state=0
    )


def _covered(parts: Any) -> float:
    low, high = parts.interval[("useful",)]
    return float(((low <= UNEQUAL) & (high >= UNEQUAL)).mean())


PARTS = {
    "partition_unequal": lambda quick: [partition_unequal(quick)],
    "false_positives": false_positives,
    "family_wise": lambda quick: [family_wise(quick)],
    "false_discoveries": false_discoveries,
    "coverage": coverage,
    "ceilings": ceilings,
    "mixed_models": mixed_models,
    "exchanged_clips": exchanged_clips,
    **calibration_designs.PARTS,
    **calibration_folds.PARTS,
    **calibration_realdata.PARTS,
    **calibration_inherited.PARTS,
}


def main() -> None:
    options = arguments(
        __doc__.splitlines()[0], lambda parser: parser.add_argument("--parts", nargs="+", choices=list(PARTS))
    )
    quick = options.quick
    env = environment(data="simulated")
    rows: list[Row] = []
    for part in options.parts or PARTS:
        start = time.process_time()
        for row in PARTS[part](quick):
            rows.append(row)
            print(f"{row.case:<36}{row.ours:>8}{row.peer or '-':>8}  {row.agreement}", file=sys.stderr, flush=True)
            save("calibration", rows, env, quick=quick)
        print(f"{part}: {time.process_time() - start:.1f} s of processor time", file=sys.stderr, flush=True)
    checks = [value for row in rows for value in (row.agreement or {}).values()]
    agreed = all(value for value in checks if isinstance(value, bool))
    finish("calibration", rows, env, agreed=agreed, quick=quick)


if __name__ == "__main__":
    main()
