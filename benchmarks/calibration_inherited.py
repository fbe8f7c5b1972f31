"""Rows of ``calibration.py`` on what comparisons inherit from joined folds: regions, parts of variance, clusters.

Six runs of 100 samples in cross-validation; two feature spaces that drive alike, and noise that targets of a region of
five share in part.

- ``cv_regions``: rate of p < .05 of the difference of two equal feature spaces in a region; ``peer``: without the
  factor of joined folds. Agreement: within [.03, .07].
- ``cv_partition``, ``cv_partition_region``: how often the 95 % interval of a unique part holds its mean over all data
  sets of the kind, of single targets and of regions. Agreement: within [.92, .98].
- ``cv_clusters``: rate of null maps of 80 smooth targets in a row with any cluster of family-wise p < .05. Agreement:
  at most .065 and two standard errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from calibration_folds import RUNS, bounds, encode, noise, study_of
from harness import Row
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import csr_array, diags_array

from b2m_encoding.analysis.tables.regions import block_scores, partition_rows
from b2m_encoding.runs import Runs
from b2m_encoding.stats import cluster_test, null_maps, standardised_maps
from b2m_encoding.stats.preference import flip_widening
from b2m_encoding.stats.regions import sign_flip_p

LENGTHS = [100] * 6
SIZE, N = 5, 60
"""Targets of a region, and of a data set."""
STATISTICS = {"refits": 1000, "permutations": 1000, "bootstraps": 300, "partition": True}


def comparisons(quick: bool) -> Iterator[Row]:
    """Two feature spaces that drive alike."""
    runs, study = Runs.from_lengths(LENGTHS, 1.5), study_of(["a", "b"], RUNS, (0.0,), **STATISTICS)
    masks = [(None, str(i), np.arange(N) // SIZE == i) for i in range(N // SIZE)]
    weights = np.random.default_rng(1).standard_normal((2, 8, N))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    p, targets, regions = [], [], []
    for number in range(1 if quick else 20):
        rng = np.random.default_rng(700 + number)
        spaces = {name: noise(rng, LENGTHS, 0.5, 8) for name in "ab"}
        drive = sum(values @ own for values, own in zip(spaces.values(), weights, strict=True))
        shared = np.repeat(noise(rng, LENGTHS, 0.4, N // SIZE), SIZE, axis=1)
        responses = 0.35 * drive + 0.6 * shared + 0.8 * noise(rng, LENGTHS, 0.4, N)
        one = encode(responses, spaces, runs, RUNS, **STATISTICS)
        p += [_p_of_regions(block_scores("1", one, masks, study))]
        rows = [row for row in partition_rows("1", one, masks, study) if row["part"] == "a"]
        regions.append(np.array([[row["r2"], row["low"], row["high"]] for row in rows]).T)
        targets.append(np.stack([one.partition.parts["a",], *one.partition.interval["a",]]))
    ours, peer = (float(np.mean(rates < 0.05)) for rates in np.concatenate(p).T)
    n = len(p) * len(masks)
    yield Row("cv_regions", f"{ours:.4f}", f"{peer:.4f}", agreement={"within": bounds(ours, n, 0.03, 0.07), "n": n})
    for case, found in (("cv_partition", targets), ("cv_partition_region", regions)):
        part, low, high = np.stack(found, axis=1)
        truth, known = part.mean(axis=0), np.isfinite(low)
        rate = float(np.mean((low <= truth)[known] & (high >= truth)[known]))
        n = int(known.sum()) // (1 if "region" in case else 3)
        agreement = {"within": bounds(rate, n, 0.92, 0.98), "part": float(truth.mean()), "n": int(known.sum())}
        yield Row(case, f"{rate:.4f}", agreement=agreement)


def _p_of_regions(blocks: Any) -> Any:
    """P of the difference in every region, with and without the factor of joined folds, shape (n_regions, 2)."""
    found = []
    for (_, region, name), values in blocks.contributions.items():
        if name == "b":
            continue
        lead = values - blocks.contributions["1", region, "b"]
        lead = blocks.layout.merge(lead, blocks.layout.length)
        factors = (blocks.widening[region], 1.0)
        found.append([sign_flip_p(lead, 2000, 0, widening=factor * flip_widening(len(lead))) for factor in factors])
    return np.array(found)


def clusters(quick: bool) -> Iterator[Row]:
    """Null maps of 80 targets in a row, smooth; clusters by mass."""
    n_maps, n = (1 if quick else 60), 80
    line = csr_array(diags_array([np.ones(n - 1), np.ones(n - 1)], offsets=[-1, 1]))
    runs, found = Runs.from_lengths(LENGTHS, 1.5), []
    for number in range(n_maps):
        rng = np.random.default_rng(800 + number)
        smooth = gaussian_filter1d(noise(rng, LENGTHS, 0.5, n), 2.0, axis=1)
        one = encode(
            smooth / smooth.std(0), {"f": noise(rng, LENGTHS, 0.8, 20)}, runs, RUNS, refits=1500, permutations=200
        )
        held_out = one.held_out
        series = (held_out.predicted, held_out.measured, held_out.runs)
        null = standardised_maps(one.r["joint"], null_maps(*series, n_permutations=500, random_state=0))[1]
        p = cluster_test(one.significance.deviate, null, line, threshold=2.0, statistic="mass").p_map
        found.append(np.nanmin(np.r_[p, 1.0]) < 0.05)
    rate = float(np.mean(found))
    agreement = {"at_most_0.065": bool(rate <= 0.065 + 2 * np.sqrt(0.05 * 0.95 / n_maps)), "maps": n_maps}
    yield Row("cv_clusters", ours=f"{rate:.4f}", agreement=agreement)


PARTS = {"comparisons": comparisons, "clusters": clusters}
