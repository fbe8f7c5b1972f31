"""Rows of ``calibration.py`` on designs of one test set that are hard: repeats, few clips, slow noise.

- ``repeats_N_runs``: a story of 150 samples, once in each of N runs. Responses follow the story, as strong as the
  noise, but not the features. Rate of p < .05 in ``ours``; ``peer``: copies that move apart. Agreement: within
  [.035, .065].
- ``pink_noise``: 1/f noise in six runs. ``one_run_10_clips``: ten clips of 20 samples in one run, smeared by a
  haemodynamic response.
- ``region_flips_slow``, ``preference_slow``: two predictions that are equally good, AR(1) .9 in responses of .7: the
  rate of p < .05 of sign flips; ``peer``: blocks of 10 samples. ``probability_slow``: two predictions of which one
  is better by chance, AR .95 and .9: probability of the preferred one in ``ours``, share that is right in ``peer``;
  agreement: within .05.
- ``identification_genres``: unrelated predictions of sixty clips of ten genres; share of accuracies outside the 95 %
  interval of chance if genres change places; ``peer``: if clips do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from calibration_folds import bounds, noise
from harness import Row
from scipy.signal import lfilter

from b2m_encoding.decoding.chance import chance_interval
from b2m_encoding.decoding.identification import identification_accuracy
from b2m_encoding.runs import Runs
from b2m_encoding.stats import significance
from b2m_encoding.stats.intervals import block_length_for, score_interval
from b2m_encoding.stats.preference import flip_widening, prefer
from b2m_encoding.stats.regions import sign_flip_p
from b2m_encoding.stats.sums.gather import block_sums

STORY = 150


def repeats(quick: bool) -> Iterator[Row]:
    """One story in several runs."""
    n = 1000 if quick else 4000
    for n_runs in (2, 4, 10):
        rng = np.random.default_rng(n_runs)
        lengths = [STORY] * n_runs
        prediction, story = (np.tile(noise(rng, [STORY], rho, n), (n_runs, 1)) for rho in (0.8, 0.8))
        measured = story + noise(rng, lengths, 0.5, n)
        names = np.repeat([f"run-{i}" for i in range(n_runs)], STORY)
        runs = Runs.from_labels(names, 1.5, clip=["story"] * (n_runs * STORY))
        found = significance(prediction, measured, runs, n_permutations=500, random_state=0)
        apart = significance(prediction, measured, Runs.from_labels(names, 1.5), n_permutations=500, random_state=0)
        interval = score_interval(prediction, measured, runs, n_bootstraps=300, random_state=0)
        rate, peer = (float(np.mean(one.p < 0.05)) for one in (found, apart))
        holds = float(np.mean((interval.low <= 0) & (interval.high >= 0)))
        agreement = {"within": bounds(rate, n, 0.035, 0.065), "interval_within": bounds(holds, n, 0.925, 0.975)}
        agreement |= {"interval_holds_0": holds, "method": found.method}
        yield Row(f"repeats_{n_runs}_runs", ours=f"{rate:.4f}", peer=f"{peer:.4f}", agreement=agreement)


def pink(rng: np.random.Generator, n_samples: int, n: int) -> Any:
    """Noise with a power of 1/f."""
    frequency = np.maximum(np.fft.rfftfreq(4 * n_samples), 1 / (4 * n_samples))
    spectrum = rng.standard_normal((2, len(frequency), n)) / np.sqrt(frequency)[:, None]
    values = np.fft.irfft(spectrum[0] + 1j * spectrum[1], axis=0)[:n_samples]
    return values / values.std(axis=0)


def slow_and_few(quick: bool) -> Iterator[Row]:
    """Pink noise; one run of few clips."""
    n, rng = 1000 if quick else 5000, np.random.default_rng(8)
    runs = Runs.from_lengths([100] * 6, 1.5)
    series = [np.concatenate([pink(rng, 100, n) for _ in range(6)]) for _ in range(2)]
    found = significance(*series, runs, n_permutations=500, random_state=0)
    yield _rate("pink_noise", found, n)
    clip = np.repeat([f"clip-{i}" for i in range(10)], 20)
    one = Runs.from_labels(["run"] * 200, 1.5, clip=clip)
    smear = (0.0, 0.1, 0.3, 0.3, 0.2, 0.1)
    series = [lfilter(smear, [1], noise(rng, [260], 0.5, n), axis=0)[60:] for _ in range(2)]
    yield _rate("one_run_10_clips", significance(*series, one, n_permutations=500, random_state=0), n)


def _rate(case: str, found: Any, n: int) -> Row:
    rate = float(np.mean(found.p < 0.05))
    agreement = {"within": bounds(rate, n, 0.035, 0.065), "method": found.method, "widening": round(found.widening, 3)}
    return Row(case, ours=f"{rate:.4f}", agreement=agreement)


def flips(quick: bool) -> Iterator[Row]:
    """Two predictions, compared over blocks."""
    n, lengths = 1000 if quick else 4000, [100] * 6
    runs, rng = Runs.from_lengths(lengths, 1.5), np.random.default_rng(6)
    first, second = noise(rng, lengths, 0.9, n), noise(rng, lengths, 0.9, n)
    measured = 0.3 * (first + second) + noise(rng, lengths, 0.7, n)
    rates: dict[str, list[float]] = {"region_flips_slow": [], "preference_slow": []}
    length = block_length_for(first, measured, runs, 10)
    for block in (length, 10):
        sums = block_sums({("a",): first, ("b",): second}, measured, runs, block_length=block)
        lead = sums.contributions(("a",)) - sums.contributions(("b",))
        wider = flip_widening(sums.n_blocks) if block == length else 1.0
        p = [sign_flip_p(values, 2000, 0, widening=wider) for values in lead.T]
        found = prefer(
            sums, np.ones(n, bool), n_bootstraps=200, n_permutations=2000, widening=np.full(n, wider), random_state=0
        )
        rates["region_flips_slow"].append(float(np.mean(np.array(p) < 0.05)))
        rates["preference_slow"].append(float(np.mean(found.p < 0.05)))
    for case, (rate, peer) in rates.items():
        agreement = {"within": bounds(rate, n, 0.035, 0.065), "block": length}
        yield Row(case, ours=f"{rate:.4f}", peer=f"{peer:.4f}", agreement=agreement)
    yield _probability(rng, lengths, n)


def _probability(rng: np.random.Generator, lengths: list[int], n: int) -> Row:
    runs = Runs.from_lengths(lengths, 1.5)
    first, second, gain = noise(rng, lengths, 0.95, n), noise(rng, lengths, 0.95, n), 0.1 * rng.standard_normal(n)
    measured = (0.3 + gain) * first + (0.3 - gain) * second + noise(rng, lengths, 0.9, n)
    length = block_length_for(first, measured, runs, 10)
    sums = block_sums({("a",): first, ("b",): second}, measured, runs, block_length=length)
    found = prefer(sums, np.ones(n, bool), n_bootstraps=500, n_permutations=100, random_state=0)
    probability = found.probability.max(axis=0)
    right = (found.probability.argmax(axis=0) == 0) == (gain > 0)
    sure = probability > 0.8
    said, true = float(probability[sure].mean()), float(right[sure].mean())
    agreement = {
        "within_0.05": bool(abs(said - true) <= 0.05 + 2 * np.sqrt(0.2 / sure.sum())),
        "targets": int(sure.sum()),
    }
    return Row("probability_slow", ours=f"{said:.4f}", peer=f"{true:.4f}", agreement=agreement)


def genres(quick: bool) -> Iterator[Row]:
    """Identification by decoders of left-out genres, which differ in features and in unrelated predictions."""
    n, code = 40 if quick else 400, np.repeat(np.arange(10), 6)
    outside = np.zeros(2)
    for number in range(n):
        rng = np.random.default_rng(number)
        predicted, target = (rng.standard_normal((10, 20))[code] + rng.standard_normal((60, 20)) for _ in range(2))
        accuracy = identification_accuracy(predicted, target).mean()
        for i, groups in enumerate((code, None)):
            part = (predicted, target, np.ones(60, dtype=bool))
            low, high = chance_interval([part], groups=groups, n_permutations=100, random_state=0)
            outside[i] += not low <= accuracy <= high
    rate, peer = (outside / n).tolist()
    agreement = {"within": bounds(rate, n, 0.03, 0.075)}
    yield Row("identification_genres", ours=f"{rate:.4f}", peer=f"{peer:.4f}", agreement=agreement)


PARTS = {"genres": genres, "repeats": repeats, "slow_and_few": slow_and_few, "flips": flips}
