"""Cross-validated scores of the penalties that can win: the others are ruled out by random projections.

The squared error of a target with penalty ``a`` is the squared length of its held-out residuals, a vector that is
linear in the responses. A projection on a few random directions, multiplied out once for all targets, estimates it at
a small part of its cost (Johnson & Lindenstrauss 1984, doi 10.1090/conm/026/737400). All penalties share the
directions, so that errors of neighbours cancel in their difference, whose standard error follows from the projections
themselves. Penalties within three standard errors of the best estimate are scored exactly, and the best is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from b2m_encoding.models.solver.options import Scoring
from b2m_encoding.models.solver.samples.joined import Held, JoinedFolds
from b2m_encoding.models.solver.search import cross_validated_r2

N_DIRECTIONS = 128
MARGIN = 3.0
"""Standard errors within which a penalty can still be the best."""
N_CHECKED = 32
"""Targets of a fit that are scored with every penalty, to see whether the choice is the same."""


@dataclass
class Agreement:
    """How often the choice among screened penalties is that of the full grid.

    Parameters
    ----------
    checked, same : int
        Targets.
    loss : float
        Largest loss of R2 by another choice.
    scored : float
        Exact scores of all targets.
    targets : int
    """

    checked: int = 0
    same: int = 0
    loss: float = 0.0
    scored: int = 0
    targets: int = 0

    def add(self, scores: Tensor, candidates: Tensor) -> None:
        """Compare targets that have every score with the choice among their candidates, both (n_alphas, n)."""
        chosen = torch.where(candidates, scores, -torch.inf).amax(0)
        lost = scores.amax(0) - chosen
        self.checked += len(lost)
        self.same += int((lost == 0).sum())
        self.loss = max(self.loss, float(lost.max()) if len(lost) else 0.0)

    def note(self, n_alphas: int) -> list[str]:
        """Sentence for readers of the results; none where nothing was screened."""
        if not self.checked:
            return []
        return [
            f"penalties screened by random projections: {self.scored / max(self.targets, 1):.1f} of {n_alphas} scored "
            f"exactly; {self.same} of {self.checked} targets scored with all have the same penalty, the others lose at "
            f"most {self.loss:.1g} of R2"
        ]


@dataclass(frozen=True, eq=False)
class JoinedScores:
    """Scores of a grid of penalties for targets, a batch at a time.

    Parameters
    ----------
    folds : JoinedFolds
    penalties : sequence of Held
    scoring : {"r2", "r"}
    projections : Tensor, shape (n_alphas, n_directions, n_samples), or None
        Residuals of every penalty in random directions; None scores every penalty exactly.
    agreement : Agreement
    """

    folds: JoinedFolds
    penalties: Sequence[Held]
    scoring: Scoring
    projections: Tensor | None = None
    agreement: Agreement = field(default_factory=Agreement)

    def scores(self, y: Tensor, z: Tensor, checked: Tensor) -> Tensor:
        """Cross-validated scores, shape (n_alphas, n_targets), float64; NaN where screening left a penalty out.

        Parameters
        ----------
        y, z : Tensor
            As for :meth:`~b2m_encoding.models.solver.samples.joined.JoinedFolds.residuals`.
        checked : Tensor of bool, shape (n_targets,)
            Targets that are scored with every penalty.
        """
        out = torch.full((len(self.penalties), y.shape[1]), torch.nan, dtype=torch.float64, device=y.device)
        candidates = self._candidates(y)
        wanted, sizes = candidates | checked, self.folds.rows.squares(y)
        for held, at, row in zip(self.penalties, wanted, out, strict=True):
            some = slice(None) if at.all() else at.nonzero()[:, 0]
            if at.any():
                row[some] = self._exact(held, y[:, some], z[:, some], (sizes[0][some], sizes[1][some]))
        if self.projections is not None:
            self.agreement.add(out[:, checked], candidates[:, checked])
            self.agreement.scored += int(wanted.sum())
            self.agreement.targets += y.shape[1]
        return out

    def _candidates(self, y: Tensor) -> Tensor:
        """Penalties that can be the best of each target, shape (n_alphas, n_targets)."""
        if self.projections is None:
            return torch.ones((len(self.penalties), y.shape[1]), dtype=torch.bool, device=y.device)
        n_alphas, n, _ = self.projections.shape
        projected = (self.projections.flatten(0, 1) @ y).view(n_alphas, n, -1)
        best = projected.square().sum(1).argmin(0)
        winner = projected.gather(0, best.expand(1, n, -1))
        difference, total = projected - winner, projected + winner
        excess = (difference * total).sum(1)
        variance = difference.square().sum(1) * total.square().sum(1) + excess.square()
        possible: Tensor = excess <= MARGIN * (variance / n).sqrt()
        return possible

    def _exact(self, held: Held, y: Tensor, z: Tensor, sizes: tuple[Tensor, Tensor]) -> Tensor:
        """Score of one penalty, shape (n_targets,)."""
        error, (squares, variation) = self.folds.residuals(held, y, z), sizes
        if self.scoring == "r2":
            return cross_validated_r2(error.square().sum(0).double(), variation, squares)
        total = torch.zeros(y.shape[1], dtype=torch.float64, device=y.device)
        start = 0
        for rows in self.folds.rows.folds:
            measured = y[rows].double()
            predicted = measured - error[start : start + len(rows)]
            a, b = measured - measured.mean(0), predicted - predicted.mean(0)
            scale = (a.square().sum(0) * b.square().sum(0)).sqrt()
            total += torch.where(scale > 0, (a * b).sum(0) / scale, 0.0) / len(self.folds.rows.folds)
            start += len(rows)
        return total


def random_signs(n_directions: int, n_samples: int, seed: int = 0) -> Tensor:
    """Random signs over the root of their number, shape (n_directions, n_samples), float64."""
    generator = torch.Generator().manual_seed(seed)
    heads: Tensor = torch.randint(0, 2, (n_directions, n_samples), generator=generator, dtype=torch.float64)
    return heads.mul_(2).sub_(1).div_(n_directions**0.5)
