"""Ridge regression with one penalty per target, per group of targets, or for all (Hoerl & Kennard 1970)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from b2m_encoding._typing import Float64
from b2m_encoding.errors import InputError
from b2m_encoding.models.solver.devices import in_chunks
from b2m_encoding.models.solver.filters import shrinkage
from b2m_encoding.models.solver.problems import Blocks, RidgeProblem
from b2m_encoding.models.solver.search import SearchOptions, cv_scores


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
        Cross-validated score of every penalty.
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
    return choose(cv_scores(problem, folds, grid, options), grid, options)


@dataclass
class Weights:
    """Fitted weights, stored as a product where that is smaller.

    Parameters
    ----------
    reduced : Tensor, shape (n_targets, rank)
    back : Tensor, shape (rank, n_features), or None
        None if ``reduced`` are the weights themselves.
    mean_x, mean_y : Tensor of float64
        Centre of the training samples, shape (n_features,), (n_targets,).
    """

    reduced: Tensor
    back: Tensor | None
    mean_x: Tensor
    mean_y: Tensor

    def rescaled(self, factors: Float64) -> Weights:
        """Weights of targets that are multiplied by ``factors``, shape (n_targets,)."""
        scale = torch.as_tensor(factors, device=self.reduced.device)
        reduced = (self.reduced.double() * scale[:, None]).to(self.reduced)
        return replace(self, reduced=reduced, mean_y=self.mean_y * scale.to(self.mean_y))

    def full(self) -> Tensor:
        """Weights of the original features, shape (n_targets, n_features)."""
        return self.reduced if self.back is None else self.reduced @ self.back

    def intercept(self) -> Tensor:
        """Prediction where every feature is 0, shape (n_targets,), float64."""
        device = self.reduced.device
        shift = self.mean_x.to(device) if self.back is None else self.back.double() @ self.mean_x.to(device)
        return self.mean_y.to(device) - self.reduced.double() @ shift

    def predict(self, X: Tensor) -> Tensor:
        """Predictions, shape (n_samples, n_targets)."""
        x = (X.double() - self.mean_x.to(X.device)).to(self.reduced)
        x = x if self.back is None else x @ self.back.T
        return (x @ self.reduced.T).add_(self.mean_y.to(x))


def solve_ridge(
    problem: RidgeProblem,
    alphas: Tensor,
    *,
    scaling: Tensor | None = None,
    targets: Tensor | None = None,
    n_targets_batch: int = 4096,
) -> Weights:
    """Solve for the weights from all samples, with one penalty per target.

    Parameters
    ----------
    problem : RidgeProblem
    alphas : Tensor, shape (n_targets,)
        Penalty of every target, or of each of ``targets``.
    scaling : Tensor, shape (n_bands,), optional
        Scaling of each feature space.
    targets : Tensor of int, optional
        Targets to solve for; all by default.
    n_targets_batch : int
    """
    system = problem.full(scaling)
    dtype = system.train.dtype
    index = torch.arange(problem.n_targets) if targets is None else targets
    rank, n_features = system.back.shape
    is_product = rank < n_features
    width = rank if is_product else n_features
    reduced = torch.empty((len(index), width), dtype=dtype, device=problem.device)
    alphas = alphas.to(system.values)

    def work(part: slice) -> None:
        rows = part if targets is None else index[part]
        weights = (system.load(rows) @ system.train) * shrinkage(system.values, alphas[part]).to(dtype)
        reduced[part] = weights if is_product else weights @ system.back

    in_chunks(len(index), n_targets_batch, work)
    return Weights(reduced, system.back if is_product else None, system.mean_x, system.mean_y)
