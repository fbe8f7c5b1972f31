"""Cross-validated scores of every penalty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from b2m_encoding.models.solver.devices import Precision, in_chunks
from b2m_encoding.models.solver.problems import Blocks, Source
from b2m_encoding.models.solver.scorers import FoldScorer, fold_scorer

Scoring = Literal["r2", "r"]


def cv_scores(
    source: Source,
    folds: Sequence[Blocks],
    alphas: Tensor,
    *,
    scoring: Scoring = "r2",
    scaling: Tensor | None = None,
    precision: Precision = "float32",
    n_targets_batch: int = 4096,
) -> Tensor:
    """Cross-validated score of every penalty and target, shape (n_alphas, n_targets).

    ``"r2"`` is 1 minus the squared errors of all folds over the held-out variation of all folds, so every sample
    counts the same; ``"r"`` is the mean over folds of the correlation in the held-out samples.
    """
    n = source.n_targets
    score = torch.zeros((len(alphas), n), dtype=torch.float64, device=source.device)
    for held in folds:  # one fold in memory at a time
        scorer = fold_scorer(source.system(held, scaling, own_mean=scoring == "r"), alphas, precision, n)

        def work(part: slice, scorer: FoldScorer = scorer) -> None:
            linear, quadratic, squares = scorer(part)
            if scoring == "r2":
                score[:, part] += (squares[:, None] - (2 * linear - quadratic)).T
            else:
                scale = (quadratic.double() * squares[:, None]).sqrt()
                score[:, part] += torch.where(scale > 0, linear / scale, 0.0).T / len(folds)

        n_targets_batch = in_chunks(n, n_targets_batch, work)
    if scoring == "r":
        return score
    variation = torch.stack([source.variation(held) for held in folds]).sum(0).to(score.device)
    return 1 - score / variation.clamp_min(torch.finfo(torch.float64).tiny)
