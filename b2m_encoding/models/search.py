r"""Cross-validated scores of every penalty, from the eigenbasis of each fold.

The filters :math:`1 / (l + a)` of a grid of penalties are smooth functions of :math:`l`: twenty of them span far
fewer dimensions to the accuracy of float32. So the costly product, weights times quadratic form, is made for a few
combinations of filters and every penalty is read off their small matrix of inner products. The error is bounded, not
hoped for: see :func:`compress`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from b2m_encoding.models.devices import Precision, in_chunks, products
from b2m_encoding.models.moments import Targets
from b2m_encoding.models.systems import Blocks, Source, System

Scoring = Literal["r2", "r"]
TOLERANCE = {torch.float32: 3e-7, torch.float64: 1e-13}


@dataclass(frozen=True)
class Filters:
    """Filters of all penalties as combinations of a few.

    Parameters
    ----------
    start : int
        Directions before this one are left out: their eigenvalues are too small to matter at any penalty.
    basis : Tensor, shape (n_basis, rank - start)
    mix : Tensor, shape (n_alphas, n_basis)
        ``mix @ basis`` are the filters.
    full : Tensor, shape (n_alphas, rank - start)
        The filters themselves.
    """

    start: int
    basis: Tensor
    mix: Tensor
    full: Tensor


def compress(values: Tensor, norms: Tensor, alphas: Tensor, tolerance: float) -> Filters:
    r"""Find few combinations that span the filters of all penalties.

    A direction with eigenvalue :math:`l` and held-out norm :math:`h` contributes at most
    :math:`h \sqrt{l} / (l + a) \, \|u'y\|` to a prediction, where :math:`\sum \|u'y\|^2 \le \|y\|^2`. By Cauchy and
    Schwarz an error :math:`e` of the filter changes the predictions by at most :math:`\|h \sqrt{l} e\|_2 \|y\|`: both
    the directions left out and the combinations left out are kept below ``tolerance`` in that norm.

    Parameters
    ----------
    values : Tensor of float64, shape (rank,)
        Eigenvalues, ascending.
    norms : Tensor, shape (rank,)
        Norm of each direction's held-out samples.
    alphas : Tensor, shape (n_alphas,)
    tolerance : float
        Largest change of predictions, relative to the norm of the target in the training part.

    Examples
    --------
    >>> values = torch.linspace(50, 200, 100, dtype=torch.float64)
    >>> filters = compress(values, values.sqrt(), torch.logspace(-1, 7, 20, dtype=torch.float64), 1e-6)
    >>> filters.mix.shape[1] < 8
    True
    """
    gain = norms.double() * values.sqrt()
    full = shrinkage(values, alphas)
    weighted = gain * full
    tail = (weighted**2).cumsum(1).amax(0).sqrt()
    start = min(int((tail <= tolerance).sum()), len(values) - 1)
    weighted, full = weighted[:, start:], full[:, start:]
    left, strength, _ = torch.linalg.svd(weighted, full_matrices=False)
    missing = ((left * strength) ** 2).flip(1).cumsum(1).flip(1).amax(0).sqrt()  # if cut before each combination
    n_basis = max(int((missing > tolerance).sum()), 1)
    everything = torch.eye(len(alphas), dtype=full.dtype, device=full.device)
    mix = left[:, :n_basis] if n_basis < len(alphas) else everything
    return Filters(start, mix.T @ full, mix, full)


def shrinkage(values: Tensor, alphas: Tensor) -> Tensor:
    """Filters ``1 / (l + a)``, shape (n_alphas, rank); 0 for directions without variance, which predict nothing."""
    empty = values <= values[-1] * len(values) * 1e-15
    filters = 1 / (values + alphas[:, None])
    return torch.where(empty, 0.0, filters)


class FoldScorer:
    """Held-out sums of one fold for all penalties.

    Parameters
    ----------
    system : System
    alphas : Tensor, shape (n_alphas,)
    precision : {"float32", "float64", "fast"}
    """

    def __init__(self, system: System, alphas: Tensor, precision: Precision = "float32") -> None:
        dtype = system.train.dtype
        self.precision, self.device = precision, system.train.device
        tolerance = 1e-4 if precision == "fast" else TOLERANCE[dtype]
        filters = compress(system.values, system.norms.to(system.values), alphas.to(system.values), tolerance)
        keep = slice(filters.start, None)
        self.system, self.train, self.held = system, system.train[:, keep], system.held[:, keep]
        self.basis, self.full = filters.basis.to(dtype), filters.full.to(dtype)
        pairs = filters.mix[:, :, None] * filters.mix[:, None, :]
        self.pairs = pairs.flatten(1).T.to(dtype)
        quadratic = system.quadratic[:, keep]
        self.factors = [quadratic.T.contiguous()] if system.is_root else _upper(quadratic[keep])
        self.is_root = system.is_root

    def __call__(self, targets: Targets) -> tuple[Tensor, Tensor, Tensor]:
        """Sum of products with the predictions, of squared predictions ``(n, n_alphas)``, and of squares ``(n,)``."""
        train, held, squares = self.system.load(targets)
        with products(self.precision, self.device):
            b = train @ self.train
            linear = (b * (held @ self.held)) @ self.full.T
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


def _cells(device: torch.device) -> int:
    """Numbers in a block of weights: stay in cache on a CPU, fill a GPU."""
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


def fold_systems(
    source: Source, folds: Sequence[Blocks], scoring: Scoring, scaling: Tensor | None = None
) -> Iterator[System]:
    """Every fold in its eigenbasis, one in memory at a time."""
    return (source.system(held, scaling, own_mean=scoring == "r") for held in folds)


def cv_scores(
    source: Source,
    folds: Sequence[Blocks],
    alphas: Tensor,
    *,
    scoring: Scoring = "r2",
    scaling: Tensor | None = None,
    systems: Iterable[System] | None = None,
    targets: Tensor | None = None,
    precision: Precision = "float32",
    n_targets_batch: int = 4096,
) -> Tensor:
    """Cross-validated score of every penalty and target (or some ``targets``), shape (n_alphas, n_targets).

    ``"r2"`` is 1 minus the squared errors of all folds over the held-out variation of all folds, so every sample
    counts the same; ``"r"`` is the mean over folds of the correlation in the held-out samples.
    """
    n = source.n_targets if targets is None else len(targets)
    score = torch.zeros((len(alphas), n), dtype=torch.float64, device=source.device)
    for system in systems or fold_systems(source, folds, scoring, scaling):
        scorer = FoldScorer(system, alphas, precision)

        def work(part: slice, scorer: FoldScorer = scorer) -> None:
            linear, quadratic, squares = scorer(part if targets is None else targets[part])
            if scoring == "r2":
                score[:, part] += (squares[:, None] - (2 * linear - quadratic)).T
            else:
                scale = (quadratic.double() * squares[:, None]).sqrt()
                score[:, part] += torch.where(scale > 0, linear / scale, 0.0).T / len(folds)

        n_targets_batch = in_chunks(n, n_targets_batch, work)
    if scoring == "r":
        return score
    variation = torch.stack([source.variation(held) for held in folds]).sum(0).to(score.device)
    variation = variation if targets is None else variation[targets]
    return 1 - score / variation.clamp_min(torch.finfo(torch.float64).tiny)
