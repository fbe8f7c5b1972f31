"""Banded ridge: one penalty per feature space and target (Dupre la Tour et al. 2022).

A penalty per feature space is a scaling of the feature spaces and one penalty for all. The scalings lie on the
simplex; each is one ridge problem whose Gram matrix is that of the unscaled features, scaled.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from b2m_encoding.errors import InputError
from b2m_encoding.models.solver.options import SearchOptions
from b2m_encoding.models.solver.problems import Blocks, RidgeProblem
from b2m_encoding.models.solver.ridge import choose
from b2m_encoding.models.solver.weights import Weights


@dataclass(frozen=True)
class BandedChoice:
    """Scalings and penalties chosen by cross-validation.

    Parameters
    ----------
    scalings : Tensor, shape (n_scalings, n_bands)
    index : Tensor of int, shape (n_targets,)
        Row of ``scalings`` of each target.
    alphas, scores : Tensor, shape (n_targets,)
    path : Tensor, shape (n_scalings, n_targets)
        Best cross-validated score of every scaling; NaN for those that cannot be the best.
    """

    scalings: Tensor
    index: Tensor
    alphas: Tensor
    scores: Tensor
    path: Tensor

    @property
    def deltas(self) -> Tensor:
        """log(scaling / alpha), shape (n_bands, n_targets): minus the log of the penalty of each feature space."""
        own = self.scalings[self.index].T
        return torch.where(own > 0, own / self.alphas, 0.0).log()  # where one is left out, though its penalty is 0


def simplex_scalings(
    n_bands: int, n_scalings: int, random_state: int | np.random.Generator | None = None
) -> NDArray[np.float64]:
    """Draw scalings to try: all bands alike, each band alone, pairs, then Dirichlet samples, half of them sparse.

    Parameters
    ----------
    n_bands, n_scalings : int
    random_state : int, Generator or None

    Returns
    -------
    array, shape (n_scalings, n_bands)
        Every row sums to 1; a single row for a single band.

    Examples
    --------
    >>> simplex_scalings(2, 4, random_state=0)[:3]
    array([[0.5, 0.5],
           [1. , 0. ],
           [0. , 1. ]])
    """
    if n_scalings < 1:
        raise InputError("at least one scaling is needed", found=n_scalings)
    rng = np.random.default_rng(random_state)
    sets = [tuple(range(n_bands)), *((i,) for i in range(n_bands))]
    sets += list(combinations(range(n_bands), 2)) if n_bands > 2 else []
    structured = np.array([[1 / len(chosen) if i in chosen else 0.0 for i in range(n_bands)] for chosen in sets])
    if n_bands == 1 or n_scalings <= len(structured):
        return structured[: 1 if n_bands == 1 else n_scalings]
    n_random = n_scalings - len(structured)
    wide = rng.dirichlet(np.ones(n_bands), n_random - n_random // 2)
    sparse = rng.dirichlet(np.full(n_bands, 0.1), n_random // 2)
    return np.concatenate([structured, wide, sparse])


def check_scalings(scalings: ArrayLike, n_bands: int) -> NDArray[np.float64]:
    """Check scalings and divide every row by its sum, shape (n_scalings, n_bands)."""
    rows = np.atleast_2d(np.asarray(scalings, dtype=float))
    if rows.shape[1] != n_bands or (rows < 0).any() or not (rows.sum(1) > 0).all():
        raise InputError(
            "scalings need one number >= 0 per feature space in every row",
            found=rows.shape,
            expected=f"(n_scalings, {n_bands})",
        )
    return np.asarray(rows / rows.sum(1, keepdims=True))


def search_banded(
    problem: RidgeProblem,
    folds: Sequence[Blocks],
    alphas: ArrayLike,
    scalings: ArrayLike,
    options: SearchOptions,
    *,
    progress_bar: bool = False,
) -> BandedChoice:
    """Cross-validate every scaling with every penalty for every target, and choose.

    Parameters
    ----------
    problem : RidgeProblem
    folds : sequence of sequences of str
        Held-out blocks of each fold.
    alphas : array, shape (n_alphas,)
    scalings : array, shape (n_scalings, n_bands)
    options : SearchOptions
    progress_bar : bool
        Count scalings on standard error.
    """
    grid = torch.as_tensor(np.array(alphas, dtype=float), device=problem.device)
    rows = torch.as_tensor(np.array(scalings, dtype=float), device=problem.device)
    n = problem.n_targets
    best = torch.full((n,), -torch.inf, dtype=torch.float64, device=problem.device)
    alpha, score = torch.ones_like(best), torch.full_like(best, torch.nan)
    index = torch.zeros(n, dtype=torch.int64, device=problem.device)
    path = []
    for i, scaling in enumerate(rows):
        known = best.clone() if i and options.groups is None else None
        choice = choose(problem.cv_scores(folds, grid, options, scaling, known), grid, options)
        better = choice.compare > best
        best, alpha = torch.where(better, choice.compare, best), torch.where(better, choice.alphas, alpha)
        score, index = torch.where(better, choice.scores, score), torch.where(better, i, index)
        path.append(choice.scores)
        if progress_bar:
            print(f"\rscalings: {i + 1}/{len(rows)}", end="\n" if i + 1 == len(rows) else "", file=sys.stderr)
    return BandedChoice(rows, index, alpha, score, torch.stack(path))


def solve_banded(problem: RidgeProblem, choice: BandedChoice, *, n_targets_batch: int = 4096) -> Weights:
    """Solve for the weights from all samples: one eigenproblem for every scaling that a target has."""
    reduced, centre = None, None
    for i in np.unique(choice.index.cpu().numpy()).tolist():
        targets = (choice.index == i).nonzero()[:, 0]
        part = problem.solve(choice.alphas[targets], choice.scalings[i], targets, n_targets_batch)
        full = part.full()
        if reduced is None or centre is None:
            reduced, centre = full.new_zeros(problem.n_targets, problem.n_features), part
        reduced[targets] = full
    assert reduced is not None  # every target has an index
    assert centre is not None
    return Weights(reduced, None, centre.mean_x, centre.mean_y)
