"""Keep what each held-out block contributes to the scores of a subject, so that studies can be compared."""

from __future__ import annotations

import numpy as np

from b2m_encoding._typing import Float64
from b2m_encoding.analysis.encoding.blocks import BlockLayout
from b2m_encoding.analysis.encoding.encoding import Encoding
from b2m_encoding.results.held_out_blocks import HeldOutBlocks
from b2m_encoding.results.schema import JOINT
from b2m_encoding.stats.joined_folds import Refits
from b2m_encoding.study import Study


def keep_blocks(encoding: Encoding, study: Study) -> HeldOutBlocks | None:
    """Contributions of the shortest held-out blocks to r of every model; None without held-out samples."""
    held_out = encoding.held_out
    if held_out is None:
        return None
    layout, tested = BlockLayout.of(held_out, study), held_out.tested
    sums, runs = held_out.sums, held_out.runs
    bands = {name: held_out.feature_spaces if name == JOINT else (name,) for name in encoding.r}
    accuracy, ratio = _dependence(encoding.refits)
    return HeldOutBlocks(
        {name: np.nan_to_num(sums.contributions(own)[:, tested]).astype(np.float32) for name, own in bands.items()},
        tested,
        sums.n,
        np.asarray(sums.split, dtype=np.int64),
        runs.run.astype(str),
        runs.clip.astype(str),
        runs.presentation,
        runs.tr,
        layout.shortest,
        layout.length,
        accuracy,
        ratio,
    )


def _dependence(refits: Refits | None) -> tuple[Float64, Float64]:
    """Accuracies, and the error of a difference at each; of r where the study compares no feature spaces."""
    if refits is None:
        return np.zeros(0), np.zeros(0)
    ratios = refits.dependence.ratios
    return refits.dependence.accuracy, ratios["difference" if "difference" in ratios else "r"]
