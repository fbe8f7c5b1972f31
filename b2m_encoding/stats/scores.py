"""Prediction accuracy: Pearson r and R2 per target, over all samples or those of each run, clip or genre."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.io.stored_arrays import SideBySide, StoredArray
from b2m_encoding.models.scores import as_pair, pearson_r, r2_score, standardised
from b2m_encoding.runs import Runs

__all__ = ["pearson_r", "r2_score", "scores_by", "standardised"]
MIN_SAMPLES = 3


def check_measure(measure: str) -> None:
    """Raise unless a measure is r or r2."""
    if measure not in ("r", "r2"):
        raise InputError("unknown measure", found=measure, expected="r or r2")


def scored_samples(predicted: Any, measured: Any, runs: Runs) -> tuple[Floating, Floating, Runs]:
    """Check predictions and responses of runs, and select the used samples.

    Raises
    ------
    InputError
        If they are no tables of numbers of one shape, with a row for every sample of the runs.
    """
    if not any(isinstance(values, SideBySide | StoredArray) for values in (predicted, measured)):
        predicted, measured = as_pair(predicted, measured)  # others are our own, and read in parts
    runs.check_length(predicted, "the prediction")
    if runs.used.all():
        return predicted, measured, runs
    return predicted[runs.used], measured[runs.used], runs.take(runs.used)


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

    Raises
    ------
    InputError
        If lengths differ, or the measure is unknown.

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
    predicted, measured = as_pair(predicted, measured)
    labels = np.asarray(labels)
    if labels.shape != (len(measured),):
        raise InputError(
            "labels and samples differ in number", found=labels.shape, expected=f"({len(measured)},): one per sample"
        )
    check_measure(measure)
    score = pearson_r if measure == "r" else r2_score
    scores = {}
    for label in dict.fromkeys(labels.tolist()):
        rows = np.flatnonzero(labels == label)
        if str(label) != "":
            enough = len(rows) >= MIN_SAMPLES
            nothing = np.full(measured.shape[1], np.nan)
            scores[str(label)] = score(predicted[rows], measured[rows]) if enough else nothing
    return scores
