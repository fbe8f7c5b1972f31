"""Least squares on the simplex for many targets at once: weights that are not negative and sum to one."""

from __future__ import annotations

import torch
from torch import Tensor

TOLERANCE = 1e-9


def simplex_weights(gram: Tensor, product: Tensor) -> Tensor:
    """Minimise ``w'Gw - 2 c'w`` over the simplex for every target, by a primal active-set method.

    Weights that the minimum on the face at hand would make negative are set to zero on the way; those at zero whose
    gradient is steepest return, until none lowers the error (as in Lawson & Hanson 1974, with the sum held at one).
    All targets take their steps together.

    Parameters
    ----------
    gram : Tensor of float64, shape (n_targets, n, n)
        G, positive definite.
    product : Tensor of float64, shape (n_targets, n)
        c.

    Returns
    -------
    Tensor of float64, shape (n_targets, n)

    Examples
    --------
    >>> simplex_weights(torch.eye(2).double()[None], torch.tensor([[3.0, 1.0]]).double())
    tensor([[1., 0.]], dtype=torch.float64)
    """
    n_targets, n = product.shape
    weights = torch.full_like(product, 1 / n)
    free = torch.ones_like(product, dtype=torch.bool)
    scale = gram.diagonal(dim1=1, dim2=2).amax(1)
    open_ = torch.arange(n_targets, device=product.device)
    for _ in range(10 * n + 20):  # each target needs a few steps; the bound only guards against rounding
        if not len(open_):
            break
        w, at, G, c = weights[open_], free[open_], gram[open_], product[open_]
        best = _on_face(G, c, at)
        infeasible = (best < 0).any(1)
        ratio = torch.where(best < 0, w / (w - best), torch.inf).amin(1).clamp(max=1.0)
        w = w + ratio[:, None] * (best - w)
        leave = infeasible[:, None] & at & (best < 0) & (w <= TOLERANCE)
        at = at & ~leave
        weights[open_] = torch.where(at, w, 0.0)
        slope = torch.einsum("tij,tj->ti", G, w) - c
        level = (slope * at).sum(1) / at.sum(1)
        gain = torch.where(at, torch.inf, slope - level[:, None])
        lowest, which = gain.min(1)
        enter = ~infeasible & (lowest < -TOLERANCE * scale[open_])
        at[enter, which[enter]] = True
        free[open_] = at
        open_ = open_[infeasible | enter]
    return weights / weights.sum(1, keepdim=True)


def _on_face(gram: Tensor, product: Tensor, free: Tensor) -> Tensor:
    """Minimum with sum one over the free weights alone; the others are zero."""
    n_targets, n = product.shape
    system = gram.new_zeros(n_targets, n + 1, n + 1)
    both = free[:, :, None] & free[:, None, :]
    system[:, :n, :n] = torch.where(both, gram, 0.0) + torch.diag_embed((~free).to(gram))
    system[:, n, :n] = system[:, :n, n] = free.to(gram)
    right = torch.cat([torch.where(free, product, 0.0), product.new_ones(n_targets, 1)], dim=1)
    solved: Tensor = torch.linalg.solve(system, right)
    return solved[:, :n]
