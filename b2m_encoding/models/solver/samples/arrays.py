"""Samples of a fit: features and responses of all used samples, block after block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from b2m_encoding.models.solver.devices import tensor
from b2m_encoding.models.solver.moments import Center

ROWS = 1024
"""Samples that are centred at a time."""


@dataclass(frozen=True, eq=False)
class Centred:
    """Centred responses.

    Parameters
    ----------
    values : Tensor, shape (n_samples, n_targets)
    mean : Tensor of float64, shape (n_targets,)
        Of all samples.
    """

    values: Tensor
    mean: Tensor


@dataclass(frozen=True, eq=False)
class Samples:
    """Features and responses of all used samples.

    Parameters
    ----------
    X : Tensor, shape (n_samples, n_features)
    Y : Tensor, shape (n_samples, n_targets)
        Without missing values.
    rows : dict of str to slice
        Rows of every block, in order.
    """

    X: Tensor
    Y: Tensor
    rows: Mapping[str, slice]
    _centred: dict[tuple[Center, torch.dtype], Centred] = field(default_factory=dict)

    @classmethod
    def of_blocks(cls, blocks: Mapping[str, tuple[Any, Any]]) -> Samples:
        """Join the features and responses of every block."""
        lengths = {name: len(x) for name, (x, _) in blocks.items()}
        X, Y = (torch.cat([tensor(block[i]) for block in blocks.values()]) for i in (0, 1))
        return cls(X, Y, rows_of(lengths))

    def __len__(self) -> int:
        return len(self.X)

    def index(self, blocks: Iterable[str]) -> Tensor:
        """Rows of some blocks, one after the other."""
        return torch.cat([torch.arange(self.rows[name].start, self.rows[name].stop) for name in blocks])

    def columns(self, keep: Tensor) -> Samples:
        """Samples of some features; what was centred is shared."""
        return replace(self, X=self.X[:, keep.to(self.X.device)])

    def without(self, blocks: Iterable[str]) -> Samples:
        """Samples of the other blocks."""
        left_out = set(blocks)
        kept = [name for name in self.rows if name not in left_out]
        at = self.index(kept)
        lengths = {name: self.rows[name].stop - self.rows[name].start for name in kept}
        return Samples(self.X[at], self.Y[at], rows_of(lengths))

    def centred_features(self, center: Center) -> tuple[Tensor, Tensor]:
        """Features in float64 about their means, or about those of every block, and the means of all samples."""
        x = self.X.double()
        mean = x.mean(0)
        if center == "block":
            return torch.cat([x[rows] - x[rows].mean(0) for rows in self.rows.values()]), mean
        return x - mean, mean

    def centred_responses(self, center: Center, dtype: torch.dtype) -> Centred:
        """Responses about their means, or about those of every block; computed once."""
        if (center, dtype) not in self._centred:
            self._centred[center, dtype] = self._centre(center, dtype)
        return self._centred[center, dtype]

    def _centre(self, center: Center, dtype: torch.dtype) -> Centred:
        shift = self.Y[0].clone()  # a sample: it keeps the digits of raw responses, whose mean is large
        values = torch.empty(self.Y.shape, dtype=dtype)
        for start in range(0, len(values), ROWS):
            part = slice(start, start + ROWS)
            values[part] = (self.Y[part] - shift).to(dtype)
        mean = values.sum(0, dtype=torch.float64) / len(values)
        for rows in self.rows.values() if center == "block" else [slice(None)]:
            block = values[rows]
            block -= (mean if center == "all" else block.sum(0, dtype=torch.float64) / len(block)).to(dtype)
        return Centred(values, mean + shift.double())


def rows_of(lengths: Mapping[str, int]) -> dict[str, slice]:
    """Rows of blocks that follow each other."""
    stops = torch.tensor(list(lengths.values())).cumsum(0).tolist()
    return {name: slice(stop - n, stop) for (name, n), stop in zip(lengths.items(), stops, strict=True)}


def rows_of_folds(samples: Samples, folds: Sequence[Sequence[str]]) -> list[Tensor]:
    """Held-out rows of every fold."""
    return [samples.index(fold) for fold in folds]
