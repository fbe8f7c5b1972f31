r"""Banded ridge, continued: follow the gradient of the held-out error from the best scaling of each target.

With penalties :math:`\lambda_k = e^{\theta_k}` the weights of a fold are :math:`w = (G + \Lambda)^{-1} c`, and the
held-out error :math:`s - 2 d'w + w'Hw` has the gradient
:math:`-\lambda_k \, w_k' v_k`, where :math:`(G + \Lambda) v = 2 (H w - d)`: one factorisation per target, fold and
step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from b2m_encoding.errors import InputError
from b2m_encoding.models.solver.banded import BandedChoice
from b2m_encoding.models.solver.devices import in_chunks
from b2m_encoding.models.solver.gram.problem import StatisticsProblem
from b2m_encoding.models.solver.options import Scoring
from b2m_encoding.models.solver.problems import Blocks, PreparedFold, RidgeProblem
from b2m_encoding.models.solver.weights import Weights

LARGEST = 30.0  # log penalty that switches a feature space off
CELLS = 2**26  # numbers in a batch of factorised matrices


def held_out_error(fold: PreparedFold, targets: slice, logs: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the held-out squared error of each target and its gradient by the log penalties.

    Parameters
    ----------
    fold : PreparedFold
    targets : slice
    logs : Tensor, shape (n, n_bands)
        Log penalties.
    widths : Tensor of int, shape (n_bands,)
        Columns of each feature space.

    Returns
    -------
    error : Tensor, shape (n,)
    gradient : Tensor, shape (n, n_bands)
    """
    train, held_out, squares = fold.load(targets)
    penalties = logs.exp().repeat_interleave(widths, dim=1)
    factor = torch.linalg.cholesky(fold.train + torch.diag_embed(penalties))
    weights = torch.cholesky_solve(train[..., None], factor)[..., 0]
    image = weights @ fold.held_out
    error = squares + ((image - 2 * held_out) * weights).sum(1)
    back = torch.cholesky_solve(2 * (image - held_out)[..., None], factor)[..., 0]
    slope = -penalties * weights * back
    return error, torch.stack([part.sum(1) for part in torch.split(slope, widths.tolist(), dim=1)], dim=1)


def refine(
    problem: RidgeProblem, folds: Sequence[Blocks], choice: BandedChoice, n_steps: int, scoring: Scoring = "r2_pooled"
) -> tuple[Tensor, Tensor]:
    """Improve the penalties of every target; a step that does not help is undone and the next one is shorter.

    Parameters
    ----------
    problem : RidgeProblem
    folds : sequence of sequences of str
        Held-out blocks of each fold.
    choice : BandedChoice
        Where to start.
    n_steps : int
    scoring : {"r2", "r2_pooled"}

    Returns
    -------
    deltas : Tensor, shape (n_bands, n_targets)
        Minus the log penalties.
    scores : Tensor, shape (n_targets,)
        Cross-validated R2, never below that of the start.

    Raises
    ------
    InputError
        If the problem is not in the Gram form.
    """
    if not isinstance(problem, StatisticsProblem):
        raise InputError("gradient refinement needs the Gram form", found=problem.form, fix='form="gram", or refine=0')
    widths = torch.tensor(list(problem.preparation.widths), device=problem.device)
    prepared = [problem.prepared_fold(held_out) for held_out in folds]
    factors = problem.fold_factors(folds) if scoring == "r2" else torch.ones((len(folds), 1), device=problem.device)
    logs, score = (-choice.deltas).clamp(-LARGEST, LARGEST).T.contiguous(), choice.scores.clone()

    def work(targets: slice) -> None:
        def total(at: Tensor) -> tuple[Tensor, Tensor]:
            parts = [held_out_error(fold, targets, at, widths) for fold in prepared]
            own = factors[:, targets] if scoring == "r2" else factors
            error = (torch.stack([p[0] for p in parts]) * own).sum(0)
            return error, (torch.stack([p[1] for p in parts]) * own[..., None]).sum(0)

        best = logs[targets].clone()
        error, slope = total(best)
        first, step = error, torch.ones_like(error)
        for _ in range(n_steps):
            direction = slope / slope.abs().amax(1, keepdim=True).clamp_min(1e-300)
            trial = (best - step[:, None] * direction).clamp(-LARGEST, LARGEST)
            trial_error, trial_slope = total(trial)
            better = trial_error < error
            best = torch.where(better[:, None], trial, best)
            slope = torch.where(better[:, None], trial_slope, slope)
            error, step = torch.where(better, trial_error, error), torch.where(better, step * 1.5, step * 0.3)
        gained = error < first
        improved = 1 - (1 - choice.scores[targets]) * error / first
        improved = torch.where(gained & (improved > choice.scores[targets]), improved, choice.scores[targets])
        logs[targets], score[targets] = torch.where(gained[:, None], best, logs[targets]), improved

    in_chunks(problem.n_targets, max(1, CELLS // problem.n_features**2), work, problem.device)
    return -logs.T, score


def solve_refined(problem: RidgeProblem, deltas: Tensor) -> Weights:
    """Solve for the weights from all samples, with one penalty per target and feature space.

    Parameters
    ----------
    problem : RidgeProblem
    deltas : Tensor, shape (n_bands, n_targets)
        Minus the log penalties.
    """
    assert isinstance(problem, StatisticsProblem)
    fold = problem.prepared_fold(())
    widths = torch.tensor(list(problem.preparation.widths), device=problem.device)
    dtype = problem.statistics.dtype
    reduced = torch.empty((problem.n_targets, problem.n_features), dtype=dtype, device=problem.device)

    def work(targets: slice) -> None:
        train, _, _ = fold.load(targets)
        penalties = (-deltas.T[targets]).exp().repeat_interleave(widths, dim=1)
        factor = torch.linalg.cholesky(fold.train + torch.diag_embed(penalties))
        weights = torch.cholesky_solve(train[..., None], factor)[..., 0]
        reduced[targets] = fold.back(weights).to(dtype)

    in_chunks(problem.n_targets, max(1, CELLS // problem.n_features**2), work, problem.device)
    return Weights(reduced, None, fold.mean_x, fold.mean_y)


def refined_choice(choice: BandedChoice, deltas: Tensor, scores: Tensor) -> BandedChoice:
    """Replace the scaling and penalty of each target in a choice."""
    scalings = torch.softmax(deltas, dim=0).T
    index = torch.arange(len(scalings), device=scalings.device)
    return replace(choice, scalings=scalings, index=index, alphas=torch.exp(-torch.logsumexp(deltas, 0)), scores=scores)
