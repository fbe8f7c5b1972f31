"""Exact nearest neighbours by cosine: a corpus of any size, read once, chunk by chunk; ties fall the same way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding.decoding.retrieval.similarity import (
    EmbeddingArray,
    Metric,
    Neighbours,
    Standardiser,
    inverse_norms,
    rank,
    slack,
)
from b2m_encoding.decoding.retrieval.topk import NOTHING, best_keys, row_of, score_of
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
HALF = 2e-3
"""How far rounding to half precision may move a cosine: 2^-10 for the vectors, and what sums of them add."""
Precision = Literal["auto", "single", "half"]


def search(
    corpus: EmbeddingArray,
    queries: NDArray[np.floating],
    k: int = 10,
    *,
    leave_out: NDArray[np.bool_] | None = None,
    metric: Metric | None = None,
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
    metric : Metric, optional
        The plain cosine by default.
    device : str
    precision : {"auto", "single", "half"}
        Of the products; by default half on a GPU and single on a CPU. Where rounding could have hidden a neighbour, all
        clips that are near enough to single precision are ranked in double.
    chunk : int, optional
        Rows at a time.

    Raises
    ------
    InputError
        If shapes do not fit, a query or a clip is not finite, or fewer than ``k`` clips are left.

    Examples
    --------
    >>> corpus = np.array([[1, 0], [0, 1], [2, 2], [1, 0]], dtype=np.float16)
    >>> search(corpus, np.array([[3.0, 0.1]]), k=3).rows.tolist()
    [[0, 3, 2]]
    """
    n_clips, width = corpus.shape
    queries = np.asarray(queries, dtype=np.float32)
    check(queries, n_clips, width, k, leave_out)
    if not len(queries):
        return Neighbours(np.zeros((0, k), dtype=np.int64), np.zeros((0, k)))
    if len(queries) > TOGETHER:
        same = partial(
            search, corpus, k=k, leave_out=leave_out, metric=metric, device=device, precision=precision, chunk=chunk
        )
        lots = range(0, len(queries), TOGETHER)
        return Neighbours.joined([same(queries[start : start + TOGETHER]) for start in lots])
    place = resolve_device(device)
    half = precision == "half" or (precision == "auto" and place.type == "cuda")
    wanted = min(k + SPARE["half" if half else "single"], n_clips)
    metric = metric or Metric()
    unit = metric.unit(queries)
    size = chunk or CHUNK.get(place.type, CHUNK["cpu"])
    best = torch.full((wanted, len(queries)), NOTHING, dtype=torch.int64, device=place)
    for start, scores in _scores(corpus, unit, metric, leave_out, place, size, half):
        keys = best_keys(scores, start, wanted, floor=score_of(best[-1]))
        best = torch.cat([best, keys]).topk(wanted, dim=0).values
    best = best.T
    rough = score_of(best).cpu().numpy()
    query, nth = np.nonzero(np.isfinite(rough))
    ranked = rank(corpus, metric, unit, query, row_of(best).cpu().numpy()[query, nth], k)
    error = HALF if half else slack(width)
    unsure = np.flatnonzero(ranked.cosine[:, -1] <= rough[:, -1] + error)
    if wanted < n_clips and len(unsure):
        few = Neighbours(ranked.rows[unsure], ranked.cosine[unsure])
        chunks = _scores(corpus, unit[unsure], metric, leave_out, place, size, half=False)
        again = _all_that_are_near(corpus, unit[unsure], metric, few, chunks)
        ranked.rows[unsure], ranked.cosine[unsure] = again.rows, again.cosine
    return ranked


def _all_that_are_near(
    corpus: EmbeddingArray,
    unit: NDArray[np.float64],
    metric: Metric,
    best: Neighbours,
    chunks: Iterator[tuple[int, Tensor]],
) -> Neighbours:
    """Rank every clip that single precision cannot tell to be behind the last of the neighbours so far."""
    n_queries, k = best.rows.shape
    for start, scores in chunks:
        floor = best.cosine[:, -1] - slack(unit.shape[1])
        row, query = (scores >= torch.from_numpy(floor).to(scores)).nonzero().cpu().numpy().T
        pairs = np.stack([query, row + start], axis=1)
        known = np.stack([np.repeat(np.arange(n_queries), k), best.rows.ravel()], axis=1)
        query, row = np.unique(np.concatenate([known, pairs]), axis=0).T
        best = rank(corpus, metric, unit, query, row, k)
    return best


def _scores(
    corpus: EmbeddingArray,
    unit: NDArray[np.float64],
    metric: Metric,
    leave_out: NDArray[np.bool_] | None,
    place: torch.device,
    size: int,
    half: bool,
) -> Iterator[tuple[int, Tensor]]:
    """First row of each chunk, and cosines of its rows and the queries; the next are written over them."""
    asked = _Asked(unit, metric, place, half)
    for start, part in _chunks(corpus, corpus.shape[0], size):
        scores = asked.scores(part, start)
        if leave_out is not None and (out := leave_out[start : start + len(part)]).any():
            scores[torch.from_numpy(np.flatnonzero(out)).to(place)] = -torch.inf
        yield start, scores


class _Asked:
    """Queries of unit length, ready to be multiplied with rows of the corpus."""

    def __init__(self, unit: NDArray[np.float64], metric: Metric, place: torch.device, half: bool) -> None:
        self.place, self.half = place, half
        self.queries = torch.from_numpy(unit.astype(np.float32).T.copy()).to(place)
        self.move = Standardiser(metric, place)
        self._values = self._products = torch.empty(0, device=place)

    def scores(self, rows: Tensor, first: int) -> Tensor:
        """Cosines of rows and queries, shape (n_rows, n_queries); the next call writes over them."""
        if len(self._values) < len(rows):  # new memory for every chunk would take as long as the product
            self._values = torch.empty(len(rows), rows.shape[1], device=self.place)
            self._products = torch.empty(len(rows), self.queries.shape[1], device=self.place)
        moved = self.move(self._values[: len(rows)].copy_(rows))
        inverse = inverse_norms(moved, first)[:, None]
        if self.half:
            return (moved.mul_(inverse).half() @ self.queries.half()).float()
        return _product(moved, self.queries, self._products[: len(rows)]).mul_(inverse)


def _product(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    """Matrix product into memory that is there; on a CPU by NumPy, whose BLAS is the faster one on many of them."""
    if out.device.type != "cpu":
        return torch.mm(a, b, out=out)
    np.matmul(a.numpy(), b.numpy(), out=out.numpy())
    return out


def _chunks(corpus: EmbeddingArray, n_clips: int, size: int) -> Iterator[tuple[int, Tensor]]:
    """First row and rows of each chunk, the first of them small."""
    for start, stop in pairwise([0, *range(min(FIRST, size), n_clips, size), n_clips]):
        yield start, as_tensor(corpus[start:stop])


def as_tensor(rows: NDArray[np.float16]) -> Tensor:
    """Without a copy, where torch may write."""
    return torch.from_numpy(rows if rows.flags.writeable else np.array(rows))


def check(queries: NDArray[np.float32], n_clips: int, width: int, k: int, leave_out: NDArray[np.bool_] | None) -> None:
    """Tell what does not fit."""
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
