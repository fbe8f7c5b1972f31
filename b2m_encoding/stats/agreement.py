"""Group map of the preference of several subjects, and overlap of two maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from b2m_encoding._typing import Booleans, Float64, Integers
from b2m_encoding.errors import InputError
from b2m_encoding.stats.preference import NO_PREFERENCE, NOT_PREDICTED, Preference


@dataclass(frozen=True, eq=False)
class GroupPreference:
    """Preference of a group of subjects; arrays of shape (n_targets,) unless stated otherwise.

    Parameters
    ----------
    names : tuple of str
        Feature spaces.
    index : array of int
        Feature space that the most subjects prefer; -1 where none, or a tie, leads; -2 where no subject is predicted.
    votes : array of int, shape (n_names, n_targets)
        Number of subjects that prefer each feature space.
    n_predicted : array of int
        Subjects in whom the target is predicted.
    consistency : array
        Share of the subjects with a predicted target that prefer the feature space of the group (or none, where the
        group prefers none); NaN where no subject is predicted. Meaningless for one subject.
    margin : array
        Mean over these subjects of the margin between best and second best, negative where a subject's best is not the
        group's feature space.
    """

    names: tuple[str, ...]
    index: Integers
    votes: Integers
    n_predicted: Integers
    consistency: Float64
    margin: Float64


def group_preference(subjects: Sequence[Preference]) -> GroupPreference:
    """Count the subjects that prefer each feature space at each target.

    Parameters
    ----------
    subjects : sequence of Preference
        Preferences among the same feature spaces, on the same surface or template, target by target.

    Returns
    -------
    GroupPreference

    Raises
    ------
    InputError
        If they differ in feature spaces or targets.

    Notes
    -----
    Descriptive of these subjects. For a claim on the population see
    :func:`~b2m_encoding.stats.prevalence`. Not for responses in the native space of each subject.

    Examples
    --------
    >>> from b2m_encoding.stats.preference import Preference
    >>> def subject(index):
    ...     n = np.full(2, np.nan)
    ...     return Preference(("a", "b"), np.array([0, 1]), np.array([.1, .2]), n, n, n, n, np.array(index))
    >>> group = group_preference([subject([0, 1]), subject([0, -1]), subject([-2, -1])])
    >>> group.index.tolist(), group.consistency.round(2).tolist()
    ([0, -1], [1.0, 0.67])
    """
    if not subjects:
        raise InputError("a group needs a subject")
    names = subjects[0].names
    shapes = {subject.index.shape for subject in subjects}
    if len(shapes) > 1 or any(subject.names != names for subject in subjects):
        raise InputError(
            "subjects differ in feature spaces or targets",
            found=[(subject.names, len(subject.index)) for subject in subjects],
            expected=(names, len(subjects[0].index)),
        )
    table = np.stack([subject.index for subject in subjects])
    n_predicted = (table != NOT_PREDICTED).sum(axis=0)
    votes = np.stack([(table == i).sum(axis=0) for i in range(len(names))])
    none = (table == NO_PREFERENCE).sum(axis=0)
    most = votes.max(axis=0)
    clear = ((votes == most).sum(axis=0) == 1) & (most > none)
    index = np.where(n_predicted == 0, NOT_PREDICTED, np.where(clear, votes.argmax(axis=0), NO_PREFERENCE))
    agree = np.where(clear, most, none)
    consistency = np.divide(agree, n_predicted, out=np.full(len(index), np.nan), where=n_predicted > 0)
    signed = np.stack([np.where(subject.best == index, subject.margin, -subject.margin) for subject in subjects])
    counted = (table != NOT_PREDICTED) & (index >= 0)
    margin = np.divide(
        np.where(counted, signed, 0.0).sum(axis=0),
        counted.sum(axis=0),
        out=np.full(len(index), np.nan),
        where=counted.any(axis=0),
    )
    return GroupPreference(names, index.astype(np.int64), votes, n_predicted, consistency, margin)


@dataclass(frozen=True)
class Overlap:
    """Overlap of two maps.

    Parameters
    ----------
    dice : float
        Dice coefficient of the sets of predicted targets; NaN if both are empty.
    correlation : float
        Pearson r of the scores over the targets tested in both.
    rank_correlation : float
        Spearman's rank correlation of the same.
    shared_variance : float
        Share of the variance explained by both together that either explains alone, over the targets that either
        predicts; NaN without a partition. It can exceed its bounds 0 and 1 by noise.
    n_both, n_first, n_second : int
        Targets predicted by both, by the first only, by the second only.
    """

    dice: float
    correlation: float
    rank_correlation: float
    shared_variance: float
    n_both: int
    n_first: int
    n_second: int


def overlap(
    score_a: Float64,
    score_b: Float64,
    predicted_a: Booleans,
    predicted_b: Booleans,
    *,
    shared: Float64 | None = None,
    joint: Float64 | None = None,
) -> Overlap:
    """Compare where two feature spaces predict, for instance text and music.

    Parameters
    ----------
    score_a, score_b : array, shape (n_targets,)
        Prediction accuracy of each alone.
    predicted_a, predicted_b : array of bool, shape (n_targets,)
        Where each is significant.
    shared, joint : array, shape (n_targets,), optional
        Shared part and joint R2 of a variance partition.

    Returns
    -------
    Overlap

    Notes
    -----
    Deliberately without p values: neighbouring targets are alike and do not count as separate observations.
    Two maps also overlap because both follow how well a target can be measured: compare shared variance as well, and
    scores divided by the noise ceiling. Dice 1945, doi 10.2307/1932409.

    Examples
    --------
    >>> both = np.array([True, True, False]), np.array([True, False, False])
    >>> round(overlap(np.array([0.3, 0.2, 0.0]), np.array([0.3, 0.1, 0.0]), *both).dice, 3)
    0.667
    """
    tested = np.isfinite(score_a) & np.isfinite(score_b)
    a, b = (mask & tested for mask in (predicted_a, predicted_b))
    total = int(a.sum() + b.sum())
    ranks = [rankdata(score[tested]) for score in (score_a, score_b)]
    part = float("nan")
    if shared is not None and joint is not None:
        inside = (a | b) & np.isfinite(shared) & np.isfinite(joint)
        whole = float(joint[inside].sum())
        part = float(shared[inside].sum()) / whole if whole > 0 else part
    return Overlap(
        2 * int((a & b).sum()) / total if total else float("nan"),
        _correlation(score_a[tested], score_b[tested]),
        _correlation(*ranks),
        part,
        int((a & b).sum()),
        int((a & ~b).sum()),
        int((b & ~a).sum()),
    )


def _correlation(a: Float64, b: Float64) -> float:
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
