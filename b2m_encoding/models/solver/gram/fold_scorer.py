"""Held-out sums of one fold for all penalties: two rotations per target, a quadratic form per filter combination."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from b2m_encoding.models.solver.devices import Precision, eigh, products
from b2m_encoding.models.solver.filters import Filters, compress
from b2m_encoding.models.solver.moments import Targets
from b2m_encoding.models.solver.problems import FoldSystem

TOLERANCE = {torch.float32: 3e-7, torch.float64: 1e-13}
RIDGE = 1e-13
"""Added to the quadratic form before it is factorised, relative to its trace; only estimates see it."""
Sums = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Rotated:
    """Targets of a fold in its eigenbasis.

    Parameters
    ----------
    train : Tensor, shape (n_targets, rank)
        Training covariances.
    linear : Tensor, shape (n_targets, n_alphas)
        Sums of products of the responses with the predictions of every penalty.
    squares : Tensor of float64, shape (n_targets,)
        Of the held-out responses.
    """

    train: Tensor
    linear: Tensor
    squares: Tensor


class FoldScorer:
    """Rotate the covariances of each target to the eigenbasis; quadratic forms there.

    Parameters
    ----------
    system : FoldSystem
    filters : Filters
    precision : {"float32", "float64", "fast"}
    """

    def __init__(self, system: FoldSystem, filters: Filters, precision: Precision) -> None:
        dtype = system.basis.dtype
        self.precision, self.device = precision, system.basis.device
        self.keep = keep = slice(filters.start, None)
        self.system, self.rotation = system, system.basis[:, keep]
        self.basis, self.mix, self.full = (part.to(dtype) for part in (filters.basis, filters.mix, filters.full))
        self.pairs = _pairs(filters).to(dtype)
        self.factors = _upper(system.quadratic[keep, keep].to(dtype))

    def __call__(self, targets: Targets) -> Sums:
        """Sum of products with the predictions, of squared predictions ``(n, n_alphas)``, and of squares ``(n,)``."""
        rotated = self.rotate(targets)
        with products(self.precision, self.device):
            b, quadratic = rotated.train, torch.empty_like(rotated.linear)
            n_basis, rank = self.basis.shape
            size = max(1, _cells(self.device) // (n_basis * rank))
            for start in range(0, len(b), size):
                part = slice(start, start + size)
                weights = b[part, None, :] * self.basis
                quadratic[part] = self._inner(weights).flatten(1) @ self.pairs
        return rotated.linear, quadratic, rotated.squares

    def rotate(self, targets: Targets) -> Rotated:
        """Rotate the covariances of targets."""
        train, held_out, squares = self.system.load(targets)
        with products(self.precision, self.device):
            b = train @ self.rotation
            return Rotated(b, (b * (held_out @ self.rotation)) @ self.full.T, squares)

    def quadratic(self, train: Tensor, which: Tensor) -> Tensor:
        """Sums of squared predictions of rotated targets that each have a penalty of their own, shape (n_targets,)."""
        with products(self.precision, self.device):
            weights = train * self.full[which]
            return (self._image(weights) * weights).sum(1)

    def sketch(self, signs: Tensor) -> Tensor:
        """Map from covariances to random combinations of predictions, shape (rank, n_basis * n_directions).

        Parameters
        ----------
        signs : Tensor of float64, shape (n_directions, rank)
        """
        root = _root(self.system.quadratic[self.keep, self.keep])
        combined = self.basis.T[:, :, None] * (root @ signs.T.to(root)).to(self.basis)[:, None]
        return combined.flatten(1)

    def sketched(self, train: Tensor, sketch: Tensor) -> Tensor:
        """Estimated products of the predictions of all penalties, shape (n_targets, n_alphas, n_alphas)."""
        with products(self.precision, self.device):
            predictions = self.mix @ (train @ sketch).view(len(train), len(self.basis), -1)
            return predictions @ predictions.mT

    def _inner(self, weights: Tensor) -> Tensor:
        """Inner products of the predictions of all combinations, shape (n, n_basis, n_basis), up to transposition."""
        return self._image(weights.flatten(0, 1)).view(weights.shape) @ weights.mT

    def _image(self, weights: Tensor) -> Tensor:
        """Products with the upper factor of the quadratic form, shape (n, rank)."""
        image, stop = torch.empty_like(weights), 0
        for factor in self.factors:
            start, stop = stop, stop + factor.shape[1]
            torch.mm(weights[:, :stop], factor, out=image[:, start:stop])
        return image


def fold_scorer(system: FoldSystem, alphas: Tensor, precision: Precision) -> FoldScorer:
    """Compress the filters of all penalties to the few that they are combinations of."""
    tolerance = 1e-4 if precision == "fast" else TOLERANCE[system.basis.dtype]
    filters = compress(system.values, system.norms.to(system.values), alphas.to(system.values), tolerance)
    return FoldScorer(system, filters, precision)


def _root(form: Tensor) -> Tensor:
    """Root ``R`` of a positive semidefinite form ``R R'``, float64."""
    ridge = RIDGE * form.trace() * torch.eye(len(form), dtype=form.dtype, device=form.device)
    root, failed = torch.linalg.cholesky_ex(form + ridge)
    if failed:
        values, vectors = eigh(form)
        root = vectors * values.sqrt()
    return torch.as_tensor(root)


def _pairs(filters: Filters) -> Tensor:
    """Products of two coefficients of each penalty, shape (n_basis**2, n_alphas)."""
    return (filters.mix[:, :, None] * filters.mix[:, None, :]).flatten(1).T


def _cells(device: torch.device) -> int:
    """Size of a block of weights: fits the cache of a CPU, or fills a GPU."""
    return 2**27 if device.type == "cuda" else 2**18


def _upper(gram: Tensor) -> list[Tensor]:
    """Columns of a block upper triangle ``U`` with ``U + U' = 2 gram``: half the products, the same quadratic form."""
    rank = len(gram)
    width = max(64, -(-rank // 8))
    factors = []
    for start in range(0, rank, width):
        stop = min(start + width, rank)
        factor = gram[:stop, start:stop].clone()
        factor[:start] *= 2
        factors.append(factor.contiguous())
    return factors
