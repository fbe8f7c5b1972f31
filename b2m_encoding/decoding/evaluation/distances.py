"""Unbiased kernel distance between two sets of embeddings."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist, pdist

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.errors import InputError


def kernel_distance(a: Floating, b: Floating, *, bandwidth: float | None = None) -> float:
    """Squared maximum mean discrepancy of two sets under a Gaussian kernel: unbiased however few they are (KAD).

    Zero in expectation where both come from one distribution, and so below zero as often as above (Gretton et al. 2012,
    section 2.2, https://jmlr.org/papers/v13/gretton12a.html; for audio Chung et al. 2025, arXiv 2502.15602).

    Parameters
    ----------
    a, b : array, shape (n_samples, n_dimensions)
        At least two samples each; ``b`` is the reference.
    bandwidth : float, optional
        Width of the kernel; by default the median distance within the reference, of samples that differ.

    Raises
    ------
    InputError
        If shapes do not fit, a value is not finite, or the reference does not vary.

    Examples
    --------
    >>> a, b = np.array([[0.0], [2.0]]), np.array([[0.0], [2.0]])
    >>> round(kernel_distance(a, b, bandwidth=2.0), 4)  # with e = exp(-1/2): 2 e - 2 (2 + 2 e) / 4 = e - 1
    -0.3935
    """
    a, b = _checked(a, b)
    if bandwidth is None:
        apart = pdist(b)
        bandwidth = float(np.median(apart[apart > 0])) if apart.any() else 0.0
    if not bandwidth > 0:
        raise InputError("the kernel has no width: the reference does not vary", found=bandwidth, expected="above zero")

    def kernel(x: Floating, y: Floating) -> Floating:
        return np.asarray(np.exp(-cdist(x, y, "sqeuclidean") / (2 * bandwidth**2)))

    within = sum((kernel(x, x).sum() - len(x)) / (len(x) * (len(x) - 1)) for x in (a, b))
    return float(within - 2 * kernel(a, b).mean())


def _checked(a: Floating, b: Floating) -> tuple[Float64, Float64]:
    first: Float64 = np.asarray(a, dtype=np.float64)
    second: Float64 = np.asarray(b, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise InputError(
            "sets of embeddings that cannot be compared",
            found=f"shapes {a.shape} and {b.shape}",
            expected="(n_samples, n_dimensions) with two samples or more",
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InputError("an embedding holds a value that is not finite")
    return first, second
