"""Ways to rearrange a prediction inside its runs: whole blocks change places, or the run turns as a circle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import factorial, prod
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from b2m_encoding._typing import Integers
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs

MIN_ARRANGEMENTS = 1000
"""Fewer arrangements give no p value below 0.001: too coarse for a map of many targets."""
GOOD_ARRANGEMENTS = 10_000


class Arrangements(Protocol):
    """A set of rearrangements under which the inner product of two series is a sum of stored parts.

    Rearranging leaves means and variances alone, so that a permuted r is a sum of rows of one table of inner
    products, computed once: which rows, is the same for every target.
    """

    @property
    def count(self) -> int:
        """How many different arrangements there are."""

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """Samples that move, and into how many contiguous pieces they are cut, of each run."""

    @property
    def identity(self) -> Integers:
        """Rows of the table that add up to the true inner product of what moves, shape (n_parts,)."""

    @property
    def n_rows(self) -> int:
        """Rows of the table."""

    def draw(self, n: int, generator: np.random.Generator) -> Integers:
        """Rows of ``n`` random arrangements, the identity among the possible ones, shape (n, n_parts)."""

    def table(self, predicted: Tensor, measured: Tensor) -> Tensor:
        """Inner products of what moves, about its mean in each run, shape (n_rows, n_targets)."""


@dataclass(frozen=True, eq=False)
class Shifts:
    """Circular shifts of every run by its own number of samples, the same for all targets.

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
        """One shift per run, of any size."""
        return np.stack([generator.integers(rows.start, rows.stop, n) for rows in self._rows], axis=1)

    def table(self, predicted: Tensor, measured: Tensor) -> Tensor:
        """Row ``start + s`` of a run: its inner product after a shift of ``s`` samples, by Fourier transforms."""
        table = torch.empty_like(predicted)
        for rows in self._rows:
            a, b = (torch.fft.rfft(values[rows], dim=0) for values in (predicted, measured))
            product = a.conj() * b
            product[0] = 0  # the means
            table[rows] = torch.fft.irfft(product, n=rows.stop - rows.start, dim=0)
        return table


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of samples that change places with blocks of the same run and length.

    Parameters
    ----------
    groups : tuple of (first rows, length)
        Blocks that may change places with each other. Samples in no block stay where they are.
    """

    groups: tuple[tuple[Integers, int], ...]

    @classmethod
    def of_length(cls, runs: Runs, length: int) -> Blocks:
        """Cut every run into blocks of so many samples; a run's last, shorter part stays in place."""
        _check_length(length)
        starts = [
            (rows.start + np.arange((rows.stop - rows.start) // length) * length, length)
            for rows in runs.slices.values()
        ]
        return cls(tuple(group for group in starts if len(group[0]) > 1))

    @classmethod
    def of_clips(cls, runs: Runs) -> Blocks:
        """Whole clips: those of one run and one length change places."""
        groups: dict[tuple[str, int], list[int]] = {}
        for rows in runs.presentations:
            groups.setdefault((str(runs.run[rows.start]), rows.stop - rows.start), []).append(rows.start)
        return cls(tuple((np.array(starts), length) for (_, length), starts in groups.items() if len(starts) > 1))

    @classmethod
    def longest(cls, runs: Runs) -> Blocks:
        """The longest blocks that leave 10,000 arrangements (1,000 at least): fewest cuts, fewest broken edges."""
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
        """Every block in its own place."""
        return np.concatenate([places + np.arange(len(places)) for places in self._places()])

    @property
    def n_rows(self) -> int:
        """Every pair of blocks of a group."""
        return sum(len(starts) ** 2 for starts, _ in self.groups)

    def draw(self, n: int, generator: np.random.Generator) -> Integers:
        """One order per group."""
        orders = [generator.permuted(np.tile(np.arange(len(starts)), (n, 1)), axis=1) for starts, _ in self.groups]
        return np.concatenate([p + order for p, order in zip(self._places(), orders, strict=True)], axis=1)

    def _places(self) -> list[Integers]:
        """First table row of every place a block can take, by group."""
        sizes = [len(starts) for starts, _ in self.groups]
        offsets = np.cumsum([0] + [size**2 for size in sizes])
        return [offset + size * np.arange(size) for offset, size in zip(offsets, sizes, strict=False)]

    def table(self, predicted: Tensor, measured: Tensor) -> Tensor:
        """Inner products of every block's place with every block of its group."""
        parts = []
        for starts, length in self.groups:
            rows = torch.from_numpy(starts[:, None] + np.arange(length)).to(predicted.device)
            a, b = (values[rows].permute(2, 0, 1) for values in (predicted, measured))  # target, block, sample
            a = a - a.mean(dim=(1, 2), keepdim=True)
            parts.append((b @ a.transpose(1, 2)).permute(1, 2, 0).reshape(len(starts) ** 2, -1))
        return torch.cat(parts)


def check_arrangements(lengths: Iterable[int], block_length: int) -> None:
    """Raise unless runs of these lengths hold enough whole blocks to permute."""
    _check_length(block_length)
    found = _count(lengths, block_length)
    if found < MIN_ARRANGEMENTS:
        raise InputError(
            "too few blocks for a permutation test",
            found=f"{found} arrangements of blocks of {block_length} samples",
            expected=f"at least {MIN_ARRANGEMENTS}",
            fix="use shorter blocks or more test runs",
        )


def _check_length(block_length: int) -> None:
    if block_length < 1:
        raise InputError("a block has at least one sample", found=block_length)


def _count(lengths: Iterable[int], block_length: int) -> int:
    return prod(factorial(length // block_length) for length in lengths)
