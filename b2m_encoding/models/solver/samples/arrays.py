"""Samples of a fit: features and responses of all used samples, in the order in which they were measured."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding.models.solver.devices import in_chunks
from b2m_encoding.models.solver.moments import Center, too_small

NUMBERS = 2**18
"""Features of some samples that are in float64 at a time: they stay in the cache of a processor."""
COLUMNS = 4096
"""Targets that are centred at a time."""


def empty_columns(n_rows: int, n_targets: int, dtype: torch.dtype, device: torch.device | None = None) -> Tensor:
    """Return an array of undefined values, shape (n_rows, n_targets), in which every column is contiguous."""
    return torch.empty((n_targets, n_rows), dtype=dtype, device=device).T


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
    """Features and responses of all used samples; features are never copied as a whole.

    Parameters
    ----------
    X : Tensor, shape (n_samples, n_columns)
    Y : Tensor, shape (n_samples, n_targets)
        Without missing values.
    rows : dict of str to Tensor of int
        Rows of every block.
    columns : Tensor of int, optional
        Columns of X that are features; all by default.
    """

    X: Tensor
    Y: Tensor
    rows: Mapping[str, Tensor]
    columns: Tensor | None = None
    _centred: dict[tuple[Center, torch.dtype], Centred] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.X)

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.X.shape[1] if self.columns is None else len(self.columns)

    @property
    def parts(self) -> list[slice]:
        """Rows whose features are in float64 at a time."""
        step = max(1, NUMBERS // self.n_features)
        return [slice(start, start + step) for start in range(0, len(self), step)]

    def index(self, blocks: Iterable[str]) -> Tensor:
        """Rows of some blocks, one after the other."""
        return torch.cat([self.rows[name] for name in blocks])

    def of_columns(self, keep: Tensor) -> Samples:
        """Samples of some features; what was centred is shared."""
        return replace(self, columns=keep if self.columns is None else self.columns[keep])

    def of_targets(self, keep: Tensor) -> Samples:
        """Samples of some targets; what is known of the features is shared."""
        some = replace(self, Y=self.Y[:, keep.to(self.Y.device)], _centred={})
        some.__dict__.update(
            {name: self.__dict__[name] for name in ("mean", "variance", "digest") if name in self.__dict__}
        )
        return some

    def without(self, blocks: Iterable[str]) -> Samples:
        """Samples of the other blocks."""
        left_out = set(blocks)
        kept = {name: rows for name, rows in self.rows.items() if name not in left_out}
        at = torch.cat(list(kept.values())).sort().values
        new = {name: torch.searchsorted(at, rows) for name, rows in kept.items()}
        return Samples(self.X[at], self.Y[at], new, self.columns)

    def features(self, rows: slice | Tensor) -> Tensor:
        """Features of some samples."""
        part = self.X[rows]
        return part if self.columns is None else part[:, self.columns.to(part.device)]

    @cached_property
    def mean(self) -> Tensor:
        """Mean of every feature, shape (n_features,), float64."""
        total = torch.zeros(self.n_features, dtype=torch.float64)
        for part in self.parts:
            total += self.features(part).sum(0, dtype=torch.float64)
        return total / len(self)

    def centre(self, center: Center) -> Tensor:
        """Mean of every feature that is removed, shape (n_features,), float64: 0 without an intercept."""
        return torch.zeros_like(self.mean) if center == "none" else self.mean

    @cached_property
    def variance(self) -> Tensor:
        """Variance of every feature, shape (n_features,), float64; 0 where it does not vary."""
        variance = self.squares("all") / len(self)
        return torch.where(variance.sqrt() > 1e-10 * self.mean.abs(), variance, 0.0)

    def centred_features(self, center: Center) -> Iterator[tuple[slice | Tensor, Tensor]]:
        """Features in float64 about the means in use, some samples at a time."""
        if center != "block":
            for some in self.parts:
                yield some, self.features(some).double() - self.centre(center)
            return
        for rows in self.rows.values():
            mean = self.features(rows).mean(0, dtype=torch.float64)
            for part in torch.split(rows, self.parts[0].stop):
                yield part, self.features(part).double() - mean

    def squares(self, center: Center) -> Tensor:
        """Sum of squares of every feature about the means in use, shape (n_features,), float64."""
        total = torch.zeros(self.n_features, dtype=torch.float64)
        for _, part in self.centred_features(center):
            total += part.square().sum(0)
        return total

    @cached_property
    def digest(self) -> str:
        """Hash of the features."""
        total = hashlib.sha256(f"{self.X.dtype} {len(self)} {self.n_features}".encode())
        for some in self.parts:
            part: NDArray[np.uint8] = self.features(some).cpu().contiguous().view(torch.uint8).numpy()
            total.update(part.data)
        return total.hexdigest()

    def centred_responses(self, center: Center, dtype: torch.dtype) -> Centred:
        """Responses about the means in use; computed once."""
        if (center, dtype) not in self._centred:
            self._centred[center, dtype] = self._centre(center, dtype)
        return self._centred[center, dtype]

    def _centre(self, center: Center, dtype: torch.dtype) -> Centred:
        if center == "none":
            values, mean = self.Y.to(dtype), torch.zeros(self.Y.shape[1], dtype=torch.float64)
            values[:, too_small(values, mean, _squares(values))] = 0.0
            return Centred(values, mean)
        shift = self.Y[0].clone()  # a sample: it keeps the digits of raw responses, whose mean is large
        values, mean = empty_columns(len(self.Y), self.Y.shape[1], dtype), shift.double()

        def work(some: slice) -> None:
            part = values.T[some]  # a row per target
            if self.Y.dtype == dtype:
                part.copy_(self.Y[:, some].T)
                part -= shift[some, None]
            else:
                part.copy_((self.Y[:, some] - shift[some]).T)
            own = part.mean(1, dtype=torch.float64)
            mean[some] += own  # every target is in one slice
            constant = too_small(part.T, own, _squares(part.T))
            if constant.any():
                part[constant] = 0.0
            if center == "all":
                part -= own.to(dtype)[:, None]
            for rows in self.rows.values() if center == "block" else []:
                part[:, rows] -= part[:, rows].mean(1, dtype=torch.float64).to(dtype)[:, None]

        in_chunks(len(mean), COLUMNS, work, values.device)
        return Centred(values, mean)


def _squares(values: Tensor) -> Tensor:
    """Sums of squares of the columns, float64; 0 or infinite where the type of the values does not hold them."""
    squares: Tensor = torch.linalg.vector_norm(values, dim=0).double().square()
    return squares
