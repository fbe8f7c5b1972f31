"""Similarity of vectors, and the final rank of the best clips in double precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding._typing import Float64, Floating, Integers
from b2m_encoding.errors import InputError

TINY = 1e-12
"""Length below which a vector has no direction."""
TOGETHER = 512
"""Rows at a time in double precision: they stay in the caches of a CPU."""
Similarity = Literal["cosine", "centred", "standardised"]


class EmbeddingArray(Protocol):
    """Interface of half-precision rows in memory or on disk."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_clips, n_dimensions)."""

    def __getitem__(self, rows: Any, /) -> NDArray[np.float16]:
        """Rows of a slice, or of an array of row numbers."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Clips of a corpus that are nearest to each query, best first.

    Parameters
    ----------
    rows : array of int, shape (n_queries, k)
        Their rows in the corpus.
    cosine : array, shape (n_queries, k)
    """

    rows: Integers
    cosine: Float64

    @classmethod
    def joined(cls, parts: list[Neighbours]) -> Neighbours:
        """Neighbours of several batches of queries."""
        return cls(np.concatenate([part.rows for part in parts]), np.concatenate([part.cosine for part in parts]))


@dataclass(frozen=True, eq=False)
class Metric:
    """Metric of a search: the cosine of vectors as given, centred, or standardised.

    Parameters
    ----------
    centre, spread : array, shape (n_dimensions,), or None
        Mean and standard deviation of the corpus. Decoded vectors are shrunk towards the mean, which does not change
        a cosine from the centre. Features with different units (acoustics) have to be standardised, or those with the
        largest values dominate.
    """

    centre: Floating | None = None
    spread: Floating | None = None

    @classmethod
    def of(cls, kind: Similarity, centre: Floating, spread: Floating) -> Metric:
        """Metric by name, with the mean and the standard deviation of the corpus."""
        return cls(None if kind == "cosine" else centre, spread if kind == "standardised" else None)

    def standardised(self, vectors: Floating) -> Float64:
        """Vectors centred and scaled as the metric demands, shape (n_vectors, n_dimensions)."""
        moved = np.asarray(vectors, dtype=np.float64)
        if self.centre is not None:
            moved = moved - self.centre
        if self.spread is not None:
            moved = np.divide(moved, self.spread, out=np.zeros_like(moved), where=self.spread > 0)
        return moved

    def unit(self, vectors: Floating) -> Float64:
        """Standardised vectors of unit length, shape (n_vectors, n_dimensions); zero where there is no direction."""
        moved = self.standardised(vectors)
        norm = np.linalg.norm(moved, axis=1, keepdims=True)
        return np.asarray(np.divide(moved, norm, out=np.zeros_like(moved), where=norm > TINY))


class Standardiser:
    """Centring and scaling of rows by a metric, on a device.

    Parameters
    ----------
    metric : Metric
    device : torch.device
    """

    def __init__(self, metric: Metric, device: torch.device) -> None:
        self.centre: list[Tensor] = []
        self.weight: Tensor | None = None
        if metric.centre is not None:
            exact = torch.from_numpy(np.asarray(metric.centre, dtype=np.float64))
            main = exact.float()  # in two parts, so that the centre is not rounded
            rest = (exact - main.double()).float()
            self.centre = [part.to(device) for part in ([main, rest] if rest.any() else [main])]
        if metric.spread is not None:
            spread = np.asarray(metric.spread, dtype=np.float64)
            weight = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
            self.weight = torch.from_numpy(weight).to(device, torch.float32)

    def transform_(self, values: Tensor) -> Tensor:
        """Centre and scale rows in place."""
        for part in self.centre:
            values -= part
        return values if self.weight is None else values.mul_(self.weight)


def inverse_norms(moved: Tensor, first: int) -> Tensor:
    """One over the length of each row; zero for a row without a direction.

    Raises
    ------
    InputError
        If a row holds a value that is not finite; the error names the row, counted from ``first``.
    """
    norms = torch.linalg.vector_norm(moved, dim=1)
    if not (finite := torch.isfinite(norms)).all():
        row = first + int((~finite).nonzero()[0])
        raise InputError("a clip of a corpus holds a value that is not finite", found=f"row {row}")
    return torch.where(norms > TINY, 1 / norms, torch.zeros_like(norms))


def slack(width: int) -> float:
    """Bound of the error of a cosine in single precision, whatever the order of its sum.

    Twice the bound of Higham 2002, doi 10.1137/1.9780898718027, for a sum of as many products, and a margin for the
    rounding of the vectors before.
    """
    return (width + 64) * 2.0**-23


def rank(
    corpus: EmbeddingArray, metric: Metric, queries: Float64, query: Integers, row: Integers, k: int
) -> Neighbours:
    """Rank pairs of queries and rows by their cosine, by a sum that is the same for equal rows wherever they are.

    Parameters
    ----------
    corpus : EmbeddingArray
    metric : Metric
    queries : array, shape (n_queries, n_dimensions)
        Vectors of unit length.
    query, row : array of int, shape (n_pairs,)
        Pairs that are compared; at least ``k`` different rows for every query.
    k : int
    """
    rows, place = np.unique(row, return_inverse=True)
    order = np.argsort(place)
    cosine = np.empty(len(row))
    for start in range(0, len(rows), TOGETHER):
        vectors = metric.standardised(corpus[rows[start : start + TOGETHER]])
        norm = np.linalg.norm(vectors, axis=1)
        inside = order[slice(*np.searchsorted(place, [start, start + TOGETHER], sorter=order))]
        for pairs in np.array_split(inside, len(inside) // TOGETHER + 1):
            at = place[pairs] - start
            product = np.einsum("pd,pd->p", vectors[at], queries[query[pairs]])
            cosine[pairs] = np.divide(product, norm[at], out=np.zeros_like(product), where=norm[at] > TINY)
    order = np.lexsort((row, -cosine, query))
    counts = np.bincount(query, minlength=len(queries))
    best = order[(np.cumsum(counts) - counts)[:, None] + np.arange(k)]
    return Neighbours(row[best], np.clip(cosine[best], -1.0, 1.0))
