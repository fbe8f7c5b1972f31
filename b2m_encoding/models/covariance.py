"""Covariance of many targets from few samples: shrunk, and stored as low rank plus diagonal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import csr_array

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.errors import InputError

SMALLEST = 1e-3
"""Smallest shrinkage: without any, the covariance of as many targets as samples has no inverse."""


@dataclass(frozen=True, eq=False)
class Covariance:
    """``diag(diagonal) + factors @ factors.T``, positive definite.

    Parameters
    ----------
    diagonal : array, shape (n_targets,)
    factors : array, shape (n_targets, rank)
    shrinkage : float
        Shrinkage of the correlations, 0 to 1.
    """

    diagonal: Float64
    factors: Float64
    shrinkage: float = 0.0

    @classmethod
    def from_samples(
        cls,
        values: Floating,
        *,
        rank: int | None = None,
        shrinkage: float | None = None,
        units: NDArray[Any] | None = None,
    ) -> Covariance:
        """Estimate the covariance from samples; variances stay, correlations are shrunk towards 0.

        Parameters
        ----------
        values : array, shape (n_samples, n_targets)
        rank : int, optional
            Number of leading directions of the correlations; all by default. The variance along the others is assigned
            to each target alone.
        shrinkage : float, optional
            Above 0, at most 1 (a diagonal covariance); by default the one with the least squared error (Schaefer &
            Strimmer 2005, doi 10.2202/1544-6115.1175, target D, in closed form of the products of samples).
        units : array, shape (n_samples,), optional
            Label of the independent unit of each sample (a presentation of a clip), by default each its own: samples
            that are not independent, such as overlapping windows, would make the shrinkage too small. The estimate is
            that of a sandwich variance.

        Examples
        --------
        >>> noise = np.random.default_rng(0).standard_normal((50, 200))
        >>> [Covariance.from_samples(one).shrinkage > 0.5 for one in (noise, noise + 3 * noise[:, :1])]
        [True, False]
        """
        if shrinkage is not None and not 0 < shrinkage <= 1:
            raise InputError("impossible shrinkage of a covariance", found=shrinkage, expected="above 0, at most 1")
        z, deviation = _scaled(values)
        product = _product(z)
        gamma = _shrinkage(z, product, units) if shrinkage is None else shrinkage
        factors = np.sqrt(1 - gamma) * _leading(z, product, rank)
        unshared = 1 - (factors**2).sum(axis=1)
        return cls(deviation**2 * unshared, deviation[:, None] * factors, float(gamma))

    def solve(self, values: Floating) -> Float64:
        """Multiply ``values`` by the inverse, shape (n_targets, n), without the full matrix (Woodbury)."""
        scaled = values / self.diagonal[:, None]
        weighted = self.factors / self.diagonal[:, None]
        core = np.eye(self.factors.shape[1]) + self.factors.T @ weighted
        solved: Float64 = scaled - weighted @ np.linalg.solve(core, self.factors.T @ scaled)
        return solved

    def take(self, targets: NDArray[Any]) -> Covariance:
        """Covariance of some targets."""
        return replace(self, diagonal=self.diagonal[targets], factors=self.factors[targets])

    def dense(self) -> Float64:
        """Full matrix, shape (n_targets, n_targets)."""
        return np.asarray(np.diag(self.diagonal) + self.factors @ self.factors.T)


def _shrinkage(z: Floating, product: Float64, units: NDArray[Any] | None) -> float:
    """Shrinkage from standardised values; columns of zeros are ignored."""
    n, powers = len(z), z * z
    t = int(np.count_nonzero(powers.any(axis=0)))
    labels = np.arange(n) if units is None else np.unique(units, return_inverse=True)[1]
    m = int(labels.max()) + 1
    if m < 3 or t < 2:
        return 1.0
    squares = (product**2).sum()  # of all entries of z'z
    correlated = squares / n**2 - t
    if correlated <= 0:
        return 1.0
    # With W the products of all pairs of targets summed over a unit, and R their mean: the sum over units of the
    # squares of W - n_unit R, over all pairs, then without the pairs of a target with itself.
    counts = np.bincount(labels)
    if units is None:
        total = (powers.sum(axis=1, dtype=np.float64) ** 2).sum() - squares / n
    else:
        between = product**2 if len(product) == n else (z @ z.T).astype(np.float64) ** 2
        within = between[labels[:, None] == labels].sum()
        total = within - 2 * counts[labels] @ between.sum(axis=1) / n + (counts**2).sum() * squares / n**2
    member = csr_array((np.ones(n), (labels, np.arange(n))), shape=(m, n))
    diagonal = ((member @ powers - counts[:, None] * powers.any(axis=0)) ** 2).sum(dtype=np.float64)
    return float(np.clip(m / (m - 1) * (total - diagonal) / n**2 / correlated, SMALLEST, 1.0))


def _scaled(values: Floating) -> tuple[Floating, Float64]:
    """Standardise columns in the type of the values, a constant one to zeros; return them and their deviations."""
    centred = values - values.mean(axis=0, dtype=np.float64).astype(values.dtype)
    deviation = np.sqrt(np.einsum("ij,ij->j", centred, centred, dtype=np.float64) / len(values))
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    centred *= scale.astype(values.dtype)
    return centred, deviation


def _product(z: Floating) -> Float64:
    """``z z'``, or ``z'z`` where that is smaller: the same eigenvalues."""
    return np.asarray(z @ z.T if len(z) < z.shape[1] else z.T @ z, dtype=np.float64)


def _leading(z: Floating, product: Float64, rank: int | None) -> Float64:
    """Factors of the leading directions of the correlations ``z'z / n``, shape (n_targets, rank)."""
    n, size = len(z), len(product)
    n_directions = size if rank is None else min(rank, size)
    values, vectors = eigh(product / n, subset_by_index=(size - n_directions, size - 1))
    nonzero = values > 1e-10 * max(values[-1], 0.0)
    if n < z.shape[1]:
        return np.asarray(z.T @ vectors[:, nonzero].astype(z.dtype) / np.sqrt(n), dtype=np.float64)
    return np.asarray(vectors[:, nonzero] * np.sqrt(values[nonzero]), dtype=np.float64)
