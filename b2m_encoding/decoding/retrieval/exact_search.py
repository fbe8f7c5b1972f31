"""Exact search for nearest neighbours by cosine, chunk by chunk, in a corpus of any size; ties are deterministic."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding._typing import Booleans, Float32, Float64, Floating
from b2m_encoding.decoding.retrieval.similarity import (
    EmbeddingArray,
    Metric,
    Neighbours,
    Standardiser,
    inverse_norms,
    rank,
    slack,
)
from b2m_encoding.decoding.retrieval.topk import NO_CLIP, best_keys, row_of, score_of
from b2m_encoding.device import resolve_device
from b2m_encoding.errors import InputError

CHUNK = {"cpu": 8192, "cuda": 131_072}
"""Rows of the corpus at a time: their scores stay in the caches of a CPU."""
FIRST = 1024
"""Rows of the first chunk, which are all ranked: after it few scores are large enough to be compared."""
TOGETHER = 2048
"""Queries at a time; the corpus is read once for each batch."""
SPARE = {"single": 16, "half": 96}
"""Neighbours in reserve, because rounding may have put them behind; all are ranked again."""
HALF = 2e-3
"""Bound of the error of a cosine in half precision: 2^-10 for the vectors, and a margin for their sum."""
Precision = Literal["auto", "single", "half"]


def search(
    corpus: EmbeddingArray,
    queries: Floating,
    k: int = 10,
    *,
    leave_out: Booleans | None = None,
    metric: Metric | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    chunk: int | None = None,
) -> Neighbours:
    """Find the ``k`` clips of a corpus with the largest cosine to each query.

    Every clip is compared. The scores of a chunk are reduced to the best of every 64 clips; only blocks whose best clip
    exceeds the neighbours so far are compared clip by clip. The remaining clips are ranked again in double precision:
    of clips with equal similarity the first in the corpus comes first, whatever the machine and the chunks.

    Parameters
    ----------
    corpus : array or Vectors of float16, shape (n_clips, n_dimensions)
    queries : array, shape (n_queries, n_dimensions)
    k : int
    leave_out : array of bool, shape (n_clips,), optional
        Clips that are never returned.
    metric : Metric, optional
        Plain cosine by default.
    device : str
    precision : {"auto", "single", "half"}
        Precision of the products; by default half on a GPU and single on a CPU. Where rounding could have hidden a
        neighbour, all clips that are near enough in single precision are ranked in double precision.
    chunk : int, optional
        Rows at a time.

    Returns
    -------
    Neighbours

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
        part = partial(
            search, corpus, k=k, leave_out=leave_out, metric=metric, device=device, precision=precision, chunk=chunk
        )
        starts = range(0, len(queries), TOGETHER)
        return Neighbours.joined([part(queries[start : start + TOGETHER]) for start in starts])
    target = resolve_device(device)
    half = precision == "half" or (precision == "auto" and target.type == "cuda")
    wanted = min(k + SPARE["half" if half else "single"], n_clips)
    metric = metric or Metric()
    unit = metric.unit(queries)
    size = chunk or CHUNK.get(target.type, CHUNK["cpu"])
    best = torch.full((wanted, len(queries)), NO_CLIP, dtype=torch.int64, device=target)
    for start, scores in _scores(corpus, unit, metric, leave_out, target, size, half):
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
        chunks = _scores(corpus, unit[unsure], metric, leave_out, target, size, half=False)
        again = _rank_all_near(corpus, unit[unsure], metric, few, chunks)
        ranked.rows[unsure], ranked.cosine[unsure] = again.rows, again.cosine
    return ranked


def _rank_all_near(
    corpus: EmbeddingArray,
    unit: Float64,
    metric: Metric,
    best: Neighbours,
    chunks: Iterator[tuple[int, Tensor]],
) -> Neighbours:
    """Rank every clip whose score in single precision does not rule it out behind the last of the neighbours so far."""
    n_queries, k = best.rows.shape
    for start, scores in chunks:
        floor = best.cosine[:, -1] - slack(unit.shape[1])
        row, query = (scores >= torch.from_numpy(floor).to(scores)).nonzero().cpu().numpy().T
        pairs = np.stack([query, row + start], axis=1)
        current = np.stack([np.repeat(np.arange(n_queries), k), best.rows.ravel()], axis=1)
        query, row = np.unique(np.concatenate([current, pairs]), axis=0).T
        best = rank(corpus, metric, unit, query, row, k)
    return best


def _scores(
    corpus: EmbeddingArray,
    unit: Float64,
    metric: Metric,
    leave_out: Booleans | None,
    device: torch.device,
    size: int,
    half: bool,
) -> Iterator[tuple[int, Tensor]]:
    """First row of each chunk, and cosines of its rows and the queries, which the next chunk overwrites."""
    prepared = _Queries(unit, metric, device, half)
    for start, part in _chunks(corpus, corpus.shape[0], size):
        scores = prepared.scores(part, start)
        if leave_out is not None and (out := leave_out[start : start + len(part)]).any():
            scores[torch.from_numpy(np.flatnonzero(out)).to(device)] = -torch.inf
        yield start, scores


class _Queries:
    """Queries of unit length, ready to be multiplied with rows of the corpus."""

    def __init__(self, unit: Float64, metric: Metric, device: torch.device, half: bool) -> None:
        self.device, self.half = device, half
        self.queries = torch.from_numpy(unit.astype(np.float32).T.copy()).to(device)
        self.standardiser = Standardiser(metric, device)
        self._values = self._products = torch.empty(0, device=device)

    def scores(self, rows: Tensor, first: int) -> Tensor:
        """Cosines of rows and queries, shape (n_rows, n_queries), which the next call overwrites."""
        if len(self._values) < len(rows):  # new memory for every chunk would take as long as the product
            self._values = torch.empty(len(rows), rows.shape[1], device=self.device)
            self._products = torch.empty(len(rows), self.queries.shape[1], device=self.device)
        moved = self.standardiser.transform_(self._values[: len(rows)].copy_(rows))
        inverse = inverse_norms(moved, first)[:, None]
        if self.half:
            return (moved.mul_(inverse).half() @ self.queries.half()).float()
        return _product(moved, self.queries, self._products[: len(rows)]).mul_(inverse)


def _product(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    """Matrix product into allocated memory; on a CPU by NumPy, whose BLAS is faster on many processors."""
    if out.device.type != "cpu":
        return torch.mm(a, b, out=out)
    np.matmul(a.numpy(), b.numpy(), out=out.numpy())
    return out


def _chunks(corpus: EmbeddingArray, n_clips: int, size: int) -> Iterator[tuple[int, Tensor]]:
    """First row and rows of each chunk; the first chunk is small."""
    for start, stop in pairwise([0, *range(min(FIRST, size), n_clips, size), n_clips]):
        yield start, as_tensor(corpus[start:stop])


def as_tensor(rows: NDArray[np.float16]) -> Tensor:
    """Tensor of rows, without a copy where they may be written to."""
    return torch.from_numpy(rows if rows.flags.writeable else np.array(rows))


def check(queries: Float32, n_clips: int, width: int, k: int, leave_out: Booleans | None) -> None:
    """Raise an error if shapes or values do not fit."""
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
    n_candidates = n_clips - (0 if leave_out is None else int(leave_out.sum()))
    if not 1 <= k <= n_candidates:
        raise InputError("too few clips for k neighbours", found=f"k = {k}", expected=f"1 to {n_candidates}")
