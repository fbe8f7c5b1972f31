"""Permutation of blocks and circular shifts of many targets, beside the plain numpy loop.

    python benchmarks/permutation.py [--quick] [--targets N] [--permutations N] [--device cpu|cuda]

Case ``block_permutation``: 6 runs of 100 samples, blocks of 10. The loop does what a first version does: reorder the
standardised prediction, multiply, sum, compare; all targets at once. It is timed on some of the permutations
and its time scaled to all of them (its work per permutation is always the same); p values are compared on those.
``family_wise`` is what ``significance`` gives besides (largest r of every permutation) and is part of our time.
``shifts`` has no peer to time; its time is beside that of the blocks.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from harness import Row, arguments, environment, finish, peak_memory, save, seconds

from b2m_encoding.runs import Runs
from b2m_encoding.stats import significance
from b2m_encoding.stats.arrangements import Blocks
from b2m_encoding.stats.scores import standardised

N_RUNS, N_SAMPLES, BLOCK = 6, 100, 10
CHECKED = 200
"""Targets whose p values are compared, over all permutations."""
GOAL_S, GOAL_RATIO, GOAL_MB = 90, 20, 3000


def make_data(n_targets: int) -> tuple[Any, Any]:
    """Predictions of which every tenth tells something."""
    rng = np.random.default_rng(0)
    measured = rng.standard_normal((N_RUNS * N_SAMPLES, n_targets), dtype=np.float32)
    predicted = rng.standard_normal(measured.shape, dtype=np.float32)
    predicted[:, ::10] += 0.1 * measured[:, ::10]
    return predicted, measured


def plain_loop(predicted: Any, measured: Any, orders: Any) -> Any:
    """p values of the same arrangements, one permutation after the other."""
    a, b = (standardised(values).astype(np.float32) for values in (predicted, measured))
    true = (a * b).sum(axis=0)
    reached = np.zeros(a.shape[1])
    for order in orders:
        reached += (a[order] * b).sum(axis=0) >= true - 1e-3
    return (reached + 1) / (len(orders) + 1)


def orders_of(ways: Blocks, draws: Any) -> Any:
    """Rows of the prediction under each arrangement."""
    n_blocks = N_SAMPLES // BLOCK
    chosen = (draws - ways.identity + np.tile(np.arange(n_blocks), N_RUNS)).reshape(len(draws), N_RUNS, n_blocks)
    first = chosen * BLOCK + N_SAMPLES * np.arange(N_RUNS)[None, :, None]
    return (first[..., None] + np.arange(BLOCK)).reshape(len(draws), -1)


def run(method: str, data: tuple[Any, Any], runs: Runs, options: dict[str, Any]) -> tuple[float, float | None, Any]:
    """Time, memory and result of our test."""
    found: list[Any] = []
    if method == "block":
        options = {**options, "block_length": BLOCK}
    with peak_memory() as peak:
        time = seconds(lambda: found.append(significance(*data, runs, method=method, random_state=0, **options)))
    return time, peak.mb, found[0]


def main() -> None:
    args = arguments(
        __doc__.splitlines()[0],
        lambda parser: parser.add_argument("--targets", type=int),
        lambda parser: parser.add_argument("--permutations", type=int, default=10_000),
        lambda parser: parser.add_argument("--device", default="cpu"),
    )
    n_targets = args.targets or (6000 if args.quick else 60_000)
    runs = Runs.from_lengths([N_SAMPLES] * N_RUNS, 1.5)
    data = make_data(n_targets)
    options = {"n_permutations": args.permutations, "device": args.device}
    env = environment(n_targets=n_targets, permutations=args.permutations, device=args.device)
    rows = [_blocks(data, runs, options, args)]
    save("permutation", rows, env, quick=args.quick)
    shift_s, shift_mb, _ = run("shift", data, runs, options)
    rows.append(Row("shifts", ours="circular shifts of runs, family-wise p too", ours_s=shift_s, peak_mb=shift_mb))
    agreed = bool(rows[0].agreement and rows[0].agreement["same_p"])
    finish("permutation", rows, env, agreed=agreed, quick=args.quick)


def _blocks(data: tuple[Any, Any], runs: Runs, options: dict[str, Any], args: argparse.Namespace) -> Row:
    run("block", tuple(values[:, :512] for values in data), runs, options)  # type: ignore[arg-type]  # warm up
    ours_s, peak_mb, found = run("block", data, runs, options)
    ways = Blocks.of_length(runs, BLOCK)
    orders = orders_of(ways, ways.draw(args.permutations, np.random.default_rng(0)))
    some = slice(0, CHECKED)
    expected = plain_loop(data[0][:, some], data[1][:, some], orders)
    difference = float(np.abs(expected - found.p[some]).max())
    few = orders[: 30 if args.quick else 60]
    peer_s = seconds(lambda: plain_loop(*data, few)) * len(orders) / len(few)
    agreement = {"same_p": difference <= 2.5 / len(orders), "largest_difference_of_p": difference}
    if not args.quick and args.device == "cpu":
        agreement |= {
            f"under_{GOAL_S}_s": ours_s < GOAL_S,
            f"over_{GOAL_RATIO}_times": peer_s / ours_s >= GOAL_RATIO,
            f"under_{GOAL_MB}_mb": peak_mb is None or peak_mb < GOAL_MB,
        }
    return Row(
        "block_permutation",
        ours="p and family-wise p of all targets",
        peer=f"plain numpy loop, timed on {len(few)} permutations and scaled",
        ours_s=ours_s,
        peer_s=peer_s,
        ratio=peer_s / ours_s,
        agreement=agreement,
        peak_mb=peak_mb,
    )


if __name__ == "__main__":
    main()
