"""Rows of ``calibration.py`` on test clips whose repeats were averaged, tested by exchanging clips.

- ``clips_RHO_RUNSxCLIPSxSAMPLES_KIND``: three presentations in different orders, averaged clip by clip. The
  prediction is white noise of every clip that a haemodynamic response smears into the next one. ``noise``: the response
  is AR(1) noise; ``stimulus``: it follows other features of the clips as well, smeared alike. Rate of p < .05 in
  ``ours``, of the paper's Gaussian null in ``peer``. Agreement: ours within [.035, .065].
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from calibration_folds import bounds
from harness import Row
from scipy.signal import lfilter

from b2m_encoding.runs import Runs
from b2m_encoding.stats import significance

DESIGNS = ((1, 20, 10), (2, 10, 10), (4, 10, 10), (1, 60, 10))
"""Runs, clips in each, samples of each."""
HRF = (0.0, 0.1, 0.3, 0.3, 0.2, 0.1)
N_REPEATS, N_TARGETS = 3, 3000


def presented(clips: Any, order: Any) -> Any:
    """Clips in an order, smeared, and back in the order of the clips, shape (n_clips, n_samples, n_targets)."""
    n, samples, targets = clips.shape
    smeared = lfilter(HRF, [1], clips[order].reshape(n * samples, targets), axis=0).reshape(clips.shape)
    return smeared[np.argsort(order)]


def averaged(rng: np.random.Generator, n: int, samples: int, rho: float, kind: str) -> tuple[Any, Any]:
    """Prediction and response of a run, averaged over presentations."""
    features, others = rng.standard_normal((2, n, samples, N_TARGETS), dtype=np.float32)
    predicted, measured = [], []
    for _ in range(N_REPEATS):
        order = rng.permutation(n)
        noise = lfilter([1], [1, -rho], rng.standard_normal((60 + n * samples, N_TARGETS)), axis=0)[60:]
        noise = (noise / noise.std()).reshape(n, samples, N_TARGETS)[np.argsort(order)]
        predicted.append(presented(features, order))
        signal = presented(others, order) if kind == "stimulus" else 0
        measured.append(noise + 2 * signal)
    first, second = (np.mean(values, axis=0).reshape(n * samples, -1) for values in (predicted, measured))
    return first, second


def exchanged_clips(quick: bool) -> Iterator[Row]:
    """Rates of p < .05 for clips of 10 samples."""
    for runs, clips, samples in DESIGNS[1:2] if quick else DESIGNS:
        for rho, kind in ((0.5, "noise"), (0.9, "noise"), (0.5, "stimulus")):
            rng = np.random.default_rng(12)
            parts = [averaged(rng, clips, samples, rho, kind) for _ in range(runs)]
            series = [np.concatenate(one).astype(np.float32) for one in zip(*parts, strict=True)]
            labels = np.repeat([f"clip.{i:05d}" for i in range(runs * clips)], samples)
            where = Runs.from_labels(np.repeat([f"run-{i}" for i in range(runs)], clips * samples), 1.5, clip=labels)
            ours = significance(*series, where, method="clip", n_permutations=1000, random_state=0)
            paper = significance(*series, where, method="paper")
            rate, peer = float((ours.p < 0.05).mean()), float((paper.p < 0.05).mean())
            agreement = {
                "within": bounds(rate, N_TARGETS, 0.035, 0.065),
                "method": ours.method,
                "widening": round(ours.widening, 3),
            }
            case = f"clips_{rho}_{runs}x{clips}x{samples}_{kind}"
            yield Row(case, ours=f"{rate:.4f}", peer=f"{peer:.4f}", agreement=agreement)
