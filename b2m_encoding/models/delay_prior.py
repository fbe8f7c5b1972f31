r"""Prior covariance of the weights over delays: how large they may be at each, and how alike at neighbouring ones.

A ridge penalty takes the weights at all delays to be equally large. The haemodynamic response is not: a delay
of 12 s explains next to nothing, and its weights fit noise. Their prior standard deviation is therefore the height of
the canonical response at that delay, never below a fifth of its peak, so that no delay is excluded. Nor does it jump:
weights at delays less than a second or two apart are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from scipy.stats import gamma
from torch import Tensor

from b2m_encoding._typing import Float64
from b2m_encoding.features.delays import canonical_response
from b2m_encoding.models.penalties import SMOOTHNESS
from b2m_encoding.models.solver.devices import eigh

DelayPrior = Literal["hrf", "flat"]
FLOOR = 0.2
"""Smallest prior standard deviation, as a share of the largest one."""
PEAK_TIME = 5.0
"""Peak of the canonical response, s."""


def response_heights(delays: Sequence[float]) -> Float64:
    """Prior standard deviation at each delay: the canonical response and a floor.

    Parameters
    ----------
    delays : sequence of float
        Seconds.

    Examples
    --------
    >>> response_heights([0.0, 3.0, 5.0, 12.0]).round(2)
    array([0.2 , 0.61, 1.02, 0.2 ])
    """
    times = np.asarray(delays, dtype=float)
    height = canonical_response(times) / gamma.pdf(PEAK_TIME, 6)
    return np.asarray(np.hypot(height, FLOOR))


def delay_prior_root(delays: Sequence[float] | None, prior: DelayPrior, smoothness: float | None) -> Tensor | None:
    """Root of the prior covariance of the weights over delays, shape (n_delays, n_delays); its mean variance is 1.

    Parameters
    ----------
    delays : sequence of float or None
        Seconds.
    prior : {"hrf", "flat"}
    smoothness : float or None
        Width in seconds of a Gaussian covariance between delays; None for 1.5 s with the prior "hrf", and for
        independent delays with "flat".

    Returns
    -------
    Tensor of float64, or None
        None where all delays are alike and independent, or where there is only one.
    """
    if delays is None or len(delays) < 2 or (prior == "flat" and not smoothness):
        return None
    times = torch.tensor(list(delays), dtype=torch.float64)
    covariance = torch.eye(len(times), dtype=torch.float64)
    if smoothness is None and prior == "hrf":
        smoothness = SMOOTHNESS
    if smoothness:
        covariance = torch.exp(-0.5 * ((times[:, None] - times) / smoothness) ** 2)
    if prior == "hrf":
        heights = torch.from_numpy(response_heights(delays))
        covariance = heights[:, None] * covariance * heights
    values, vectors = eigh(covariance * (len(times) / covariance.trace()))
    return vectors * values.sqrt()
