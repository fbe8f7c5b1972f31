"""Prediction accuracy: Pearson r and R2 per target, over all samples or those of each run, clip or genre."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.models.scores import pearson_r, r2_score, standardised

__all__ = ["pearson_r", "r2_score", "scores_by", "standardised"]
MIN_SAMPLES = 3


def scores_by(
    predicted: Floating,
    measured: Floating,
    labels: NDArray[Any],
    *,
    measure: Literal["r", "r2"] = "r",
) -> dict[str, Float64]:
    """Score the samples of each label, in order of first appearance.

    Parameters
    ----------
    predicted, measured : array, shape (n_samples, n_targets)
    labels : array of str, shape (n_samples,)
        ``runs.run`` for a score per run, ``runs.clip`` per clip, a genre per sample for a score per genre. Samples
        labelled "" are left out.
    measure : "r" or "r2"
        Both are relative to the mean of the samples of the label: differences between clips do not count.

    Returns
    -------
    dict of str to array, shape (n_targets,)
        NaN where a label has fewer than three samples.

    Notes
    -----
    Not to be averaged over short clips and then tested as if they were independent: use
    :func:`~b2m_encoding.stats.intervals.score_interval` or a permutation of all samples. The mean of scores per run is
    not the score of all runs.

    Examples
    --------
    >>> measured = np.array([[1.0], [2.0], [4.0], [1.0], [2.0], [4.0]])
    >>> by = scores_by(measured * [[1], [1], [1], [-1], [-1], [-1]], measured, np.array(list("aaabbb")))
    >>> {label: r.round(6).tolist() for label, r in by.items()}
    {'a': [1.0], 'b': [-1.0]}
    """
    if not len(predicted) == len(measured) == len(labels):
        raise InputError(
            "labels and samples differ in number", found=len(labels), expected=(len(predicted), len(measured))
        )
    score = {"r": pearson_r, "r2": r2_score}[measure]
    scores = {}
    for label in dict.fromkeys(labels.tolist()):
        rows = np.flatnonzero(labels == label)
        if str(label) != "":
            enough = len(rows) >= MIN_SAMPLES
            nothing = np.full(measured.shape[1], np.nan)
            scores[str(label)] = score(predicted[rows], measured[rows]) if enough else nothing
    return scores
