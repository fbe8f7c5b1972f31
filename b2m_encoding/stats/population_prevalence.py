"""Population prevalence: share of the population with an effect, from the number of subjects that show it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import beta

from b2m_encoding.errors import InputError


@dataclass(frozen=True)
class Prevalence:
    """Share of the population that has an effect.

    Parameters
    ----------
    estimate : float
        Most probable share.
    low, high : float
        Highest posterior density interval.
    n_significant, n_subjects : int
        Subjects with a significant effect, and all subjects.
    """

    estimate: float
    low: float
    high: float
    n_significant: int
    n_subjects: int


def prevalence(
    n_significant: int, n_subjects: int, *, alpha: float = 0.05, power: float = 1.0, level: float = 0.95
) -> Prevalence:
    """Compute the posterior of the prevalence under a uniform prior (Ince et al. 2021, doi 10.7554/eLife.62461).

    A subject is significant with probability ``theta = (1 - g) alpha + g power``, where g is the prevalence: theta has
    a Beta(k + 1, n - k + 1) posterior cut to [alpha, power], of which g is a linear function.

    Parameters
    ----------
    n_significant : int
        Subjects whose own test is significant.
    n_subjects : int
    alpha : float
        False positive rate of the test within a subject.
    power : float
        Sensitivity of the test; 1 gives a lower bound on the prevalence.
    level : float
        Probability within the interval.

    Returns
    -------
    Prevalence

    Raises
    ------
    InputError
        If the counts or rates are impossible.

    Notes
    -----
    A measure of how common an effect is, not of its size. The test within a subject must hold its false positive rate.
    Not for subjects selected for the effect.

    Examples
    --------
    >>> share = prevalence(5, 5)
    >>> round(share.estimate, 2), round(share.low, 2), round(share.high, 2)
    (1.0, 0.59, 1.0)
    """
    if not 0 <= n_significant <= n_subjects or n_subjects < 1 or not 0 <= alpha < power <= 1 or not 0 < level < 1:
        raise InputError(
            "impossible counts or rates", found=(n_significant, n_subjects, alpha, power, level),
            expected="0 <= n_significant <= n_subjects, 0 <= alpha < power <= 1, 0 < level < 1",
        )  # fmt: skip
    posterior = beta(n_significant + 1, n_subjects - n_significant + 1)
    below, inside = posterior.cdf(alpha), posterior.cdf(power) - posterior.cdf(alpha)

    def quantile(share: float) -> float:
        theta = posterior.ppf(below + share * inside)
        return float(np.clip((theta - alpha) / (power - alpha), 0, 1))

    def width(tail: float) -> float:
        return quantile(tail + level) - quantile(tail)

    best = minimize_scalar(width, bounds=(0, 1 - level), method="bounded", options={"xatol": 1e-9}).x
    tail = min((0.0, 1 - level, float(best)), key=width)  # a peak at an end of the range leaves no tail there
    estimate = float(np.clip((n_significant / n_subjects - alpha) / (power - alpha), 0, 1))
    return Prevalence(estimate, quantile(tail), quantile(tail + level), n_significant, n_subjects)
