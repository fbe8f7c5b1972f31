"""Covariance of many targets from few samples: shrunk, and kept as low rank plus diagonal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import Floats

SMALLEST = 1e-3
"""Least shrinkage: without any, as many targets as samples have no inverse covariance."""


@dataclass(frozen=True, eq=False)
class Covariance:
    """``diag(diagonal) + factors @ factors.T``, positive definite.

    Parameters
    ----------
    diagonal : array, shape (n_targets,)
    factors : array, shape (n_targets, rank)
    shrinkage : float
        By how much correlations were shrunk.
    """

    diagonal: NDArray[np.float64]
    factors: NDArray[np.float64]
    shrinkage: float = 0.0

    @classmethod
    def of(cls, values: Floats, *, rank: int | None = None, shrinkage: float | None = None) -> Covariance:
        """Estimate from samples; variances are kept, correlations shrunk towards 0.

        Parameters
        ----------
        values : array, shape (n_samples, n_targets)
        rank : int, optional
            Leading directions of the correlations that are kept; all by default. The variance of the others stays, as
            if it belonged to each target alone.
        shrinkage : float, optional
            Above 0, at most 1 (a diagonal covariance); see :func:`correlation_shrinkage` by default.
        """
        if shrinkage is not None and not 0 < shrinkage <= 1:
            raise InputError("impossible shrinkage of a covariance", found=shrinkage, expected="above 0, at most 1")
        z, deviation = _scaled(values)
        product = _product(z)
        gamma = _shrinkage(z, product) if shrinkage is None else shrinkage
        factors = np.sqrt(1 - gamma) * _leading(z, product, rank)
        own = 1 - (factors**2).sum(axis=1)
        return cls(deviation**2 * own, deviation[:, None] * factors, float(gamma))

    def solve(self, values: Floats) -> NDArray[np.float64]:
        """The inverse times ``values``, shape (n_targets, n), without ever making the full matrix (Woodbury)."""
        scaled = values / self.diagonal[:, None]
        weighted = self.factors / self.diagonal[:, None]
        core = np.eye(self.factors.shape[1]) + self.factors.T @ weighted
        solved: NDArray[np.float64] = scaled - weighted @ np.linalg.solve(core, self.factors.T @ scaled)
        return solved

    def take(self, targets: NDArray[Any]) -> Covariance:
        """The covariance of some targets."""
        return replace(self, diagonal=self.diagonal[targets], factors=self.factors[targets])

    def dense(self) -> NDArray[np.float64]:
        """The full matrix, shape (n_targets, n_targets)."""
        return np.asarray(np.diag(self.diagonal) + self.factors @ self.factors.T)


def correlation_shrinkage(values: Floats) -> float:
    """Shrinkage of all correlations that costs least squared error, from the samples.

    Schaefer & Strimmer 2005, doi 10.2202/1544-6115.1175, target D, in closed form of the products of samples. It
    takes samples as independent; neighbouring volumes are not, so that more shrinkage than this does no harm.

    Parameters
    ----------
    values : array, shape (n_samples, n_targets)

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((50, 200))
    >>> correlation_shrinkage(noise) > 0.9, correlation_shrinkage(noise + 3 * noise[:, :1]) < 0.1
    (True, True)
    """
    z, _ = _scaled(values)
    return _shrinkage(z, _product(z))


def _shrinkage(z: Floats, product: NDArray[np.float64]) -> float:
    """The same from standardised values; a column of zeros counts for nothing."""
    n, powers = len(z), z * z
    t = int(np.count_nonzero(powers.any(axis=0)))
    if n < 3 or t < 2:
        return 1.0
    squares = (product**2).sum()  # of all entries of z'z
    rows = powers.sum(axis=1, dtype=np.float64)
    fourth = (powers * powers).sum(dtype=np.float64)
    spread = ((rows**2).sum() - squares / n) - (fourth - n * t)
    correlated = squares / n**2 - t
    if correlated <= 0:
        return 1.0
    return float(np.clip(n / (n - 1) ** 3 * spread / correlated, SMALLEST, 1.0))


def _scaled(values: Floats) -> tuple[Floats, NDArray[np.float64]]:
    """Centred columns of unit variance, in the type of the values, and their deviations; a constant one is zero."""
    centred = values - values.mean(axis=0, dtype=np.float64).astype(values.dtype)
    deviation = np.sqrt(np.einsum("ij,ij->j", centred, centred, dtype=np.float64) / len(values))
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    centred *= scale.astype(values.dtype)
    return centred, deviation


def _product(z: Floats) -> NDArray[np.float64]:
    """``z z'``, or ``z'z`` where that is smaller: the same eigenvalues."""
    return np.asarray(z @ z.T if len(z) < z.shape[1] else z.T @ z, dtype=np.float64)


def _leading(z: Floats, product: NDArray[np.float64], rank: int | None) -> NDArray[np.float64]:
    """Factors of the leading directions of the correlations ``z'z / n``, shape (n_targets, rank)."""
    n, size = len(z), len(product)
    wanted = size if rank is None else min(rank, size)
    values, vectors = eigh(product / n, subset_by_index=(size - wanted, size - 1))
    kept = values > 1e-10 * max(values[-1], 0.0)
    if n < z.shape[1]:
        return np.asarray(z.T @ vectors[:, kept].astype(z.dtype), dtype=np.float64) / np.sqrt(n)
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]), dtype=np.float64)
