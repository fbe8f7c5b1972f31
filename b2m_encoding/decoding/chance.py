"""Chance of identification: predictions that are assigned to clips at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Booleans, Floating
from b2m_encoding.decoding.identification import accuracy_of, correlations, over_clips, scores_of_clips

EvaluatedClips = tuple[Floating, Floating, Booleans]
"""Predictions and targets of all clips by one decoder, and the mask of the clips on which it is evaluated."""


def chance_interval(
    parts: Sequence[EvaluatedClips],
    *,
    groups: NDArray[Any] | None = None,
    n_permutations: int = 2000,
    level: float = 0.95,
    random_state: int | None = None,
) -> tuple[float, float]:
    """Interval of the mean accuracy when predictions are assigned to clips at random.

    Clips of a group (a genre) are not independent where groups are left out of training: features and predictions may
    both differ between groups without any relation. Groups then change places as wholes, clips within them too.

    Parameters
    ----------
    parts : sequence of (predicted, target, evaluated)
        Arrays of each decoder; several decoders where each is evaluated on a part of the clips. The predictions of all
        are permuted alike.
    groups : array of str, shape (n_clips,), optional
        Groups that were left out one by one; clips are exchanged one by one if not given.
    n_permutations : int
    level : float
        Coverage of the interval.
    random_state : int, optional

    Returns
    -------
    low, high : float
    """
    generator = np.random.default_rng(random_state)
    similarities = [(correlations(predicted, target), evaluated) for predicted, target, evaluated in parts]
    n = len(similarities[0][0])
    means = []
    for _ in range(n_permutations):
        order = generator.permutation(n) if groups is None else permuted_groups(groups, generator)
        accuracy = [accuracy_of(similarity[order])[evaluated] for similarity, evaluated in similarities]
        means.append(np.concatenate(accuracy).mean())
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def permuted_groups(groups: NDArray[Any], generator: np.random.Generator) -> NDArray[np.intp]:
    """Draw an order in which whole groups change places, and clips within them.

    A clip gets one of the group that comes to its place; where that is smaller, some of its clips come twice.

    Examples
    --------
    >>> groups = np.array(list("aaabbb"))
    >>> groups[permuted_groups(groups, np.random.default_rng(3))].tolist()
    ['b', 'b', 'b', 'a', 'a', 'a']
    """
    members = [np.flatnonzero(groups == label) for label in dict.fromkeys(groups.tolist())]
    order = np.empty(len(groups), dtype=np.intp)
    for place, source in zip(members, generator.permutation(len(members)), strict=True):
        order[place] = np.resize(generator.permutation(members[source]), len(place))
    return order


def chance_of_scores(
    predicted: Floating,
    target: Floating,
    *,
    n_permutations: int = 2000,
    level: float = 0.95,
    random_state: int | None = None,
) -> dict[str, tuple[float, float]]:
    """Intervals of :func:`identification_scores` when predictions are assigned to clips at random.

    Parameters
    ----------
    predicted, target : array, shape (n_clips, n_dimensions)
    n_permutations : int
    level : float
        Coverage of the intervals.
    random_state : int, optional

    Returns
    -------
    dict of str to (low, high)

    Examples
    --------
    >>> low, high = chance_of_scores(np.eye(50), np.eye(50), random_state=0)["top_1"]
    >>> low <= 1 / 50 <= high
    True
    """
    similarity = correlations(predicted, target)
    n, generator = len(similarity), np.random.default_rng(random_state)
    # every measure of any prediction with any target, computed once: permutations only select from these
    pairs = [scores_of_clips(np.roll(similarity, -shift, axis=0)) for shift in range(n)]
    shifts = (np.stack([generator.permutation(n) for _ in range(n_permutations)]) - np.arange(n)) % n
    drawn = {name: np.stack([values[name] for values in pairs])[shifts, np.arange(n)] for name in pairs[0]}
    ends = [(1 - level) / 2, (1 + level) / 2]
    return {name: (float(low), float(high)) for name, means in over_clips(drawn)
            for low, high in [np.quantile(means, ends)]}  # fmt: skip
