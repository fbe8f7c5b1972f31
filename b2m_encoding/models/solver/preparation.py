"""The linear map of the columns of X that precedes ridge: standardisation, delay prior, scaling of feature spaces.

A ridge penalty takes the weights at all delays to be equally large. The haemodynamic response is not: a delay
of 12 s explains next to nothing, and its weights fit noise. Their prior standard deviation is therefore the height of
the canonical response at that delay, never below a fifth of its peak, so that no delay is excluded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.stats import gamma
from torch import Tensor

from b2m_encoding._typing import Float64
from b2m_encoding.models.solver.devices import eigh

DelayPrior = Literal["hrf", "flat"]
FLOOR = 0.2
"""Smallest prior standard deviation, as a share of the largest one."""
PEAK_TIME = 5.0
"""Peak of the canonical response, s."""


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


def response_heights(delays: Sequence[float]) -> Float64:
    """Prior standard deviation at each delay: the canonical double-gamma response (Glover 1999) and a floor.

    Parameters
    ----------
    delays : sequence of float
        Seconds.

    References
    ----------
    Glover 1999, doi 10.1006/nimg.1998.0419; Friston et al. 1998, doi 10.1006/nimg.1997.0306.

    Examples
    --------
    >>> response_heights([0.0, 3.0, 5.0, 12.0]).round(2)
    array([0.2 , 0.61, 1.02, 0.2 ])
    """
    times = np.asarray(delays, dtype=float)
    height = (gamma.pdf(times, 6) - gamma.pdf(times, 16) / 6) / gamma.pdf(PEAK_TIME, 6)
    return np.asarray(np.hypot(height, FLOOR))


def delay_prior_root(delays: Sequence[float] | None, prior: DelayPrior, smoothness: float | None) -> Tensor | None:
    """Root of the prior covariance of the weights over delays, shape (n_delays, n_delays); its mean variance is 1.

    Parameters
    ----------
    delays : sequence of float or None
        Seconds.
    prior : {"hrf", "flat"}
    smoothness : float or None
        Width in seconds of a Gaussian covariance between delays; None for independent ones.

    Returns
    -------
    Tensor of float64, or None
        None where all delays are alike and independent, or where there is only one.
    """
    if delays is None or len(delays) < 2 or (prior == "flat" and not smoothness):
        return None
    times = torch.tensor(list(delays), dtype=torch.float64)
    covariance = torch.eye(len(times), dtype=torch.float64)
    if smoothness:
        covariance = torch.exp(-0.5 * ((times[:, None] - times) / smoothness) ** 2)
    if prior == "hrf":
        heights = torch.from_numpy(response_heights(delays))
        covariance = heights[:, None] * covariance * heights
    values, vectors = eigh(covariance * (len(times) / covariance.trace()))
    return vectors * values.sqrt()
