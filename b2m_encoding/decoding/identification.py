"""Identification: naming the heard clip among n from a decoded embedding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from b2m_encoding.errors import InputError

Floats = NDArray[np.floating[Any]]
Array = NDArray[np.float64]
TIE = 1e-12
"""Correlations as close as this count as equal."""
N_WAYS = (2, 5, 10, 50)
TOP = (1, 3, 5, 10)


def identification_accuracy(predicted: Floats, target: Floats, groups: NDArray[Any] | None = None) -> Array:
    """Share of the other clips whose target is less like the prediction than the clip's own.

    With C[i, j] the Pearson correlation of prediction i and target j, clip i scores the mean over j != i of
    [C[i, i] > C[i, j]]; a tie counts one half, so that one prediction for all clips scores exactly 0.5
    (Brain2Music, arXiv 2307.11078, section 4.2; there ties count zero). Chance is 0.5.

    Parameters
    ----------
    predicted, target : array, shape (n_clips, n_dimensions)
        Or of windows of clips.
    groups : array, shape (n_clips,), optional
        The clip of each window: windows of the same clip are not among the others.

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
    return _accuracy(correlations(predicted, target), groups)


def correlations(predicted: Floats, target: Floats) -> Array:
    """Pearson correlation of every prediction with every target, (n_clips, n_clips); without variance it is 0.

    Raises
    ------
    InputError
        If there is not one prediction per target, or fewer than two.
    """
    if predicted.shape != target.shape or len(predicted) < 2:
        raise InputError("identification needs one prediction per target and two clips", found=predicted.shape)
    return _row_correlation(predicted, target)


def ranks(predicted: Floats, target: Floats, groups: NDArray[Any] | None = None) -> Array:
    """Rank of the own target among all by likeness to the prediction, 1 the best; ties lie half way, (n_clips,).

    Examples
    --------
    >>> ranks(np.eye(3), np.eye(3)[[0, 2, 1]]).tolist()
    [1.0, 2.5, 2.5]
    """
    better, equal, _ = _rivals(correlations(predicted, target), groups)
    return np.asarray(1 + better + equal / 2)


def top_k(similarity: Array, k: int, groups: NDArray[Any] | None = None) -> Array:
    """Whether the own target is among the k most alike, (n_clips,); of equal ones, how often if one is drawn.

    Parameters
    ----------
    similarity : array, shape (n_clips, n_clips)
        Of predictions (rows) and targets.
    k : int
    groups : array, shape (n_clips,), optional
        See :func:`identification_accuracy`.
    """
    better, equal, _ = _rivals(similarity, groups)
    return np.asarray(np.clip((k - better) / (equal + 1), 0, 1))


def n_way(similarity: Array, n: int, groups: NDArray[Any] | None = None) -> Array:
    """Chance of naming the own target among it and n - 1 others drawn without replacement, (n_clips,).

    Exact: the mean over all draws, no sampling. Chance is 1 / n; two-way is the identification accuracy.

    Parameters
    ----------
    similarity : array, shape (n_clips, n_clips)
    n : int
    groups : array, shape (n_clips,), optional

    Raises
    ------
    InputError
        If there are fewer than n - 1 others.

    Examples
    --------
    The own target is second of three: it wins against one of the two others, and never against both.

    >>> similarity = np.array([[0.5, 0.9, 0.1], [0.5, 0.9, 0.1], [0.2, 0.1, 0.3]])
    >>> n_way(similarity, 2).tolist(), n_way(similarity, 3).tolist()
    ([0.5, 1.0, 1.0], [0.0, 1.0, 1.0])
    """
    better, equal, others = _rivals(similarity, groups)
    if n < 2 or n - 1 > others.min():
        raise InputError("too few clips to draw from", found=f"{int(others.min())} others", expected=f"{n - 1} or more")
    out = np.zeros(len(similarity))
    for ahead in range(int(equal.max()) + 1):  # of the equal ones, so many are drawn before the own
        worse = others - better - ahead
        possible = worse >= n - 1
        chance = np.zeros_like(out)
        chance[possible] = np.exp(_log_choose(worse[possible], n - 1) - _log_choose(others[possible], n - 1))
        out += np.where(ahead <= equal, chance / (equal + 1), 0.0)
    return out


def _log_choose(n: Array, k: int) -> Array:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def identification_scores(predicted: Floats, target: Floats, groups: NDArray[Any] | None = None) -> dict[str, float]:
    """Every measure that these clips allow: n-way accuracy, share within the best k, median rank.

    Examples
    --------
    >>> list(identification_scores(np.eye(6), np.eye(6)))
    ['2_way', '5_way', 'top_1', 'top_3', 'top_5', 'median_rank', 'mean_rank']
    """
    return {name: float(value) for name, value in _over_clips(_of_clips(correlations(predicted, target), groups))}


def _of_clips(similarity: Array, groups: NDArray[Any] | None = None) -> dict[str, Array]:
    """Every measure that these clips allow, of each."""
    better, equal, others = _rivals(similarity, groups)
    fewest = int(others.min())
    found = {f"{n}_way": n_way(similarity, n, groups) for n in N_WAYS if n - 1 <= fewest}
    found |= {f"top_{k}": top_k(similarity, k, groups) for k in TOP if k <= fewest}
    return {**found, "rank": 1 + better + equal / 2}


def _over_clips(of_clips: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """Mean over the last axis; the median of ranks too."""
    for name, values in of_clips.items():
        if name == "rank":
            yield "median_rank", np.median(values, axis=-1)
        yield ("mean_rank" if name == "rank" else name), values.mean(axis=-1)


def by_label(accuracy: Floats, labels: NDArray[Any]) -> dict[str, float]:
    """Mean accuracy of the clips with each label (a genre), in order of appearance; clips without one are left out.

    Examples
    --------
    >>> by_label(np.array([1.0, 0.5, 0.9]), np.array(["jazz", "jazz", ""]))
    {'jazz': 0.75}
    """
    return {str(name): float(accuracy[labels == name].mean()) for name in dict.fromkeys(labels.tolist()) if name}


EvaluatedClips = tuple[Floats, Floats, NDArray[np.bool_]]
"""Predictions and targets of all clips by one decoder, and the clips that it is judged on."""


def identified(predicted: Floats, target: Floats) -> NDArray[np.int64]:
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
    parts: Sequence[EvaluatedClips],
    *,
    n_permutations: int = 2000,
    level: float = 0.95,
    random_state: int | None = None,
) -> tuple[float, float]:
    """Interval of the mean accuracy when predictions are assigned to clips at random.

    Parameters
    ----------
    parts : sequence of (predicted, target, judged)
        Of every decoder; several where each is judged on some of the clips. All are assigned in the same order.
    n_permutations : int
    level : float
    random_state : int, optional
    """
    generator = np.random.default_rng(random_state)
    found = [(correlations(predicted, target), judged) for predicted, target, judged in parts]
    n = len(found[0][0])
    means = []
    for _ in range(n_permutations):
        order = generator.permutation(n)
        means.append(np.concatenate([_accuracy(similarity[order])[judged] for similarity, judged in found]).mean())
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def chance_of_scores(
    predicted: Floats,
    target: Floats,
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
    random_state : int, optional

    Examples
    --------
    >>> low, high = chance_of_scores(np.eye(50), np.eye(50), random_state=0)["top_1"]
    >>> low <= 1 / 50 <= high
    True
    """
    similarity = correlations(predicted, target)
    n, generator = len(similarity), np.random.default_rng(random_state)
    # of any prediction against any target, once: permutations only pick from these
    pairs = [_of_clips(np.roll(similarity, -shift, axis=0)) for shift in range(n)]
    shifts = (np.stack([generator.permutation(n) for _ in range(n_permutations)]) - np.arange(n)) % n
    drawn = {name: np.stack([one[name] for one in pairs])[shifts, np.arange(n)] for name in pairs[0]}
    ends = [(1 - level) / 2, (1 + level) / 2]
    return {name: (float(low), float(high)) for name, means in _over_clips(drawn)
            for low, high in [np.quantile(means, ends)]}  # fmt: skip


def shared_clips(training: NDArray[Any], test: NDArray[Any]) -> list[str]:
    """Clips that were heard in both training and test: their identification tells of memory, not of decoding.

    Examples
    --------
    >>> shared_clips(np.array(["jazz.1", "pop.1", ""]), np.array(["pop.1", "", "rock.2"]))
    ['pop.1']
    """
    return sorted({str(clip) for clip in training} & {str(clip) for clip in test} - {""})


def note_of_shared(clips: Sequence[str]) -> str | None:
    """What the results say of clips that training and test share; None if there are none."""
    if not clips:
        return None
    some = ", ".join(sorted(clips)[:5])
    return f"{len(clips)} test clips were heard in training ({some}): their identification is too good"


def _rivals(similarity: Array, groups: NDArray[Any] | None = None) -> tuple[Array, Array, Array]:
    """How many others are more like a prediction than its own target, as much like it, and there at all."""
    own = np.diag(similarity)[:, None]
    equal = np.isclose(similarity, own, rtol=0, atol=TIE)
    rival = ~np.eye(len(similarity), dtype=bool) if groups is None else groups[:, None] != groups
    counts = [(rival & mask).sum(axis=1).astype(float) for mask in ((similarity > own) & ~equal, equal)]
    others = rival.sum(axis=1).astype(float)
    if not others.all():
        raise InputError("identification needs two clips", found="one clip")
    return counts[0], counts[1], others


def _accuracy(similarity: Array, groups: NDArray[Any] | None = None) -> Array:
    better, equal, others = _rivals(similarity, groups)
    return np.asarray((others - better - equal / 2) / others)


def _row_correlation(a: Floats, b: Floats) -> Array:
    """Pearson correlation of every row of a with every row of b; a row without variance correlates 0."""
    centred = [np.asarray(x, dtype=np.float64) - np.mean(x, axis=1, keepdims=True) for x in (a, b)]
    norms = [np.linalg.norm(x, axis=1, keepdims=True) for x in centred]
    a, b = (np.divide(x, n, out=np.zeros_like(x), where=n > 0) for x, n in zip(centred, norms, strict=True))
    return np.asarray(a @ b.T, dtype=np.float64)
