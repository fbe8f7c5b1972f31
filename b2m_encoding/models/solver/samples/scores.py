"""Cross-validated scores of penalties from samples; those that cannot win are ruled out by random projections.

The squared error of a target with a penalty is the squared length of its held-out residuals. They are multiplied out
with a few random directions once for all targets, of a few combinations of all penalties: residuals are smooth
functions of the penalty. See :mod:`b2m_encoding.models.solver.screening`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from b2m_encoding.models.solver.devices import eigh
from b2m_encoding.models.solver.options import Scoring
from b2m_encoding.models.solver.samples.arrays import empty_columns
from b2m_encoding.models.solver.samples.joined import Held, JoinedFolds
from b2m_encoding.models.solver.screening import Agreement, Estimates
from b2m_encoding.models.solver.search import cross_validated_r2, fold_factors, scale_of_r2

COMBINED = 3e-5
"""Error of a projection by the combinations that are left out, relative to its size; over all directions, not each."""
CONSTANT = 1e-10
"""Deviation of responses, relative to their size, and of predictions, relative to responses, that is rounding."""
AT_A_TIME = 2**21
"""Residuals of pairs of a target and a penalty that are in memory at a time."""


@dataclass(frozen=True, eq=False)
class Projections:
    """Residuals of every penalty in random directions, as maps from centred responses.

    Parameters
    ----------
    maps : Tensor, shape (n_combinations, n_directions, n_samples)
    mix : Tensor of float64, shape (n_alphas, n_combinations)
        From the combinations to the penalties.
    """

    maps: Tensor
    mix: Tensor

    @classmethod
    def of(cls, residuals: Tensor) -> Projections:
        """Combine the maps of all penalties, shape (n_alphas, n_directions, n_samples)."""
        parts = (part.flatten(1).double() for part in torch.split(residuals, 16, dim=1))
        gram = torch.stack([part @ part.T for part in parts]).sum(0)
        values, vectors = eigh(gram)
        missing = (vectors.square() * values).cumsum(1)
        few = int((missing <= COMBINED**2 * gram.diagonal()[:, None]).all(0).sum())
        mix = vectors[:, min(few, len(values) - 1) :]
        return cls((mix.T.to(residuals) @ residuals.flatten(1)).view(-1, *residuals.shape[1:]), mix)

    def estimates(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Estimated squared errors of centred responses (n_targets, n_alphas), and the covariance of their errors."""
        n_combinations, n, _ = self.maps.shape
        projected = (y.T @ self.maps.flatten(0, 1).T).view(-1, n_combinations, n)
        pairs = (self.mix[:, None, :, None] * self.mix[:, None]).flatten(2).flatten(0, 1)
        gram = ((projected @ projected.mT).double().flatten(1) @ pairs.T).view(-1, len(self.mix), len(self.mix))
        return gram.diagonal(dim1=1, dim2=2).clone(), gram.square_().mul_(2 / n)  # tr(AB) of A = aa' and B = bb'


@dataclass(frozen=True, eq=False)
class Kept:
    """Held-out residuals of every target with the penalty that is the best so far.

    Parameters
    ----------
    residuals : Tensor, shape (n_held_out, n_targets)
    which : Tensor of int, shape (n_targets,)
        Penalty; -1 before the first.
    error : Tensor of float64, shape (n_targets,)
    """

    residuals: Tensor
    which: Tensor
    error: Tensor

    @classmethod
    def empty(cls, n_held_out: int, n_targets: int, dtype: torch.dtype) -> Kept:
        """Nothing yet, on the CPU."""
        nothing = torch.full((n_targets,), torch.inf, dtype=torch.float64)
        return cls(empty_columns(n_held_out, n_targets, dtype), torch.full((n_targets,), -1), nothing)

    def part(self, targets: slice) -> Kept:
        """Views of some targets."""
        return Kept(self.residuals[:, targets], self.which[targets], self.error[targets])

    def offer(self, targets: Tensor, which: Tensor, error: Tensor, residuals: Tensor) -> None:
        """Keep what is better; every target occurs once."""
        better = error < self.error[targets]
        at = targets[better]
        self.error[at], self.which[at] = error[better], which[better]
        self.residuals.T[at] = residuals.T[better]


@dataclass(frozen=True, eq=False)
class JoinedScores:
    """Scores of a grid of penalties for targets, a batch at a time.

    Parameters
    ----------
    folds : JoinedFolds
    penalties : sequence of Held
    scoring : {"r2", "r2_pooled", "r"}
    projections : Projections or None
        Residuals of every penalty in random directions; None scores every penalty exactly.
    agreement : Agreement
    """

    folds: JoinedFolds
    penalties: Sequence[Held]
    scoring: Scoring
    projections: Projections | None = None
    agreement: Agreement = field(default_factory=Agreement)

    def scores(
        self, y: Tensor, z: Tensor, checked: Tensor, kept: Kept | None = None, known: Tensor | None = None
    ) -> Tensor:
        """Cross-validated scores, shape (n_alphas, n_targets), float64; NaN where screening left a penalty out.

        Parameters
        ----------
        y, z : Tensor
            As for :meth:`~b2m_encoding.models.solver.samples.joined.JoinedFolds.residuals`.
        checked : Tensor of bool, shape (n_targets,)
            Targets that are scored with every penalty.
        kept : Kept, optional
            Gets the residuals that are computed for one target at a time.
        known : Tensor of float64, shape (n_targets,), optional
            R2 that is known of another model.
        """
        every = torch.ones((len(self.penalties), y.shape[1]), dtype=torch.bool, device=y.device)
        if self.scoring == "r":
            y, z = self.folds.in_float64(y, z)
            path = torch.empty(every.shape, dtype=torch.float64, device=y.device)
            for which, targets, found in self._residuals(every, y, z):
                path[which, targets] = self._correlation(y.T[targets].T, found)
            return path
        error = torch.full((len(self.penalties), y.shape[1]), torch.nan, dtype=torch.float64, device=y.device)
        of_folds = self.folds.rows.squares(y)
        squares, variation = (part.sum(0) for part in of_folds)
        factors = fold_factors(of_folds[1], of_folds[0]) if self.scoring == "r2" else None

        def score(wanted: Tensor, kept: Kept | None = None) -> None:
            for which, targets, found in self._residuals(wanted, y, z):
                total = self._squared(found, None if factors is None else factors[:, targets])
                error[which, targets] = total
                if kept is not None:
                    kept.offer(targets, which, total, found)

        if self.projections is None:
            score(every)
            return cross_validated_r2(error, variation, squares)
        worst = None if known is None else (1 - known) * scale_of_r2(variation, squares)
        estimates = Estimates.of(*self.projections.estimates(y), squares, worst)
        estimates.screen(error, lambda wanted: score(wanted, kept))
        scored = error.isfinite()
        score(checked & ~scored)
        path = cross_validated_r2(error, variation, squares)
        self.agreement.add(path, scored, checked, known)
        return path

    def _residuals(self, wanted: Tensor, y: Tensor, z: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Penalties and targets of the wanted pairs, a part at a time, with their residuals."""
        for pairs in torch.split(wanted.nonzero(), max(1, AT_A_TIME // len(y))):
            which, targets = pairs.T
            yield which, targets, self.folds.residuals(self.penalties, which, targets, y, z)

    def _squared(self, residuals: Tensor, factors: Tensor | None) -> Tensor:
        """Sum of squares over held-out samples, or over folds with a factor for each, float64."""
        if factors is None:
            whole: Tensor = torch.linalg.vector_norm(residuals, dim=0)
            return whole.double().square()
        parts = torch.split(residuals, [len(rows) for rows in self.folds.rows.folds])
        norms = torch.stack([torch.linalg.vector_norm(part, dim=0) for part in parts])
        return (norms.double().square() * factors).sum(0)

    def _correlation(self, y: Tensor, error: Tensor) -> Tensor:
        """Mean over folds of the correlation of predictions and responses, from residuals, shape (n_targets,)."""
        start = 0
        total = torch.zeros(y.shape[1], dtype=torch.float64, device=y.device)
        for rows in self.folds.rows.places:
            measured = y[rows].double()
            predicted = measured - error[start : start + len(measured)]
            a, b = measured - measured.mean(0), predicted - predicted.mean(0)
            own, other = a.square().sum(0), b.square().sum(0)
            # else rounding is all that varies, of the responses or of the predictions
            varies = (own > CONSTANT**2 * measured.square().sum(0)) & (other > CONSTANT**2 * own)
            total += torch.where(varies, (a * b).sum(0) / (own * other).sqrt(), 0.0) / len(self.folds.rows.folds)
            start += len(measured)
        return total
