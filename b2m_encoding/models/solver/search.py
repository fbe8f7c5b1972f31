"""Cross-validated scores of every penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding.models.solver.devices import Precision, in_chunks
from b2m_encoding.models.solver.problems import Blocks, RidgeProblem
from b2m_encoding.models.solver.scorers import FoldScorer, fold_scorer

Scoring = Literal["r2", "r"]
FLAT = 1e-10
"""Share of the squared deviations from the training means below which a target is constant inside the folds."""


@dataclass(frozen=True, eq=False)
class SearchOptions:
    """Options of a search of penalties that are the same for every solver.

    Parameters
    ----------
    scoring : {"r2", "r"}
    groups : array of int, shape (n_targets,), or None
        Group whose penalty each target shares; None where each target has its own.
    tested : Tensor of bool, shape (n_targets,)
        Targets that count in the score of their group.
    precision : {"float32", "float64", "fast"}
    n_targets_batch : int
    """

    scoring: Scoring
    groups: NDArray[np.intp] | None
    tested: Tensor
    precision: Precision
    n_targets_batch: int


def cv_scores(
    problem: RidgeProblem,
    folds: Sequence[Blocks],
    alphas: Tensor,
    options: SearchOptions,
    scaling: Tensor | None = None,
) -> Tensor:
    """Compute the cross-validated score of every penalty and target, shape (n_alphas, n_targets).

    ``"r2"`` is 1 minus the squared errors of all folds over the held-out variation of all folds, so every sample
    counts the same. Where a target does not vary inside the folds (leave-one-out, a value per block), it is 1 minus
    the squared errors over those of the training means. ``"r"`` is the mean over folds of the correlation in the
    held-out samples.

    Parameters
    ----------
    problem : RidgeProblem
    folds : sequence of sequences of str
        Held-out blocks of each fold.
    alphas : Tensor, shape (n_alphas,)
    options : SearchOptions
    scaling : Tensor, shape (n_bands,), optional
        Scaling of each feature space.
    """
    n, scoring, batch = problem.n_targets, options.scoring, options.n_targets_batch
    score = torch.zeros((len(alphas), n), dtype=torch.float64, device=problem.device)
    null = torch.zeros(n, dtype=torch.float64, device=problem.device)
    for held_out in folds:  # one fold in memory at a time
        system = problem.fold(held_out, scaling, own_mean=scoring == "r")
        scorer = fold_scorer(system, alphas, options.precision, n)

        def add(targets: slice, scorer: FoldScorer = scorer) -> None:
            linear, quadratic, squares = scorer(targets)
            null[targets] += squares
            if scoring == "r2":
                score[:, targets] += (squares[:, None] - (2 * linear - quadratic)).T
            else:
                scale = (quadratic.double() * squares[:, None]).sqrt()
                score[:, targets] += torch.where(scale > 0, linear / scale, 0.0).T / len(folds)

        batch = in_chunks(n, batch, add)
    if scoring == "r":
        return score
    variation = torch.stack([problem.variation(held_out) for held_out in folds]).sum(0).to(score.device)
    return cross_validated_r2(score, variation, null)


def cross_validated_r2(error: Tensor, variation: Tensor, null: Tensor) -> Tensor:
    """R2 from squared errors, held-out variation, and squares about the training means where there is no variation."""
    scale = torch.where(variation > FLAT * null, variation, null)
    return 1 - error / scale.clamp_min(torch.finfo(torch.float64).tiny)
