"""Identification accuracy: naming the heard clip among n from a decoded embedding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError


def identification_accuracy(predicted: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """Share of the other clips whose target is less like the prediction than the clip's own.

    With C[i, j] the Pearson correlation of prediction i and target j, clip i scores the mean over j != i of
    [C[i, i] > C[i, j]]; a tie counts one half, so that one prediction for all clips scores exactly 0.5
    (Brain2Music, arXiv 2307.11078, section 4.2; there ties count zero). Chance is 0.5.

    Parameters
    ----------
    predicted, target : array, shape (n_clips, n_dimensions)

    Returns
    -------
    array, shape (n_clips,)

    Examples
    --------
    >>> target = np.eye(4)
    >>> identification_accuracy(target, target).tolist()
    [1.0, 1.0, 1.0, 1.0]
    >>> identification_accuracy(np.tile([1.0, 2, 3, 5], (4, 1)), np.tile([1.0, 2, 3, 4], (4, 1))).tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    if predicted.shape != target.shape or len(predicted) < 2:
        raise InputError("identification needs one prediction per target and two clips", found=predicted.shape)
    correlation = _row_correlation(predicted, target)
    own = np.diag(correlation)[:, None]
    tie = np.isclose(correlation, own, rtol=0, atol=1e-12)
    beaten = np.where(tie, 0.5, own > correlation)
    np.fill_diagonal(beaten, 0.0)
    scores: NDArray[np.float64] = beaten.sum(axis=1) / (len(predicted) - 1)
    return scores


def identified(predicted: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.int64]:
    """The target that is most like each prediction, of all: what a listener is taken to have heard.

    Parameters
    ----------
    predicted, target : array, shape (n_clips, n_dimensions)

    Returns
    -------
    array of int, shape (n_clips,)

    Examples
    --------
    >>> identified(np.array([[0.9, 0.1, 0.0], [1.0, 0.5, 0.0]]), np.eye(3)[:2]).tolist()
    [0, 0]
    """
    return np.asarray(_row_correlation(predicted, target).argmax(axis=1))


def chance_interval(
    predicted: NDArray[np.floating],
    target: NDArray[np.floating],
    *,
    n_permutations: int = 2000,
    level: float = 0.95,
    random_state: int | None = None,
) -> tuple[float, float]:
    """Interval of the mean accuracy when predictions are assigned to clips at random."""
    generator = np.random.default_rng(random_state)
    means = [
        identification_accuracy(predicted[generator.permutation(len(predicted))], target).mean()
        for _ in range(n_permutations)
    ]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _row_correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Pearson correlation of every row of a with every row of b; a row without variance correlates 0."""
    centred = [np.asarray(x, dtype=np.float64) - np.mean(x, axis=1, keepdims=True) for x in (a, b)]
    norms = [np.linalg.norm(x, axis=1, keepdims=True) for x in centred]
    a, b = (np.divide(x, n, out=np.zeros_like(x), where=n > 0) for x, n in zip(centred, norms, strict=True))
    return np.asarray(a @ b.T, dtype=np.float64)
