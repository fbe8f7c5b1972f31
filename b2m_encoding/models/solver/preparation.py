"""The linear map of the columns of X that precedes ridge: standardisation, delay prior, scaling of feature spaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Preparation:
    """Standardisation, delay prior and scaling of feature spaces as one linear map ``M`` of the columns of X.

    Parameters
    ----------
    standardize : bool
        Divide every feature by its standard deviation in the training part at hand.
    widths : sequence of int
        Columns of each feature space.
    prior : Tensor or None, shape (n_delays, n_delays)
        A root of the prior covariance of the weights over delays (Nunez-Elizalde 2019,
        doi 10.1016/j.neuroimage.2019.04.012); None for independent delays.
    """

    standardize: bool
    widths: Sequence[int]
    prior: Tensor | None = None

    def inverse_deviations(self, squares: Tensor, mean: Tensor, count: int) -> Tensor:
        """1 / standard deviation of each column, 0 where it does not vary; all 1 without standardisation."""
        if not self.standardize:
            return torch.ones_like(squares)
        sd = (squares / count).clamp_min(0).sqrt()
        return torch.where(sd > 1e-10 * mean.abs(), 1 / sd, 0.0)

    def apply(self, X: Tensor, inverse_sd: Tensor, scaling: Tensor | None) -> Tensor:
        """``X M``, shape (n_samples, n_features)."""
        X = self._smooth(X * inverse_sd.to(X), transpose=False)
        return X if scaling is None else X * scaling.to(X)

    def back(self, W: Tensor, inverse_sd: Tensor, scaling: Tensor | None) -> Tensor:
        """``M W``: weights of the prepared features as weights of the original ones, shape (n_features, ...)."""
        if scaling is not None:
            W = W * scaling.to(W)[:, None]
        return self._smooth(W.T, transpose=True).T * inverse_sd.to(W)[:, None]

    def _smooth(self, X: Tensor, *, transpose: bool) -> Tensor:
        if self.prior is None:
            return X
        root = (self.prior.T if transpose else self.prior).to(X)
        parts = torch.split(X, list(self.widths), dim=1)
        return torch.cat([(part.reshape(len(part), len(root), -1).mT @ root).mT.flatten(1) for part in parts], dim=1)

    def column_scales(self, scaling: Tensor | None) -> Tensor | None:
        """Square roots of one scaling per feature space, for each column, shape (n_features,)."""
        if scaling is None:
            return None
        return scaling.double().sqrt().repeat_interleave(torch.tensor(list(self.widths), device=scaling.device))
