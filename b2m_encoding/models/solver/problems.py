r"""Interface of a ridge problem, and one fold or all samples in the eigenbasis of the training part.

Whatever the form (statistics, or samples where there are more features than samples), a fold comes down to

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
from b2m_encoding.models.solver.preparation import Preparation

Blocks = Sequence[str]
Form = Literal["gram", "prediction", "dual"]
QuadraticKind = Literal["gram", "root", "samples"]


@dataclass(frozen=True)
class FoldSystem:
    """The ridge problem of one fold in its eigenbasis.

    Parameters
    ----------
    values : Tensor of float64, shape (rank,)
        Eigenvalues of the training part.
    train, held_out : Tensor, shape (m, rank), (k, rank)
        Turn what ``load`` returns into ``b`` and ``d``.
    quadratic : Tensor
        ``(rank, rank)``: H; or ``(n_held_out, rank)``: a root of it.
    kind : {"gram", "root", "samples"}
        Meaning of ``quadratic``: H; a root of it; or a root, where ``load`` returns samples instead of covariances.
    load : callable
        From a slice of targets to their training rows ``(n, m)``, held-out rows ``(n, k)`` and held-out sums of
        squares ``(n,)``.
    norms : Tensor, shape (rank,)
        Square roots of the diagonal of H.
    """

    values: Tensor
    train: Tensor
    held_out: Tensor
    quadratic: Tensor
    kind: QuadraticKind
    load: Callable[[Targets], tuple[Tensor, Tensor, Tensor]]
    norms: Tensor


@dataclass(frozen=True)
class FullSystem:
    """The ridge problem of all training samples in its eigenbasis, for the final weights.

    ``load(targets) @ train`` is the covariance ``b`` of each target in the eigenbasis, and ``(b / (l + a)) @ back``
    are its weights for the original features.

    Parameters
    ----------
    values : Tensor of float64, shape (rank,)
    train : Tensor, shape (m, rank)
    back : Tensor, shape (rank, n_features)
    load : callable
        From a slice of targets to their rows ``(n, m)``.
    mean_x, mean_y : Tensor of float64, shape (n_features,), (n_targets,)
    """

    values: Tensor
    train: Tensor
    back: Tensor
    load: Callable[[Targets], Tensor]
    mean_x: Tensor
    mean_y: Tensor


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

    def fold(self, held_out: Blocks, scaling: Tensor | None = None, *, own_mean: bool = False) -> FoldSystem:
        """Factorise the training part of a fold.

        Parameters
        ----------
        held_out : sequence of str
            Blocks that are held out; all others train.
        scaling : Tensor, shape (n_bands,), optional
            Scaling of each feature space.
        own_mean : bool
            Centre the held-out part on its own mean, as a correlation needs, not on that of the training part.
        """

    def full(self, scaling: Tensor | None = None) -> FullSystem:
        """Factorise all blocks, with a scaling of each feature space."""

    def held_out_root(self, held_out: Blocks) -> Tensor:
        """Held-out features about the training mean, shape (k, n_features), or rows with the same products."""

    def squares(self) -> Tensor:
        """Sums of squares of the columns of X about their means, shape (n_features,), float64."""

    def normal_equations(self, weights: Tensor, targets: Tensor) -> NormalEquations:
        """Gradient of the squared error at ``weights`` (float64, shape (n, n_features)) of some targets."""

    def variation(self, held_out: Blocks) -> Tensor:
        """Held-out sums of squares about the held-out mean, shape (n_targets,)."""
