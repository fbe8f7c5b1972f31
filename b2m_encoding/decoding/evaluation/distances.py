"""Distances between two sets of embeddings: Frechet's, with its bias taken out, and an unbiased one of kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.spatial.distance import cdist, pdist

from b2m_encoding.errors import InputError

Array = NDArray[np.floating]
SIZES = 10
"""Subset sizes that are extrapolated from."""


def frechet_distance(a: Array, b: Array) -> float:
    """Squared Frechet distance between the Gaussians with the moments of two sets (FAD, FID).

    ``|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^1/2)``, A and B the covariances (Dowson and Landau 1982,
    doi 10.1016/0047-259X(82)90077-X). With few samples it is far too large: two sets of 60 from one Gaussian in 512
    dimensions are hundreds apart. :func:`frechet_infinity` takes that out.

    Parameters
    ----------
    a, b : array, shape (n_samples, n_dimensions)
        At least two samples each.

    Examples
    --------
    >>> a = np.array([[-1.0], [1.0]])
    >>> round(frechet_distance(a, 3 * a + 2), 6)  # |0 - 2|^2 + (s - 3 s)^2 with s^2 = 2
    12.0
    """
    a, b = _checked(a, b)
    covariances = [np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b)]
    values, vectors = eigh(covariances[0])
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariances[1] @ root), 0.0)).sum()
    offset = a.mean(axis=0) - b.mean(axis=0)
    return float(max(offset @ offset + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * shared, 0.0))


@dataclass(frozen=True, eq=False)
class Extrapolation:
    """Frechet distance of infinitely many samples.

    Parameters
    ----------
    distance : float
        Where the line meets 1/n = 0; it may be a little below zero.
    error : float
        Standard error of the fit.
    sizes, distances : array, shape (n_sizes,)
        What was fitted.
    """

    distance: float
    error: float
    sizes: NDArray[np.int64]
    distances: NDArray[np.float64]


def frechet_infinity(
    a: Array, b: Array, *, sizes: Sequence[int] | None = None, repeats: int = 4, random_state: int = 0
) -> Extrapolation:
    """Frechet distance with the bias of few samples taken out.

    The bias falls with 1/n: the distance between subsets of growing size is extrapolated along a line to infinite size
    (Chong and Forsyth 2020, arXiv 1911.07023; for audio Gui et al. 2024, arXiv 2311.01616). Both sets are cut to the
    same size, so that the bias of both is taken out. It holds while there are several times as many samples as
    dimensions: take windows instead of clips, or fewer dimensions.

    Parameters
    ----------
    a, b : array, shape (n_samples, n_dimensions)
    sizes : sequence of int, optional
        Of the subsets; ten from half the smaller set to all of it, equally spaced in 1/n, by default.
    repeats : int
        Subsets of each size.
    random_state : int

    Raises
    ------
    InputError
        If there are fewer samples than dimensions in the smallest subset.
    """
    a, b = _checked(a, b)
    most = min(len(a), len(b))
    chosen = (
        np.unique(np.round(1 / np.linspace(2 / most, 1 / most, SIZES)).astype(int))
        if sizes is None
        else np.array(sizes)
    )
    if chosen.min() <= a.shape[1] or chosen.max() > most or len(chosen) < 2:
        raise InputError(
            "too few samples to extrapolate a Frechet distance",
            found=f"subsets of {chosen.min()} to {chosen.max()} of {most} samples in {a.shape[1]} dimensions",
            expected="more samples than dimensions in every subset",
            fix="use kernel_distance, which has no bias",
        )
    generator = np.random.default_rng(random_state)
    distances = np.array([
        np.mean([frechet_distance(*(generator.permutation(x)[:n] for x in (a, b))) for _ in range(repeats)])
        for n in chosen.tolist()
    ])  # fmt: skip
    line, covariance = np.polyfit(1 / chosen, distances, 1, cov="unscaled")
    left = distances - np.polyval(line, 1 / chosen)
    spread = float(np.sum(left**2) / max(len(chosen) - 2, 1))
    return Extrapolation(float(line[1]), float(np.sqrt(covariance[1, 1] * spread)), chosen, distances)


def kernel_distance(a: Array, b: Array, *, bandwidth: float | None = None) -> float:
    """Squared maximum mean discrepancy of two sets under a Gaussian kernel: unbiased however few they are (KAD).

    Zero in expectation where both come from one distribution, and so below zero as often as above (Gretton et al. 2012,
    section 2.2, https://jmlr.org/papers/v13/gretton12a.html; for audio Chung et al. 2025, arXiv 2502.15602).

    Parameters
    ----------
    a, b : array, shape (n_samples, n_dimensions)
        At least two samples each; ``b`` is the reference.
    bandwidth : float, optional
        Of the kernel; by default the median distance within the reference, of samples that differ.

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

    def kernel(x: Array, y: Array) -> Array:
        return np.asarray(np.exp(-cdist(x, y, "sqeuclidean") / (2 * bandwidth**2)))

    within = sum((kernel(x, x).sum() - len(x)) / (len(x) * (len(x) - 1)) for x in (a, b))
    return float(within - 2 * kernel(a, b).mean())


def _checked(a: Array, b: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first: NDArray[np.float64] = np.asarray(a, dtype=np.float64)
    second: NDArray[np.float64] = np.asarray(b, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise InputError(
            "sets of embeddings that cannot be compared",
            found=f"shapes {a.shape} and {b.shape}",
            expected="(n_samples, n_dimensions) with two samples or more",
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InputError("an embedding holds a value that is not finite")
    return first, second
