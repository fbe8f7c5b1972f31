r"""Held-out sums of one fold for all penalties: two ways to the same numbers.

In the eigenbasis, a target costs two rotations, and a quadratic form for each combination of filters. From samples, one
matrix maps the training samples of a target to its held-out predictions under every combination of filters: no
rotations, but the matrix must be computed first, which pays for many targets only.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from b2m_encoding.models.solver.devices import Precision, products
from b2m_encoding.models.solver.filters import Filters, compress
from b2m_encoding.models.solver.moments import Targets
from b2m_encoding.models.solver.problems import FoldSystem

MIN_TARGETS = 1024
"""Fewest targets in a batch: each batch reads a large matrix again."""
TOLERANCE = {torch.float32: 3e-7, torch.float64: 1e-13}
Sums = tuple[Tensor, Tensor, Tensor]


class FoldScorer(Protocol):
    """Held-out sums of one fold."""

    def __call__(self, targets: Targets) -> Sums:
        """Sum of products with the predictions, of squared predictions ``(n, n_alphas)``, and of squares ``(n,)``."""


def fold_scorer(system: FoldSystem, alphas: Tensor, precision: Precision, n_targets: int) -> FoldScorer:
    """Choose the scorer with the fewest operations.

    Parameters
    ----------
    system : FoldSystem
    alphas : Tensor, shape (n_alphas,)
    precision : {"float32", "float64", "fast"}
    n_targets : int
        Number of targets that will be scored.
    """
    tolerance = 1e-4 if precision == "fast" else TOLERANCE[system.train.dtype]
    filters = compress(system.values, system.norms.to(system.values), alphas.to(system.values), tolerance)
    (m, _), n_held, n_basis = system.train.shape, len(system.quadratic), filters.mix.shape[1]
    rotations, predictor = n_targets * (m + n_held), m * n_held * n_basis  # operations, over twice the rank
    if system.kind == "samples" and predictor <= rotations:
        return SampleScorer(system, filters, precision)
    return EigenScorer(system, filters, precision)


class EigenScorer:
    """Rotate the covariances of each target to the eigenbasis; quadratic forms there.

    Parameters
    ----------
    system : FoldSystem
    filters : Filters
    precision : {"float32", "float64", "fast"}
    """

    def __init__(self, system: FoldSystem, filters: Filters, precision: Precision) -> None:
        dtype = system.train.dtype
        self.precision, self.device = precision, system.train.device
        keep = slice(filters.start, None)
        self.system, self.train, self.held_out = system, system.train[:, keep], system.held_out[:, keep]
        self.basis, self.full = filters.basis.to(dtype), filters.full.to(dtype)
        self.pairs = _pairs(filters).to(dtype)
        quadratic = system.quadratic[:, keep]
        self.is_root = system.kind != "gram"
        self.factors = [quadratic.T.contiguous()] if self.is_root else _upper(quadratic[keep])

    def __call__(self, targets: Targets) -> Sums:
        """See :class:`FoldScorer`."""
        train, held_out, squares = self.system.load(targets)
        with products(self.precision, self.device):
            b = train @ self.train
            linear = (b * (held_out @ self.held_out)) @ self.full.T
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
        if self.is_root:
            predicted = (flat @ self.factors[0]).view(n, n_basis, -1)
            return predicted @ predicted.mT
        image = torch.empty_like(flat)
        stop = 0
        for factor in self.factors:
            start, stop = stop, stop + factor.shape[1]
            torch.mm(flat[:, :stop], factor, out=image[:, start:stop])
        return image.view(n, n_basis, rank) @ weights.mT


class SampleScorer:
    """Map the training part of each target to its held-out predictions in one product.

    Parameters
    ----------
    system : FoldSystem
        Of kind "samples".
    filters : Filters
    precision : {"float32", "float64", "fast"}
    """

    def __init__(self, system: FoldSystem, filters: Filters, precision: Precision) -> None:
        dtype = system.train.dtype
        self.precision, self.device, self.system = precision, system.train.device, system
        train, root = system.train[:, filters.start :], system.quadratic[:, filters.start :]
        self.predictor = torch.cat([train @ (root * row.to(dtype)).T for row in filters.basis], dim=1)
        self.mix, self.pairs = filters.mix.T.to(dtype), _pairs(filters).to(dtype)

    def __call__(self, targets: Targets) -> Sums:
        """See :class:`FoldScorer`."""
        train, held_out, squares = self.system.load(targets)
        n_basis, n_alphas = self.mix.shape
        linear = held_out.new_empty(len(held_out), n_alphas)
        quadratic = torch.empty_like(linear)
        size = max(MIN_TARGETS, _cells(self.device) // self.predictor.shape[1])
        with products(self.precision, self.device):
            for start in range(0, len(held_out), size):
                part = slice(start, start + size)
                predicted = (train[part] @ self.predictor).view(-1, n_basis, held_out.shape[1])
                linear[part] = (predicted @ held_out[part, :, None])[..., 0] @ self.mix
                quadratic[part] = (predicted @ predicted.mT).flatten(1) @ self.pairs
        return linear, quadratic, squares


def _pairs(filters: Filters) -> Tensor:
    """Products of two coefficients of each penalty, shape (n_basis**2, n_alphas)."""
    return (filters.mix[:, :, None] * filters.mix[:, None, :]).flatten(1).T


def _cells(device: torch.device) -> int:
    """Size of a block of weights: fits the cache of a CPU, or fills a GPU."""
    return 2**27 if device.type == "cuda" else 2**19


def _upper(gram: Tensor) -> list[Tensor]:
    """Columns of a block upper triangle ``U`` with ``U + U' = 2 gram``: half the products, the same quadratic form."""
    rank = len(gram)
    width = max(128, -(-rank // 8))
    factors = []
    for start in range(0, rank, width):
        stop = min(start + width, rank)
        factor = gram[:stop, start:stop].clone()
        factor[:start] *= 2
        factors.append(factor.contiguous())
    return factors
