"""Held-out sums of one fold for all penalties: two rotations per target, a quadratic form per filter combination."""

from __future__ import annotations

import torch
from torch import Tensor

from b2m_encoding.models.solver.devices import Precision, products
from b2m_encoding.models.solver.filters import Filters, compress
from b2m_encoding.models.solver.moments import Targets
from b2m_encoding.models.solver.problems import FoldSystem

TOLERANCE = {torch.float32: 3e-7, torch.float64: 1e-13}
Sums = tuple[Tensor, Tensor, Tensor]


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
        keep = slice(filters.start, None)
        self.system, self.rotation = system, system.basis[:, keep]
        self.basis, self.full = filters.basis.to(dtype), filters.full.to(dtype)
        self.pairs = _pairs(filters).to(dtype)
        self.factors = _upper(system.quadratic[keep, keep])

    def __call__(self, targets: Targets) -> Sums:
        """Sum of products with the predictions, of squared predictions ``(n, n_alphas)``, and of squares ``(n,)``."""
        train, held_out, squares = self.system.load(targets)
        with products(self.precision, self.device):
            b = train @ self.rotation
            linear = (b * (held_out @ self.rotation)) @ self.full.T
            quadratic = torch.empty_like(linear)
            n_basis, rank = self.basis.shape
            size = max(1, _cells(self.device) // (n_basis * rank))
            for start in range(0, len(b), size):
                part = slice(start, start + size)
                weights = b[part, None, :] * self.basis
                quadratic[part] = self._inner(weights).flatten(1) @ self.pairs
        return linear, quadratic, squares

    def _inner(self, weights: Tensor) -> Tensor:
        """Inner products of the predictions of all combinations, shape (n, n_basis, n_basis), up to transposition."""
        n, n_basis, rank = weights.shape
        flat = weights.view(n * n_basis, rank)
        image = torch.empty_like(flat)
        stop = 0
        for factor in self.factors:
            start, stop = stop, stop + factor.shape[1]
            torch.mm(flat[:, :stop], factor, out=image[:, start:stop])
        return image.view(n, n_basis, rank) @ weights.mT


def fold_scorer(system: FoldSystem, alphas: Tensor, precision: Precision) -> FoldScorer:
    """Compress the filters of all penalties to the few that they are combinations of."""
    tolerance = 1e-4 if precision == "fast" else TOLERANCE[system.basis.dtype]
    filters = compress(system.values, system.norms.to(system.values), alphas.to(system.values), tolerance)
    return FoldScorer(system, filters, precision)


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
