"""Ridge regression with one penalty per target, per group of targets, or for all (Hoerl & Kennard 1970)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from b2m_encoding.errors import InputError
from b2m_encoding.models.solver.options import SearchOptions
from b2m_encoding.models.solver.problems import Blocks, RidgeProblem


@dataclass(frozen=True)
class Choice:
    """Penalties chosen by cross-validation.

    Parameters
    ----------
    alphas : Tensor, shape (n_targets,)
    scores : Tensor, shape (n_targets,)
        Cross-validated score of the choice.
    compare : Tensor, shape (n_targets,)
        Score that decided the choice: of the target, or of its group.
    path : Tensor, shape (n_alphas, n_targets)
        Cross-validated score of every penalty; NaN for those that cannot be the best.
    """

    alphas: Tensor
    scores: Tensor
    compare: Tensor
    path: Tensor


def groups_of_targets(alpha_per: str | ArrayLike, n_targets: int) -> NDArray[np.intp] | None:
    """Index the group whose penalty each target shares; None where each target has a penalty of its own.

    Examples
    --------
    >>> groups_of_targets(["STG", "A1", "STG"], 3)
    array([1, 0, 1])
    """
    if isinstance(alpha_per, str):
        if alpha_per not in ("target", "all"):
            raise InputError("unknown alpha_per", found=alpha_per, expected='"target", "all" or a label per target')
        return None if alpha_per == "target" else np.zeros(n_targets, dtype=np.intp)
    labels = np.asarray(alpha_per)
    if labels.shape != (n_targets,):
        raise InputError("alpha_per needs one label per target", found=labels.shape, expected=(n_targets,))
    return np.asarray(np.unique(labels, return_inverse=True)[1], dtype=np.intp)


def pool_scores(path: Tensor, groups: NDArray[np.intp] | None, tested: Tensor) -> Tensor:
    """Average scores over the tested targets of each group, shape (n_alphas, n_targets); unchanged without groups."""
    if groups is None:
        return path
    index = torch.from_numpy(groups).to(path.device)
    weight = tested.to(path)
    n_groups = int(index.max()) + 1 if len(index) else 0
    sums = torch.zeros((len(path), n_groups), dtype=path.dtype, device=path.device)
    sums.index_add_(1, index, torch.where(tested, path, 0.0))
    counts = torch.zeros(n_groups, dtype=path.dtype, device=path.device).index_add_(0, index, weight)
    return (sums / counts.clamp_min(1))[:, index]


def choose(path: Tensor, alphas: Tensor, options: SearchOptions) -> Choice:
    """Choose the penalty with the best score; the first one of equal scores.

    Parameters
    ----------
    path : Tensor, shape (n_alphas, n_targets)
        Cross-validated scores.
    alphas : Tensor, shape (n_alphas,)
    options : SearchOptions
    """
    compare, best = pool_scores(path, options.groups, options.tested).nan_to_num(-torch.inf).max(0)
    return Choice(alphas.to(path)[best], path.gather(0, best[None])[0], compare, path)


def search_ridge(problem: RidgeProblem, folds: Sequence[Blocks], alphas: ArrayLike, options: SearchOptions) -> Choice:
    """Cross-validate every penalty of a grid for every target, and choose.

    Parameters
    ----------
    problem : RidgeProblem
    folds : sequence of sequences of str
        Held-out blocks of each fold.
    alphas : array, shape (n_alphas,)
    options : SearchOptions
    """
    grid = torch.as_tensor(np.array(alphas, dtype=float), device=problem.device)
    return choose(problem.cv_scores(folds, grid, options), grid, options)
