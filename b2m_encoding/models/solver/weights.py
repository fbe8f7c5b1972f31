"""Fitted weights, stored as products where that is smaller or cheaper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from b2m_encoding._typing import Float64


class FittedWeights(Protocol):
    """Weights of all targets of a fit."""

    @property
    def mean_x(self) -> Tensor:
        """Centre of the training samples, shape (n_features,), float64."""

    @property
    def mean_y(self) -> Tensor:
        """Mean responses to the training samples, shape (n_targets,), float64."""

    @property
    def device(self) -> torch.device:
        """Device of the weights."""

    @property
    def n_targets(self) -> int:
        """Number of targets."""

    def full(self) -> Tensor:
        """Weights of the original features, shape (n_targets, n_features)."""

    def intercept(self) -> Tensor:
        """Prediction where every feature is 0, shape (n_targets,), float64."""

    def predict(self, X: Tensor) -> Tensor:
        """Predictions, shape (n_samples, n_targets)."""

    def rescaled(self, factors: Float64) -> FittedWeights:
        """Weights of targets that are multiplied by ``factors``, shape (n_targets,)."""

    def of_tested(self, tested: Tensor) -> FittedWeights:
        """The same weights, NaN for targets that were not tested."""

    def take(self, targets: Tensor) -> FittedWeights:
        """Weights of some targets."""


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

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.reduced.device

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return len(self.reduced)

    def rescaled(self, factors: Float64) -> Weights:
        """Weights of targets that are multiplied by ``factors``, shape (n_targets,)."""
        scale = torch.as_tensor(factors, device=self.device)
        reduced = (self.reduced.double() * scale[:, None]).to(self.reduced)
        return replace(self, reduced=reduced, mean_y=self.mean_y * scale.to(self.mean_y))

    def of_tested(self, tested: Tensor) -> Weights:
        """The same weights, NaN for targets that were not tested; in place."""
        self.reduced[~tested] = torch.nan
        return self

    def take(self, targets: Tensor) -> Weights:
        """Weights of some targets."""
        return replace(self, reduced=self.reduced[targets], mean_y=self.mean_y[targets.to(self.mean_y.device)])

    def full(self) -> Tensor:
        """Weights of the original features, shape (n_targets, n_features)."""
        return self.reduced if self.back is None else self.reduced @ self.back

    def intercept(self) -> Tensor:
        """Prediction where every feature is 0, shape (n_targets,), float64."""
        shift = self.mean_x.to(self.device)
        shift = shift if self.back is None else self.back.double() @ shift
        return self.mean_y.to(self.device) - self.reduced.double() @ shift

    def predict(self, X: Tensor) -> Tensor:
        """Predictions, shape (n_samples, n_targets)."""
        x = (X.double() - self.mean_x.to(X.device)).to(self.reduced)
        x = x if self.back is None else x @ self.back.T
        return (x @ self.reduced.T).add_(self.mean_y.to(x))


@dataclass
class StackedWeights:
    """Weighted sum of the weights of the members of a stacked model; multiplied out only where it is asked for.

    Parameters
    ----------
    members : sequence of Weights
    columns : sequence of Tensor of int
        Columns of each member among those of all.
    shares : Tensor of float64, shape (n_members, n_targets)
        NaN for targets that were not tested.
    mean_x, mean_y : Tensor of float64
        Centre of the training samples, shape (n_features,), (n_targets,).
    """

    members: Sequence[Weights]
    columns: Sequence[Tensor]
    shares: Tensor
    mean_x: Tensor
    mean_y: Tensor

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.members[0].device

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return self.shares.shape[1]

    def rescaled(self, factors: Float64) -> StackedWeights:
        """Weights of targets that are multiplied by ``factors``, shape (n_targets,)."""
        scale = torch.as_tensor(factors, device=self.device)
        return replace(self, shares=self.shares * scale, mean_y=self.mean_y * scale.to(self.mean_y))

    def of_tested(self, tested: Tensor) -> StackedWeights:
        """The same weights, NaN for targets that were not tested."""
        return replace(self, shares=torch.where(tested, self.shares, torch.nan))

    def take(self, targets: Tensor) -> StackedWeights:
        """Weights of some targets."""
        at = targets.to(self.device)
        members = [member.take(at) for member in self.members]
        return replace(self, members=members, shares=self.shares[:, at], mean_y=self.mean_y[at.to(self.mean_y.device)])

    def full(self) -> Tensor:
        """Weights of the original features, shape (n_targets, n_features)."""
        total = torch.zeros((self.n_targets, len(self.mean_x)), dtype=self.members[0].reduced.dtype, device=self.device)
        for member, own, share in zip(self.members, self.columns, self.shares, strict=True):
            total[:, own.to(self.device)] += member.full() * share[:, None].to(total)
        return total

    def intercept(self) -> Tensor:
        """Prediction where every feature is 0, shape (n_targets,), float64."""
        mean_y = self.mean_y.to(self.device)
        parts = [
            share * (member.intercept() - member.mean_y.to(self.device))
            for member, share in zip(self.members, self.shares, strict=True)
        ]
        return mean_y + torch.stack(parts).sum(0)

    def predict(self, X: Tensor) -> Tensor:
        """Predictions, shape (n_samples, n_targets)."""
        total = self.mean_y.to(self.members[0].reduced).expand(len(X), -1).clone()
        for member, own, share in zip(self.members, self.columns, self.shares, strict=True):
            part = replace(member, mean_y=torch.zeros_like(member.mean_y)).predict(X[:, own.to(X.device)])
            total += part * share.to(part)
        return total


@dataclass
class WeightsOfTested:
    """Weights of the tested targets among all; those of the others are NaN, and take no room.

    Parameters
    ----------
    tested : FittedWeights
    places : Tensor of int, shape (n_tested,)
        Places of the tested targets.
    mean_y : Tensor of float64, shape (n_targets,)
        Mean responses to the training samples, of all targets.
    """

    tested: FittedWeights
    places: Tensor
    mean_y: Tensor

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.tested.device

    @property
    def mean_x(self) -> Tensor:
        """Centre of the training samples, shape (n_features,), float64."""
        return self.tested.mean_x

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return len(self.mean_y)

    def full(self) -> Tensor:
        """Weights of the original features, shape (n_targets, n_features)."""
        return self._spread(self.tested.full(), 0)

    def intercept(self) -> Tensor:
        """Prediction where every feature is 0, shape (n_targets,), float64."""
        return self._spread(self.tested.intercept(), 0)

    def predict(self, X: Tensor) -> Tensor:
        """Predictions, shape (n_samples, n_targets)."""
        return self._spread(self.tested.predict(X), 1)

    def rescaled(self, factors: Float64) -> WeightsOfTested:
        """Weights of targets that are multiplied by ``factors``, shape (n_targets,)."""
        scale = torch.as_tensor(factors).to(self.mean_y)
        return replace(
            self, tested=self.tested.rescaled(factors[self.places.cpu().numpy()]), mean_y=self.mean_y * scale
        )

    def of_tested(self, tested: Tensor) -> WeightsOfTested:
        """The same weights, NaN for targets that were not tested."""
        return replace(self, tested=self.tested.of_tested(tested[self.places.to(tested.device)]))

    def take(self, targets: Tensor) -> FittedWeights:
        """Weights of some targets."""
        place = torch.full((self.n_targets,), -1)
        place[self.places.cpu()] = torch.arange(len(self.places))
        own = place[targets.cpu()]
        known = (own >= 0).nonzero()[:, 0]
        return WeightsOfTested(self.tested.take(own[known]), known, self.mean_y[targets.to(self.mean_y.device)])

    def _spread(self, values: Tensor, axis: int) -> Tensor:
        shape = (*values.shape[:axis], self.n_targets, *values.shape[axis + 1 :])
        out = torch.full(shape, torch.nan, dtype=values.dtype, device=values.device)
        return out.index_copy_(axis, self.places.to(values.device), values)
