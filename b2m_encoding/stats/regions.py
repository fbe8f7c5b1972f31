"""Comparison of feature spaces in regions: differences, effect sizes, tests for few and for many subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import gammaln
from scipy.stats import chi2, nct

from b2m_encoding._typing import Float64
from b2m_encoding.errors import InputError, notice, whole_number
from b2m_encoding.stats.intervals import fisher_interval
from b2m_encoding.stats.mixed import MIN_SUBJECTS, MixedModel, mixed_model
from b2m_encoding.stats.multiplicity import fdr_q
from b2m_encoding.stats.population_prevalence import prevalence
from b2m_encoding.stats.preference import sign_flips

KEYS = ("subject", "region", "feature_space")
BlockKey = tuple[str, str, str]
MANY_SUBJECTS = 8
FAR = 1e4
"""Size of t beyond which its own spread does not matter beside that of the estimated deviation."""


@dataclass(frozen=True, eq=False)
class RegionComparison:
    """Result of :func:`compare_regions`.

    Parameters
    ----------
    table : DataFrame
        Scores as given, without missing ones.
    tests : DataFrame
        One row per region and pair of feature spaces; see :func:`compare_regions`.
    plot : DataFrame
        Mean score and interval over subjects of every region and feature space, hemispheres averaged first.
    model : MixedModel
        Tests of feature space, region and their interaction over subjects.
    """

    table: pd.DataFrame
    tests: pd.DataFrame
    plot: pd.DataFrame
    model: MixedModel


def compare_regions(
    table: pd.DataFrame,
    *,
    blocks: Mapping[BlockKey, Float64] | None = None,
    widening: Mapping[tuple[str, str], float] | None = None,
    feature_spaces: Sequence[str] | None = None,
    alpha: float = 0.05,
    level: float = 0.95,
    n_permutations: int = 10_000,
    random_state: int | None = None,
) -> RegionComparison:
    """Compare feature spaces in every region.

    Parameters
    ----------
    table : DataFrame
        ``subject``, ``hemisphere``, ``region``, ``feature_space``, ``score``, one row each.
    blocks : dict of (subject, region, feature space) to array (n_blocks,), optional
        Contribution of each held-out block to the score; see
        :meth:`~b2m_encoding.stats.BlockSums.contributions`. Needed for tests within subjects. Blocks must be nearly
        independent: eight times as long as the reach of the autocorrelation, if there are six of them.
    widening : dict of (subject, region) to float, optional
        Standard error of a difference relative to that for fixed predictions, where folds are joined.
    feature_spaces : sequence of str, optional
        Feature spaces to compare, in pairs; all by default. Those without any score are left out.
    alpha : float
        False positive rate within a subject, for the prevalence.
    level : float
        Confidence level of all intervals.
    n_permutations : int
    random_state : int, optional

    Returns
    -------
    RegionComparison
        The columns of its ``tests``: ``region``, ``first``, ``second``, ``n_subjects``, ``difference`` (first minus
        second, mean over subjects) with ``low`` and ``high`` (t interval on the scale of Fisher's z),
        ``effect_size`` (Hedges' g of paired differences) with ``effect_low``, ``effect_high``, all of these NaN below
        three subjects, ``p``, ``q`` (Benjamini-Hochberg
        over all rows), ``test``, ``n_significant`` (subjects with a significant difference), ``prevalence``,
        ``prevalence_low`` and ``prevalence_high``.

    Raises
    ------
    InputError
        If a column is missing, a row occurs twice, no score is left, or a feature space is not in the table.

    Notes
    -----
    With at least eight subjects signs are flipped per subject, and p refers to the population. With fewer that
    test has no power (five subjects: p >= .06), so signs are flipped per block of the stimuli: p then refers to new
    stimuli for *these* subjects, and the prevalence is the estimate beyond them. Not for regions chosen because they
    score high in the same data.

    Examples
    --------
    >>> rows = [(s, "L", "A1", f, 0.1 * (f == "a") + 0.01 * i) for i, s in enumerate("uvwxyzij") for f in "ab"]
    >>> table = pd.DataFrame(rows, columns=["subject", "hemisphere", "region", "feature_space", "score"])
    >>> tests = compare_regions(table).tests
    >>> tests[["region", "first", "second", "difference", "p"]].round(3).values.tolist()
    [['A1', 'a', 'b', 0.1, 0.008]]
    """
    scores = _checked(table)
    points = _same_hemispheres(scores)
    if unknown := sorted(set(feature_spaces or ()) - set(table["feature_space"].astype(str))):
        known = sorted(set(table["feature_space"].astype(str)))
        raise InputError("a feature space is not in the region table", found=", ".join(unknown), expected=known)
    means = points.groupby(list(KEYS), sort=False)["score"].mean()
    known = list(dict.fromkeys(points["feature_space"]))
    chosen = [name for name in (feature_spaces or known) if name in known]
    bound = 1.0 if points["score"].abs().max() <= 1 else np.inf  # of other scores than correlations
    rows = [
        _compare(means, region, pair, blocks or {}, widening or {}, bound, alpha, level, n_permutations, random_state)
        for region in dict.fromkeys(points["region"])
        for pair in combinations(chosen, 2)
    ]
    tests = pd.DataFrame(rows, columns=_TEST_COLUMNS)
    tests["q"] = fdr_q(tests["p"].to_numpy(dtype=float)) if len(tests) else tests["p"]
    compared = points[points["feature_space"].isin(chosen)]
    return RegionComparison(scores, tests, _means(means, level, bound), mixed_model(compared, level=level))


SIDES = {"l": "L", "lh": "L", "left": "L", "r": "R", "rh": "R", "right": "R", "nan": "", "none": ""}
"""Names of hemispheres as tables have them."""
_TEST_COLUMNS = [
    "region", "first", "second", "n_subjects", "difference", "low", "high", "effect_size", "effect_low", "effect_high",
    "p", "q", "test", "n_significant", "prevalence", "prevalence_low", "prevalence_high",
]  # fmt: skip


def _checked(table: pd.DataFrame) -> pd.DataFrame:
    needed = ["subject", "hemisphere", "region", "feature_space", "score"]
    if missing := [name for name in needed if name not in table.columns]:
        raise InputError("the region table lacks columns", found=list(table.columns), expected=missing)
    points = table[needed].copy()
    points["hemisphere"] = points["hemisphere"].fillna("").astype(str).map(lambda name: SIDES.get(name.lower(), name))
    for name in KEYS:
        points[name] = points[name].astype(str)
    points["score"] = points["score"].astype(float)
    twice = points.duplicated(needed[:-1])
    if twice.any():
        raise InputError("a score occurs twice", found=points[twice].iloc[0].tolist(), expected="one row each")
    points = points[np.isfinite(points["score"])].reset_index(drop=True)
    if not len(points):
        raise InputError("the region table holds no score", fix="check which regions were tested")
    return points


def _same_hemispheres(points: pd.DataFrame) -> pd.DataFrame:
    """Scores of the hemispheres in which all feature spaces of a subject's region have one: their means compare."""
    group = points.groupby(["subject", "region"], sort=False)
    spaces = group["feature_space"].transform("nunique")
    here = points.groupby(["subject", "region", "hemisphere"], sort=False)["feature_space"].transform("nunique")
    shared = here == spaces
    if not shared.all():
        lost = points[~shared][["subject", "region", "hemisphere"]].drop_duplicates().to_numpy().tolist()
        notice(
            "regions are compared in the hemispheres where every feature space has a score; left out: "
            + "; ".join(" ".join(one) for one in lost)
        )
    if not shared.any():
        raise InputError("no region has scores of all feature spaces in one hemisphere", fix="score both hemispheres")
    return points[shared].reset_index(drop=True)


def _compare(
    means: pd.Series,
    region: str,
    pair: tuple[str, str],
    blocks: Mapping[BlockKey, Float64],
    widening: Mapping[tuple[str, str], float],
    bound: float,
    alpha: float,
    level: float,
    n_permutations: int,
    random_state: int | None,
) -> dict[str, Any]:
    first, second = (_of_subjects(means, region, name) for name in pair)
    subjects = [name for name in first if name in second]
    differences = np.array([first[name] - second[name] for name in subjects])
    n = len(differences)
    row: dict[str, Any] = {"region": region, "first": pair[0], "second": pair[1], "n_subjects": n, "q": np.nan}
    typical = float(differences.mean()) if n else float("nan")
    few = n < MIN_SUBJECTS
    low, high = (float("nan"),) * 2 if few else _interval(typical, differences.std(ddof=1), n, level, 2 * bound)
    effect = (float("nan"),) * 3 if few else hedges_g(differences, level)
    row |= {"difference": typical, "low": float(low), "high": float(high)}
    row |= dict(zip(("effect_size", "effect_low", "effect_high"), effect, strict=True))
    known = [name for name in subjects if all((name, region, space) in blocks for space in pair)]
    contributions = [
        np.asarray(blocks[name, region, pair[0]]) - np.asarray(blocks[name, region, pair[1]]) for name in known
    ]
    wider = np.array([widening.get((name, region), 1.0) for name in known])
    within = [
        sign_flip_p(values, n_permutations, random_state, widening=factor)
        for values, factor in zip(contributions, wider, strict=True)
    ]
    p, test = float("nan"), "not possible: too few subjects, and no blocks"
    if n >= MANY_SUBJECTS:
        p, test = sign_flip_p(differences, n_permutations, random_state), "signs flipped per subject"
    elif contributions and len(contributions) == n and len({len(values) for values in contributions}) > 1:
        test = "not possible: too few subjects, and they do not have the same blocks"
    elif contributions and len(contributions) == n:  # subjects with the same stimuli are not independent: flip together
        mean = np.mean(contributions, axis=0)
        together = float(np.sqrt(np.mean(wider**2)))
        p = sign_flip_p(mean, n_permutations, random_state, widening=together)
        test = "signs flipped per block, these subjects"
    row |= {"p": p, "test": test, "n_significant": np.nan, "prevalence": np.nan}
    row |= {"prevalence_low": np.nan, "prevalence_high": np.nan}
    can_reach = all(2.0 ** (1 - len(values)) <= alpha for values in contributions)
    if within and can_reach and np.isfinite(within).all():
        attained = float(np.mean([attained_rate(len(values), alpha, n_permutations) for values in contributions]))
        share = prevalence(int(np.sum(np.array(within) <= alpha)), len(within), alpha=attained, level=level)
        row |= {"n_significant": share.n_significant, "prevalence": share.estimate}
        row |= {"prevalence_low": share.low, "prevalence_high": share.high}
    return row


def _of_subjects(means: pd.Series, region: str, feature_space: str) -> dict[str, float]:
    rows = means[(means.index.get_level_values(1) == region) & (means.index.get_level_values(2) == feature_space)]
    return {str(key[0]): float(value) for key, value in rows.items()}


def _means(means: pd.Series, level: float, bound: float) -> pd.DataFrame:
    """Mean over subjects, and its interval from three subjects on: that of two is wider than all scores can be."""
    grouped = means.groupby(["region", "feature_space"], sort=False)
    means_of = grouped.agg(mean="mean", n_subjects="count", spread="std").reset_index()
    n, mean, spread = (means_of[name].to_numpy(dtype=float) for name in ("n_subjects", "mean", "spread"))
    low, high = _interval(mean, np.where(n < MIN_SUBJECTS, np.nan, spread), n, level, bound)
    return means_of.drop(columns="spread").assign(low=low, high=high)


def _interval(mean: Any, spread: Any, n: Any, level: float, bound: float) -> tuple[Float64, Float64]:
    return fisher_interval(np.asarray(mean), spread / np.sqrt(n), np.maximum(n - 1, 1), level=level, bound=bound)


def sign_flip_p(
    values: Float64, n_permutations: int = 10_000, random_state: int | None = None, *, widening: float = 1.0
) -> float:
    """Compute a two-sided p value of a mean by sign flips; exact where units are few.

    Parameters
    ----------
    values : array, shape (n_units,)
        Differences of independent units (subjects, or blocks of stimuli), symmetric about zero if there is no effect.
    n_permutations : int
    random_state : int, optional
    widening : float
        Factor of the sums of flipped values, where their spread is known to be too small.

    Returns
    -------
    float
        NaN without units, or if one is NaN.

    Notes
    -----
    Never 0: the data count as one of the permutations. n units cannot give less than 2 / 2^n.

    Examples
    --------
    >>> sign_flip_p(np.array([0.2, 0.1, 0.3, 0.2]))
    0.125
    """
    values = np.asarray(values, dtype=float)
    n_permutations = whole_number(n_permutations, "n_permutations", 1)
    if values.ndim != 1:
        raise InputError("sign flips need one value per unit", found=f"shape {values.shape}", expected="(n_units,)")
    if not len(values) or not np.isfinite(values).all():
        return float("nan")
    signs = sign_flips(len(values), n_permutations, random_state).astype(float)
    sums = widening * np.abs(signs @ values)
    sums[0] = abs(values.sum())  # the data themselves
    reached = sums >= abs(values.sum()) - 1e-9 * np.abs(values).sum()
    return float(reached.mean())


def attained_rate(n_units: int, alpha: float, n_permutations: int = 10_000) -> float:
    """Rate of false positives that sign flips attain: the largest p up to alpha, which few units make coarse.

    Examples
    --------
    >>> [attained_rate(n, 0.05) for n in (5, 6, 8, 20)]
    [0.0, 0.03125, 0.046875, 0.05]
    """
    if n_units >= 30 or 2**n_units > n_permutations:
        return alpha
    step = 2.0 ** (1 - n_units)
    return float(np.floor(alpha / step + 1e-9) * step)


def hedges_g(differences: Float64, level: float = 0.95) -> tuple[float, float, float]:
    """Compute the standardised mean of paired differences, corrected for small samples, with its interval.

    The interval is exact under normality: the effect sizes for which the observed t is not extreme (noncentral t;
    Hedges 1981, doi 10.3102/10769986006002107; Cumming & Finch 2001, doi 10.1177/0013164401614002).

    Parameters
    ----------
    differences : array, shape (n_subjects,)
    level : float
        Confidence level of the interval.

    Returns
    -------
    effect, low, high : float

    Notes
    -----
    With two or three subjects the interval is correct but hardly informative. NaN for one subject, or where all
    differences are equal.

    Examples
    --------
    >>> [round(value, 2) for value in hedges_g(np.array([0.1, 0.2, 0.3, 0.4]))]
    [1.4, 0.15, 3.67]
    """
    differences = np.asarray(differences, dtype=float)
    n = len(differences)
    if n < 2 or not np.ptp(differences) > 1e-12 * np.abs(differences).max():
        return (float("nan"),) * 3
    if not 0 < level < 1:
        raise InputError("a confidence level lies between 0 and 1", found=level)
    d = float(differences.mean() / differences.std(ddof=1))
    correction = float(np.exp(gammaln((n - 1) / 2) - gammaln((n - 2) / 2)) * np.sqrt(2 / (n - 1))) if n > 2 else 1.0
    t, root = d * np.sqrt(n), float(np.sqrt(n))
    if abs(t) > FAR:  # there noncentral t is its noncentrality over a root of chi square, and slow to compute
        ends = sorted(d * np.sqrt(chi2.ppf([(1 - level) / 2, (1 + level) / 2], n - 1) / (n - 1)))
        return correction * d, float(ends[0]), float(ends[1])
    edge = 10.0 + 4 * abs(t)

    def excess(shift: float, tail: float) -> float:
        reached = nct.cdf(t, n - 1, shift)  # far out it underflows to NaN
        return float(np.nan_to_num(reached, nan=float(shift < t)) - tail)

    low, high = (brentq(excess, -edge, edge, args=((1 + side * level) / 2,)) / root for side in (1, -1))
    return correction * d, float(low), float(high)
