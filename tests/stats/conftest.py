from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.signal import lfilter

Series = Callable[[np.random.Generator, float, tuple[int, int]], np.ndarray]


@pytest.fixture(scope="session")
def ar1() -> Series:
    """AR(1) noise, shape (n_samples, n_targets)."""

    def series(rng: np.random.Generator, rho: float, shape: tuple[int, int]) -> np.ndarray:
        return lfilter([1], [1, -rho], rng.standard_normal((shape[0] + 60, shape[1])), axis=0)[60:]

    return series
