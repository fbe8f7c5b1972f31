"""Presentations of one stimulus as one unit: rearranged together, drawn together, their signs flipped together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from b2m_encoding._typing import Integers
from b2m_encoding.runs import Runs
from b2m_encoding.stats.arrangements import Arrangements

if TYPE_CHECKING:
    from torch import Tensor

NONE = -1


def first_presentations(runs: Runs) -> Integers:
    """Find for every sample the row of the first presentation of the same moment of the same clip.

    Parameters
    ----------
    runs : Runs

    Returns
    -------
    array of int, shape (n_samples,)
        The row itself where no clip is presented.

    Notes
    -----
    Where folds cut a presentation, its pieces keep its number: moments of a later piece are none of the first.

    Examples
    --------
    >>> first_presentations(Runs.from_labels(list("aaabbb"), 1.5, clip=["x", "x", "", "y", "x", "x"])).tolist()
    [0, 1, 2, 3, 0, 1]
    >>> pieces = Runs.from_labels(list("aabb"), 1.5, clip=["x"] * 4, presentation=[0] * 4)
    >>> first_presentations(pieces).tolist()
    [0, 1, 2, 3]
    """
    first, seen = np.arange(len(runs)), dict[tuple[str, int], int]()
    passed = Counter[tuple[str, int]]()
    for rows in runs.presentations:
        clip = str(runs.clip[rows.start])
        piece = clip, int(runs.presentation[rows.start])
        for position, row in enumerate(range(rows.start, rows.stop), passed[piece]):
            first[row] = seen.setdefault((clip, position), row)
        passed[piece] += rows.stop - rows.start
    return first


def copies_of_samples(runs: Runs) -> Integers | None:
    """List the presentations of every different sample; None if no clip is presented twice.

    Parameters
    ----------
    runs : Runs

    Returns
    -------
    array of int, shape (n_presentations, n_different), or None
        Rows; -1 where a clip is presented less often.
    """
    first = first_presentations(runs)
    if (first == np.arange(len(runs))).all():
        return None
    _, unit, counts = np.unique(first, return_inverse=True, return_counts=True)
    order = np.argsort(unit, kind="stable")
    number = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    copies = np.full((counts.max(), len(counts)), NONE)
    copies[number, unit[order]] = order
    return copies


def different_samples(runs: Runs) -> Runs:
    """Select the first presentation of every stimulus."""
    return runs.take(first_presentations(runs) == np.arange(len(runs)))


@dataclass(frozen=True, eq=False)
class Together:
    """Arrangements of different samples, in which all presentations of a stimulus move alike.

    Copies of a stimulus are not independent: a response that follows the stimulus, but not the features, is the same in
    each. Moved apart, they would make the null distribution too narrow.

    Parameters
    ----------
    ways : Arrangements
        Of the first presentations.
    copies : array of int, shape (n_presentations, n_different)
        See :func:`copies_of_samples`.
    """

    ways: Arrangements
    copies: Integers

    @property
    def count(self) -> int:
        """Number of different arrangements."""
        return self.ways.count

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """Pieces of the different samples."""
        return self.ways.pieces

    @property
    def identity(self) -> Integers:
        """Rows of the table of the true inner product."""
        return self.ways.identity

    @property
    def n_rows(self) -> int:
        """Rows of the table."""
        return self.ways.n_rows

    def draw(self, n: int, generator: np.random.Generator) -> Integers:
        """Draw rows of arrangements."""
        return self.ways.draw(n, generator)

    def table(self, predicted: Tensor, measured: Tensor) -> Tensor:
        """Inner products of the first presentations, plus those of the second, and so on."""
        import torch

        parts = []
        for rows in self.copies:
            present = torch.from_numpy((rows != NONE).astype(np.float32)).to(predicted)[:, None]
            parts.append(self.ways.table(predicted[rows] * present, measured[rows] * present))
        return torch.stack(parts).sum(dim=0)

    def variance(self, table: Tensor) -> Tensor:
        """Variance of an inner product over all arrangements."""
        return self.ways.variance(table)

    def sources(self, n: int, generator: np.random.Generator) -> Integers:
        """Draw the row that comes to each row: the same presentation of another sample, or its last one."""
        moved = self.ways.sources(n, generator)
        rows = np.empty(((self.copies != NONE).sum(), n), dtype=np.int64)
        counts = (self.copies != NONE).sum(axis=0)
        for number, own in enumerate(self.copies):
            there = own != NONE
            rows[own[there]] = self.copies[np.minimum(number, counts[moved[there]] - 1), moved[there]]
        return rows
