r"""Cross-validated scores of the penalties that can win: the others are ruled out by random projections.

The squared error of a target with penalty ``a`` is the squared length of its held-out residuals, a vector that is
linear in the responses. Its projection on a few random directions, multiplied out once for all targets, estimates it at
a small part of its cost (Johnson & Lindenstrauss 1984, doi 10.1090/conm/026/737400). All penalties share the
directions, so that the errors of neighbouring estimates are nearly the same: with :math:`s` directions of random signs
the estimates of :math:`e'Ae` and :math:`e'Be` have covariance :math:`2 \, \mathrm{tr}(AB) / s` in the residuals, which
follows from the projections themselves. A penalty that is scored exactly therefore tells the error of the others, too:
the estimates are conditioned on it, as in Gaussian process regression. The most promising penalty is scored next, among
those that can win: that are better than the best of those that were scored at three standard errors below their
estimate. Residuals are smooth functions of the penalty: projections are made of a few combinations of all penalties.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from b2m_encoding.models.solver.devices import eigh
from b2m_encoding.models.solver.options import Scoring
from b2m_encoding.models.solver.samples.arrays import empty_columns
from b2m_encoding.models.solver.samples.joined import Held, JoinedFolds
from b2m_encoding.models.solver.search import cross_validated_r2, fold_factors

N_DIRECTIONS = 128
MARGIN = 3.0
"""Standard errors within which a penalty can still be the best."""
TIE = 1e-5
"""Gain of R2 that is not worth another score."""
COMBINED = 3e-5
"""Error of a projection by the combinations that are left out, relative to its size; over all directions, not each."""
ROUNDING = 1e-6
"""Error of an exact score in float32, relative to the squares of the responses."""
CONSTANT = 1e-10
"""Deviation of responses, relative to their size, and of predictions, relative to responses, that is rounding."""
AT_A_TIME = 2**21
"""Residuals of pairs of a target and a penalty that are in memory at a time."""
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
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, scores: Tensor, candidates: Tensor, checked: Tensor) -> None:
        """Compare targets that have every score with the choice among their candidates.

        Parameters
        ----------
        scores : Tensor, shape (n_alphas, n_targets)
        candidates : Tensor of bool, shape (n_alphas, n_targets)
            Scores that were computed to choose.
        checked : Tensor of bool, shape (n_targets,)
            Targets that have every score.
        """
        every, own = scores[:, checked], candidates[:, checked]
        lost = every.amax(0) - torch.where(own, every, -torch.inf).amax(0)
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

    def scores(self, y: Tensor, z: Tensor, checked: Tensor, kept: Kept | None = None) -> Tensor:
        """Cross-validated scores, shape (n_alphas, n_targets), float64; NaN where screening left a penalty out.

        Parameters
        ----------
        y, z : Tensor
            As for :meth:`~b2m_encoding.models.solver.samples.joined.JoinedFolds.residuals`.
        checked : Tensor of bool, shape (n_targets,)
            Targets that are scored with every penalty.
        kept : Kept, optional
            Gets the residuals that are computed for one target at a time.
        """
        every = torch.ones((len(self.penalties), y.shape[1]), dtype=torch.bool, device=y.device)
        if self.scoring == "r":
            y, z = self.folds.in_float64(y, z)
            path = torch.empty(every.shape, dtype=torch.float64, device=y.device)
            for which, targets, some, found in self._residuals(every, y, z):
                path[which, targets] = self._correlation(some, found)
            return path
        error = torch.full((len(self.penalties), y.shape[1]), torch.nan, dtype=torch.float64, device=y.device)
        of_folds = self.folds.rows.squares(y)
        squares, variation = (part.sum(0) for part in of_folds)
        factors = fold_factors(of_folds[1], of_folds[0]) if self.scoring == "r2" else None

        def score(wanted: Tensor, kept: Kept | None = None) -> None:
            for which, targets, _, found in self._residuals(wanted, y, z):
                total = self._sum(found.square(), None if factors is None else factors[:, targets])
                error[which, targets] = total
                if kept is not None:
                    kept.offer(targets, which, total, found)

        if self.projections is None:
            score(every)
            return cross_validated_r2(error, variation, squares)
        estimates = Estimates.of(self.projections, y, squares)
        while (wanted := estimates.next_to_score(error)).any():
            score(wanted, kept)
            estimates.condition(wanted, error)
        scored = error.isfinite()
        score(checked & ~scored)
        path = cross_validated_r2(error, variation, squares)
        self.agreement.add(path, scored, checked)
        return path

    def _residuals(self, wanted: Tensor, y: Tensor, z: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Penalties and targets of the wanted pairs, a part at a time, with responses and residuals."""
        for pairs in torch.split(wanted.nonzero(), max(1, AT_A_TIME // len(y))):
            which, targets = pairs.T
            some, projected = y.T[targets].T, z.T[targets].T
            yield which, targets, some, self.folds.residuals(self.penalties, which, some, projected)

    def _sum(self, squares: Tensor, factors: Tensor | None) -> Tensor:
        """Sum over held-out samples, or over folds with a factor for each, float64."""
        if factors is None:
            return squares.sum(0).double()
        parts = torch.split(squares, [len(rows) for rows in self.folds.rows.folds])
        return (torch.stack([part.sum(0) for part in parts]).double() * factors).sum(0)

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
    """

    mean: Tensor
    covariance: Tensor
    first: Tensor
    squares: Tensor

    @classmethod
    def of(cls, projections: Projections, y: Tensor, squares: Tensor) -> Estimates:
        """Estimates from the projections of the residuals."""
        n_combinations, n, _ = projections.maps.shape
        projected = (y.T @ projections.maps.flatten(0, 1).T).view(-1, n_combinations, n).double()
        mix = projections.mix
        pairs = (mix[:, None, :, None] * mix[:, None]).flatten(2).flatten(0, 1)
        gram = ((projected @ projected.mT).flatten(1) @ pairs.T).view(-1, len(mix), len(mix))
        errors = gram.diagonal(dim1=1, dim2=2)
        first = errors.argmin(1)
        mean = (errors - errors.gather(1, first[:, None])).T.contiguous()
        trace = gram.square_()  # tr(AB) of A = aa' and B = bb'; then of the differences from that of the first
        own = trace.gather(2, first[:, None, None].expand(-1, len(mix), 1))
        trace = trace - own - own.mT + own.gather(1, first[:, None, None])
        return cls(mean, 2 / n * trace, first, squares)

    def next_to_score(self, error: Tensor) -> Tensor:
        """Penalty of each target that is scored next, if one can still win, as a mask (n_alphas, n_targets)."""
        scored = error.isfinite()
        if not scored.any():
            return torch.zeros_like(scored).scatter_(0, self.first[None], value=True)
        relative = error - error.gather(0, self.first[None])
        best = torch.where(scored, relative, torch.inf).amin(0)
        deviation = self.covariance.diagonal(dim1=1, dim2=2).clamp_min(0).sqrt().T
        lower = torch.where(scored, torch.inf, self.mean - MARGIN * deviation)
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


def random_signs(n_directions: int, n_samples: int, seed: int = 0) -> Tensor:
    """Random signs over the root of their number, shape (n_directions, n_samples), float64."""
    generator = torch.Generator().manual_seed(seed)
    heads: Tensor = torch.randint(0, 2, (n_directions, n_samples), generator=generator, dtype=torch.float64)
    return heads.mul_(2).sub_(1).div_(n_directions**0.5)
