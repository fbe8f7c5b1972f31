"""Exact search in a corpus: beside a bare product and topk of torch, and beside faiss IndexFlatIP.

    python benchmarks/retrieval.py [--quick]

As many vectors as FMA-large has clips, 106,574 x 512, and 600 queries (with --quick 64), the ten nearest of each. Our
side reads half precision from a memory map; torch and faiss have the same numbers in single precision in memory, of
unit length, and do nothing but multiply and rank. The bare product is a bound, not a peer: it keeps all scores at once.
The search needs no preparation; faiss is filled before it is timed. In ``spectrum`` the vectors are not spread evenly:
their dimensions have variances that fall as 1 / n, as those of embeddings do.
faiss-cpu is no dependency of this package (``pip install --group benchmarks``); without it its rows say so.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from harness import Row, alternate, arguments, environment, finish, peak_memory, save

from b2m_encoding.decoding.retrieval.corpus import Vectors
from b2m_encoding.decoding.retrieval.exact_search import search

CLIPS, WIDTH, QUERIES, K = 106_574, 512, 600, 10
OURS = "search, half precision on disk"


def unit(n_rows: int, seed: int, fall: float) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((n_rows, WIDTH), dtype=np.float32)
    values *= np.arange(1, WIDTH + 1, dtype=np.float32) ** (-fall / 2)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return values


def same(found: np.ndarray, expected: np.ndarray) -> float:
    """Share of neighbours on which both agree; two that are equally near to single precision may change places."""
    return float(np.mean([len(set(a) & set(b)) / K for a, b in zip(found.tolist(), expected.tolist(), strict=True)]))


@dataclass
class Case:
    """One corpus and its queries; ``fall`` is the exponent of the variances of its dimensions."""

    path: Path
    n_queries: int
    fall: float = 0.0

    def __post_init__(self) -> None:
        np.save(self.path, unit(CLIPS, 0, self.fall).astype(np.float16))
        self.single = np.load(self.path).astype(np.float32)
        self.single /= np.linalg.norm(self.single, axis=1, keepdims=True)
        self.queries = unit(self.n_queries, 1, self.fall)
        self.vectors = Vectors(self.path)

    def ours(self) -> np.ndarray:
        return search(self.vectors, self.queries, K, device="cpu").rows

    def bare(self) -> np.ndarray:
        import torch

        found: np.ndarray = torch.topk(torch.from_numpy(self.queries) @ torch.from_numpy(self.single).T, K)[1].numpy()
        return found

    @cached_property
    def faiss_index(self) -> Any:
        import faiss

        filled = faiss.IndexFlatIP(WIDTH)
        filled.add(self.single)
        return filled

    def faiss(self) -> np.ndarray:
        found: np.ndarray = self.faiss_index.search(self.queries, K)[1]
        return found


def compared(
    name: str, what: str, ours: Callable[[], np.ndarray], peer: str, theirs: Callable[[], np.ndarray], repeats: int
) -> Row:
    """Agreement first, then times in turns."""
    theirs_found = theirs()
    with peak_memory() as peak:
        found = ours()
    agreement = {"same neighbours": same(found, theirs_found)}
    return Row(name, what, peer, *alternate(ours, theirs, repeats), agreement, peak.mb)


def against_faiss(even: Case, uneven: Case, threads: int, repeats: int) -> list[Row]:
    if find_spec("faiss") is None:
        return [Row(name, OURS, "faiss IndexFlatIP: not installed") for name in ("faiss", "spectrum")]
    import faiss

    faiss.omp_set_num_threads(threads)
    peer = f"faiss {faiss.__version__} IndexFlatIP"
    return [
        compared("faiss", OURS, even.ours, peer, even.faiss, repeats),
        compared("spectrum", OURS, uneven.ours, peer, uneven.faiss, repeats),
    ]


def main() -> None:
    args = arguments(__doc__ or "")
    import torch

    n_queries, repeats = (64, 3) if args.quick else (QUERIES, 9)
    threads = int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads()))
    torch.set_num_threads(threads)
    env = environment(simulated=True, clips=CLIPS, dimensions=WIDTH, queries=n_queries, threads=threads)
    with tempfile.TemporaryDirectory(prefix="b2m-retrieval-") as folder:
        even = Case(Path(folder, "even.npy"), n_queries)
        uneven = Case(Path(folder, "uneven.npy"), n_queries, fall=1.0)
        rows = [compared("exact", OURS, even.ours, "torch matmul + topk", even.bare, repeats)]
        save("retrieval", rows, env, quick=args.quick)
        rows += against_faiss(even, uneven, threads, repeats)
    agreed = all(row.agreement["same neighbours"] > 0.9999 for row in rows if row.agreement)
    finish("retrieval", rows, env, agreed=agreed, quick=args.quick)


if __name__ == "__main__":
    main()
