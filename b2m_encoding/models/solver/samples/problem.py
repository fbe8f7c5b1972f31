"""The forms that keep samples: ridge from the eigenbasis of all of them, for more features than held-out samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from b2m_encoding.models.solver.devices import eigh, for_each, gram, in_chunks, products
from b2m_encoding.models.solver.filters import shrinkage
from b2m_encoding.models.solver.moments import Center
from b2m_encoding.models.solver.options import SearchOptions
from b2m_encoding.models.solver.preparation import Preparation
from b2m_encoding.models.solver.problems import Blocks, Form, NormalEquations
from b2m_encoding.models.solver.samples.arrays import Samples, empty_columns
from b2m_encoding.models.solver.samples.factors import Factors
from b2m_encoding.models.solver.samples.held_out_rows import HeldOutRows
from b2m_encoding.models.solver.samples.joined import (
    Basis,
    Held,
    JoinedFolds,
    pack,
    unpack,
)
from b2m_encoding.models.solver.samples.scores import JoinedScores, Kept, Projections
from b2m_encoding.models.solver.screening import (
    COST_OF_A_CELL,
    N_CHECKED,
    N_DIRECTIONS,
    Agreement,
    random_signs,
    some_of,
    targets_at_a_time,
)
from b2m_encoding.models.solver.weights import Weights

DIRECTIONS = 512
"""Directions whose weights of the features are in float64 at a time."""
N_COMBINED = 9
"""Combinations of penalties that are projected, about."""
SampleForm = Literal["prediction", "dual"]


@dataclass(frozen=True, eq=False)
class Last:
    """Last search of a problem, for its solution: scaling, basis, responses in it, folds, penalties and residuals."""

    scaling: Tensor | None
    basis: Basis
    projected: Tensor | None = None
    system: JoinedFolds | None = None
    penalties: Sequence[Held] = ()
    kept: Kept | None = None


class SamplesProblem:
    """Ridge problem from samples: one eigenproblem of all of them serves every fold, penalty and target.

    Parameters
    ----------
    samples : Samples
    preparation : Preparation
    form : {"prediction", "dual"}
        Eigenproblem of the products of features, or of the kernel of samples: the results are the same.
    center : {"all", "block", "none"}
    dtype : torch.dtype
        Type of the large products.
    device : torch.device
    factors : Factors
        Where eigenbases and held-out factors are kept.
    """

    def __init__(
        self,
        samples: Samples,
        preparation: Preparation,
        *,
        form: SampleForm,
        center: Center,
        dtype: torch.dtype,
        device: torch.device,
        factors: Factors,
    ) -> None:
        self.samples, self.preparation, self.center = samples, preparation, center
        self.form: Form = form
        self.dtype, self.device, self.factors = dtype, device, factors
        self.n_targets, self.n_features = samples.Y.shape[1], samples.n_features
        self.notes: list[str] = []
        self._last: Last | None = None
        self._agreement = Agreement()

    @cached_property
    def _squares(self) -> Tensor:
        return self.samples.squares(self.center)

    @property
    def _inverse_deviations(self) -> Tensor:
        return self.preparation.inverse_deviations(self._squares, self.samples.centre(self.center), len(self.samples))

    def _prepared(self, scaling: Tensor | None) -> Tensor:
        """Features, standardised and scaled, shape (n_samples, n_features), float64."""
        prep, scales = self.preparation, self.preparation.column_scales(scaling)
        x = torch.empty((len(self.samples), self.n_features), dtype=torch.float64, device=self.device)
        for rows, part in self.samples.centred_features(self.center):
            x[rows] = prep.apply(part.to(self.device), self._inverse_deviations, scales)
        return x

    @cached_property
    def _responses(self) -> Tensor:
        return self.samples.centred_responses(self.center, self.dtype).values

    def _basis(self, scaling: Tensor | None) -> Basis:
        """Eigenbasis of a scaling; the last one is remembered, so that a search and its solution share it."""
        if self._last is None or not _same(self._last.scaling, scaling):
            self._last = None
            key = [self.samples.digest, *self._description(scaling)]
            self._last = Last(scaling, Basis(**self.factors.get("basis", key, lambda: self._make_basis(scaling))))
        return self._last.basis

    def _description(self, scaling: Tensor | None) -> list[object]:
        prep = self.preparation
        if self.center == "block":
            where: list[object] = [rows.tolist() for rows in self.samples.rows.values()]
        else:
            where = [] if self.center == "all" else [self.center]
        return [self.form, where, str(self.dtype), prep.standardize, list(prep.widths), prep.prior, scaling]

    def _kernel(self, scaling: Tensor | None) -> Tensor:
        return gram(self._prepared(scaling).T)

    def _make_basis(self, scaling: Tensor | None) -> dict[str, Tensor]:
        if self.form == "prediction":
            x = self._prepared(scaling)
            values, directions = _nonzero(*eigh(gram(x)))
            vectors = (x @ directions) / values.sqrt()
            del x
        else:  # the features are made twice: they are as large as the kernel
            values, vectors = _nonzero(*eigh(self._kernel(scaling)))
            directions = self._prepared(scaling).T
        return {"values": values, "vectors": vectors, "back": self._back(directions, values, vectors, scaling)}

    def _back(self, directions: Tensor, values: Tensor, vectors: Tensor, scaling: Tensor | None) -> Tensor:
        """Map from weights in the basis to weights of the features, shape (rank, n_features); some rows at a time."""
        prep, scales, rank = self.preparation, self.preparation.column_scales(scaling), len(values)
        back = torch.empty((rank, self.n_features), dtype=self.dtype, device=self.device)
        for start in range(0, rank, DIRECTIONS):
            part = slice(start, start + DIRECTIONS)
            some = directions[:, part]
            if self.form == "dual":
                some = directions @ (vectors[:, part] / values[part].sqrt())
            back[part] = prep.back(some, self._inverse_deviations.to(self.device), scales).T.to(self.dtype)
        return back

    def _projected(self, scaling: Tensor | None, targets: slice | Tensor) -> Tensor:
        """Responses in the basis, shape (rank, n); those of a search are kept for its solution."""
        vectors = self._basis(scaling).of_type(self.dtype)
        assert self._last is not None
        if self._last.projected is not None:
            return self._last.projected[:, targets]
        with products("float32", self.device):
            return (self._batch(targets).T @ vectors).T

    def _batch(self, targets: slice | Tensor) -> Tensor:
        """Responses of some targets, every column contiguous."""
        at = targets.to(self._responses.device) if isinstance(targets, Tensor) else targets
        return self._responses[:, at].to(self.device).T.contiguous().T

    def _rows(self, folds: Sequence[Blocks]) -> HeldOutRows:
        rows = [self.samples.index(fold).to(self.device) for fold in folds]
        return HeldOutRows(rows, len(self.samples), self.center)

    def _key(self, system: JoinedFolds, alphas: Tensor, scaling: Tensor | None) -> list[object]:
        folds = [rows.tolist() for rows in system.rows.folds]
        return [self.samples.digest, *self._description(scaling), str(system.dtype), folds, alphas.tolist()]

    def _penalties(self, system: JoinedFolds, alphas: Tensor, scaling: Tensor | None) -> list[Held]:
        """Factors of every penalty in all folds."""
        key = self._key(system, alphas, scaling)
        parts = self.factors.get("folds", key, lambda: pack(system.penalties(alphas.tolist())))
        return unpack(parts, alphas.tolist())

    def _projections(
        self, system: JoinedFolds, penalties: Sequence[Held], alphas: Tensor, scaling: Tensor | None
    ) -> Projections:
        """Residuals of every penalty in random directions."""
        key = self._key(system, alphas, scaling)

        def make() -> dict[str, Tensor]:
            signs = random_signs(N_DIRECTIONS, len(system.rows.all))
            maps = for_each(penalties, lambda held: system.sketch(held, signs), self.device)
            found = Projections.of(torch.stack(maps))
            return {"maps": found.maps, "mix": found.mix}

        return Projections(**self.factors.get("projections", key, make))

    def cv_scores(
        self,
        folds: Sequence[Blocks],
        alphas: Tensor,
        options: SearchOptions,
        scaling: Tensor | None = None,
        known: Tensor | None = None,
    ) -> Tensor:
        """See :meth:`~b2m_encoding.models.solver.problems.RidgeProblem.cv_scores`."""
        basis = self._basis(scaling)
        # a correlation needs predictions, which are responses less residuals: few digits where penalties are large
        system = JoinedFolds(basis, self._rows(folds), torch.float64 if options.scoring == "r" else self.dtype)
        penalties, projections = self._penalties(system, alphas, scaling), None
        if options.screens and _pays(system, len(alphas), self.n_targets):
            projections = self._projections(system, penalties, alphas, scaling)
        self._agreement = Agreement() if known is None else self._agreement
        found = JoinedScores(system, penalties, options.scoring, projections, self._agreement)
        path = torch.empty((len(alphas), self.n_targets), dtype=torch.float64, device=self.device)
        _ = self._responses  # once, before the threads
        projected = empty_columns(len(basis.values), self.n_targets, self.dtype, self.device)
        checked, kept = some_of(options.tested.to(self.device), N_CHECKED), None
        if options.keeps and projections is not None and self.device.type == "cpu":
            kept = Kept.empty(len(system.rows.all), self.n_targets, self.dtype)

        def work(targets: slice) -> None:
            projected[:, targets] = z = self._projected(scaling, targets)
            own = None if kept is None else kept.part(targets)
            other = None if known is None else known[targets]
            path[:, targets] = found.scores(self._batch(targets), z, checked[targets], own, other)

        size = options.n_targets_batch if projections is None else targets_at_a_time(len(alphas))
        in_chunks(self.n_targets, min(size, options.n_targets_batch), work, self.device)
        self._last = Last(scaling, basis, projected, system, penalties, kept)
        self.notes = found.agreement.note(len(alphas))
        return path

    def held_out_predictions(self, alphas: Tensor, batch: int) -> Tensor:
        """Held-out predictions of the last search, about the training means, with one penalty per target.

        Parameters
        ----------
        alphas : Tensor, shape (n_targets,)
            Among those that were searched.
        batch : int

        Returns
        -------
        Tensor, shape (n_held_out, n_targets)
            On the CPU.
        """
        last = self._last
        assert last is not None
        assert last.system is not None
        system, kept = last.system, last.kept
        out = empty_columns(len(system.rows.all), self.n_targets, self.dtype) if kept is None else kept.residuals
        known = torch.tensor([held.alpha for held in last.penalties], dtype=torch.float64, device=self.device)
        which = (alphas.to(known)[:, None] == known).to(torch.uint8).argmax(1)
        missing = torch.ones_like(which, dtype=torch.bool) if kept is None else kept.which != which
        self._last = replace(last, kept=None)  # its residuals become the predictions

        def work(targets: slice) -> None:
            y, error = self._batch(targets), out[:, targets].to(self.device)
            at = missing[targets].nonzero()[:, 0]
            own, order = which[targets][at].sort(stable=True)
            at = at[order]
            error.T[at] = system.residuals(last.penalties, own, at, y, self._projected(last.scaling, targets)).T
            out[:, targets] = system.rows.about_training(y, error).cpu()

        in_chunks(self.n_targets, batch, work, self.device)
        return out

    def held_out_responses(self, folds: Sequence[Blocks], targets: slice) -> tuple[Tensor, Tensor, Tensor]:
        """Held-out responses about the training means, shape (n_held_out, n), their squares, and those within folds."""
        y, rows = self._batch(targets), self._rows(folds)
        squares, variation = rows.squares(y)
        return rows.about_training(y), squares.sum(0), variation.sum(0)

    def solve(
        self, alphas: Tensor, scaling: Tensor | None = None, targets: Tensor | None = None, batch: int = 4096
    ) -> Weights:
        """See :meth:`~b2m_encoding.models.solver.problems.RidgeProblem.solve`."""
        basis, index = self._basis(scaling), torch.arange(self.n_targets) if targets is None else targets
        reduced = torch.empty((len(index), len(basis.values)), dtype=self.dtype, device=self.device)
        roots, own = basis.values.sqrt(), alphas.to(basis.values)

        def work(part: slice) -> None:
            rows = part if targets is None else index[part]
            some, which = torch.unique(own[part], return_inverse=True)  # few, as a rule
            filters = (roots * shrinkage(basis.values, some)).to(self.dtype)
            torch.mul(self._projected(scaling, rows).T, filters[which], out=reduced[part])

        in_chunks(len(index), batch, work, self.device)
        mean_y = self.samples.centred_responses(self.center, self.dtype).mean
        return Weights(reduced, basis.back, self.samples.centre(self.center), mean_y)

    def forget(self) -> None:
        """See :meth:`~b2m_encoding.models.solver.problems.RidgeProblem.forget`."""
        self._last = None

    def squares(self) -> Tensor:
        """See :meth:`RidgeProblem.squares <b2m_encoding.models.solver.problems.RidgeProblem.squares>`."""
        return self._squares

    def normal_equations(self, weights: Tensor, targets: Tensor) -> NormalEquations:
        """See :meth:`~b2m_encoding.models.solver.problems.RidgeProblem.normal_equations`."""
        y, gradient = self._batch(targets).double().cpu(), torch.zeros_like(weights)
        for rows, x in self.samples.centred_features(self.center):
            gradient += (y[rows] - x @ weights.T).T @ x
        return NormalEquations(gradient, self._squares, self.samples.centre(self.center), y.square().sum(0), len(y))


def _pays(system: JoinedFolds, n_alphas: int, n_targets: int) -> bool:
    """Whether projections cost less than the scores that they save, about three quarters of all."""
    exact = len(system.basis.values) + max(map(len, system.rows.folds))
    combined = min(n_alphas, N_COMBINED) * N_DIRECTIONS
    once = n_alphas * N_DIRECTIONS * len(system.basis.values)  # to make the projections, per sample
    cells = COST_OF_A_CELL * n_alphas**2 / (2 * system.rows.n_samples)
    return n_targets > N_DIRECTIONS and combined + cells + once / n_targets < 0.4 * n_alphas * exact


def _nonzero(values: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Nonzero eigenvalues and their vectors; one of no weight where no feature varies: nothing is predicted."""
    keep = values > max(float(values[-1]), 0.0) * len(values) * 1e-15
    if not keep.any():
        return torch.ones_like(values[-1:]), torch.zeros_like(vectors[:, -1:])
    return values[keep], vectors[:, keep]


def _same(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None:
        return a is b
    return bool(torch.equal(a, b))
