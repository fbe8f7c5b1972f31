"""Exact nearest neighbours by cosine: a corpus of any size, read once, chunk by chunk; ties fall the same way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding.decoding.top_keys import NOTHING, best_keys, row_of, score_of
from b2m_encoding.device import resolve_device
from b2m_encoding.errors import InputError

CHUNK = {"cpu": 8192, "cuda": 131_072}
"""Rows of the corpus at a time: their scores stay in the caches of a CPU."""
FIRST = 1024
"""Rows of the first chunk, of which all are ranked: after it few scores are large enough to be looked at."""
TOGETHER = 2048
"""Queries at a time; the corpus is read once for each lot."""
SPARE = {"single": 16, "half": 96}
"""Neighbours that are kept beyond those wanted, because rounding may have put them behind; all are ranked again."""
ERROR = {torch.float16: 2e-3, torch.bfloat16: 1e-2, torch.float32: 0.0}
"""How far rounding may move a cosine, at worst."""
TINY = 1e-12
Precision = Literal["auto", "single", "half"]
Similarity = Literal["cosine", "centred", "standardised"]


class Rows(Protocol):
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

    rows: NDArray[np.int64]
    cosine: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measure:
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
    def of(cls, kind: Similarity, centre: NDArray[np.floating], spread: NDArray[np.floating]) -> Measure:
        """By name."""
        return cls(None if kind == "cosine" else centre, spread if kind == "standardised" else None)

    def unit(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Vectors as they are compared, of unit length; zero where there is no direction."""
        moved = np.asarray(vectors, dtype=np.float64)
        if self.centre is not None:
            moved = moved - self.centre
        if self.spread is not None:
            moved = np.divide(moved, self.spread, out=np.zeros_like(moved), where=self.spread > 0)
        norm = np.linalg.norm(moved, axis=1, keepdims=True)
        return np.asarray(np.divide(moved, norm, out=np.zeros_like(moved), where=norm > TINY))


def search(
    corpus: Rows,
    queries: NDArray[np.floating],
    k: int = 10,
    *,
    leave_out: NDArray[np.bool_] | None = None,
    measure: Measure | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    chunk: int | None = None,
) -> Neighbours:
    """Find the ``k`` clips of a corpus with the largest cosine to each query.

    Every clip is compared. The scores of a chunk are reduced to the best of every 64 clips; only blocks whose best one
    beats the neighbours so far are looked into. What is left is ranked again in double precision,
    clip by clip: of clips that are equally like a query the first comes first, whatever the machine and the chunks.

    Parameters
    ----------
    corpus : array or Vectors of float16, shape (n_clips, n_dimensions)
    queries : array, shape (n_queries, n_dimensions)
    k : int
    leave_out : array of bool, shape (n_clips,), optional
        Clips that are never found.
    measure : Measure, optional
        The plain cosine by default.
    device : str
    precision : {"auto", "single", "half"}
        Of the products; by default half on a GPU and single on a CPU. Where rounding to half precision could have
        hidden a neighbour, the query is searched again in single.
    chunk : int, optional
        Rows at a time.

    Raises
    ------
    InputError
        If shapes do not fit, a query is not finite, or fewer than ``k`` clips are left.

    Examples
    --------
    >>> corpus = np.array([[1, 0], [0, 1], [2, 2], [1, 0]], dtype=np.float16)
    >>> search(corpus, np.array([[3.0, 0.1]]), k=3).rows.tolist()
    [[0, 3, 2]]
    """
    n_clips, width = corpus.shape
    queries = np.asarray(queries, dtype=np.float32)
    _check(queries, n_clips, width, k, leave_out)
    same = partial(search, corpus, k=k, leave_out=leave_out, measure=measure, device=device, chunk=chunk)
    if len(queries) > TOGETHER:
        lots = [queries[start : start + TOGETHER] for start in range(0, len(queries), TOGETHER)]
        parts = [same(lot, precision=precision) for lot in lots]
        return Neighbours(np.concatenate([one.rows for one in parts]), np.concatenate([one.cosine for one in parts]))
    place = resolve_device(device)
    half = precision == "half" or (precision == "auto" and place.type == "cuda")
    wanted = min(k + SPARE["half" if half else "single"], n_clips)
    measure = measure or Measure()
    best = torch.full((wanted, len(queries)), NOTHING, dtype=torch.int64, device=place)
    asked = _Asked(queries, measure, place, half)
    for start, part in _chunks(corpus, n_clips, chunk or CHUNK.get(place.type, CHUNK["cpu"])):
        scores = asked.scores(part)
        if leave_out is not None and (out := leave_out[start : start + len(part)]).any():
            scores[torch.from_numpy(np.flatnonzero(out)).to(place)] = -torch.inf
        keys = best_keys(scores, start, wanted, floor=score_of(best[-1]))
        best = torch.cat([best, keys]).topk(wanted, dim=0).values
    best = best.T
    rough, rows = score_of(best).cpu().numpy(), torch.where(best == NOTHING, 0, row_of(best)).cpu().numpy()
    ranked = _ranked_again(corpus, measure.unit(queries), measure, rows, np.isfinite(rough), k)
    unsure = np.flatnonzero(ranked.cosine[:, -1] < rough[:, -1] + ERROR[asked.type])
    if half and wanted < n_clips and len(unsure):
        again = same(queries[unsure], precision="single")
        ranked.rows[unsure], ranked.cosine[unsure] = again.rows, again.cosine
    return ranked


class _Asked:
    """Queries ready to be multiplied with raw rows of the corpus.

    With centre m and spread s, (q - m)/s . (c - m)/s = (q - m)/s^2 . c - (q - m)/s^2 . m: rows are multiplied as they
    are, and only their norms need a pass over their values.
    """

    def __init__(self, queries: NDArray[np.float32], measure: Measure, place: torch.device, half: bool) -> None:
        self.measure, self.place = measure, place
        self.type = torch.float32 if not half else (torch.float16 if place.type == "cuda" else torch.bfloat16)
        unit = measure.unit(queries)
        if measure.spread is not None:
            unit = np.divide(unit, measure.spread, out=np.zeros_like(unit), where=measure.spread > 0)
        offset = unit @ measure.centre if measure.centre is not None else None
        self.queries = torch.from_numpy(unit.astype(np.float32).T.copy()).to(place)
        self.offset = None if offset is None else torch.from_numpy(offset.astype(np.float32)).to(place)
        self.centre, self.weight = _on(measure.centre, place), _inverse(measure.spread, place)
        self._values = self._products = torch.empty(0, device=place)

    def scores(self, rows: Tensor) -> Tensor:
        """Cosines of rows and queries, shape (n_rows, n_queries); the next call writes over them."""
        if len(self._values) < len(rows):  # new memory for every chunk would take as long as the product
            self._values = torch.empty(len(rows), rows.shape[1], device=self.place)
            self._products = torch.empty(len(rows), self.queries.shape[1], device=self.place)
        values = self._values[: len(rows)].copy_(rows)
        moved = values if self.centre is None else values - self.centre
        moved = moved if self.weight is None else moved * self.weight
        norms = torch.linalg.vector_norm(moved, dim=1)
        inverse = torch.where(norms > TINY, 1 / norms, torch.zeros_like(norms))[:, None]
        if self.type != torch.float32:
            scale = None if self.weight is None else torch.where(self.weight > 0, self.weight, 1.0)[:, None]
            unit = self.queries if scale is None else self.queries / scale
            return ((moved * inverse).to(self.type) @ unit.to(self.type)).float()
        found = _product(values, self.queries, self._products[: len(rows)])
        if self.offset is not None:
            found -= self.offset
        return found.mul_(inverse)


def _product(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    """Matrix product into memory that is there; on a CPU by NumPy, whose BLAS is the faster one on many of them."""
    if out.device.type != "cpu":
        return torch.mm(a, b, out=out)
    np.matmul(a.numpy(), b.numpy(), out=out.numpy())
    return out


def _chunks(corpus: Rows, n_clips: int, size: int) -> Iterator[tuple[int, Tensor]]:
    """First row and rows of each chunk, the first of them small."""
    for start, stop in pairwise([0, *range(min(FIRST, size), n_clips, size), n_clips]):
        rows = corpus[start:stop]
        yield start, torch.from_numpy(rows if rows.flags.writeable else np.array(rows))


def _ranked_again(
    corpus: Rows,
    queries: NDArray[np.float64],
    measure: Measure,
    rows: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    k: int,
) -> Neighbours:
    """The best of a few candidates per query, by a sum that is the same for equal rows wherever they are."""
    known, place = np.unique(rows, return_inverse=True)
    vectors = measure.unit(corpus[known])
    cosine = np.empty(rows.shape)
    for i, (query, own) in enumerate(zip(queries, place.reshape(rows.shape), strict=True)):
        cosine[i] = np.einsum("kd,d->k", vectors[own], query)
    order = np.lexsort((rows, np.where(allowed, -cosine, np.inf)))[:, :k]
    found = np.take_along_axis(np.clip(cosine, -1.0, 1.0), order, axis=1)
    return Neighbours(np.take_along_axis(rows, order, axis=1), found)


def _on(values: NDArray[np.floating] | None, place: torch.device) -> Tensor | None:
    return None if values is None else torch.from_numpy(np.asarray(values, dtype=np.float32)).to(place)


def _inverse(spread: NDArray[np.floating] | None, place: torch.device) -> Tensor | None:
    """One over the spread; zero for a dimension that never varies."""
    if spread is None:
        return None
    found = np.divide(1.0, spread, out=np.zeros(len(spread)), where=np.asarray(spread) > 0)
    return _on(found, place)


def _check(queries: NDArray[np.float32], n_clips: int, width: int, k: int, leave_out: NDArray[np.bool_] | None) -> None:
    if queries.ndim != 2 or queries.shape[1] != width:
        raise InputError(
            "queries and corpus have different dimensions", found=queries.shape, expected=f"(n_queries, {width})"
        )
    if not np.isfinite(queries).all():
        raise InputError(
            "a query holds a value that is not finite", found=np.argwhere(~np.isfinite(queries))[0].tolist()
        )
    if leave_out is not None and leave_out.shape != (n_clips,):
        raise InputError("a mask does not fit the corpus", found=leave_out.shape, expected=(n_clips,))
    left = n_clips - (0 if leave_out is None else int(leave_out.sum()))
    if not 1 <= k <= left:
        raise InputError("too few clips to find as many", found=f"k = {k}", expected=f"1 to {left}")
