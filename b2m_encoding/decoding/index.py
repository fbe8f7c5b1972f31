"""A corpus made ready for many exact searches on a CPU: bytes rule nearly all clips out, what is left is compared."""

from __future__ import annotations

from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding.decoding.codes import BLOCK, Codes, multiplies_bytes, turn
from b2m_encoding.decoding.measures import Measure, Move, Neighbours, Rows, Whole, inverse_norms, rank, slack
from b2m_encoding.decoding.retrieval import TOGETHER, as_tensor, check, search
from b2m_encoding.device import resolve_device

CHUNK = 2048
"""Rows that are made ready at a time: they stay in the caches of a CPU."""
PRODUCT = 4096
"""Rows of one product."""
SCORES = 2**26
"""Scores at a time, of four bytes: those of 600 queries and 100,000 clips."""
GROUP = 16
"""Blocks of which only the best one is asked how near k clips are: k groups are found faster than k blocks."""
PAIRS = 1024
"""Pairs of a query and a clip at a time."""
MOST = 256
"""Blocks of clips that are looked into; a query for which more are left is searched the plain way."""
LARGE = 2**28
"""Bytes of codes that are kept, at most; larger corpora are read anew for every search."""
NEVER = -(2**31)
"""Score of a clip that may not be found."""
Reals = NDArray[np.float64]


class Index:
    """A corpus that is searched more than once.

    Its clips are turned, rounded to bytes and kept in memory. A search multiplies bytes; the length of what was rounded
    away bounds what a cosine may be (Cauchy and Schwarz). Clips that may be among the neighbours are compared in single
    precision, those still in question in double. The answer is that of :func:`~b2m_encoding.decoding.search`.

    A corpus is not made ready but read by ``search`` if its codes would take more than 256 MB, if it is searched on a
    GPU, or if the processor does not multiply bytes fast.

    Parameters
    ----------
    corpus : array or Vectors of float16, shape (n_clips, n_dimensions)
    measure : Measure, optional
        The plain cosine by default.
    device : str

    Attributes
    ----------
    ready : bool
        Whether codes are kept.

    Raises
    ------
    InputError
        If a clip holds a value that is not finite.

    Examples
    --------
    >>> index = Index(np.array([[1, 0], [0, 1], [2, 2], [1, 0]], dtype=np.float16))
    >>> index.search(np.array([[3.0, 0.1]]), k=3).rows.tolist()
    [[0, 3, 2]]
    """

    def __init__(self, corpus: Rows, measure: Measure | None = None, *, device: str = "auto") -> None:
        self.corpus, self.measure, self.device = corpus, measure or Measure(), device
        self._n_clips, self._width = corpus.shape
        small = self._n_clips * self._width <= LARGE
        self.ready = small and resolve_device(device).type == "cpu" and multiplies_bytes()
        if not self.ready:
            return
        self._rows = np.asarray(corpus[:])  # a file is mapped once
        some = np.unique(np.linspace(0, self._n_clips - 1, CHUNK).astype(np.int64))
        with np.errstate(invalid="ignore"):  # what is not finite is told below, with its row
            self._centre = self.measure.unit(self._rows[some]).mean(axis=0)
        self._inverse = np.empty(self._n_clips)
        starts = range(0, self._n_clips, CHUNK)
        self._codes = Codes.joined([self._rounded(start, min(start + CHUNK, self._n_clips)) for start in starts])
        self._move = Move(self.measure, torch.device("cpu"))
        # Kept, because new memory for every search would cost a fifth of its time.
        self._memory = np.empty(max(SCORES, len(self._codes.codes)), dtype=np.int32)
        self._alone = Lock()

    def _rounded(self, start: int, stop: int) -> Codes:
        """Codes of some clips, less what all clips share."""
        moved = Move(self.measure, torch.device("cpu"), torch.float64)(as_tensor(self._rows[start:stop]).double())
        inverse = inverse_norms(moved, start)
        unit = moved.mul_(inverse[:, None]).numpy()
        self._inverse[start:stop] = inverse.numpy()
        turned = turn((unit - self._centre).astype(np.float32))
        return Codes.of(torch.from_numpy(np.pad(turned, ((0, -len(turned) % (BLOCK * GROUP)), (0, 0)))))

    def search(
        self, queries: NDArray[np.floating], k: int = 10, *, leave_out: NDArray[np.bool_] | None = None
    ) -> Neighbours:
        """Find the ``k`` clips with the largest cosine to each query, of equal ones the first.

        Parameters
        ----------
        queries : array, shape (n_queries, n_dimensions)
        k : int
        leave_out : array of bool, shape (n_clips,), optional
            Clips that are never found.

        Raises
        ------
        InputError
            If shapes do not fit, a query is not finite, or fewer than ``k`` clips are left.
        """
        queries = np.asarray(queries, dtype=np.float32)
        check(queries, self._n_clips, self._width, k, leave_out)
        if not self.ready or k > MOST // 4:
            return search(self.corpus, queries, k, leave_out=leave_out, measure=self.measure, device=self.device)
        found = Neighbours(np.full((len(queries), k), -1), np.empty((len(queries), k)))
        out = np.ones(len(self._codes.codes), dtype=bool)
        out[: self._n_clips] = False if leave_out is None else leave_out
        together = min(len(self._memory) // len(out), TOGETHER)
        for start in range(0, len(queries), together):
            unit = self.measure.unit(queries[start : start + together])
            with self._alone:
                scores = torch.from_numpy(self._memory[: len(out) * len(unit)]).view(-1, BLOCK, len(unit))
                candidates = self._candidates(unit, k, out, scores)
            query, row = self._in_question(*candidates, unit, k)
            known = np.unique(query)
            best = rank(self._rows, self.measure, unit[known], np.searchsorted(known, query), row, k)
            found.rows[known + start], found.cosine[known + start] = best.rows, best.cosine
        if len(lost := np.flatnonzero(found.rows[:, 0] < 0)):
            again = search(self.corpus, queries[lost], k, leave_out=leave_out, measure=self.measure, device="cpu")
            found.rows[lost], found.cosine[lost] = again.rows, again.cosine
        return found

    def _candidates(self, unit: Reals, k: int, out: NDArray[np.bool_], scores: Tensor) -> tuple[Whole, Whole]:
        """Queries and clips that may be neighbours by their codes; none of a query of which too many may be.

        With codes c, scales s and rests e of a query q and of a clip x less the centre m,
        q . x = q . m + s_q s_x c_q . c_x + e_q . s_x c_x + q . e_x; of the last two only the lengths are known.
        """
        codes, asked = self._codes, Codes.of(torch.from_numpy(turn(unit)).float(), block=1)
        near = self._scores(asked, scores, out) * codes.scale
        near[torch.from_numpy(out.reshape(-1, BLOCK).all(axis=1))] = -torch.inf
        sure = self._sure(near, scores, unit, k)
        error = asked.rest[:, 0].double().numpy() * codes.longest + slack(self._width)
        least = torch.from_numpy(sure - unit @ self._centre - error).float()
        worth = asked.scale[:, 0]
        block, query = (torch.addcmul(codes.rest, near, worth) >= least).nonzero(as_tuple=True)
        few = (torch.bincount(query, minlength=len(unit)) <= MOST)[query]
        block, query = block[few], query[few]
        inside = (scores[block, :, query] * codes.scale[block]).mul_(worth[query, None]).add_(codes.rest[block])
        pair, offset = (inside >= least[query, None]).nonzero(as_tuple=True)
        row, asking = (block[pair] * BLOCK + offset).numpy(), query[pair].numpy()
        allowed = ~out[row]
        return asking[allowed], row[allowed]

    def _scores(self, asked: Codes, scores: Tensor, out: NDArray[np.bool_]) -> Tensor:
        """Fill in all scores, shape (n_blocks, 16, n_queries), and return the best of each block."""
        codes = asked.codes.T.clone(memory_format=torch.contiguous_format)  # strides of (1, 1) give wrong products
        best = torch.empty_like(scores[:, 0])
        for start in range(0, len(out), PRODUCT):
            rows, blocks = slice(start, start + PRODUCT), slice(start // BLOCK, (start + PRODUCT) // BLOCK)
            chunk = scores[blocks].view(-1, scores.shape[2])
            torch._int_mm(self._codes.codes[rows], codes, out=chunk)
            if out[rows].any():
                chunk[torch.from_numpy(out[rows])] = NEVER
            torch.amax(scores[blocks], dim=1, out=best[blocks])
        return best

    def _sure(self, near: Tensor, scores: Tensor, unit: Reals, k: int) -> Reals:
        """A cosine that k neighbours of each query are known to reach: those of the best clips of k groups."""
        if len(near) < k:
            return np.full(len(unit), -np.inf)
        groups = near.view(GROUP if len(near) >= 4 * GROUP * k else 1, -1, len(unit))
        promising, group = groups.amax(dim=0).topk(k, dim=0)
        query = torch.arange(len(unit)).expand_as(group)
        block = groups[:, group, query].argmax(dim=0) * groups.shape[1] + group
        row = block * BLOCK + scores[block, :, query].argmax(dim=2)
        row[promising == -torch.inf] = 0  # of a block without a clip that may be found
        cosine = self._cosines(query.flatten().numpy(), row.flatten().numpy(), unit).reshape(row.shape)
        known: Reals = np.where(np.isneginf(promising.numpy()), -np.inf, cosine)
        return np.asarray(known.min(axis=0) - slack(self._width))

    def _in_question(self, query: Whole, row: Whole, unit: Reals, k: int) -> tuple[Whole, Whole]:
        """Those of the pairs that single precision cannot tell to be behind the k-th of their query."""
        cosine = self._cosines(query, row, unit)
        order = np.lexsort((-cosine, query))
        query, row, cosine = query[order], row[order], cosine[order]
        known, first = np.unique(query, return_index=True)
        least = np.full(len(unit), np.inf)
        least[known] = cosine[first + k - 1] - 2 * slack(self._width)
        keep = cosine >= least[query]
        return query[keep], row[keep]

    def _cosines(self, query: Whole, row: Whole, unit: Reals) -> Reals:
        """Of pairs, in single precision."""
        single = unit.astype(np.float32)
        cosine = np.empty(len(row))
        for start in range(0, len(row), PAIRS):
            some = slice(start, start + PAIRS)
            moved = self._move(as_tensor(np.take(self._rows, row[some], axis=0)).float()).numpy()
            cosine[some] = np.vecdot(moved, np.take(single, query[some], axis=0))
        return cosine * self._inverse[row]
