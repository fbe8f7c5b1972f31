"""Mixtures of models: posterior means of weights that are not negative and sum to one, for many targets at once."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb, log

import numpy as np
import torch
from torch import Tensor

EFFECTIVE = 0.25
"""Independent samples in a held-out sample. Errors of neighbouring samples are alike, which leaves .4 to .6 in series
of volumes with delayed features; each pair of folds enters twice, once with either in training, which halves that."""
PRIOR = {1: 0.4, 2: 0.3, 3: 0.3}
"""Prior probability of mixtures of one model (that model), of two, and of three; equal within each."""
STEPS = 8
"""Weights are multiples of one eighth; their mean is not."""
MOST_IN_THREES = 9
"""Models above which three are never mixed: their mixtures are too many."""
VALUES_AT_ONCE = 4_000_000


@lru_cache
def mixtures(n: int) -> tuple[Tensor, Tensor]:
    """List the mixtures of at most three of some models.

    Parameters
    ----------
    n : int
        Models; of more than nine at most two are mixed.

    Returns
    -------
    weights : Tensor of float64, shape (n_mixtures, n)
    log_prior : Tensor of float64, shape (n_mixtures,)

    Examples
    --------
    >>> weights, log_prior = mixtures(3)
    >>> len(weights), round(float(log_prior.exp().sum()), 6)
    (45, 1.0)
    """
    sizes = range(1, min(n, 3 if n <= MOST_IN_THREES else 2) + 1)
    total = sum(PRIOR[size] for size in sizes)
    weights, log_prior = [], []
    for size in sizes:
        count = comb(n, size) * comb(STEPS - 1, size - 1)
        for chosen in combinations(range(n), size):
            for cuts in combinations(range(1, STEPS), size - 1):
                mixture = np.zeros(n)
                mixture[list(chosen)] = np.diff([0, *cuts, STEPS]) / STEPS
                weights.append(mixture)
                log_prior.append(log(PRIOR[size] / total / count))
    return torch.from_numpy(np.array(weights)), torch.tensor(log_prior, dtype=torch.float64)


def mixture_weights(gram: Tensor, product: Tensor, squares: Tensor, count: int) -> Tensor:
    """Posterior mean of the weights of models of one response, for every target.

    The noise is Gaussian, its variance the mean squared error of the best mixture, and ``count * EFFECTIVE`` samples
    are independent. Where a model is the best beyond doubt, the mean is that model; where the samples cannot tell, it
    lies between those that may be.

    Parameters
    ----------
    gram : Tensor of float64, shape (n_targets, n, n)
        Inner products of the predictions of the models.
    product : Tensor of float64, shape (n_targets, n)
        Of predictions and responses.
    squares : Tensor of float64, shape (n_targets,)
        Of the responses.
    count : int
        Samples.

    Returns
    -------
    Tensor of float64, shape (n_targets, n)

    Examples
    --------
    >>> gram, squares = torch.eye(2).double()[None], torch.tensor([2.0]).double()
    >>> mixture_weights(gram, torch.tensor([[1.0, 0.0]]).double(), squares, 10_000).round(decimals=3)
    tensor([[1., 0.]], dtype=torch.float64)
    >>> mixture_weights(gram, torch.tensor([[0.1, 0.1]]).double(), squares, 10)
    tensor([[0.5000, 0.5000]], dtype=torch.float64)
    """
    n = product.shape[1]
    points, log_prior = (values.to(product.device) for values in mixtures(n))
    i, j = torch.triu_indices(n, n, device=product.device)
    pairs = points[:, i] * points[:, j] * torch.where(i == j, 1.0, 2.0)
    out = torch.empty_like(product)
    size = max(1, VALUES_AT_ONCE // len(points))
    for rows in (slice(start, start + size) for start in range(0, len(product), size)):
        error = squares[rows, None] - 2 * product[rows] @ points.T + gram[rows][:, i, j] @ pairs.T
        lowest = error.amin(1, keepdim=True)
        floor = 1e-5 * squares[rows, None]  # below it rounding, of products in float32, would choose
        noise = torch.maximum(lowest, floor) / count
        noise = torch.where(noise > 0, noise, 1.0)
        out[rows] = torch.softmax(log_prior - EFFECTIVE * (error - lowest) / (2 * noise), dim=1) @ points
    return out
