"""Cross-validated scores of penalties from sufficient statistics, exact only for those that can win.

Squared predictions of every penalty are estimated from a few random combinations of the held-out predictions of each
fold; what else makes up a squared error is exact. See :mod:`b2m_encoding.models.solver.screening`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from b2m_encoding.models.solver.gram.fold_scorer import FoldScorer
from b2m_encoding.models.solver.screening import (
    COST_OF_A_CELL,
    N_DIRECTIONS,
    WIDE_MARGIN,
    Agreement,
    Estimates,
    random_signs,
)
from b2m_encoding.models.solver.search import cross_validated_r2, scale_of_r2

MOST_NUMBERS = 2**24
"""Numbers of the factors of all folds that may be in memory at once."""
AT_A_TIME = 512
"""Targets whose covariances in the bases of all folds are in memory at a time, by thread."""


@dataclass(frozen=True, eq=False)
class GramScores:
    """Scores of a grid of penalties for targets, a batch at a time.

    Parameters
    ----------
    scorers : sequence of FoldScorer
        Of all folds.
    sketches : sequence of Tensor
        Of all folds; see :meth:`~b2m_encoding.models.solver.gram.fold_scorer.FoldScorer.sketch`.
    agreement : Agreement
    """

    scorers: Sequence[FoldScorer]
    sketches: Sequence[Tensor]
    agreement: Agreement = field(default_factory=Agreement)

    @classmethod
    def of(cls, scorers: Sequence[FoldScorer], agreement: Agreement) -> GramScores:
        """Draw the directions of every fold."""
        n = directions(len(scorers))
        signs = [random_signs(n, scorer.full.shape[1], seed) for seed, scorer in enumerate(scorers)]
        return cls(scorers, [scorer.sketch(own) for scorer, own in zip(scorers, signs, strict=True)], agreement)

    def scores(self, targets: slice, variation: Tensor, checked: Tensor, known: Tensor) -> Tensor:
        """Cross-validated R2 over all held-out samples, shape (n_alphas, n_targets), float64; NaN where left out.

        Parameters
        ----------
        targets : slice
        variation : Tensor of float64, shape (n_targets,)
            Held-out squares about the means of the folds.
        checked : Tensor of bool, shape (n_targets,)
            Targets that are scored with every penalty.
        known : Tensor of float64, shape (n_targets,)
            R2 that is known of another model; minus infinity without one.
        """
        folds = [scorer.rotate(targets) for scorer in self.scorers]
        squares = torch.stack([fold.squares for fold in folds]).sum(0)
        exact = torch.stack([(fold.squares[:, None] - 2 * fold.linear) for fold in folds]).sum(0)
        errors, covariance = exact.clone(), exact.new_zeros((*exact.shape, exact.shape[1]))
        for scorer, fold, sketch in zip(self.scorers, folds, self.sketches, strict=True):
            gram = scorer.sketched(fold.train, sketch).double()
            errors += gram.diagonal(dim1=1, dim2=2)
            covariance += gram.square_().mul_(2 / directions(len(folds)))
        error = torch.full_like(exact.T, torch.nan)

        def score(wanted: Tensor) -> None:
            at, which = wanted.T.nonzero().T
            every = len(at) == len(squares) and bool((at.diff() == 1).all())  # then nothing is copied
            parts = [
                scorer.quadratic(fold.train if every else fold.train[at], which)
                for scorer, fold in zip(self.scorers, folds, strict=True)
            ]
            error[which, at] = exact[at, which] + torch.stack(parts).double().sum(0)

        worst = (1 - known) * scale_of_r2(variation, squares)
        Estimates.of(errors, covariance, squares, worst, WIDE_MARGIN).screen(error, score)
        scored = error.isfinite()
        score(checked & ~scored)
        path = cross_validated_r2(error, variation, squares)
        self.agreement.add(path, scored, checked, known)
        return path


def directions(n_folds: int) -> int:
    """Random directions of every fold."""
    return -(-N_DIRECTIONS // n_folds)


def screening_pays(rank: int, n_alphas: int, n_folds: int, n_targets: int) -> bool:
    """Whether estimates cost less than the scores that they save, and the factors of all folds fit in memory.

    Examples
    --------
    >>> screening_pays(384, 10, 6, 5000), screening_pays(128, 10, 6, 5000)
    (True, False)
    """
    combined, own = min(n_alphas, 10), directions(n_folds)
    exact = 0.6 * combined * rank
    screened = own * combined + 3 * 0.6 * rank + own * n_alphas * (n_alphas + combined) / rank
    screened += COST_OF_A_CELL * n_alphas**2 / (2 * rank * n_folds)
    return n_targets > N_DIRECTIONS and screened < 0.6 * exact and 3 * n_folds * rank**2 < MOST_NUMBERS
