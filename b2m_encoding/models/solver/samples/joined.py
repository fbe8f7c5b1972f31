r"""Held-out residuals of every fold and penalty from one factorisation of all samples.

Let :math:`S = U \, l / (l + a) \, U'` be the ridge smoother of all centred samples, with the eigenvectors :math:`U` and
eigenvalues :math:`l` of their kernel and the penalty :math:`a`, plus :math:`1/n` for the intercept. The residual of a
block :math:`b`, predicted by the model of all other samples, is

.. math:: e_b = (I - S)_{bb}^{-1} \, ((I - S) \, y)_b,

exactly, without that model: leave-one-out :math:`e_i / (1 - h_i)` for blocks (Cook & Weisberg 1982; with an
unpenalised intercept it holds because the fit without the block is the fit of all samples in which the responses of the
block equal their predictions). One eigenproblem serves every fold, penalty and target. A penalty far below the
eigenvalues makes the fit interpolate, so that residuals carry few digits: then the products are in float64, and where
that is not enough the fold is factorised by itself. Arrays with a column for every target are fastest where each
column is contiguous: some targets are then copied as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from b2m_encoding.models.solver.devices import eigh, for_each
from b2m_encoding.models.solver.filters import shrinkage
from b2m_encoding.models.solver.samples.arrays import empty_columns
from b2m_encoding.models.solver.samples.held_out_rows import HeldOutRows

ROUNDING = {torch.float32: 30.0, torch.float64: 1e9}
"""Largest norm of an inverse of ``(I - S)_bb`` whose residuals have digits enough in this type."""
SINGLE = 10.0
"""Norm below which an inverse is computed in float32: its errors are then those of residuals in float32."""
AT_A_TIME = 2**21
"""Numbers of the held-out vectors of several penalties that are in memory at a time."""
N_PROBES = 16
"""Random vectors that estimate the norm of an inverse."""


@dataclass(frozen=True, eq=False)
class Basis:
    """Eigenvectors of the kernel of centred, prepared features over all samples.

    Parameters
    ----------
    values : Tensor of float64, shape (rank,)
        Eigenvalues, ascending.
    vectors : Tensor of float64, shape (n_samples, rank)
    back : Tensor, shape (rank, n_features)
        From weights in this basis to weights of the original features.
    """

    values: Tensor
    vectors: Tensor
    back: Tensor
    _filters: dict[tuple[float, torch.dtype], Tensor] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def single(self) -> Tensor:
        """Vectors in float32."""
        return self.vectors.float()

    def of_type(self, dtype: torch.dtype) -> Tensor:
        """Vectors in a type."""
        return self.vectors if dtype == torch.float64 else self.single

    def filters(self, alpha: float, dtype: torch.dtype) -> Tensor:
        """``l / (l + a)`` of one penalty, shape (rank,); 0 for directions without variance."""
        if (alpha, dtype) not in self._filters:
            alphas = torch.tensor([alpha], dtype=torch.float64, device=self.values.device)
            self._filters[alpha, dtype] = (self.values * shrinkage(self.values, alphas)[0]).to(dtype)
        return self._filters[alpha, dtype]


@dataclass(frozen=True, eq=False)
class Held:
    """One penalty in all folds.

    Parameters
    ----------
    alpha : float
    dtype : torch.dtype
        Type in which residuals have digits enough.
    inverses : list of Tensor, or Tensor
        Of every fold ``(I - S)_bb^-1``, shape (n_held_out, n_held_out); or where that has too few digits the map from
        all centred responses to the residuals, shape (n_held_out, n_samples). One array where folds are equally long.
    whole : list of bool
        Whether it is that map.
    """

    alpha: float
    dtype: torch.dtype
    inverses: Sequence[Tensor] | Tensor
    whole: list[bool]

    @classmethod
    def of(cls, alpha: float, parts: Sequence[Tensor], whole: list[bool]) -> Held:
        """From one matrix per fold."""
        equal = not any(whole) and len({len(part) for part in parts}) == 1
        return cls(alpha, parts[0].dtype, torch.stack(list(parts)) if equal else parts, whole)


class JoinedFolds:
    """Residuals of all folds, from the basis of all samples.

    Parameters
    ----------
    basis : Basis
    rows : HeldOutRows
    dtype : torch.dtype
        Type of the products where it is enough.
    """

    def __init__(self, basis: Basis, rows: HeldOutRows, dtype: torch.dtype) -> None:
        self.basis, self.rows, self.dtype = basis, rows, dtype
        self.device = basis.values.device
        self._systems: dict[int, tuple[Tensor, Tensor]] = {}

    def penalties(self, alphas: Sequence[float]) -> list[Held]:
        """Factorise all folds for every penalty."""
        _ = self.basis.of_type(self.dtype)  # once, before the threads
        folds = for_each(range(len(self.rows.folds)), lambda fold: self._inverses(fold, alphas), self.device)
        return [
            self._held(alpha, [(inverses[i], float(sizes[i])) for inverses, sizes in folds])
            for i, alpha in enumerate(alphas)
        ]

    def _held(self, alpha: float, folds: Sequence[tuple[Tensor, float]]) -> Held:
        """One penalty from ``(I - S)_bb^-1`` of every fold and its norm."""
        whole = [not size < ROUNDING[torch.float64] for _, size in folds]
        largest = max((size for (_, size), own in zip(folds, whole, strict=True) if not own), default=0.0)
        dtype = self.dtype if largest < ROUNDING[self.dtype] else torch.float64
        found = [
            self._own_system(fold, alpha) if own else inverse
            for fold, ((inverse, _), own) in enumerate(zip(folds, whole, strict=True))
        ]
        return Held.of(alpha, [part.to(dtype) for part in found], whole)

    def _inverses(self, fold: int, alphas: Sequence[float]) -> tuple[list[Tensor], Tensor]:
        """``(I - S)_bb^-1`` of every penalty, and its norm; infinite where it has none."""
        inverses, sizes = self._invert(fold, alphas, self.dtype)
        large = (~(sizes < SINGLE)).nonzero()[:, 0].tolist() if self.dtype != torch.float64 else []
        if large:
            exact, sizes[large] = self._invert(fold, [alphas[i] for i in large], torch.float64)
            for i, inverse in zip(large, exact, strict=True):
                inverses[i] = inverse
        return inverses, sizes

    def _invert(self, fold: int, alphas: Sequence[float], dtype: torch.dtype) -> tuple[list[Tensor], Tensor]:
        """See :meth:`_inverses`; the products are in a type."""
        held = self.rows.folds[fold]
        part = self.basis.of_type(dtype)[held]
        filters = torch.stack([self.basis.filters(alpha, dtype) for alpha in alphas])
        inverses, sizes = [], []
        for some in torch.split(filters, max(1, AT_A_TIME // part.numel())):
            left = _lower_gram(part, some).neg_()
            left.diagonal(dim1=1, dim2=2).add_(1)
            if self.rows.intercept:
                left -= 1 / self.rows.n_samples
            factor, failed = torch.linalg.cholesky_ex(left)
            factor[failed != 0] = torch.eye(len(held), dtype=dtype, device=factor.device)  # else there is an error
            inverse = torch.cholesky_inverse(factor)
            size = _norm(inverse)
            inverses += list(inverse)
            sizes.append(torch.where((failed != 0) | size.isnan(), torch.inf, size).double())
        return inverses, torch.cat(sizes)

    def _own_system(self, fold: int, alpha: float) -> Tensor:
        """Map from centred responses to residuals of a fold, from an eigenproblem of its training part."""
        held = self.rows.folds[fold]
        training = torch.ones(self.rows.n_samples, dtype=torch.bool, device=held.device)
        training[held] = False
        x = self.basis.vectors * self.basis.values.sqrt()
        inside, outside = x[training], x[held]
        if self.rows.intercept:
            mean = inside.mean(0)
            inside, outside = inside - mean, outside - mean
        if fold not in self._systems:
            self._systems[fold] = eigh(inside @ inside.T)
        values, vectors = self._systems[fold]
        filters = shrinkage(values, torch.tensor([alpha], dtype=values.dtype, device=values.device))
        predict = (outside @ (inside.T @ (vectors * filters))) @ vectors.T
        operator = torch.zeros((len(held), self.rows.n_samples), dtype=x.dtype, device=x.device)
        operator[:, training] = -predict
        if self.rows.intercept:  # about the training mean
            operator[:, training] -= (1 - predict.sum(1, keepdim=True)) / int(training.sum())
        operator[torch.arange(len(held), device=held.device), held] += 1
        return operator

    def in_float64(self, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Centred responses and ``U'y`` in float64; what rounding left of the mean would be amplified."""
        if y.dtype == torch.float64:
            return y, z
        y = y.double()
        y = y - y.mean(0) if self.rows.intercept else y
        return y, self.basis.vectors.T @ y

    def residuals(self, penalties: Sequence[Held], which: Tensor, targets: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """Held-out residuals of some targets that each have a penalty of their own, from one large product.

        Parameters
        ----------
        penalties : sequence of Held
        which : Tensor of int, shape (n,)
            Penalty of each of them, ascending.
        targets : Tensor of int, shape (n,)
            Their columns.
        y : Tensor, shape (n_samples, n_targets)
            Centred responses.
        z : Tensor, shape (rank, n_targets)
            ``U'y``; computed again where it needs more digits.

        Returns
        -------
        Tensor, shape (n_held_out, n)
            Folds one after the other.
        """
        few = torch.tensor([held.dtype != y.dtype for held in penalties], device=which.device)[which].nonzero()[:, 0]
        if len(few):  # they need more digits than the responses have
            double = self.in_float64(y.T[targets[few]].T, z.T[targets[few]].T)
            every = torch.arange(len(few), device=few.device)
            exact = self.residuals(penalties, which[few], every, *double).to(y.dtype)
            if len(few) == len(which):
                return exact
        numbers = which.bincount(minlength=len(penalties)).tolist()
        measured, rest = y.T[targets], z.T[targets]  # copies; every array has a row per target
        for held, some in zip(penalties, torch.split(rest, numbers), strict=True):
            some.mul_(self.basis.filters(held.alpha, y.dtype))
        directly = any(any(held.whole) for held in penalties)
        rest = torch.addmm(measured, rest, self.basis.of_type(y.dtype).T, alpha=-1, out=None if directly else measured)
        out = empty_columns(len(self.rows.all), len(which), y.dtype, y.device)
        parts = (torch.split(part, numbers) for part in (measured, rest, out.T))
        for held, *own in zip(penalties, *parts, strict=True):
            if len(own[0]) and held.dtype == y.dtype:
                self._hold_out(held, *(part.T for part in own))
        if len(few):
            out.T[few] = exact.T
        return out

    def _hold_out(self, held: Held, y: Tensor, rest: Tensor, out: Tensor) -> None:
        """Held-out residuals of all folds from ``rest``, those of the fit to all samples."""
        if isinstance(held.inverses, Tensor) and isinstance(self.rows.place, slice):  # they are symmetric
            shape = (rest.shape[1], *held.inverses.shape[:2])
            inside = rest.T[:, self.rows.place].view(shape).transpose(0, 1)
            torch.bmm(inside, held.inverses, out=out.T.view(shape).transpose(0, 1))
            return
        start = 0
        for rows, operator, whole in zip(self.rows.places, held.inverses, held.whole, strict=True):
            stop = start + len(operator)
            torch.mm(operator, y if whole else rest[rows], out=out[start:stop])
            start = stop

    def sketch(self, held: Held, signs: Tensor) -> Tensor:
        """Random combinations of the residuals as a map from centred responses, shape (n_combinations, n_samples).

        Parameters
        ----------
        held : Held
        signs : Tensor of float64, shape (n_combinations, n_held_out)
            Coefficients of the combinations.
        """
        vectors = self.basis.of_type(held.dtype)
        total = torch.zeros((len(signs), self.rows.n_samples), dtype=vectors.dtype, device=vectors.device)
        direct = torch.zeros_like(total)
        parts = torch.split(signs.to(vectors), [len(rows) for rows in self.rows.folds], dim=1)
        for rows, operator, whole, part in zip(self.rows.folds, held.inverses, held.whole, parts, strict=True):
            if whole:
                direct += part @ operator
            else:
                total.index_add_(1, rows, part @ operator)
        smooth = ((total @ vectors) * self.basis.filters(held.alpha, vectors.dtype)) @ vectors.T
        return (total - smooth + direct).to(self.dtype)


def _lower_gram(part: Tensor, weights: Tensor) -> Tensor:
    """Lower triangles of ``part diag(w) part'`` for every row of weights: little more than half of the products."""
    n = len(part)
    gram, width = part.new_zeros((len(weights), n, n)), max(64, -(-n // 8))
    for start in range(0, n, width):
        rows = slice(start, start + width)
        gram[:, rows, : rows.stop] = (part[rows] * weights[:, None]) @ part[: rows.stop].T
    return gram


def _norm(matrices: Tensor) -> Tensor:
    """Estimate ``|A^4|^(1/4)`` of symmetric matrices in the Frobenius norm, about their largest eigenvalues."""
    shape = (matrices.shape[-1], N_PROBES)
    image = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(matrices)
    for _ in range(4):
        image = matrices @ image
    size: Tensor = (image.flatten(1).norm(dim=1) / N_PROBES**0.5) ** 0.25
    return size


def pack(penalties: Sequence[Held]) -> dict[str, Tensor]:
    """Factors of penalties as named tensors."""
    parts = {f"{i}.{j}": part for i, held in enumerate(penalties) for j, part in enumerate(held.inverses)}
    return {**parts, "whole": torch.tensor([held.whole for held in penalties], dtype=torch.uint8)}


def unpack(parts: dict[str, Tensor], alphas: Sequence[float]) -> list[Held]:
    """Factors of penalties from named tensors."""
    whole = parts["whole"].bool().tolist()
    inverses = [[parts[f"{i}.{j}"] for j in range(len(row))] for i, row in enumerate(whole)]
    return [Held.of(alpha, own, row) for alpha, own, row in zip(alphas, inverses, whole, strict=True)]
