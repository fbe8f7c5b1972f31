r"""Screening of penalties: exact scores of those that can win, by estimates of the errors of all.

The squared length of a vector that is linear in the responses, of residuals or predictions, is estimated by its
products with a few random directions, at a small part of its cost (Johnson & Lindenstrauss 1984, doi
10.1090/conm/026/737400). All penalties share the directions, so that the errors of neighbouring estimates are nearly
the same: with :math:`s` directions of random signs the estimates of :math:`e'Ae` and :math:`e'Be` have covariance
:math:`2 \, \mathrm{tr}(AB) / s`, which follows from the products themselves. A penalty that is scored exactly
therefore tells the error of the others, too: the estimates are conditioned on it, as in Gaussian process regression.
The most promising penalty is scored next, among those that can win: that are better than the best of those that were
scored at some standard errors below their estimate.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

N_DIRECTIONS = 128
MARGIN = 3.0
"""Standard errors within which a penalty can still be the best among neighbours, which are nearly as good."""
WIDE_MARGIN = 4.5
"""The same where much is lost by an estimate that is far off: estimates are skewed, squares of few directions more."""
TIE = 1e-5
"""Gain of R2 that is not worth another score."""
ROUNDING = 1e-6
"""Error of an exact score in float32, relative to the squares of the responses."""
N_CHECKED = 32
"""Targets of a fit that are scored with every penalty, to see whether the choice is the same."""

CELLS = 2**20
"""Covariances of all penalties of some targets that are in memory at a time, by thread."""
COST_OF_A_CELL = 500.0
"""Operations of a product in whose time one of them is made, conditioned and read."""


def targets_at_a_time(n_alphas: int) -> int:
    """Targets whose estimates are in memory at a time, by thread.

    Examples
    --------
    >>> targets_at_a_time(20), targets_at_a_time(200)
    (2621, 26)
    """
    return max(1, CELLS // n_alphas**2)


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
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, scores: Tensor, candidates: Tensor, checked: Tensor, known: Tensor | None = None) -> None:
        """Compare targets that have every score with the choice among their candidates.

        Parameters
        ----------
        scores : Tensor, shape (n_alphas, n_targets)
        candidates : Tensor of bool, shape (n_alphas, n_targets)
            Scores that were computed to choose.
        checked : Tensor of bool, shape (n_targets,)
            Targets that have every score.
        known : Tensor, shape (n_targets,), optional
            Score of another model that competes.
        """
        every, own = scores[:, checked], candidates[:, checked]
        chosen = torch.where(own, every, -torch.inf).amax(0)
        chosen = chosen if known is None else torch.maximum(chosen, known[checked])
        lost = (every.amax(0) - chosen).clamp_min(0)
        with self._lock:
            self.checked += len(lost)
            self.same += int((lost == 0).sum())
            self.loss = max(self.loss, float(lost.max()) if len(lost) else 0.0)
            self.scored += int(candidates.sum())
            self.targets += len(checked)

    def note(self, n_alphas: int) -> list[str]:
        """Sentence for readers of the results; none where nothing was screened."""
        if not self.checked:
            return []
        return [
            f"penalties screened by random projections: {self.scored / max(self.targets, 1):.1f} of {n_alphas} scored "
            f"exactly; {self.same} of {self.checked} targets scored with all have the same penalty, the others lose at "
            f"most {self.loss:.1g} of R2"
        ]


@dataclass(eq=False)
class Estimates:
    """Estimates of the squared errors of all penalties, relative to that of the first that is scored.

    Parameters
    ----------
    mean : Tensor of float64, shape (n_alphas, n_targets)
    covariance : Tensor of float64, shape (n_targets, n_alphas, n_alphas)
    first : Tensor of int, shape (n_targets,)
        Penalty with the smallest estimate, which is scored first.
    squares : Tensor of float64, shape (n_targets,)
        Of the responses.
    known : Tensor of float64, shape (n_targets,)
        Squared error that is known already, of another model; infinite without one.
    margin : float
        Standard errors within which a penalty can still be the best.
    """

    mean: Tensor
    covariance: Tensor
    first: Tensor
    squares: Tensor
    known: Tensor
    margin: float = MARGIN

    @classmethod
    def of(
        cls,
        errors: Tensor,
        covariance: Tensor,
        squares: Tensor,
        known: Tensor | None = None,
        margin: float | None = None,
    ) -> Estimates:
        """Estimates relative to the best one.

        Parameters
        ----------
        errors : Tensor of float64, shape (n_targets, n_alphas)
            Estimated squared errors.
        covariance : Tensor of float64, shape (n_targets, n_alphas, n_alphas)
            Of the errors of the estimates; changed in place.
        squares, known : Tensor of float64, shape (n_targets,)
        margin : float, optional
            The wide one where another model is known, else the narrow one.
        """
        margin = margin or (MARGIN if known is None else WIDE_MARGIN)
        known = torch.full_like(squares, torch.inf) if known is None else known
        first = errors.argmin(1)
        mean = (errors - errors.gather(1, first[:, None])).T.contiguous()
        own = covariance.gather(2, first[:, None, None].expand(-1, errors.shape[1], 1))
        level = own.gather(1, first[:, None, None])
        covariance = covariance.sub_(own).sub_(own.mT).add_(level)
        return cls(mean, covariance, first, squares, known, margin)

    def screen(self, error: Tensor, score: Callable[[Tensor], None]) -> None:
        """Score what can win, one penalty of every target after the other.

        Parameters
        ----------
        error : Tensor of float64, shape (n_alphas, n_targets)
            Exact squared errors; NaN before they are scored.
        score : callable
            Called with a mask of what is wanted, shape (n_alphas, n_targets); it fills ``error``.
        """
        while (wanted := self.next_to_score(error)).any():
            score(wanted)
            self.condition(wanted, error)

    def next_to_score(self, error: Tensor) -> Tensor:
        """Penalty of each target that is scored next, if one can still win, as a mask (n_alphas, n_targets)."""
        scored = error.isfinite()
        if not scored.any():
            return torch.zeros_like(scored).scatter_(0, self.first[None], value=True)
        level = error.gather(0, self.first[None])[0]
        best = torch.minimum(torch.where(scored, error, torch.inf).amin(0), self.known) - level
        deviation = self.covariance.diagonal(dim1=1, dim2=2).clamp_min(0).sqrt().T
        lower = torch.where(scored, torch.inf, self.mean - self.margin * deviation)
        can_win = lower < best - TIE * self.squares
        which = torch.where(can_win, self.mean - deviation, torch.inf).argmin(0)
        return torch.zeros_like(scored).scatter_(0, which[None], can_win.any(0)[None])

    def condition(self, wanted: Tensor, error: Tensor) -> None:
        """Correct the estimates by the penalties that were scored, one per target."""
        some = wanted.any(0).nonzero()[:, 0]
        at = wanted[:, some].to(torch.uint8).argmax(0)
        if bool((at == self.first[some]).all()):
            return  # all is relative to it
        seen = torch.arange(len(some), device=at.device)
        covariance = self.covariance[some]
        row = covariance[seen, at]
        exact = (error - error.gather(0, self.first[None]))[:, some][at, seen]
        variance = row[seen, at].clamp_min(0) + (ROUNDING * self.squares[some]) ** 2
        gain = row / variance.clamp_min(1e-300)[:, None]
        self.mean[:, some] += (gain * (exact - self.mean[:, some][at, seen])[:, None]).T
        self.covariance[some] = covariance - gain[:, :, None] * row[:, None, :]


def some_of(tested: Tensor, number: int) -> Tensor:
    """About so many of the tested targets, evenly spaced, as a mask."""
    chosen, at = torch.zeros_like(tested), tested.nonzero()[:, 0]
    if len(at):
        chosen[at[:: -(-len(at) // number)]] = True
    return chosen


def random_signs(n_directions: int, n_samples: int, seed: int = 0) -> Tensor:
    """Random signs over the root of their number, shape (n_directions, n_samples), float64."""
    generator = torch.Generator().manual_seed(seed)
    heads: Tensor = torch.randint(0, 2, (n_directions, n_samples), generator=generator, dtype=torch.float64)
    return heads.mul_(2).sub_(1).div_(n_directions**0.5)
