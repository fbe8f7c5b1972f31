"""Weights of the blocks in bootstrap resamples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float64
from b2m_encoding.errors import InputError


def bootstrap_weights(split: NDArray[np.intp], n_bootstraps: int, random_state: int | None = None) -> Float64:
    """Draw the weight of each block in each bootstrap resample.

    Blocks are drawn within their split; those that are alone in their split, from each other. Of m blocks, m - 1 are
    drawn and weighted by m / (m - 1): the variance of a mean then is unbiased, where m draws would make it too small by
    the share 1/m (Rao & Wu 1988, doi 10.1080/01621459.1988.10478591).

    Parameters
    ----------
    split : array of int, shape (n_blocks,)
    n_bootstraps : int
    random_state : int, optional

    Returns
    -------
    array, shape (n_bootstraps, n_blocks)

    Raises
    ------
    InputError
        If a block has no other to be drawn from: an interval would have no width there.

    Notes
    -----
    With fewer than about eight blocks the spread is poorly estimated: intervals are too narrow.

    Examples
    --------
    >>> bootstrap_weights(np.array([0, 0, 0, 1, 1]), 2, random_state=0).sum(axis=1)
    array([5., 5.])
    """
    rng, labels = np.random.default_rng(random_state), strata(split)
    weights = np.empty((n_bootstraps, len(split)))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if (m := len(members)) < 2:
            raise InputError(
                "the spread of a score cannot be estimated from a single block",
                found=f"{len(split)} block(s) in {len(np.unique(split))} held-out part(s)",
                expected="two blocks in each, or two parts of one block",
                fix="take shorter blocks (statistics.block)",
            )
        weights[:, members] = rng.multinomial(m - 1, np.full(m, 1 / m), size=n_bootstraps) * (m / (m - 1))
    return weights


def strata(split: NDArray[np.intp]) -> NDArray[np.intp]:
    """Stratum of every block: its split; -1 for blocks that are alone in theirs."""
    labels, index, count = np.unique(split, return_inverse=True, return_counts=True)
    return np.where(count[index] > 1, labels[index], -1)
