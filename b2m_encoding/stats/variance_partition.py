"""Variance partitioning: unique variance of each feature space, and variance shared by several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from b2m_encoding._typing import Bands, Booleans, Float64
from b2m_encoding.errors import InputError
from b2m_encoding.features.space import all_subsets
from b2m_encoding.stats.sums.blocks import BlockSums
from b2m_encoding.stats.sums.bootstrap import bootstrap_weights


@dataclass(frozen=True, eq=False)
class Partition:
    """Unique and shared parts of the explained variance.

    A part belongs to a set of feature spaces: each of them explains it, and no other. The parts of one feature
    space alone are the unique ones. All parts add up to the R2 of the model of all feature spaces.

    Parameters
    ----------
    names : tuple of str
        Feature spaces.
    r2 : dict of tuple of str to array, shape (n_targets,)
        Held-out R2 of the model of each set.
    parts : dict of tuple of str to array, shape (n_targets,)
        Parts of R2; may be negative.
    interval : dict of tuple of str to array, shape (2, n_targets), or None
        Intervals from a bootstrap over blocks.
    clipped : bool
        Whether negative parts were set to zero: the parts then no longer add up.
    """

    names: tuple[str, ...]
    r2: Mapping[Bands, Float64]
    parts: Mapping[Bands, Float64]
    interval: Mapping[Bands, Float64] | None = None
    clipped: bool = False

    @property
    def unique(self) -> dict[str, Float64]:
        """Unique part of each feature space."""
        return {name: self.parts[(name,)] for name in self.names}

    @property
    def shared(self) -> Float64:
        """Sum of all parts of more than one feature space."""
        return np.asarray(np.sum([part for names, part in self.parts.items() if len(names) > 1], axis=0))

    @property
    def negative(self) -> dict[Bands, Booleans]:
        """Targets whose part is significantly negative: its interval ends below zero.

        Without intervals, every part below zero.
        """
        if self.interval is None:
            return {names: part < 0 for names, part in self.parts.items()}
        return {names: limits[1] < 0 for names, limits in self.interval.items()}

    def clip(self) -> Partition:
        """Set negative parts to zero, for figures.

        Not for statistics: clipping makes every mean too large.
        """
        return replace(self, parts={names: np.maximum(part, 0) for names, part in self.parts.items()}, clipped=True)


def partition_matrix(names: tuple[str, ...]) -> Float64:
    """Matrix that gives the parts from the R2 of every set of feature spaces, by inclusion and exclusion.

    Rows (parts) and columns (models) in the order of :func:`~b2m_encoding.features.space.all_subsets`. The variance
    that only members of a set A explain, R2(all) - R2(all without A), is the sum of the parts of all subsets of A; the
    parts follow by Moebius inversion.

    Parameters
    ----------
    names : tuple of str
        Feature spaces.

    Returns
    -------
    array, shape (n_sets, n_sets)

    Examples
    --------
    >>> partition_matrix(("a", "b"))
    array([[ 0., -1.,  1.],
           [-1.,  0.,  1.],
           [ 1.,  1., -1.]])
    """
    sets = all_subsets(names)
    column = {chosen: i for i, chosen in enumerate(sets)}
    matrix = np.zeros((len(sets), len(sets)))
    for row, part in enumerate(sets):
        for inner in all_subsets(part):
            sign = (-1.0) ** (len(part) - len(inner))
            matrix[row, column[names]] += sign
            if rest := tuple(name for name in names if name not in inner):
                matrix[row, column[rest]] -= sign
    return matrix


def partition(r2: Mapping[Bands, Float64]) -> Partition:
    """Split the R2 of every set of feature spaces into unique and shared parts.

    Parameters
    ----------
    r2 : dict of tuple of str to array, shape (n_targets,)
        Held-out R2 of the model of every set: all 2^k - 1.

    Returns
    -------
    Partition

    Raises
    ------
    InputError
        If a set is missing.

    Notes
    -----
    Negative parts are not clipped. They come from noise, where a model of more feature spaces predicts worse, and from
    suppression, where two feature spaces explain more together than the sum of both alone. Not for scores of training
    samples, where a larger model always wins. Source: de Heer et al. 2017, doi 10.1523/JNEUROSCI.3267-16.2017;
    Nimon & Oswald 2013, doi 10.1177/1094428113493929.

    Examples
    --------
    >>> parts = partition({("a",): np.array([0.3]), ("b",): np.array([0.2]), ("a", "b"): np.array([0.4])})
    >>> {"+".join(names): float(part[0].round(2)) for names, part in parts.parts.items()}
    {'a': 0.2, 'b': 0.1, 'a+b': 0.1}
    """
    names = _names(r2)
    table = np.stack([np.asarray(r2[chosen], dtype=float) for chosen in all_subsets(names)])
    parts = dict(zip(all_subsets(names), partition_matrix(names) @ table, strict=True))
    return Partition(names, dict(r2), parts)


def _names(models: Mapping[Bands, object]) -> tuple[str, ...]:
    """Feature spaces in order, if every set of them has a model."""
    names = max(models, key=len, default=())
    missing = [chosen for chosen in all_subsets(names) if chosen not in models]
    if missing or len(models) != len(all_subsets(names)) or len(names) < 2:
        raise InputError(
            "variance partitioning needs a model of every set of two or more feature spaces",
            found=["+".join(chosen) for chosen in models],
            expected=["+".join(chosen) for chosen in all_subsets(names)],
        )
    return names


def partition_blocks(
    sums: BlockSums,
    *,
    n_bootstraps: int = 1000,
    level: float = 0.95,
    widening: Mapping[Bands, Float64] | None = None,
    random_state: int | None = None,
) -> Partition:
    """Partition held-out R2 with intervals for every target, from a bootstrap over blocks.

    Parameters
    ----------
    sums : BlockSums
        With the model of every set of feature spaces.
    n_bootstraps : int
    level : float
        Confidence level of the intervals.
    widening : dict of tuple of str to array, shape (n_targets,), optional
        Standard error of each part relative to that for fixed predictions, where folds are joined.
    random_state : int, optional

    Returns
    -------
    Partition
        With intervals. They refer to new stimuli for these fitted models, not to new training data or new subjects.
    """
    names = _names(sums.models)
    sets, matrix = all_subsets(names), partition_matrix(names)
    whole = partition(sums.scores("r2"))
    interval = {chosen: np.full((2, sums.n_targets), np.nan) for chosen in sets}
    weights = bootstrap_weights(sums.split, n_bootstraps, random_state)
    for targets, r2 in sums.resampled(weights, "r2"):
        table = np.stack([r2[chosen] for chosen in sets])
        for chosen, row in zip(sets, matrix, strict=True):
            wider = 1.0 if widening is None else widening[chosen][targets]
            interval[chosen][:, targets] = _limits(
                whole.parts[chosen][targets], np.tensordot(row, table, 1), sums, level, wider
            )
    return replace(whole, interval=interval)


@dataclass(frozen=True, eq=False)
class GroupPartition:
    """Parts of groups of targets (regions): means over their targets, with intervals.

    Parameters
    ----------
    parts : dict of tuple of str to array, shape (n_groups,)
        Mean parts of R2, by feature spaces.
    interval : dict of tuple of str to array, shape (2, n_groups)
        Intervals from a bootstrap over blocks.
    n_targets : array of int, shape (n_groups,)
        Tested targets of each group.
    n_negative : dict of tuple of str to array of int, shape (n_groups,)
        Targets whose part is below zero.
    doubts : dict of tuple of str to list of str
        For every group what speaks against the part, "" if nothing: it lies below zero, the joint model predicts worse
        than one without these feature spaces, or a shared part is larger than the R2 of one of its feature spaces, each
        beyond the interval. Models that were fitted badly show so, one penalty for unequal feature spaces first of all.
    """

    parts: Mapping[Bands, Float64]
    interval: Mapping[Bands, Float64]
    n_targets: NDArray[np.intp]
    n_negative: Mapping[Bands, NDArray[np.intp]]
    doubts: Mapping[Bands, list[str]]


def partition_groups(
    sums: BlockSums,
    groups: Booleans,
    *,
    n_bootstraps: int = 1000,
    level: float = 0.95,
    widening: Mapping[Bands, Float64] | None = None,
    random_state: int | None = None,
) -> GroupPartition:
    """Partition the mean R2 of groups of targets; the same blocks are drawn for all targets of a group.

    Parameters
    ----------
    sums : BlockSums
        With the model of every set of feature spaces.
    groups : array of bool, shape (n_groups, n_targets)
        Targets of each group, for instance the regions of an atlas.
    widening : dict of tuple of str to array, shape (n_groups,), optional
    n_bootstraps, level, random_state
        As in :func:`partition_blocks`.

    Returns
    -------
    GroupPartition
    """
    names = _names(sums.models)
    sets, matrix = all_subsets(names), partition_matrix(names)
    weights = np.r_[np.ones((1, sums.n_blocks)), bootstrap_weights(sums.split, n_bootstraps, random_state)]
    totals = np.zeros((len(sets), len(weights), len(groups)))
    counts, negative = np.zeros(len(groups), dtype=np.intp), np.zeros((len(sets), len(groups)), dtype=np.intp)
    for targets, r2 in sums.resampled(weights, "r2"):
        table = np.stack([r2[chosen] for chosen in sets])
        tested = np.isfinite(table[:, 0]).all(0)
        members = (groups[:, targets] & tested).astype(float)
        totals += np.nan_to_num(table) @ members.T
        counts += members.sum(1).astype(np.intp)
        negative += (((matrix @ table[:, 0]) < 0).astype(float) @ members.T).astype(np.intp)
    means = np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)
    parts = np.tensordot(matrix, means, 1)
    return GroupPartition(
        {chosen: part[0] for chosen, part in zip(sets, parts, strict=True)},
        {
            chosen: _limits(part[0], part[1:], sums, level, 1.0 if widening is None else widening[chosen])
            for chosen, part in zip(sets, parts, strict=True)
        },
        counts,
        dict(zip(sets, negative, strict=True)),
        _doubts(dict(zip(sets, means, strict=True)), dict(zip(sets, parts, strict=True)), sums, level, widening),
    )


def _doubts(
    r2: Mapping[Bands, Float64],
    parts: Mapping[Bands, Float64],
    sums: BlockSums,
    level: float,
    widening: Mapping[Bands, Float64] | None,
) -> dict[Bands, list[str]]:
    """What speaks against each part, from R2 and parts of groups, whole and resampled, (1 + n_bootstraps, n_groups).

    Where folds are joined, the error of a part is that of its interval, and that of another difference of R2 is wider
    by the largest factor of a part.
    """
    joint = max(r2, key=len)
    most = 1.0 if widening is None else np.max(list(widening.values()), axis=0)

    def below(difference: Float64, wider: Float64 | float = most) -> Booleans:
        return np.asarray(_limits(difference[0], difference[1:], sums, level, wider)[1] < 0)

    found: dict[Bands, list[str]] = {}
    for names, part in parts.items():
        rest = tuple(name for name in joint if name not in names)
        checks = {"significantly below zero": below(part, 1.0 if widening is None else widening[names])}
        if rest:
            checks[f"the joint model predicts worse than {'+'.join(rest)} alone"] = below(r2[joint] - r2[rest])
        for name in names if len(names) > 1 else ():
            checks[f"larger than the R2 of {name}"] = below(r2[(name,)] - part)
        columns = np.stack(list(checks.values()), axis=1)
        found[names] = ["; ".join(np.array(list(checks))[row].tolist()) for row in columns]
    return found


def _limits(whole: Float64, resampled: Float64, sums: BlockSums, level: float, wider: Float64 | float = 1.0) -> Float64:
    """Student's t interval with the bootstrap's standard error; percentiles are too narrow for few blocks."""
    half = student.ppf((1 + level) / 2, sums.degrees) * wider * resampled.std(axis=0)
    return np.stack([whole - half, whole + half])
