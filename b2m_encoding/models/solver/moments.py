"""Moments of a block of samples, and several blocks pooled into the training or the held-out part of a fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from b2m_encoding.errors import InputError
from b2m_encoding.models.solver.devices import tensor

Center = Literal["all", "block", "none"]
"""Mean that is removed: one of all samples, one of every block, or none, for a fit without intercept."""
Targets = slice | Tensor

ROWS_OF_TARGETS = 2048  # targets at a time: their samples stay in cache


@dataclass(frozen=True)
class Moments:
    """Count, means and centred products of the samples of one block.

    The products are centred on the means of the block. That keeps float32 exact enough for raw BOLD (mean 10,000,
    standard deviation 50), lets blocks be added in any order, and leaves the choice of centring until later.

    Parameters
    ----------
    count : int
        Samples.
    mean_x : Tensor of float64, shape (n_features,)
    mean_y : Tensor of float64, shape (n_targets,)
        Not finite where a target has a missing value.
    xx : Tensor of float64, shape (n_features, n_features)
    xy : Tensor, shape (n_targets, n_features)
        One row per target.
    yy : Tensor of float64, shape (n_targets,)
    """

    count: int
    mean_x: Tensor
    mean_y: Tensor
    xx: Tensor
    xy: Tensor
    yy: Tensor

    @classmethod
    def from_samples(
        cls, X: Any, Y: Any, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
    ) -> Moments:
        """Compute the moments of a block.

        Parameters
        ----------
        X, Y : array or Tensor, shape (n_samples, n_features), (n_samples, n_targets)
        dtype : torch.dtype
            Type of ``xy``.
        device : str or torch.device
        """
        x = tensor(X).to(device=device, dtype=torch.float64)
        mean_x = x.mean(0)
        x = x - mean_x
        xx, xt = x.T @ x, x.T.to(dtype).contiguous()
        n, t = Y.shape
        xy = torch.empty((t, x.shape[1]), dtype=dtype, device=device)
        mean_y, yy = (torch.empty(t, dtype=torch.float64, device=device) for _ in range(2))
        for start in range(0, t, ROWS_OF_TARGETS):
            part = slice(start, min(start + ROWS_OF_TARGETS, t))
            y = tensor(Y[:, part]).to(device)
            y = y if y.dtype in (torch.float32, torch.float64) else y.double()  # differences of others may wrap around
            shift = y[0]  # x is centred, so any constant is right; a sample keeps the digits, and what is constant so
            y = (y - shift).to(dtype)
            rest = y.sum(0).double() / n
            mean_y[part] = shift.double() + rest
            yy[part] = (y * y).sum(0).double() - n * rest**2
            vanishing = too_small(y, mean_y[part], yy[part])
            xy[part] = y.nan_to_num_(0.0, 0.0, 0.0).T @ xt.T
            resolution = 4 * torch.finfo(shift.dtype).eps
            rounding = vanishing | ((yy[part] / n).sqrt() <= resolution * mean_y[part].abs())
            yy[part][rounding], xy[part][rounding] = 0.0, 0.0
        return cls(n, mean_x, mean_y, xx, xy, yy.clamp_min_(0.0))

    def __add__(self, other: Moments) -> Moments:
        """Moments of the samples of both."""
        count = self.count + other.count
        weight = self.count * other.count / count
        dx, dy = other.mean_x - self.mean_x, other.mean_y - self.mean_y
        finite = dy.nan_to_num(0.0, 0.0, 0.0)
        return Moments(
            count,
            self.mean_x + dx * (other.count / count),
            self.mean_y + dy * (other.count / count),
            self.xx + other.xx + weight * torch.outer(dx, dx),
            self.xy + other.xy + (weight * torch.outer(finite, dx)).to(self.xy.dtype),
            self.yy + other.yy + weight * dy**2,
        )

    def columns(self, keep: Tensor) -> Moments:
        """Moments of some features; those of neighbours are views, not copies."""
        together = len(keep) > 0 and bool((keep.diff() == 1).all())
        own = slice(int(keep[0]), int(keep[-1]) + 1) if together else keep
        return replace(self, mean_x=self.mean_x[own], xx=self.xx[own][:, own], xy=self.xy[:, own])

    def targets(self, keep: slice | Tensor) -> Moments:
        """Moments of some targets."""
        return replace(self, mean_y=self.mean_y[keep], xy=self.xy[keep], yy=self.yy[keep])


def too_small(y: Tensor, mean: Tensor, squares: Tensor) -> Tensor:
    """Find targets that vary, though so little that their squares vanish or lose digits: to count as constant.

    Parameters
    ----------
    y : Tensor, shape (n_samples, n_targets)
        About a constant.
    mean, squares : Tensor of float64, shape (n_targets,)
        Means, not finite where a value is missing, and sums of squares.

    Returns
    -------
    Tensor of bool, shape (n_targets,)

    Raises
    ------
    InputError
        If squares overflow, or if it is so for most targets: their unit does not suit their type.
    """
    doubtful = mean.isfinite() & ((squares < torch.finfo(y.dtype).tiny) | ~squares.isfinite())
    if not doubtful.any():
        return doubtful
    size = y.abs().amax(0)
    wrong = doubtful & (size > 0)
    large = wrong & ~squares.isfinite()
    if large.any() or int(wrong.sum()) > max(1, int((mean.isfinite() & (size > 0)).sum()) // 2):
        shown = float(size[large if large.any() else wrong][0])
        raise InputError(
            "responses are too small or too large for their type",
            found=f"variation of {shown:.3g} in {y.dtype}, {int(wrong.sum()):,} of {len(wrong):,} targets",
            fix='change their unit (multiply them by a power of ten), or use precision="float64"',
        )
    return wrong


@dataclass(frozen=True, eq=False)
class Pool:
    """Several blocks as one, centred as asked, without reading samples again.

    Parameters
    ----------
    blocks : sequence of Moments
    center : {"all", "block", "none"}
        Centre all samples on one mean, every block on its own mean, or nothing, so that the means in use are 0.
    about : Pool, optional
        With ``center="all"``, the pool whose mean to use: the training part, when this is the held-out part.
    complement : (Tensor, sequence of Moments), optional
        The sum of ``xy`` over all blocks, and the blocks to subtract: fewer operations than the sum over ``blocks``.
    """

    blocks: Sequence[Moments]
    center: Center = "all"
    about: Pool | None = None
    complement: tuple[Tensor, Sequence[Moments]] | None = None

    @cached_property
    def count(self) -> int:
        """Number of samples."""
        return sum(block.count for block in self.blocks)

    @cached_property
    def _counts(self) -> Tensor:
        first = self.blocks[0].mean_x
        return torch.tensor([block.count for block in self.blocks], dtype=torch.float64, device=first.device)

    @cached_property
    def mean_x(self) -> Tensor:
        """Mean of every feature."""
        if self.center == "none":
            return torch.zeros_like(self.blocks[0].mean_x)
        return self._counts @ torch.stack([block.mean_x for block in self.blocks]) / self.count

    @cached_property
    def mean_y(self) -> Tensor:
        """Mean of every target; 0 where it has missing values."""
        if self.center == "none":
            return torch.zeros_like(self.blocks[0].mean_y)
        means = torch.stack([block.mean_y for block in self.blocks]).nan_to_num(0.0, 0.0, 0.0)
        return self._counts @ means / self.count

    @cached_property
    def _steps(self) -> tuple[Tensor, Tensor]:
        """Distances of the means of the blocks from the mean in use."""
        about = self.about or self
        x = torch.stack([block.mean_x for block in self.blocks]) - about.mean_x
        y = torch.stack([block.mean_y for block in self.blocks]).nan_to_num(0.0, 0.0, 0.0) - about.mean_y
        return x, y

    @cached_property
    def xx(self) -> Tensor:
        """Centred X'X, float64."""
        within = self.blocks[0].xx.clone()
        for block in self.blocks[1:]:
            within += block.xx
        if self.center == "block":
            return within
        x, _ = self._steps
        return within.addmm_(x.T * self._counts, x)

    def xy(self, targets: Targets) -> Tensor:
        """Centred X'Y of some targets, one row per target."""
        if self.complement is None:
            within = self.blocks[0].xy[targets].clone()
            for block in self.blocks[1:]:
                within += block.xy[targets]
        else:
            total, left_out = self.complement
            within = total[targets].clone()
            for block in left_out:
                within -= block.xy[targets]
        if self.center == "block":
            return within
        x, y = self._steps
        return within.addmm_((y[:, targets].T * self._counts).to(within.dtype), x.to(within.dtype))

    @cached_property
    def yy(self) -> Tensor:
        """Centred sum of squares of every target, float64."""
        within = torch.stack([block.yy for block in self.blocks]).sum(0).nan_to_num(0.0, 0.0, 0.0)
        if self.center == "block":
            return within
        return within + self._counts @ self._steps[1] ** 2
