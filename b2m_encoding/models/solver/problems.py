r"""Interface of a ridge problem, and one fold or all samples in the eigenbasis of the training part.

In the Gram form a fold comes down to

* eigenvalues :math:`l` of the training part,
* for a target, its training covariance :math:`b` and held-out covariance :math:`d` in that basis,
* a quadratic form :math:`H` that turns weights :math:`w` into the held-out sum of squared predictions.

With penalty :math:`a` the weights are :math:`w = b / (l + a)` and the held-out squared error is
:math:`s - 2 d'w + w'Hw`. See ``tutorials/10_gram_form.py`` for the derivation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from b2m_encoding.models.solver.moments import Targets
from b2m_encoding.models.solver.options import SearchOptions
from b2m_encoding.models.solver.preparation import Preparation
from b2m_encoding.models.solver.weights import Weights

Blocks = Sequence[str]
Form = Literal["gram", "prediction", "dual"]


@dataclass(frozen=True)
class FoldSystem:
    """The ridge problem of one fold in its eigenbasis.

    Parameters
    ----------
    values : Tensor of float64, shape (rank,)
        Eigenvalues of the training part.
    basis : Tensor, shape (n_features, rank)
        Turns the covariances that ``load`` returns into ``b`` and ``d``.
    quadratic : Tensor of float64, shape (rank, rank)
        H.
    load : callable
        From a slice of targets to their training and held-out covariances ``(n, n_features)`` and held-out sums of
        squares ``(n,)``.
    norms : Tensor, shape (rank,)
        Square roots of the diagonal of H.
    """

    values: Tensor
    basis: Tensor
    quadratic: Tensor
    load: Callable[[Targets], tuple[Tensor, Tensor, Tensor]]
    norms: Tensor


@dataclass(frozen=True)
class PreparedFold:
    """A fold in the prepared features themselves, not in an eigenbasis.

    Parameters
    ----------
    train, held_out : Tensor of float64, shape (n_features, n_features)
        Gram matrices.
    load : callable
        From a slice of targets to their training and held-out covariances ``(n, n_features)`` and held-out sums of
        squares ``(n,)``.
    back : callable
        From weights ``(n, n_features)`` of the prepared features to those of the original ones.
    mean_x, mean_y : Tensor of float64, shape (n_features,), (n_targets,)
    """

    train: Tensor
    held_out: Tensor
    load: Callable[[Targets], tuple[Tensor, Tensor, Tensor]]
    back: Callable[[Tensor], Tensor]
    mean_x: Tensor
    mean_y: Tensor


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """Gradient of the squared error of some targets, and what it is compared with; all float64.

    Parameters
    ----------
    gradient : Tensor, shape (n_targets, n_features)
        ``(Y - X w)' X``, centred.
    squares : Tensor, shape (n_features,)
        Sums of squares of the columns of X.
    mean : Tensor, shape (n_features,)
    yy : Tensor, shape (n_targets,)
        Sums of squares of the responses.
    count : int
        Samples.
    """

    gradient: Tensor
    squares: Tensor
    mean: Tensor
    yy: Tensor
    count: int


class RidgeProblem(Protocol):
    """Interface of a ridge problem in Gram, prediction or dual form."""

    form: Form
    n_targets: int
    n_features: int
    device: torch.device
    preparation: Preparation

    notes: list[str]
    """Remarks on the last search."""

    def cv_scores(
        self,
        folds: Sequence[Blocks],
        alphas: Tensor,
        options: SearchOptions,
        scaling: Tensor | None = None,
        known: Tensor | None = None,
    ) -> Tensor:
        """Compute the cross-validated score of every penalty and target, shape (n_alphas, n_targets).

        ``"r2_pooled"`` is 1 minus the squared errors of all folds over the held-out variation of all folds, so every
        sample counts the same; ``"r2"`` is the mean over folds of the R2 of each, so every fold does. Where a target
        does not vary inside the folds (leave-one-out, a value per block), both are 1 minus the squared errors over
        those of the training means. ``"r"`` is the mean over folds of the correlation in the held-out samples. NaN
        where a penalty was left out because it cannot be the best.

        Parameters
        ----------
        folds : sequence of sequences of str
            Held-out blocks of each fold.
        alphas : Tensor, shape (n_alphas,)
        options : SearchOptions
        scaling : Tensor, shape (n_bands,), optional
            Scaling of each feature space.
        known : Tensor of float64, shape (n_targets,), optional
            Best score with other scalings so far: penalties that cannot exceed it may be left out, too.
        """

    def solve(
        self, alphas: Tensor, scaling: Tensor | None = None, targets: Tensor | None = None, batch: int = 4096
    ) -> Weights:
        """Solve for the weights from all samples, with one penalty per target.

        Parameters
        ----------
        alphas : Tensor, shape (n_targets,)
            Penalty of every target, or of each of ``targets``.
        scaling : Tensor, shape (n_bands,), optional
            Scaling of each feature space.
        targets : Tensor of int, optional
            Targets to solve for; all by default.
        batch : int
            Targets at a time.
        """

    def forget(self) -> None:
        """Drop what was kept of the last search for its solution."""

    def squares(self) -> Tensor:
        """Sums of squares of the columns of X about their means, shape (n_features,), float64."""

    def normal_equations(self, weights: Tensor, targets: Tensor) -> NormalEquations:
        """Gradient of the squared error at ``weights`` (float64, shape (n, n_features)) of some targets."""
