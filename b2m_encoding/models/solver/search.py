"""Cross-validated scores of every penalty."""

from __future__ import annotations

import torch
from torch import Tensor

FLAT = 1e-10
"""Share of the squared deviations from the training means below which a target is constant inside the folds."""


def cross_validated_r2(error: Tensor, variation: Tensor, null: Tensor) -> Tensor:
    """R2 from squared errors, held-out variation, and squares about the training means where there is no variation."""
    return 1 - error / scale_of_r2(variation, null)


def scale_of_r2(variation: Tensor, null: Tensor) -> Tensor:
    """Squared error where R2 is 0, never 0 itself; see :func:`cross_validated_r2`."""
    return torch.where(variation > FLAT * null, variation, null).clamp_min(torch.finfo(torch.float64).tiny)


def fold_factors(variation: Tensor, null: Tensor) -> Tensor:
    """Factors of squared errors that turn R2 over all held-out samples into the mean over folds of the R2 of each.

    Parameters
    ----------
    variation, null : Tensor of float64, shape (n_folds, n_targets)
        Squares of every fold about the held-out and about the training mean.

    Returns
    -------
    Tensor of float64, shape (n_folds, n_targets)
        0 for a fold in which the target does not vary, which has no R2; 1 where that is so in all folds.

    Examples
    --------
    >>> fold_factors(torch.tensor([[1.0, 0.0], [3.0, 0.0]]), torch.ones(2, 2)).tolist()
    [[2.0, 1.0], [0.6666666865348816, 1.0]]
    """
    varies = variation > FLAT * null
    number = varies.sum(0)
    factors = torch.where(varies, variation.sum(0) / (number * variation), 0.0)
    return torch.where(number > 0, factors, 1.0)
