"""A corpus of codes: what is found is what a sort of all cosines finds, however the clips lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from b2m_encoding.decoding import index as module
from b2m_encoding.decoding.codes import BLOCK, LARGEST, Codes, multiplies_bytes, turn
from b2m_encoding.decoding.corpus import Vectors
from b2m_encoding.decoding.index import Index
from b2m_encoding.decoding.measures import TINY, Measure, Similarity, slack
from b2m_encoding.decoding.retrieval import search
from b2m_encoding.errors import InputError

bytes_only = pytest.mark.skipif(not multiplies_bytes(), reason="this processor does not multiply bytes fast")
KINDS = ("even", "tied", "one unit decides", "far from zero", "falling", "close together", "two huge clips")


def sorted_rows(index: Index, queries: np.ndarray, k: int, out: np.ndarray | None = None) -> np.ndarray:
    """The first rows of a stable sort of all cosines in double precision."""
    corpus, unit = index.measure.moved(index.corpus[:]), index.measure.unit(queries.astype(np.float32))
    norm = np.linalg.norm(corpus, axis=1)
    norm[norm <= TINY] = np.inf
    cosine = np.stack([np.einsum("cd,d->c", corpus, query) / norm for query in unit])
    if out is not None:
        cosine[:, out] = -np.inf
    return np.argsort(-cosine, axis=1, kind="stable")[:, :k]


def clips(kind: str, n: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Corpora that are hard in different ways."""
    values = rng.standard_normal((n, width))
    if kind == "tied":
        values = rng.integers(-1, 2, (5, width))[rng.integers(0, 5, n)]  # and some without a direction
    elif kind == "one unit decides":
        values[:, 0] *= 300
    elif kind == "far from zero":
        values += 20
    elif kind == "falling":
        values *= np.arange(1, width + 1) ** -2.0
    elif kind == "close together":
        values = 1 + 0.002 * values
    elif kind == "two huge clips":
        values[rng.integers(0, n, 2)] = 60_000 * np.eye(width)[0]
    return values.astype(np.float16)


def measure_of(kind: str, corpus: np.ndarray) -> Measure:
    exact = corpus.astype(float)
    return Measure.of(kind, exact.mean(axis=0), exact.std(axis=0))  # type: ignore[arg-type]


@given(
    st.sampled_from(KINDS),
    st.sampled_from(get_args(Similarity)),
    st.integers(1, 700),
    st.integers(1, 40),
    st.integers(1, 12),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
)
def test_what_a_sort_of_all_cosines_finds(
    kind: str, measure: str, n: int, width: int, k: int, share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    corpus = clips(kind, n, width, rng)
    out = rng.random(n) < share
    out[rng.integers(0, n)] = False
    k = min(k, int((~out).sum()))
    near = corpus[rng.integers(0, n, 3)] + 0.1 * rng.standard_normal((3, width))
    queries = np.concatenate([near, np.zeros((1, width))])
    index = Index(corpus, measure_of(measure, corpus))
    found = index.search(queries, k, leave_out=out)
    assert np.array_equal(found.rows, sorted_rows(index, queries, k, out))


@pytest.mark.parametrize("kind", KINDS)
def test_many_clips_in_lots_of_queries(kind: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several chunks, most blocks are ruled out, and the last block is not full."""
    corpus = clips(kind, 9001, 64, rng)
    queries = corpus[rng.integers(0, 9001, 11)] + 0.1 * rng.standard_normal((11, 64))
    index = Index(corpus)
    whole = index.search(queries)
    assert np.array_equal(whole.rows, sorted_rows(index, queries, 10))
    monkeypatch.setattr(module, "SCORES", 4 * 4 * 9008)
    lots = index.search(queries)
    assert np.array_equal(lots.rows, whole.rows)
    assert np.array_equal(lots.cosine, whole.cosine)


def without_rest(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Rounding of clips, or of queries (which lie on grids of their own), is said to change nothing."""
    of = Codes.of

    def careless(vectors: torch.Tensor, block: int = BLOCK) -> Codes:
        found = of(vectors, block)
        return replace(found, rest=torch.zeros_like(found.rest)) if block == size else found

    monkeypatch.setattr(Codes, "of", careless)


@bytes_only
@pytest.mark.parametrize("lost", ["clip", "query"])
def test_without_the_rest_neighbours_are_missed(
    lost: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearly all that a query shares with its neighbour is too small for the grid of the one or of the other."""
    width, small = 1024, 0.49 / LARGEST
    signs = rng.choice([-1.0, 1.0], width)
    halves = np.repeat([-1.0, 1.0], width // 2)
    others = signs * np.stack([rng.permutation(halves) for _ in range(160)])  # share next to nothing with it
    neighbour, query = signs, small * signs
    query[0] = -signs[0]
    if lost == "clip":
        neighbour, query = query, signs
    corpus = turned_back(np.concatenate([[neighbour], others, -others])).astype(np.float16)
    queries = turned_back(query[None])
    assert sorted_rows(Index(corpus), queries, 1).tolist() == [[0]]
    assert Index(corpus).search(queries, 1).rows.tolist() == [[0]]
    without_rest(monkeypatch, 1 if lost == "query" else BLOCK)
    assert Index(corpus).search(queries, 1).rows.tolist() != [[0]]


def turned_back(vectors: np.ndarray) -> np.ndarray:
    """Vectors that ``turn`` makes these of."""
    return vectors @ turn(np.eye(vectors.shape[1])).T


@bytes_only
def test_few_clips_are_looked_at(rng: np.random.Generator) -> None:
    """Else it would not be fast; and none of those left has a cosine below the bound."""
    index = Index(clips("even", 9000, 64, rng))
    unit = index.measure.unit(rng.standard_normal((20, 64)))
    scores = torch.empty(len(index._codes.codes) // BLOCK, BLOCK, 20, dtype=torch.int32)
    query, _ = index._candidates(unit, 10, np.arange(scores.shape[0] * BLOCK) >= 9000, scores)
    assert 10 * 20 <= len(query) < 0.02 * 20 * 9000


@bytes_only
@pytest.mark.parametrize("kind", KINDS)
def test_rounding_moves_no_cosine_further_than_is_said(kind: str, rng: np.random.Generator) -> None:
    unit = Measure().unit(clips(kind, 64, 96, rng))
    codes = Codes.of(torch.from_numpy(turn(unit)).float())
    asked = Codes.of(torch.from_numpy(turn(unit)).float(), block=1)
    scale = codes.scale.repeat_interleave(BLOCK, dim=0)
    worth = scale.double() * asked.scale.double().T
    rough = torch._int_mm(codes.codes, asked.codes.T.clone(memory_format=torch.contiguous_format)).double() * worth
    off = np.abs(rough.numpy() - unit @ unit.T)
    rest = codes.rest.repeat_interleave(BLOCK, dim=0)
    bound = (asked.rest.T.double() * codes.longest + rest.double()).numpy() + slack(96)
    assert (off <= bound).all()
    assert off.max() > 0.02 * bound.max() or kind == "tied"


@bytes_only
def test_bytes_are_multiplied_right() -> None:
    values = np.random.default_rng(0).choice([-LARGEST, LARGEST], (40, 300)).astype(np.int8)
    values[0] = LARGEST
    found = torch._int_mm(torch.from_numpy(values), torch.from_numpy(values.T.copy())).numpy()
    assert np.array_equal(found, values.astype(np.int64) @ values.T.astype(np.int64))


def test_equal_clips_and_many_neighbours_are_searched_the_plain_way(rng: np.random.Generator) -> None:
    corpus = np.ones((6000, 8), dtype=np.float16)
    corpus[4000] = clips("even", 1, 8, rng)
    index = Index(corpus)
    queries = np.stack([np.ones(8), corpus[4000].astype(float)])
    assert index.search(queries, 3).rows.tolist() == [[0, 1, 2], [4000, 0, 1]]
    assert np.array_equal(index.search(queries, 300).rows, sorted_rows(index, queries, 300))


def test_large_corpora_and_other_processors_are_not_made_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = np.array([[1, 0], [0, 1], [2, 2], [1, 0]], dtype=np.float16)
    assert Index(corpus).ready == multiplies_bytes()
    monkeypatch.setattr(module, "LARGE", 7)
    large = Index(corpus)
    assert not large.ready
    assert large.search(np.array([[3.0, 0.1]]), 3).rows.tolist() == [[0, 3, 2]]
    monkeypatch.undo()
    monkeypatch.setattr(module, "multiplies_bytes", lambda: False)
    assert not Index(corpus).ready


def test_vectors_on_disk_and_no_query(tmp_path: Path, rng: np.random.Generator) -> None:
    corpus = clips("even", 50, 6, rng)
    np.save(tmp_path / "a.npy", corpus)
    index = Index(Vectors(tmp_path / "a.npy"))
    assert np.array_equal(index.search(corpus[:4], 5).rows, Index(corpus).search(corpus[:4], 5).rows)
    assert index.search(corpus[:0], 5).rows.shape == (0, 5)


def test_what_does_not_fit_is_told(rng: np.random.Generator) -> None:
    corpus = clips("even", 20, 3, rng)
    for queries, k, problem in (
        (np.ones((1, 2)), 1, "different dimensions"),
        (np.array([[1.0, np.nan, 0]]), 1, "not finite"),
        (np.ones((1, 3)), 21, "too few clips"),
    ):
        with pytest.raises(InputError, match=problem):
            Index(corpus).search(queries, k)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    "find", [pytest.param(Index, marks=bytes_only), lambda clips: search(clips, np.ones((1, 3)), 3)]
)
def test_a_clip_that_is_not_finite_is_told(
    find: Callable[[np.ndarray], object], value: float, rng: np.random.Generator
) -> None:
    corpus = clips("even", 5000, 3, rng)
    corpus[4321, 1] = value
    with pytest.raises(InputError, match=r"not finite\n.*row 4321"):
        find(corpus)
