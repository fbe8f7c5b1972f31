"""Ridge regression with one penalty per target, per group of targets, or for all (Hoerl & Kennard 1970)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from b2m_encoding.errors import InputError
from b2m_encoding.models.solver.devices import Precision, in_chunks
from b2m_encoding.models.solver.filters import shrinkage
from b2m_encoding.models.solver.problems import Blocks, Source
from b2m_encoding.models.solver.search import Scoring, cv_scores


@dataclass(frozen=True)
class Choice:
    """The penalties chosen.

    Parameters
    ----------
    alphas : Tensor, shape (n_targets,)
    scores : Tensor, shape (n_targets,)
        Cross-validated score of the choice.
    compare : Tensor, shape (n_targets,)
        The score it was chosen by: that of the target, or of its group.
    path : Tensor, shape (n_alphas, n_targets)
        Cross-validated score of every penalty.
    """

    alphas: Tensor
    scores: Tensor
    compare: Tensor
    path: Tensor


def groups_of_targets(alpha_per: str | ArrayLike, n_targets: int) -> NDArray[np.intp] | None:
    """Index of the group whose penalty a target shares; None where each has its own.

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
    """Scores to choose by: a target's own, or the mean of the tested targets of its group."""
    if groups is None:
        return path
    index = torch.from_numpy(groups).to(path.device)
    weight = tested.to(path)
    n_groups = int(index.max()) + 1 if len(index) else 0
    sums = torch.zeros((len(path), n_groups), dtype=path.dtype, device=path.device)
    sums.index_add_(1, index, torch.where(tested, path, 0.0))
    counts = torch.zeros(n_groups, dtype=path.dtype, device=path.device).index_add_(0, index, weight)
    return (sums / counts.clamp_min(1))[:, index]


def choose(path: Tensor, alphas: Tensor, groups: NDArray[np.intp] | None, tested: Tensor) -> Choice:
    """The penalty with the best score; of equal ones the first."""
    compare, best = pool_scores(path, groups, tested).nan_to_num(-torch.inf).max(0)
    return Choice(alphas.to(path)[best], path.gather(0, best[None])[0], compare, path)


def search_ridge(
    source: Source,
    folds: Sequence[Blocks],
    alphas: ArrayLike,
    *,
    scoring: Scoring = "r2",
    groups: NDArray[np.intp] | None = None,
    tested: Tensor | None = None,
    precision: Precision = "float32",
    n_targets_batch: int = 4096,
) -> Choice:
    """Cross-validate every penalty of a grid for every target, and choose."""
    grid = torch.as_tensor(np.array(alphas, dtype=float), device=source.device)
    tested = torch.ones(source.n_targets, dtype=torch.bool) if tested is None else tested
    path = cv_scores(source, folds, grid, scoring=scoring, precision=precision, n_targets_batch=n_targets_batch)
    return choose(path, grid, groups, tested.to(path.device))


@dataclass
class Weights:
    """Fitted weights, kept as a product where that is smaller.

    Parameters
    ----------
    reduced : Tensor, shape (n_targets, rank)
    back : Tensor, shape (rank, n_features), or None
        None if ``reduced`` are the weights themselves.
    mean_x, mean_y : Tensor of float64
        Centre of the training data.
    """

    reduced: Tensor
    back: Tensor | None
    mean_x: Tensor
    mean_y: Tensor

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
    source: Source,
    alphas: Tensor,
    *,
    scaling: Tensor | None = None,
    targets: Tensor | None = None,
    n_targets_batch: int = 4096,
) -> Weights:
    """Weights from all samples, with one penalty per target (of ``targets``, or of all)."""
    whole = source.whole(scaling)
    dtype = whole.train.dtype
    index = torch.arange(source.n_targets) if targets is None else targets
    reduced = torch.empty((len(index), whole.back.shape[1]), dtype=dtype, device=source.device)
    alphas = alphas.to(whole.values)

    def work(part: slice) -> None:
        wanted: Any = part if targets is None else index[part]
        weights = (whole.load(wanted) @ whole.train) * shrinkage(whole.values, alphas[part]).to(dtype)
        reduced[part] = weights @ whole.back

    in_chunks(len(index), n_targets_batch, work)
    return Weights(reduced, whole.rows, whole.mean_x, whole.mean_y)
