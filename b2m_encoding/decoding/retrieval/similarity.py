"""What is compared when clips are looked for, and the last ranking of a few of them, in double precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding.errors import InputError

TINY = 1e-12
TOGETHER = 512
"""Rows at a time in double precision: they stay in the caches of a CPU."""
Similarity = Literal["cosine", "centred", "standardised"]
Whole = NDArray[np.int64]


class EmbeddingArray(Protocol):
    """Half-precision rows in memory or on disk."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_clips, n_dimensions)."""

    def __getitem__(self, rows: Any, /) -> NDArray[np.float16]:
        """Rows of a slice, or of an array of row numbers."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The clips of a corpus that are most like each query, best first.

    Parameters
    ----------
    rows : array of int, shape (n_queries, k)
    cosine : array, shape (n_queries, k)
    """

    rows: Whole
    cosine: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: list[Neighbours]) -> Neighbours:
        """Of several lots of queries."""
        return cls(np.concatenate([one.rows for one in parts]), np.concatenate([one.cosine for one in parts]))


@dataclass(frozen=True, eq=False)
class Metric:
    """What is compared: vectors as they are, less a centre, or standardised too.

    Parameters
    ----------
    centre, spread : array, shape (n_dimensions,), or None
        Of the corpus. Decoded vectors are shrunk towards the mean, which a cosine from the centre does not notice.
        Features of many units (acoustics) have to be standardised, or the largest unit decides.
    """

    centre: NDArray[np.floating] | None = None
    spread: NDArray[np.floating] | None = None

    @classmethod
    def of(cls, kind: Similarity, centre: NDArray[np.floating], spread: NDArray[np.floating]) -> Metric:
        """By name."""
        return cls(None if kind == "cosine" else centre, spread if kind == "standardised" else None)

    def moved(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Vectors as they are compared, but for their length."""
        moved = np.asarray(vectors, dtype=np.float64)
        if self.centre is not None:
            moved = moved - self.centre
        if self.spread is not None:
            moved = np.divide(moved, self.spread, out=np.zeros_like(moved), where=self.spread > 0)
        return moved

    def unit(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Vectors as they are compared, of unit length; zero where there is no direction."""
        moved = self.moved(vectors)
        norm = np.linalg.norm(moved, axis=1, keepdims=True)
        return np.asarray(np.divide(moved, norm, out=np.zeros_like(moved), where=norm > TINY))


class Standardiser:
    """What a metric does to rows before they are scaled to unit length, on a device.

    Parameters
    ----------
    metric : Metric
    place : torch.device
    kind : torch.dtype
        Of the numbers. Less than double precision rounds what is left of a row by its centre, not the centre itself.
    """

    def __init__(self, metric: Metric, place: torch.device, kind: torch.dtype = torch.float32) -> None:
        self.centre: list[Tensor] = []
        self.weight: Tensor | None = None
        if metric.centre is not None:
            exact = torch.from_numpy(np.asarray(metric.centre, dtype=np.float64))
            main = exact.to(kind)
            rest = (exact - main.double()).to(kind)
            self.centre = [one.to(place) for one in ([main, rest] if rest.any() else [main])]
        if metric.spread is not None:
            spread = np.asarray(metric.spread, dtype=np.float64)
            weight = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
            self.weight = torch.from_numpy(weight).to(place, kind)

    def __call__(self, values: Tensor) -> Tensor:
        """Rows as they are compared but for their length; they are written over."""
        for part in self.centre:
            values -= part
        return values if self.weight is None else values.mul_(self.weight)


def inverse_norms(moved: Tensor, first: int) -> Tensor:
    """One over the length of each row; zero where there is none.

    Raises
    ------
    InputError
        If a row holds a value that is not finite; it tells the number of the row, counted from ``first``.
    """
    norms = torch.linalg.vector_norm(moved, dim=1)
    if not (finite := torch.isfinite(norms)).all():
        row = first + int((~finite).nonzero()[0])
        raise InputError("a clip of a corpus holds a value that is not finite", found=f"row {row}")
    return torch.where(norms > TINY, 1 / norms, torch.zeros_like(norms))


def slack(width: int) -> float:
    """How far a cosine in single precision may be from the truth, whatever the order of its sum.

    Twice the bound of Higham 2002, doi 10.1137/1.9780898718027, for a sum of as many products, and some more for what
    was done to the vectors before.
    """
    return (width + 64) * 2.0**-23


def rank(
    corpus: EmbeddingArray, metric: Metric, queries: NDArray[np.float64], query: Whole, row: Whole, k: int
) -> Neighbours:
    """The best rows of each query among some, by a sum that is the same for equal rows wherever they are.

    Parameters
    ----------
    corpus : EmbeddingArray
    metric : Metric
    queries : array, shape (n_queries, n_dimensions)
        Of unit length.
    query, row : array of int, shape (n_pairs,)
        What is compared; every query with at least ``k`` rows, none of them twice.
    k : int
    """
    known, place = np.unique(row, return_inverse=True)
    order = np.argsort(place)
    cosine = np.empty(len(row))
    for start in range(0, len(known), TOGETHER):
        vectors = metric.moved(corpus[known[start : start + TOGETHER]])
        norm = np.linalg.norm(vectors, axis=1)
        own = order[slice(*np.searchsorted(place, [start, start + TOGETHER], sorter=order))]
        for some in np.array_split(own, len(own) // TOGETHER + 1):
            one = place[some] - start
            product = np.einsum("pd,pd->p", vectors[one], queries[query[some]])
            cosine[some] = np.divide(product, norm[one], out=np.zeros_like(product), where=norm[one] > TINY)
    order = np.lexsort((row, -cosine, query))
    counts = np.bincount(query, minlength=len(queries))
    best = order[(np.cumsum(counts) - counts)[:, None] + np.arange(k)]
    return Neighbours(row[best], np.clip(cosine[best], -1.0, 1.0))
