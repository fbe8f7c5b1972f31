"""Held-out rows of every fold, and the responses in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from b2m_encoding.models.solver.moments import Center


@dataclass(frozen=True, eq=False)
class HeldOutRows:
    """Held-out rows of every fold.

    Parameters
    ----------
    folds : list of Tensor of int
    n_samples : int
    center : {"all", "block", "none"}
    """

    folds: list[Tensor]
    n_samples: int
    center: Center

    @property
    def intercept(self) -> bool:
        """Whether samples are centred on the mean of the training part."""
        return self.center == "all"

    @cached_property
    def all(self) -> Tensor:
        """Rows of all folds, one after the other."""
        return torch.cat(self.folds)

    @cached_property
    def place(self) -> slice | Tensor:
        """Rows of all folds, as a slice where they are consecutive."""
        return _as_slice(self.all)

    @cached_property
    def places(self) -> list[slice | Tensor]:
        """Rows of every fold, as a slice where they are consecutive."""
        return [_as_slice(rows) for rows in self.folds]

    def about_training(self, y: Tensor, error: Tensor | None = None) -> Tensor:
        """Held-out responses, or predictions from their residuals, about the training means.

        Parameters
        ----------
        y : Tensor, shape (n_samples, n_targets)
            Centred responses.
        error : Tensor, shape (n_held_out, n_targets), optional
            Residuals.

        Returns
        -------
        Tensor, shape (n_held_out, n_targets)
        """
        held = y[self.place]
        out = held.T.clone().T if error is None else held.to(error) - error
        start = 0
        for rows in self.folds if self.intercept else []:  # all samples have mean 0
            mean = -y[rows].sum(0, dtype=torch.float64) / (self.n_samples - len(rows))
            out[start : start + len(rows)] -= mean.to(out)
            start += len(rows)
        return out

    def squares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Sums of squares of every fold about the training means, and about the held-out ones, float64.

        Parameters
        ----------
        y : Tensor, shape (n_samples, n_targets)
            Centred responses.

        Returns
        -------
        squares, variation : Tensor, shape (n_folds, n_targets)
        """
        about, own = torch.zeros((2, len(self.folds), y.shape[1]), dtype=torch.float64, device=y.device)
        for fold, rows in enumerate(self.folds):
            part = y[rows]
            if self.center == "block":
                about[fold] = own[fold] = part.square().sum(0).double()
                continue
            n, mean = len(rows), part.mean(0, dtype=torch.float64)
            own[fold] = (part - mean.to(part)).square().sum(0).double()
            away = mean * (1 + n / (self.n_samples - n)) if self.intercept else mean  # to the training mean, or to 0
            about[fold] = own[fold] + n * away**2
        return about, own


def _as_slice(rows: Tensor) -> slice | Tensor:
    """Return rows as a slice where they are consecutive."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 != len(rows) or not bool((rows.diff() == 1).all()):
        return rows
    return slice(first, last + 1)
