"""Largest scores of a chunk, ties to the smaller row: score and row are one integer key."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 64
"""Rows of which only the best is compared first."""
NO_CLIP = -(2**63)
"""Key in the place of a missing clip, smaller than that of any clip."""


def best_keys(scores: Tensor, start: int, k: int, floor: Tensor) -> Tensor:
    """Keys of the scores of a chunk above the floor of each query, at least of the ``k`` largest of them.

    Parameters
    ----------
    scores : tensor, shape (n_rows, n_queries)
    start : int
        Row of the first score in the whole corpus.
    k : int
    floor : tensor, shape (n_queries,)
        The k-th largest score so far; minus infinity as long as there are fewer. Equal scores of later rows are no
        candidates.

    Returns
    -------
    tensor, shape (n_keys, n_queries)
        As many keys as the query with most candidates has; other columns are filled with ``NO_CLIP``.
    """
    n_rows, n_queries = scores.shape
    if torch.isinf(floor).any():  # the first chunk
        rows = torch.arange(start, start + n_rows, device=scores.device)[:, None]
        return _keys(scores, rows).topk(min(k, n_rows), dim=0).values
    n_whole = n_rows // BLOCK * BLOCK
    blocks = scores[:n_whole].view(-1, BLOCK, n_queries)
    block, query = (blocks.amax(dim=1) > floor).nonzero(as_tuple=True)
    inside = blocks[block, :, query]
    pair, offset = (inside > floor[query, None]).nonzero(as_tuple=True)
    rest, late = (scores[n_whole:] > floor).nonzero(as_tuple=True)
    candidates = torch.cat([inside[pair, offset], scores[n_whole:][rest, late]])
    rows = torch.cat([block[pair] * BLOCK + offset, rest + n_whole])
    return _by_query(_keys(candidates, rows + start), torch.cat([query[pair], late]), n_queries)


def _by_query(keys: Tensor, query: Tensor, n_queries: int) -> Tensor:
    """Keys of pairs in the column of their query, shape (n_keys, n_queries)."""
    order = torch.argsort(query, stable=True)
    counts = torch.bincount(query, minlength=n_queries)
    place = torch.arange(len(query), device=keys.device) - (counts.cumsum(0) - counts)[query[order]]
    out = torch.full((int(counts.max()), n_queries), NO_CLIP, dtype=torch.int64, device=keys.device)
    out[place, query[order]] = keys[order]
    return out


def _keys(scores: Tensor, rows: Tensor) -> Tensor:
    """Integers in the order of the scores; of equal scores, the smaller row has the larger key."""
    bits = (scores + 0.0).view(torch.int32)  # adding zero makes one zero of two
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return (ordered.to(torch.int64) << 32) | (0xFFFFFFFF - rows)


def row_of(keys: Tensor) -> Tensor:
    """Row of each key."""
    return 0xFFFFFFFF - (keys & 0xFFFFFFFF)


def score_of(keys: Tensor) -> Tensor:
    """Score of each key; minus infinity for ``NO_CLIP``."""
    ordered = (keys >> 32).to(torch.int32)
    return torch.where(keys == NO_CLIP, -torch.inf, (ordered ^ ((ordered >> 31) & 0x7FFFFFFF)).view(torch.float32))
