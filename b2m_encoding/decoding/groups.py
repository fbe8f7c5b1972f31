"""Identification by groups of clips, such as genres: within them, and of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.decoding.identification import accuracy_of, correlations, row_correlations


def accuracy_within(predicted: Floating, target: Floating, labels: NDArray[Any]) -> Float64:
    """Identification accuracy among the clips with the same label (genre), which their label cannot tell apart.

    Parameters
    ----------
    predicted, target : array, shape (n_clips, n_dimensions)
    labels : array of str, shape (n_clips,)

    Returns
    -------
    array, shape (n_clips,)
        NaN where no other clip has the label, or the label is empty.

    Examples
    --------
    >>> accuracy_within(np.eye(4), np.eye(4), np.array(["jazz", "jazz", "pop", ""])).tolist()
    [1.0, 1.0, nan, nan]
    """
    similarity, out = correlations(predicted, target), np.full(len(labels), np.nan)
    for label in dict.fromkeys(labels.tolist()):
        same = np.flatnonzero(labels == label)
        if label and len(same) > 1:
            out[same] = accuracy_of(similarity[np.ix_(same, same)])
    return out


def group_scores(
    predicted: Floating,
    labels: NDArray[Any],
    known: Floating,
    known_labels: NDArray[Any],
    *,
    n_permutations: int = 2000,
    level: float = 0.95,
    random_state: int | None = None,
) -> dict[str, tuple[float, float, float]]:
    """Share of the clips whose group (genre) is recognised from their decoded features.

    A group is the mean of the features of its training clips. Groups are ordered by their correlation with a
    prediction, of which each clip asks whether its own is the best one, or among the best three.

    Parameters
    ----------
    predicted : array, shape (n_clips, n_dimensions)
    labels : array of str, shape (n_clips,)
        Group of each clip; clips of no group, or of one that training lacks, are left out.
    known : array, shape (n_training_clips, n_dimensions)
        Features of training clips.
    known_labels : array of str, shape (n_training_clips,)
    n_permutations : int
        Assignments of predictions to clips at random, for the interval of chance.
    level : float
    random_state : int, optional

    Returns
    -------
    dict of str to (share, low, high)
        ``group_top_1`` and, of more than three groups, ``group_top_3``, with the interval of chance, around k over the
        number of groups; empty for fewer than two groups.

    Examples
    --------
    >>> known, groups = np.repeat(np.eye(4), 2, axis=0), np.repeat(list("abcd"), 2)
    >>> {name: found[0] for name, found in group_scores(np.eye(4), np.array(list("abcb")), known, groups).items()}
    {'group_top_1': 0.75, 'group_top_3': 0.9166666666666666}
    """
    names = [name for name in dict.fromkeys(known_labels.tolist()) if name]
    own = np.array([names.index(label) if label in names else -1 for label in labels.tolist()])
    if len(names) < 2 or not (own >= 0).any():
        return {}
    means = np.stack([known[known_labels == name].mean(axis=0) for name in names])
    similarity, own = row_correlations(predicted, means)[own >= 0].round(12), own[own >= 0]
    better = (similarity[:, None, :] > similarity[:, :, None]).sum(axis=2)
    equal = (similarity[:, None, :] == similarity[:, :, None]).sum(axis=2)
    generator = np.random.default_rng(random_state)
    orders = [generator.permutation(len(own)) for _ in range(n_permutations)]
    found = {}
    for k in (1, 3):
        if k < len(names):
            right = np.clip((k - better) / equal, 0, 1)  # of every prediction, for every group
            low, high = np.quantile([right[order, own].mean() for order in orders], [(1 - level) / 2, (1 + level) / 2])
            found[f"group_top_{k}"] = (float(right[np.arange(len(own)), own].mean()), float(low), float(high))
    return found


def by_label(accuracy: Floating, labels: NDArray[Any]) -> dict[str, float]:
    """Mean accuracy of the clips with each label (a genre), in order of appearance; clips without one are left out.

    Parameters
    ----------
    accuracy : array, shape (n_clips,)
    labels : array of str, shape (n_clips,)

    Examples
    --------
    >>> by_label(np.array([1.0, 0.5, 0.9]), np.array(["jazz", "jazz", ""]))
    {'jazz': 0.75}
    """
    return {str(name): float(accuracy[labels == name].mean()) for name in dict.fromkeys(labels.tolist()) if name}
