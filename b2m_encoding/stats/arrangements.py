"""Rearrangements of a prediction within its runs: permuted blocks, or circular shifts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import factorial, prod
from typing import TYPE_CHECKING, Protocol

import numpy as np

from b2m_encoding._typing import Integers
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs

if TYPE_CHECKING:
    from torch import Tensor

MIN_ARRANGEMENTS = 1000
"""Fewer arrangements give no p value below 0.001: too coarse for a map of many targets."""
GOOD_ARRANGEMENTS = 10_000
MIN_MOVING = 0.9
"""Share of the samples that must move where whole clips are rearranged by default."""


class Arrangements(Protocol):
    """A set of rearrangements under which the inner product of two series is a sum of stored parts.

    Rearranging leaves means and variances unchanged, so that a permuted r is a sum of rows of one table of inner
    products, computed once. The choice of rows is the same for every target.
    """

    @property
    def count(self) -> int:
        """Number of different arrangements."""

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """Number of samples that move, and number of contiguous pieces they are cut into, per run."""

    @property
    def identity(self) -> Integers:
        """Rows of the table that add up to the true inner product of the moving samples, shape (n_parts,)."""

    @property
    def n_rows(self) -> int:
        """Rows of the table."""

    def draw(self, n: int, generator: np.random.Generator) -> Integers:
        """Draw rows of ``n`` random arrangements, the identity among the possible ones, shape (n, n_parts)."""

    def table(self, predicted: Tensor, measured: Tensor) -> Tensor:
        """Inner products of the moving samples, about their mean in each run, shape (n_rows, n_targets)."""

    def variance(self, table: Tensor) -> Tensor:
        """Variance of an inner product over all arrangements, exactly, shape (n_targets,)."""

    def sources(self, n: int, generator: np.random.Generator) -> Integers:
        """Draw the row that comes to each row, shape (n_samples, n)."""


@dataclass(frozen=True, eq=False)
class Shifts:
    """Circular shifts, a different one in every run, the same for all targets.

    All shifts are drawn, 0 and small ones too: only then are they a group, and the test exact for a series that
    is stationary on the circle. Leaving out small shifts ("beyond the haemodynamic response"), as some tools do,
    made up to 20 % false positives at 5 % in our simulations of short runs (``benchmarks/calibration.py``).
    """

    runs: Runs

    @cached_property
    def _rows(self) -> list[slice]:
        return list(self.runs.slices.values())

    @property
    def count(self) -> int:
        """Product of the lengths of the runs."""
        return prod(rows.stop - rows.start for rows in self._rows)

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """Every run in two pieces."""
        return [(rows.stop - rows.start, 2) for rows in self._rows]

    @property
    def identity(self) -> Integers:
        """The row of shift 0 of every run."""
        return np.array([rows.start for rows in self._rows])

    @property
    def n_rows(self) -> int:
        """One row per sample."""
        return len(self.runs)

    def draw(self, n: int, generator: np.random.Generator) -> Integers:
        """Draw one shift per run, of any size."""
        return np.stack([generator.integers(rows.start, rows.stop, n) for rows in self._rows], axis=1)

    def table(self, predicted: Tensor, measured: Tensor) -> Tensor:
        """Inner products of all shifts by Fourier transforms; row ``start + s`` is the shift of a run by ``s``."""
        import torch  # a check of a study counts arrangements without it

        table = torch.empty_like(predicted)
        for rows in self._rows:
            a, b = (torch.fft.rfft(values[rows], dim=0) for values in (predicted, measured))
            product = a.conj() * b
            product[0] = 0  # the means
            table[rows] = torch.fft.irfft(product, n=rows.stop - rows.start, dim=0)
        return table

    def variance(self, table: Tensor) -> Tensor:
        """Sum over runs of the variance over shifts, which are independent."""
        import torch

        return torch.stack([table[rows].var(dim=0, correction=0) for rows in self._rows]).sum(dim=0)

    def sources(self, n: int, generator: np.random.Generator) -> Integers:
        """Draw shifts; the row that comes to each row."""
        parts = []
        for rows in self._rows:
            length = rows.stop - rows.start
            parts.append(rows.start + (np.arange(length)[:, None] + generator.integers(0, length, n)) % length)
        return np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class Blocks:
    """Permutations of blocks of samples within the same run, among blocks of the same length.

    Parameters
    ----------
    groups : tuple of (first rows, length)
        Exchangeable blocks. Samples in no block stay in place.
    n_samples : int
    """

    groups: tuple[tuple[Integers, int], ...]
    n_samples: int

    @classmethod
    def of_length(cls, runs: Runs, length: int) -> Blocks:
        """Cut every run into blocks of ``length`` samples; the shorter rest of a run stays in place."""
        _check_length(length)
        starts = [
            (rows.start + np.arange((rows.stop - rows.start) // length) * length, length)
            for rows in runs.slices.values()
        ]
        return cls(tuple(group for group in starts if len(group[0]) > 1), len(runs))

    @classmethod
    def of_clips(cls, runs: Runs) -> Blocks:
        """Take whole clips as blocks: clips of the same run and length are exchangeable."""
        groups: dict[tuple[str, int], list[int]] = {}
        for rows in runs.presentations:
            groups.setdefault((str(runs.run[rows.start]), rows.stop - rows.start), []).append(rows.start)
        some = tuple((np.array(starts), length) for (_, length), starts in groups.items() if len(starts) > 1)
        return cls(some, len(runs))

    @classmethod
    def longest(cls, runs: Runs) -> Blocks:
        """Take the longest blocks that leave 10,000 arrangements (at least 1,000), and so the fewest cuts."""
        lengths = [rows.stop - rows.start for rows in runs.slices.values()]
        for enough in (GOOD_ARRANGEMENTS, MIN_ARRANGEMENTS):
            for length in range(max(lengths) // 2, 0, -1):
                if _count(lengths, length) >= enough:
                    return cls.of_length(runs, length)
        check_arrangements(lengths, 1)
        raise AssertionError  # pragma: no cover

    @property
    def count(self) -> int:
        """Product of the factorials of the group sizes."""
        return prod(factorial(len(starts)) for starts, _ in self.groups)

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """As many pieces as blocks."""
        return [(len(starts) * length, len(starts)) for starts, length in self.groups]

    @property
    def identity(self) -> Integers:
        """Rows of the unpermuted blocks."""
        return np.concatenate([places + np.arange(len(places)) for places in self._places()])

    @property
    def n_rows(self) -> int:
        """Every pair of blocks of a group."""
        return sum(len(starts) ** 2 for starts, _ in self.groups)

    def draw(self, n: int, generator: np.random.Generator) -> Integers:
        """Draw one order per group."""
        orders = [generator.permuted(np.tile(np.arange(len(starts)), (n, 1)), axis=1) for starts, _ in self.groups]
        return np.concatenate([p + order for p, order in zip(self._places(), orders, strict=True)], axis=1)

    def _places(self) -> list[Integers]:
        """First table row of every position of a block, by group."""
        sizes = [len(starts) for starts, _ in self.groups]
        offsets = np.cumsum([0] + [size**2 for size in sizes])
        return [offset + size * np.arange(size) for offset, size in zip(offsets, sizes, strict=False)]

    def table(self, predicted: Tensor, measured: Tensor) -> Tensor:
        """Inner products of every block position with every block of its group."""
        import torch

        parts = []
        for starts, length in self.groups:
            rows = torch.from_numpy(starts[:, None] + np.arange(length)).to(predicted.device)
            a, b = (values[rows].permute(2, 0, 1) for values in (predicted, measured))  # target, block, sample
            a = a - a.mean(dim=(1, 2), keepdim=True)
            parts.append((b @ a.transpose(1, 2)).permute(1, 2, 0).reshape(len(starts) ** 2, -1))
        return torch.cat(parts)

    def variance(self, table: Tensor) -> Tensor:
        """Variance of a random assignment: squares of the table without row and column means, over m - 1, by group."""
        import torch

        parts, first = [], 0
        for starts, _ in self.groups:
            m = len(starts)
            square = table[first : first + m * m].reshape(m, m, -1)
            left = square - square.mean(0, keepdim=True) - square.mean(1, keepdim=True) + square.mean((0, 1))
            parts.append((left**2).sum((0, 1)) / (m - 1))
            first += m * m
        return torch.stack(parts).sum(dim=0)

    def sources(self, n: int, generator: np.random.Generator) -> Integers:
        """Draw orders of the blocks; the row that comes to each row."""
        rows = np.tile(np.arange(self.n_samples)[:, None], n)
        for starts, length in self.groups:
            order = generator.permuted(np.tile(np.arange(len(starts))[:, None], n), axis=0)
            for place, start in enumerate(starts):
                rows[start : start + length] = starts[order[place]] + np.arange(length)[:, None]
        return rows


def clips_can_move(runs: Runs) -> bool:
    """Whether whole clips can be rearranged: most samples belong to clips with others of their length in their run.

    Samples that never move keep their part of the true accuracy in every arrangement, and the test loses its power.
    """
    ways = Blocks.of_clips(runs)
    moving = sum(n for n, _ in ways.pieces)
    return ways.count >= GOOD_ARRANGEMENTS and moving >= MIN_MOVING * len(runs)


def check_arrangements(lengths: Iterable[int], block_length: int) -> None:
    """Raise unless runs have enough whole blocks for a permutation test.

    Parameters
    ----------
    lengths : iterable of int
        Samples of each run.
    block_length : int
        Samples per block.

    Raises
    ------
    InputError
        If there are fewer than 1,000 arrangements.
    """
    _check_length(block_length)
    count = _count(lengths, block_length)
    if count < MIN_ARRANGEMENTS:
        raise InputError(
            "too few blocks for a permutation test",
            found=f"{count} arrangements of blocks of {block_length} samples",
            expected=f"at least {MIN_ARRANGEMENTS}",
            fix="use shorter blocks or more test runs",
        )


def _check_length(block_length: int) -> None:
    if block_length < 1:
        raise InputError("a block has at least one sample", found=block_length)


def _count(lengths: Iterable[int], block_length: int) -> int:
    return prod(factorial(length // block_length) for length in lengths)
