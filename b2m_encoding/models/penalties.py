"""The default grid of penalties, the same in Python and in a study."""

from __future__ import annotations

import numpy as np

from b2m_encoding._typing import Float64

LOWEST_ALPHA = 1e-1
HIGHEST_ALPHA = 1e7
N_ALPHAS = 17

SMOOTHNESS = 1.5
"""Width of the covariance between delays under the prior of the haemodynamic response, s, unless one is given."""


def penalty_grid(low: float = LOWEST_ALPHA, high: float = HIGHEST_ALPHA, number: int = N_ALPHAS) -> Float64:
    """Log-spaced penalties ``alpha`` of ``alpha * ||b||^2``, shape (number,).

    Examples
    --------
    >>> penalty_grid(1, 100, 3)
    array([  1.,  10., 100.])
    """
    return np.logspace(np.log10(low), np.log10(high), number)


DEFAULT_ALPHAS: tuple[float, ...] = tuple(penalty_grid().tolist())
