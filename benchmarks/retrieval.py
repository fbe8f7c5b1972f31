"""Exact search in a corpus: beside a bare product and topk of torch, and beside faiss IndexFlatIP.

    python benchmarks/retrieval.py [--quick]

As many vectors as FMA-large has clips, 106,574 x 512, and 600 queries (with --quick 64), the ten nearest of each. Our
side reads half precision from a memory map; torch and faiss have the same numbers in single precision in memory, of
unit length, and do nothing but multiply and rank. The bare product is a bound, not a peer: it keeps all scores at once.
faiss-cpu is no dependency of this package; without it its row says so.
"""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from harness import Row, alternate, arguments, environment, finish, peak_memory, save

CLIPS, WIDTH, QUERIES, K = 106_574, 512, 600, 10


def unit(n_rows: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((n_rows, WIDTH), dtype=np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return values


def same(found: np.ndarray, expected: np.ndarray) -> float:
    """Share of neighbours on which both agree; two that are equally near to single precision may change places."""
    return float(np.mean([len(set(a) & set(b)) / K for a, b in zip(found.tolist(), expected.tolist(), strict=True)]))


def main() -> None:
    args = arguments(__doc__ or "")
    import torch

    from b2m_encoding.decoding.corpus import Vectors
    from b2m_encoding.decoding.retrieval import search

    n_queries, repeats = (64, 3) if args.quick else (QUERIES, 5)
    threads = int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads()))
    torch.set_num_threads(threads)
    env = environment(simulated=True, clips=CLIPS, dimensions=WIDTH, queries=n_queries, threads=threads)
    queries = unit(n_queries, 1)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="b2m-retrieval-") as folder:
        path = Path(folder, "embeddings.npy")
        np.save(path, unit(CLIPS, 0).astype(np.float16))
        single = np.load(path).astype(np.float32)
        single /= np.linalg.norm(single, axis=1, keepdims=True)
        asked, known = torch.from_numpy(queries), torch.from_numpy(single)

        def ours() -> Any:
            return search(Vectors(path), queries, K, device="cpu")

        def bare() -> Any:
            return torch.topk(asked @ known.T, K)

        with peak_memory() as peak:
            found = ours()
        share = same(found.rows, bare().indices.numpy())
        agreed = share > 0.9999
        ours_s, peer_s, ratio = alternate(ours, bare, repeats)
        agreement = {"same neighbours": share, "queries": n_queries}
        rows.append(Row("exact", "search, half precision on disk", "torch matmul + topk", ours_s, peer_s, ratio,
                        agreement, peak.mb))  # fmt: skip
        save("retrieval", rows, env, quick=args.quick)
        if find_spec("faiss") is None:
            rows.append(Row("faiss", "search, half precision on disk", "faiss IndexFlatIP: not installed"))
        else:
            rows.append(against_faiss(ours, single, queries, found.rows, threads, repeats))
            agreed = agreed and (rows[-1].agreement or {})["same neighbours"] > 0.9999
    finish("retrieval", rows, env, agreed=agreed, quick=args.quick)


def against_faiss(
    ours: Any, single: np.ndarray, queries: np.ndarray, found: np.ndarray, threads: int, repeats: int
) -> Row:
    import faiss

    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(WIDTH)
    index.add(single)
    share = same(found, index.search(queries, K)[1])
    ours_s, peer_s, ratio = alternate(ours, lambda: index.search(queries, K), repeats)
    peer = f"faiss {faiss.__version__} IndexFlatIP"
    return Row("faiss", "search, half precision on disk", peer, ours_s, peer_s, ratio, {"same neighbours": share})


if __name__ == "__main__":
    main()
