"""Rows of ``calibration.py`` on test clips whose repeats were averaged, tested by exchanging clips.

- ``clips_RHO_RUNSxCLIPSxSAMPLES``: unrelated prediction and response, each AR(1) within a clip and independent between
  clips, as after averaging over presentations in other orders. Rate of p < .05 in ``ours``, of the paper's Gaussian
  null in ``peer``. Agreement: ours within [.035, .065].
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from harness import Row
from scipy.signal import lfilter

from b2m_encoding.runs import Runs
from b2m_encoding.stats import significance

DESIGNS = ((1, 20, 10), (1, 60, 10), (4, 10, 10))
"""Runs, clips in each, samples of each."""


def exchanged_clips(quick: bool) -> Iterator[Row]:
    """Rates of p < .05 for clips of 10 samples."""
    for runs, clips, samples in DESIGNS[:1] if quick else DESIGNS:
        for rho in (0.5, 0.9):
            rng, n = np.random.default_rng(12), runs * clips
            noise = rng.standard_normal((2, 60 + samples, n, 4000)).astype(np.float32)
            series = lfilter([1], [1, -rho], noise, axis=1)[:, 60:].transpose(0, 2, 1, 3).reshape(2, n * samples, -1)
            labels = np.repeat([f"clip.{i:05d}" for i in range(n)], samples)
            where = Runs.from_labels(np.repeat([f"run-{i}" for i in range(runs)], clips * samples), 1.5, clip=labels)
            ours = significance(*series, where, method="clip", n_permutations=1000, random_state=0)
            paper = significance(*series, where, method="paper")
            rate, peer = float((ours.p < 0.05).mean()), float((paper.p < 0.05).mean())
            agreement = {"within": 0.035 <= rate <= 0.065, "method": ours.method, "widening": round(ours.widening, 3)}
            case = f"clips_{rho}_{runs}x{clips}x{samples}"
            yield Row(case, ours=f"{rate:.4f}", peer=f"{peer:.4f}", agreement=agreement)
