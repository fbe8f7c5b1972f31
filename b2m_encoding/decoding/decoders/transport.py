r"""Sinkhorn divergence of two sets of directions: an optimal transport term for the training of decoders.

With the cost :math:`C_{ij} = 1 - \cos(x_i, y_j)` and equal masses, entropic transport is

.. math:: T(x, y) = \min_P \langle P, C \rangle + \epsilon \, \mathrm{KL}(P \| a b^T),
    \quad P 1 = a, \quad P^T 1 = b,

and the divergence :math:`T(x, y) - (T(x, x) + T(y, y)) / 2` is zero where both sets are the same, whichever member
corresponds to which: it compares the shape of the sets, not pairs.

Cuturi 2013, arXiv 1306.0895; Feydy et al. 2019, arXiv 1810.08278. With contrastive learning, to decode music:
doi 10.1109/EMBC58623.2025.11253498.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

BLUR = 0.1
"""Weight of the entropy; costs lie between 0 and 2."""
MOST_ITERATIONS, TOLERANCE = 200, 1e-6


def sinkhorn_divergence(predicted: Tensor, true: Tensor, blur: float = BLUR) -> Tensor:
    """Sinkhorn divergence of the directions of two sets of vectors.

    Parameters
    ----------
    predicted : Tensor of float64, shape (n, n_dimensions)
        Gradients reach these alone.
    true : Tensor of float64, shape (m, n_dimensions)
    blur : float
        Weight of the entropy.

    Returns
    -------
    Tensor
        A number, 0 or more.

    Examples
    --------
    >>> x = torch.eye(3).double()
    >>> round(float(sinkhorn_divergence(x, x.flip(0))), 6)
    0.0
    >>> float(sinkhorn_divergence(x[:1], x[1:2]))
    1.0
    """
    x, y = normalize(predicted), normalize(true)
    with torch.no_grad():
        constant = transport_cost(1 - y @ y.T, blur)
    return transport_cost(1 - x @ y.T, blur) - (transport_cost(1 - x @ x.T, blur) + constant) / 2


def transport_cost(cost: Tensor, blur: float = BLUR) -> Tensor:
    """Cost of entropic optimal transport between equal masses, by Sinkhorn's iterations.

    The gradient is the plan, which is at its optimum (envelope theorem): no iteration is differentiated.

    Parameters
    ----------
    cost : Tensor of float64, shape (n, m)
    blur : float
    """
    with torch.no_grad():
        n, m = cost.shape
        shift = cost.amin(dim=1, keepdim=True)  # so that no row of the kernel vanishes
        kernel = torch.exp((shift - cost) / blur)
        rows, columns = torch.ones_like(cost[:, 0]), torch.ones_like(cost[0])
        for _ in range(MOST_ITERATIONS):
            rows = m / (kernel @ columns)
            sums = kernel.T @ rows / n * columns
            columns = columns / sums
            if (sums - 1).abs().max() < TOLERANCE:
                break
        plan = rows[:, None] * kernel * columns / (n * m)
        value = blur * (rows.log().mean() + columns.log().mean()) + shift.mean()
    return value + (plan * (cost - cost.detach())).sum()
