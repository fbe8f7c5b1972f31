"""Exact search: against a plain sort, ties, masks, chunks, half precision, and a corpus larger than memory may grow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from b2m_encoding.decoding.retrieval import exact_search as module
from b2m_encoding.decoding.retrieval.corpus import Vectors
from b2m_encoding.decoding.retrieval.exact_search import search
from b2m_encoding.decoding.retrieval.similarity import TINY, Metric, Similarity
from b2m_encoding.errors import InputError


def plain(corpus: np.ndarray, queries: np.ndarray, k: int, out: np.ndarray | None = None) -> np.ndarray:
    """Every cosine in double precision, then a stable sort."""
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries.astype(float), corpus.astype(float)))
    cosine = np.einsum("qd,cd->qc", a, b)
    if out is not None:
        cosine[:, out] = -np.inf
    return np.argsort(-cosine, axis=1, kind="stable")[:, :k]


HARD = ("even", "tied", "one unit decides", "far from zero", "falling", "close together", "two huge clips")


def hard_corpus(kind: str, n: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Corpora on which rounding, ties or one dimension decide about neighbours."""
    values = rng.standard_normal((n, width))
    if kind == "tied":
        values = rng.integers(-1, 2, (5, width))[rng.integers(0, 5, n)]  # zero vectors among them
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


def sorted_rows(
    corpus: np.ndarray, queries: np.ndarray, k: int, metric: Metric, out: np.ndarray | None = None
) -> np.ndarray:
    """The first rows of a stable sort of all cosines in double precision; a vector without a direction has cosine 0."""
    moved = metric.standardised(corpus)
    norm = np.linalg.norm(moved, axis=1)
    norm[norm <= TINY] = np.inf
    unit = metric.unit(queries.astype(np.float32))
    cosine = np.stack([np.einsum("cd,d->c", moved, query) / norm for query in unit])
    if out is not None:
        cosine[:, out] = -np.inf
    return np.argsort(-cosine, axis=1, kind="stable")[:, :k]


@given(
    st.sampled_from(HARD),
    st.sampled_from(get_args(Similarity)),
    st.integers(1, 700),
    st.integers(1, 40),
    st.integers(1, 12),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
)
def test_hard_corpora_are_ranked_as_by_a_sort_of_all_cosines(
    kind: str, similarity: str, n: int, width: int, k: int, share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    corpus = hard_corpus(kind, n, width, rng)
    out = rng.random(n) < share
    out[rng.integers(0, n)] = False
    k = min(k, int((~out).sum()))
    near = corpus[rng.integers(0, n, 3)] + 0.1 * rng.standard_normal((3, width))
    queries = np.concatenate([near, np.zeros((1, width))])
    exact = corpus.astype(float)
    metric = Metric.of(similarity, exact.mean(axis=0), exact.std(axis=0))  # type: ignore[arg-type]
    for precision in ("single", "half"):
        found = search(
            corpus,
            queries,
            k,
            leave_out=out,
            metric=metric,
            precision=precision,
            chunk=300,  # type: ignore[arg-type]
        )
        assert np.array_equal(found.rows, sorted_rows(corpus, queries, k, metric, out)), precision


@pytest.mark.parametrize("kind", HARD)
def test_hard_corpora_of_several_chunks(kind: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most blocks hold no neighbour, the last one is not full, and lots of queries change nothing."""
    corpus = hard_corpus(kind, 9001, 64, rng)
    queries = corpus[rng.integers(0, 9001, 11)] + 0.1 * rng.standard_normal((11, 64))
    whole = search(corpus, queries)
    assert np.array_equal(whole.rows, sorted_rows(corpus, queries, 10, Metric()))
    monkeypatch.setattr(module, "TOGETHER", 4)
    lots = search(corpus, queries)
    assert np.array_equal(lots.rows, whole.rows)
    assert np.allclose(lots.cosine, whole.cosine, rtol=0, atol=1e-12)


def test_equal_clips_and_more_neighbours_than_are_kept_in_reserve(rng: np.random.Generator) -> None:
    corpus = np.ones((6000, 8), dtype=np.float16)
    corpus[4000] = hard_corpus("even", 1, 8, rng)
    queries = np.stack([np.ones(8), corpus[4000].astype(float)])
    assert search(corpus, queries, 3).rows.tolist() == [[0, 1, 2], [4000, 0, 1]]
    assert np.array_equal(search(corpus, queries, 300).rows, sorted_rows(corpus, queries, 300, Metric()))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_clip_that_is_not_finite_is_named(value: float, rng: np.random.Generator) -> None:
    corpus = hard_corpus("even", 5000, 3, rng)
    corpus[4321, 1] = value
    with pytest.raises(InputError, match=r"not finite\n.*row 4321"):
        search(corpus, np.ones((1, 3)), 3)


@pytest.mark.parametrize("precision", ["single", "half"])
def test_neighbours_are_those_of_scikit_learn(precision: str, rng: np.random.Generator) -> None:
    corpus = rng.standard_normal((3000, 24)).astype(np.float16)
    queries = rng.standard_normal((7, 24))
    found = search(corpus, queries, k=9, chunk=1100, precision=precision)  # type: ignore[arg-type]
    peer = NearestNeighbors(n_neighbors=9, metric="cosine", algorithm="brute").fit(corpus.astype(float))
    distance, rows = peer.kneighbors(queries)
    assert np.array_equal(found.rows, rows)
    assert np.abs(found.cosine - (1 - distance)).max() < 1e-6


@given(st.integers(0, 50), st.integers(1, 200), st.integers(1, 9), st.booleans())
def test_ties_fall_to_the_first_clip_whatever_the_chunks(seed: int, chunk: int, k: int, masked: bool) -> None:
    """Few different directions: most clips are tied."""
    rng = np.random.default_rng(seed)
    directions = rng.integers(-1, 2, (5, 3)) + np.array([[2, 0, 0]])
    corpus = directions[rng.integers(0, 5, 150)].astype(np.float16)
    out = rng.random(150) < 0.5 if masked else None
    queries = directions[:2] + rng.integers(0, 2, (2, 3))
    found = search(corpus, queries, k=k, leave_out=out, chunk=chunk)
    unit = Metric().unit
    exact = np.stack([np.einsum("cd,d->c", unit(corpus), query) for query in unit(queries)])
    if out is not None:
        exact[:, out] = -np.inf
        assert not out[found.rows].any()
    for own, rows in zip(exact, found.rows, strict=True):
        assert rows.tolist() == np.argsort(-own, kind="stable")[:k].tolist()


def test_many_blocks_with_the_best_clips_side_by_side(rng: np.random.Generator) -> None:
    """The neighbours may all lie in one block of 64, in the rest behind the last whole one, or far apart."""
    corpus = (0.1 * rng.standard_normal((8192 + 37, 16))).astype(np.float16)
    query = np.ones((1, 16))
    near = [*range(640, 660), 8191, 8192, 8228, 0]
    corpus[near] += 1
    assert set(search(corpus, query, k=24).rows[0].tolist()) == set(near)
    assert np.array_equal(search(corpus, query, k=24).rows, plain(corpus, query, 24))


def test_many_queries_are_asked_in_lots(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, queries = rng.standard_normal((90, 4)).astype(np.float16), rng.standard_normal((11, 4))
    whole = search(corpus, queries, k=3)
    monkeypatch.setattr(module, "TOGETHER", 4)
    lots = search(corpus, queries, k=3)
    assert np.array_equal(lots.rows, whole.rows)
    assert np.allclose(lots.cosine, whole.cosine, atol=1e-12)


def test_few_clips_are_left_of_many(rng: np.random.Generator) -> None:
    corpus, queries = rng.standard_normal((9000, 8)).astype(np.float16), rng.standard_normal((2, 8))
    out = np.ones(9000, dtype=bool)
    out[[5, 8500, 8999]] = False
    found = search(corpus, queries, k=3, leave_out=out, chunk=4096)
    assert np.array_equal(found.rows, plain(corpus, queries, 3, out))


@pytest.mark.parametrize("kind", ["centred", "standardised"])
def test_measures_are_cosines_of_moved_vectors(kind: str, rng: np.random.Generator) -> None:
    scale = np.array([100.0, 1.0, 0.01, 3.0, 0.0])
    corpus = (scale * rng.standard_normal((400, 5)) + [5, -3, 0.1, 40, 7]).astype(np.float16)
    raw = corpus.astype(float)
    queries = raw[:6] + 0.2 * scale * rng.standard_normal((6, 5))
    metric = Metric.of(kind, raw.mean(axis=0), raw.std(axis=0))  # type: ignore[arg-type]
    moved = [x - raw.mean(axis=0) for x in (raw, queries)]
    if kind == "standardised":
        moved = [x[:, :4] / raw.std(axis=0)[:4] for x in moved]
    for precision in ("single", "half"):
        found = search(corpus, queries, k=5, metric=metric, precision=precision, chunk=333)  # type: ignore[arg-type]
        assert np.array_equal(found.rows, plain(moved[0], moved[1], 5))


def test_shrinking_towards_the_centre_changes_no_neighbour(rng: np.random.Generator) -> None:
    corpus = (rng.standard_normal((300, 8)) + 4).astype(np.float16)
    centre, spread = corpus.astype(float).mean(axis=0), corpus.astype(float).std(axis=0)
    queries = rng.standard_normal((5, 8)) + 4
    centred = Metric.of("centred", centre, spread)
    shrunk = centre + 0.05 * (queries - centre)
    assert np.array_equal(*(search(corpus, one, 5, metric=centred).rows for one in (queries, shrunk)))
    assert not np.array_equal(*(search(corpus, one, 5).rows for one in (queries, shrunk)))


def test_what_does_not_fit_is_told() -> None:
    corpus = np.ones((4, 3), dtype=np.float16)
    for queries, options, problem in (
        (np.ones((1, 2)), {}, "different dimensions"),
        (np.array([[1.0, np.nan, 0]]), {}, "not finite"),
        (np.ones((1, 3)), {"k": 4, "leave_out": np.array([True, False, False, False])}, "too few clips"),
        (np.ones((1, 3)), {"k": 0}, "too few clips"),
        (np.ones((1, 3)), {"leave_out": np.ones(3, dtype=bool)}, "does not fit"),
    ):
        with pytest.raises(InputError, match=problem):
            search(corpus, queries, **{"k": 1, **options})  # type: ignore[arg-type]


def test_a_clip_without_a_direction_is_never_near() -> None:
    corpus = np.array([[0, 0], [-1, 0.1], [1, 0]], dtype=np.float16)
    found = search(corpus, np.array([[1.0, 0.0]]), k=3)
    assert found.rows.tolist() == [[2, 0, 1]]
    assert found.cosine[0, 1] == 0


def test_vectors_on_disk_give_the_same(tmp_path: Path, rng: np.random.Generator) -> None:
    corpus = rng.standard_normal((700, 6)).astype(np.float16)
    np.save(tmp_path / "a.npy", corpus)
    vectors, queries = Vectors(tmp_path / "a.npy"), rng.standard_normal((3, 6))
    assert (len(vectors), vectors.shape) == (700, (700, 6))
    assert np.array_equal(vectors[10:20], corpus[10:20])
    assert np.array_equal(vectors[np.array([5, 699, 5])], corpus[[5, 699, 5]])
    assert np.array_equal(search(vectors, queries, 4, chunk=256).rows, search(corpus, queries, 4).rows)
    assert search(vectors, queries[:0], 5).rows.shape == search(vectors, queries[:0], 5).cosine.shape == (0, 5)
    assert np.array_equal(np.load(tmp_path / "a.npy"), corpus)


def test_damaged_vectors_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.ones((4, 3), dtype=np.float32))
    with pytest.raises(InputError, match="float32"):
        Vectors(path)
    np.save(path, np.ones((4, 3), dtype=np.float16))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match="cannot be read"):
        Vectors(path)


def resident_mb(which: str) -> float:
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{which}:")[1].split()[0]) / 1024


@pytest.mark.slow
@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="this system does not tell peak memory")
def test_ten_million_clips_in_little_memory(tmp_path: Path, rng: np.random.Generator) -> None:
    """The file is sparse: 2.6 GB long, and a few clips are written into it."""
    n_clips, width, path = 10_000_000, 128, tmp_path / "large.npy"
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(n_clips, width))
    queries = rng.standard_normal((2, width))
    places = np.array([[3, 9_999_999], [5_000_000, 123_456]])
    whole = np.load(path, mmap_mode="r+")
    for query, rows in zip(queries, places, strict=True):
        for row, noise in zip(rows.tolist(), (0.1, 1.0), strict=True):
            whole[row] = query + noise * rng.standard_normal(width)
    del whole
    Path("/proc/self/clear_refs").write_text("5")
    before = resident_mb("VmRSS")
    found = search(Vectors(path), queries, k=2)
    assert np.array_equal(found.rows, places)
    assert resident_mb("VmHWM") - before < 500
