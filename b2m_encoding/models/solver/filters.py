r"""Filters of a grid of penalties, compressed to combinations of a few.

The filters :math:`1 / (l + a)` of a grid of penalties are smooth functions of :math:`l`: twenty of them span far
fewer dimensions to the accuracy of float32. So the costly products are made for a few combinations of filters and every
penalty is read off their small matrix of inner products. The error is bounded: see :func:`compress`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


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
    r"""Find a few combinations that span the filters of all penalties.

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
    vectors, strength, _ = torch.linalg.svd(weighted, full_matrices=False)
    missing = ((vectors * strength) ** 2).flip(1).cumsum(1).flip(1).amax(0).sqrt()  # if cut before each combination
    n_basis = max(int((missing > tolerance).sum()), 1)
    everything = torch.eye(len(alphas), dtype=full.dtype, device=full.device)
    mix = vectors[:, :n_basis] if n_basis < len(alphas) else everything
    return Filters(start, mix.T @ full, mix, full)


def shrinkage(values: Tensor, alphas: Tensor) -> Tensor:
    """Filters ``1 / (l + a)``, shape (n_alphas, rank); 0 for directions without variance, which predict nothing."""
    empty = values <= values[-1] * len(values) * 1e-15
    filters = 1 / (values + alphas[:, None])
    return torch.where(empty, 0.0, filters)
