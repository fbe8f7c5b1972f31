"""Differences of scores, target by target: over the same blocks or subjects, over different ones, between groups."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from scipy.stats import t as student

from b2m_encoding._typing import Booleans, Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.stats import fdr_q
from b2m_encoding.stats.intervals import fisher_interval
from b2m_encoding.stats.preference import sign_flips

CHUNK = 1024


@dataclass(frozen=True, eq=False)
class Difference:
    """Difference of two scores of every target; arrays of shape (n_targets,).

    Parameters
    ----------
    difference : array
        Score of the first minus that of the second.
    low, high : array
        Interval by Student's t; on the scale of Fisher's z for correlations, whose difference lies between -2 and 2.
    p : array
        Two-sided.
    q : array
        Adjusted (Benjamini-Hochberg) over the chosen targets; NaN elsewhere.
    chosen : array of bool
        Targets whose difference counts.
    n_units : int
        Blocks or subjects.
    """

    difference: Float64
    low: Float64
    high: Float64
    p: Float64
    q: Float64
    chosen: Booleans
    n_units: int


def paired_difference(
    first: Floating,
    second: Floating,
    *,
    widening: Float64 | float = 1.0,
    total: bool = False,
    above: float | None = None,
    level: float = 0.95,
    n_permutations: int = 10_000,
    random_state: int | None = None,
) -> Difference:
    """Compare two scores over the same units: blocks of held-out samples, or subjects.

    Parameters
    ----------
    first, second : array, shape (n_units, n_targets)
        Scores of subjects; or contributions of nearly independent blocks to a score.
    widening : array, shape (n_targets,), or float
        Standard error of a difference relative to that of fixed predictions, where folds are joined.
    total : bool
        Whether the score is the sum over units (blocks) or their mean (subjects).
    above : float, optional
        Only targets where the sum of both scores reaches it enter q; all by default. Flips exchange the two scores of a
        unit and leave the sum as it is, so that it may choose what is tested. Targets that one of both predicts may not
        be chosen: of two equal scores, one that seems high is more likely to seem higher than the other.
    level : float
    n_permutations : int
    random_state : int, optional

    Returns
    -------
    Difference
        p from flips of the signs of the differences of units (Winkler et al. 2014,
        doi 10.1016/j.neuroimage.2014.01.060), exact for few units; the interval by Student's t.

    Examples
    --------
    >>> first = np.array([[0.3, 0.2], [0.4, 0.1], [0.2, 0.3], [0.3, 0.2], [0.4, 0.2], [0.3, 0.1]])
    >>> found = paired_difference(first, first[::-1] * [[0.5, 1]], random_state=0)
    >>> found.difference.round(3), found.p.round(3)
    (array([0.158, 0.   ]), array([0.031, 1.   ]))
    """
    first, second = _checked(first), _checked(second)
    if first.shape != second.shape:
        raise InputError("paired scores differ in shape", found=f"{first.shape} and {second.shape}")
    n, factor = len(first), len(first) if total else 1.0
    wider = np.broadcast_to(np.asarray(widening, dtype=float), first.shape[1:])
    lead = first - second
    error = factor * wider * _error(lead)
    means = factor * first.mean(axis=0), factor * second.mean(axis=0)
    chosen = None if above is None else means[0] + means[1] >= above
    p = _flipped_p(lead, wider, n_permutations, random_state)
    bound = _bound(np.stack(means) if total else np.concatenate([first, second]))
    low, high = fisher_interval(means[0] - means[1], error, max(n - 1, 1), level=level, bound=bound)
    return _adjusted(means[0] - means[1], (low, high), p, chosen, n)


def _flipped_p(lead: Float64, wider: Float64, n_permutations: int, random_state: int | None) -> Float64:
    """Share of flips whose sum is as extreme as that of the data, shape (n_targets,)."""
    signs = sign_flips(len(lead), n_permutations, random_state).astype(np.float64)
    p = np.empty(lead.shape[1])
    for start in range(0, lead.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        sums, slack = np.abs(signs @ lead[:, part]) * wider[part], 1e-9 * np.abs(lead[:, part]).sum(axis=0)
        sums[0] = np.abs(lead[:, part].sum(axis=0))  # the data themselves
        p[part] = (sums >= sums[0] - slack).mean(axis=0)
    return p


def unpaired_difference(
    first: Floating,
    second: Floating,
    *,
    widening: Float64 | float = 1.0,
    above: float | None = None,
    level: float = 0.95,
) -> Difference:
    """Compare two scores over different blocks of samples, by Welch's t.

    Parameters
    ----------
    first, second : array, shape (n_first, n_targets) and (n_second, n_targets)
        Contributions of nearly independent blocks to either score.
    widening, above, level
        As in :func:`paired_difference`.

    Returns
    -------
    Difference

    Notes
    -----
    Where samples overlap, the errors of both scores are related, and the test is conservative.
    """
    first, second = _checked(first), _checked(second)
    errors = [widening * len(values) * _error(values) for values in (first, second)]
    found = first.sum(axis=0) - second.sum(axis=0)
    error, degrees = _welch(errors[0], errors[1], len(first), len(second))
    with np.errstate(invalid="ignore", divide="ignore"):
        p = 2 * student.sf(np.abs(found) / error, degrees)
    scores = np.stack([first.sum(axis=0), second.sum(axis=0)])
    chosen = None if above is None else scores.sum(axis=0) >= above
    ends = fisher_interval(found, error, degrees, level=level, bound=_bound(scores))
    return _adjusted(found, ends, p, chosen, len(first) + len(second))


def group_difference(
    first: Floating,
    second: Floating,
    *,
    above: float | None = None,
    level: float = 0.95,
    n_permutations: int = 10_000,
    random_state: int | None = None,
) -> Difference:
    """Compare the scores of two groups of subjects, by rearranging who belongs to which.

    Parameters
    ----------
    first, second : array, shape (n_first, n_targets) and (n_second, n_targets)
        Scores of the subjects of either group.
    above, level, n_permutations, random_state
        As in :func:`paired_difference`; what chooses targets is twice the mean over all subjects.

    Returns
    -------
    Difference
        p of Welch's t among its values for rearranged labels, all of them where they are few: exact if the groups do
        not differ at all, and valid for large groups that differ in spread (Janssen 1997,
        doi 10.1016/S0167-7152(97)00043-6). The interval is Welch's.
    """
    first, second = _checked(first), _checked(second)
    if min(len(first), len(second)) < 2:
        raise InputError("a group needs two subjects", found=f"{len(first)} and {len(second)}", expected="2 or more")
    values, k = np.concatenate([first, second]), len(first)
    labels = _labels(k, len(second), n_permutations, random_state)
    p = np.ones(values.shape[1])
    for start in range(0, values.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        t = np.abs(_t_of_labels(labels, values[:, part]))
        p[part] = (t >= t[0] - 1e-9 * np.maximum(t[0], 1)).mean(axis=0)
    found = first.mean(axis=0) - second.mean(axis=0)
    error, degrees = _welch(_error(first), _error(second), k, len(second))
    chosen = None if above is None else 2 * values.mean(axis=0) >= above
    ends = fisher_interval(found, error, degrees, level=level, bound=_bound(values))
    return _adjusted(found, ends, p, chosen, len(values))


def _labels(n_first: int, n_second: int, n_permutations: int, random_state: int | None) -> Float64:
    """Who belongs to the first group, shape (n_arrangements, n_subjects): first as it is; all, if these are fewer."""
    n = n_first + n_second
    if comb(n, n_first) <= n_permutations:
        chosen = np.array(list(combinations(range(n), n_first)))
    else:
        rng = np.random.default_rng(random_state)
        drawn = np.argsort(rng.random((n_permutations, n)), axis=1)[:, :n_first]
        chosen = np.concatenate([np.arange(n_first)[None], drawn])
    labels = np.zeros((len(chosen), n))
    np.put_along_axis(labels, chosen, 1.0, axis=1)
    return labels


def _t_of_labels(labels: Float64, values: Float64) -> Float64:
    """Welch's t under each row of labels, shape (n_arrangements, n_targets)."""
    values = values - values.mean(axis=0)
    n, squares = labels.sum(axis=1)[0], values**2
    rest = len(values) - n
    one, two = labels @ values, labels @ squares
    other, others = values.sum(axis=0) - one, squares.sum(axis=0) - two
    spread = (two - one**2 / n) / (n * (n - 1)) + (others - other**2 / rest) / (rest * (rest - 1))
    return np.asarray((one / n - other / rest) / np.sqrt(np.maximum(spread, 1e-300)))


def smallest_p(n_first: int, n_second: int) -> float:
    """Smallest p that rearranged labels of two groups can reach.

    Examples
    --------
    >>> round(smallest_p(4, 4), 3), round(smallest_p(3, 4), 3)
    (0.029, 0.029)
    """
    return (2 if n_first == n_second else 1) / comb(n_first + n_second, n_first)


def _checked(values: Floating) -> Float64:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise InputError(
            "scores are a table without gaps", found=table.shape, expected="(n_units, n_targets), finite numbers"
        )
    return table


def _error(values: Float64) -> Float64:
    """Standard error of the mean over units."""
    if len(values) < 2:
        return np.full(values.shape[1], np.nan)
    return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(len(values)))


def _welch(first: Float64, second: Float64, n_first: int, n_second: int) -> tuple[Float64, Float64]:
    """Standard error of a difference of means, and its degrees of freedom."""
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = first**2 + second**2
        parts = first**4 / max(n_first - 1, 1) + second**4 / max(n_second - 1, 1)
        return np.asarray(np.sqrt(squares), dtype=np.float64), np.where(
            parts > 0, squares**2 / np.where(parts > 0, parts, 1.0), 1.0
        )


def _bound(scores: Float64) -> Float64:
    """Largest difference of scores, shape (n_targets,): 2 of correlations; others have none."""
    return np.where(np.abs(scores).max(axis=0) <= 1, 2.0, np.inf)


def _adjusted(
    found: Float64, ends: tuple[Float64, Float64], p: Float64, chosen: Booleans | None, n_units: int
) -> Difference:
    """The difference with its interval, and with q over the chosen targets."""
    inside = np.ones(len(p), dtype=bool) if chosen is None else chosen
    q = fdr_q(np.where(inside, p, np.nan))
    return Difference(found, *ends, p, q, inside, n_units)
