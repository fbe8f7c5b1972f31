"""Power of the nulls where stimuli follow each other at equal intervals; all data are simulated, nothing is timed.

    python benchmarks/intervals.py [--quick]

Stimuli of 10.5 s in runs of 200 samples of 1.5 s, rests of 4.5 s (``regular``) or 0 to 9 s (``irregular``). Responses
follow what is common to all stimuli (``common``) or what differs between them (``differences``), smeared by a
haemodynamic response, with AR(1) noise of .5; r of the true course is .3 or .55. Rows ``KIND_R_RUNS_RESTS``: share of
200 targets with p < .001, known predictions, by shifts in ``ours``, by exchange of stimuli in ``peer``. Rows
``folds_KIND_RUNS_RESTS`` (r .55): smallest p of a cross-validated model; agreement: the bound by its resemblance.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from harness import Row, arguments, environment, finish
from scipy.signal import lfilter

from b2m_encoding import EncodingModel, Runs
from b2m_encoding.analysis import evaluate
from b2m_encoding.analysis.intervals import WIDER
from b2m_encoding.stats import significance
from b2m_encoding.stats.permutation import resemblance

TR, N, LONG = 1.5, 200, 7
RESTS = {"regular": [3], "irregular": [0, 1, 2, 3, 4, 5, 6]}
DELAY = np.arange(0, 30, TR)
RESPONSE = DELAY**5 * np.exp(-DELAY)


def design(n_runs: int, rests: list[int], rng: np.random.Generator) -> tuple[Any, Runs]:
    """Presence and a random property of stimuli, shape (n_samples, 2)."""
    features, clips = np.zeros((n_runs, N, 2)), np.full((n_runs, N), "", dtype="U16")
    for run in range(n_runs):
        start = 0
        while start + LONG <= N:
            features[run, start : start + LONG] = 1, rng.standard_normal()
            clips[run, start : start + LONG] = f"{run}_{start}"
            start += LONG + int(rng.choice(rests))
    labels = np.repeat([f"run-{run:02d}" for run in range(n_runs)], N)
    return features, Runs.from_labels(labels, TR, clip=clips.ravel())


def responses(features: Any, kind: str, r: float, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """The true course and responses that follow it, shapes (n_samples, 1) and (n_samples, n)."""
    course = lfilter(RESPONSE, 1, features[:, :, ["common", "differences"].index(kind)], axis=1)
    course = course - course.mean(axis=1, keepdims=True)
    course = course.reshape(-1, 1) / course.std()
    noise = lfilter([1], [1, -0.5], rng.standard_normal((len(course), n)), axis=0)
    return course, r * course + math.sqrt(1 - r**2) * noise / noise.std()


def power(kind: str, r: float, n_runs: int, rests: str) -> Row:
    """Power of known predictions."""
    found: dict[str, list[float]] = {"shift": [], "clip": []}
    for seed in range(4):
        rng = np.random.default_rng(seed)
        features, runs = design(n_runs, RESTS[rests], rng)
        course, measured = responses(features, kind, r, 50, rng)
        for method, shares in found.items():
            p = significance(np.repeat(course, 50, 1), measured, runs, method=method, random_state=seed).p  # type: ignore[arg-type]
            shares.append(float((p < 0.001).mean()))
    ours, peer = (f"{np.mean(shares):.2f}" for shares in found.values())
    return Row(f"{kind}_{r}_{n_runs}_{rests}", ours=ours, peer=peer)


def folds(kind: str, n_runs: int, rests: str, n_refits: int) -> Row:
    """Smallest p of a model that is fitted and tested run by run."""
    rng = np.random.default_rng(0)
    features, runs = design(n_runs, RESTS[rests], rng)
    _, measured = responses(features, kind, 0.55, 50, rng)
    column = features.reshape(-1, 2)[:, ["common", "differences"].index(kind)][:, None]
    model = EncodingModel(delays=[3, 4.5, 6, 7.5])
    found = evaluate(model, column, measured.astype(np.float32), runs, cv="runs", method="shift", n_refits=n_refits)
    alike = resemblance(found.predicted, found.measured, found.runs, method="shift")
    bound = 0.5 * math.erfc(1 / (WIDER * alike * math.sqrt(2)))
    agreement = {
        "resemblance": round(alike, 3),
        "bound": f"{bound:.2g}",
        "median r": round(float(np.median(found.r)), 2),
    }
    return Row(f"folds_{kind}_{n_runs}_{rests}", ours=f"{np.min(found.p):.2g}", agreement=agreement)


def main() -> None:
    """Power at equal and at different intervals."""
    options = arguments(main.__doc__ or "")
    kinds, n_runs = ("common", "differences"), (2, 4) if options.quick else (2, 4, 8)
    rows = [
        power(kind, r, n, rests)
        for kind in kinds for r in (0.3, 0.55) for n in n_runs for rests in RESTS
    ]  # fmt: skip
    rows += [
        folds(kind, n, rests, 1000 if options.quick else 4000)
        for kind in kinds for n in ((4,) if options.quick else (3, 4, 6, 8)) for rests in RESTS
    ]  # fmt: skip
    finish("intervals", rows, environment(), agreed=True, quick=options.quick)


if __name__ == "__main__":
    sys.exit(main())
