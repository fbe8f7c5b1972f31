"""Choice of the arrangements of a permutation test, with the autocorrelation that their cuts interrupt."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.stats.arrangements import (
    MIN_ARRANGEMENTS,
    Arrangements,
    Blocks,
    Shifts,
    check_arrangements,
    clips_can_move,
)
from b2m_encoding.stats.autocorrelation import Autocorrelation, continuity_of_clips, joint_autocorrelation
from b2m_encoding.stats.repeats import Together, copies_of_samples

logger = logging.getLogger(__name__)
Method = Literal["auto", "shift", "block", "clip", "paper"]
MIN_INDEPENDENT = 10_000
"""Independent shifts that the method ``auto`` needs to choose circular shifts."""
MIN_LEFT = 0.7
"""Share of variance that cuts may leave before a warning."""


def arrangements_of(
    predicted: Floating, measured: Floating, runs: Runs, *, method: Method = "auto", block_length: int | None = None
) -> tuple[Method, Arrangements, Autocorrelation]:
    """Choose the arrangements of these series, with the autocorrelation that their cuts interrupt.

    Parameters
    ----------
    predicted, measured, runs, method, block_length
        As in :func:`significance`.

    Returns
    -------
    method : str
    ways : Arrangements
    reach : Autocorrelation
        For whole clips, the part that extends across their borders.
    """
    reach = joint_autocorrelation(predicted, measured, runs)
    name, ways = choose_arrangements(runs, method, block_length, reach)
    if name == "clip":
        share = continuity_of_clips(predicted, measured, runs)
        reach = Autocorrelation(reach.spread, reach.edge * share)
    return name, ways, reach


def choose_arrangements(
    runs: Runs, method: Method, block_length: int | None, reach: Autocorrelation
) -> tuple[Method, Arrangements]:
    """Build the arrangements of a method; ``auto`` chooses the method that fits the runs.

    All presentations of a clip move alike.
    """
    if method not in get_args(Method) or method == "paper":
        raise InputError("unknown method of rearrangement", found=method, expected="auto, shift, block or clip")
    if block_length is not None and method != "block":
        raise InputError("only the method block has a block length", found=f"method {method}")
    copies = copies_of_samples(runs)
    if copies is not None:
        name, ways = choose_arrangements(runs.take(copies[0]), method, block_length, reach)
        return name, Together(ways, copies)
    if method == "auto":
        sizes = [rows.stop - rows.start for rows in runs.slices.values()]
        independent = np.sum(np.log10([max(size / reach.spread, 1.0) for size in sizes]))
        few: Method = "clip" if clips_can_move(runs) else "block"
        method = "shift" if independent >= np.log10(MIN_INDEPENDENT) else few
    if method == "block" and block_length is not None:
        check_arrangements([rows.stop - rows.start for rows in runs.slices.values()], block_length)
    build: dict[str, Callable[[], Arrangements]] = {
        "shift": lambda: Shifts(runs),
        "clip": lambda: Blocks.of_clips(runs),
        "block": lambda: Blocks.longest(runs) if block_length is None else Blocks.of_length(runs, block_length),
    }
    ways = build[method]()
    if ways.count < MIN_ARRANGEMENTS:
        raise InputError(
            f"too few arrangements for a permutation test by method {method}",
            found=f"{ways.count} in {len(runs.names)} run(s) of {len(runs)} samples",
            expected=f"at least {MIN_ARRANGEMENTS}",
            fix="test on more runs, or on a longer one",
        )
    return method, ways


def length_of_blocks(ways: Arrangements) -> int:
    """Samples of a block that changes its place; 0 where no blocks of one length do."""
    ways = ways.ways if isinstance(ways, Together) else ways
    return ways.groups[0][1] if isinstance(ways, Blocks) else 0


def widening_of(method: str, ways: Arrangements, reach: Autocorrelation) -> float:
    """Factor that gives permuted r the variance it would have without cuts."""
    left = reach.share_left(ways.pieces)
    if left < MIN_LEFT:
        logger.warning(
            "method %s cuts the runs so often that the null distribution keeps %.0f %% of its variance, because the "
            "autocorrelation reaches %.1f samples: it is widened by as much, but circular shifts, longer blocks or "
            "more runs are better",
            method, 100 * left, reach.spread,
        )  # fmt: skip
    return float(left**-0.5)
