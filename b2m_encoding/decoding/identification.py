"""Identification of the presented clip among n candidates, from a decoded embedding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import rankdata

from b2m_encoding._typing import Booleans, Float64, Floating, Integers
from b2m_encoding.errors import InputError

TIE = 1e-12
"""Largest difference of correlations that count as equal."""
N_WAYS = (2, 5, 10, 50)
"""Numbers of candidates of the n-way accuracies."""
TOP = (1, 3, 5, 10)
"""Numbers of best candidates of the top-k accuracies."""


def identification_accuracy(predicted: Floating, target: Floating, groups: NDArray[Any] | None = None) -> Float64:
    """Share of the other clips whose target is less similar to the prediction than the target of the clip itself.

    With C[i, j] the Pearson correlation of prediction i and target j, clip i scores the mean over j != i of
    [C[i, i] > C[i, j]]; a tie counts one half, so that one prediction for all clips scores exactly 0.5
    (Brain2Music, arXiv 2307.11078, section 4.2; there ties count zero). Chance is 0.5.

    Parameters
    ----------
    predicted, target : array, shape (n_clips, n_dimensions)
        Decoded features and features; of windows instead of clips, if ``groups`` names the clips.
    groups : array, shape (n_clips,), optional
        Clip of each window: windows of the same clip are not among the others.

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


def correlations(predicted: Floating, target: Floating) -> Float64:
    """Pearson correlation of every prediction with every target, shape (n_clips, n_clips); 0 without variance.

    Parameters
    ----------
    predicted, target : array, shape (n_clips, n_dimensions)

    Raises
    ------
    InputError
        If the number of predictions and targets differs, or there are fewer than two.
    """
    if predicted.shape != target.shape or len(predicted) < 2:
        raise InputError("identification needs one prediction per target and two clips", found=predicted.shape)
    return _row_correlation(predicted, target)


def ranks(predicted: Floating, target: Floating, groups: NDArray[Any] | None = None) -> Float64:
    """Rank of the target of each clip among all targets by similarity to its prediction; 1 is the best.

    Parameters
    ----------
    predicted, target : array, shape (n_clips, n_dimensions)
    groups : array, shape (n_clips,), optional
        See :func:`identification_accuracy`.

    Returns
    -------
    array, shape (n_clips,)
        Ties get the mean of their ranks.

    Examples
    --------
    >>> ranks(np.eye(3), np.eye(3)[[0, 2, 1]]).tolist()
    [1.0, 2.5, 2.5]
    """
    better, equal, _ = _rivals(correlations(predicted, target), groups)
    return np.asarray(1 + better + equal / 2)


def top_k(similarity: Float64, k: int, groups: NDArray[Any] | None = None) -> Float64:
    """Probability that the target of each clip is among the k most similar ones; 0 or 1 without ties.

    Parameters
    ----------
    similarity : array, shape (n_clips, n_clips)
        Similarity of predictions (rows) and targets.
    k : int
    groups : array, shape (n_clips,), optional
        See :func:`identification_accuracy`.

    Returns
    -------
    array, shape (n_clips,)
    """
    better, equal, _ = _rivals(similarity, groups)
    return np.asarray(np.clip((k - better) / (equal + 1), 0, 1))


def n_way(similarity: Float64, n: int, groups: NDArray[Any] | None = None) -> Float64:
    """Probability that each clip is identified among itself and n - 1 others drawn without replacement.

    Exact: the mean over all draws, no sampling. Chance is 1 / n; two-way is the identification accuracy.

    Parameters
    ----------
    similarity : array, shape (n_clips, n_clips)
        Similarity of predictions (rows) and targets.
    n : int
    groups : array, shape (n_clips,), optional
        See :func:`identification_accuracy`.

    Returns
    -------
    array, shape (n_clips,)

    Raises
    ------
    InputError
        If there are fewer than n - 1 others.

    Examples
    --------
    The target is second of three: it wins against one of the two others, and never against both.

    >>> similarity = np.array([[0.5, 0.9, 0.1], [0.5, 0.9, 0.1], [0.2, 0.1, 0.3]])
    >>> n_way(similarity, 2).tolist(), n_way(similarity, 3).tolist()
    ([0.5, 1.0, 1.0], [0.0, 1.0, 1.0])
    """
    better, equal, others = _rivals(similarity, groups)
    if n < 2 or n - 1 > others.min():
        raise InputError("too few clips to draw from", found=f"{int(others.min())} others", expected=f"{n - 1} or more")
    out = np.zeros(len(similarity))
    for ahead in range(int(equal.max()) + 1):  # number of equal targets drawn before that of the clip
        worse = others - better - ahead
        possible = worse >= n - 1
        chance = np.zeros_like(out)
        chance[possible] = np.exp(_log_choose(worse[possible], n - 1) - _log_choose(others[possible], n - 1))
        out += np.where(ahead <= equal, chance / (equal + 1), 0.0)
    return out


def _log_choose(n: Float64, k: int) -> Float64:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def identification_scores(
    predicted: Floating, target: Floating, groups: NDArray[Any] | None = None
) -> dict[str, float]:
    """Every measure that the number of clips allows: n-way accuracy, share within the best k, median and mean rank.

    Parameters
    ----------
    predicted, target : array, shape (n_clips, n_dimensions)
    groups : array, shape (n_clips,), optional
        See :func:`identification_accuracy`.

    Examples
    --------
    >>> list(identification_scores(np.eye(6), np.eye(6)))
    ['2_way', '5_way', 'top_1', 'top_3', 'top_5', 'median_rank', 'mean_rank']
    """
    return {name: float(value) for name, value in _over_clips(_of_clips(correlations(predicted, target), groups))}


def _of_clips(similarity: Float64, groups: NDArray[Any] | None = None) -> dict[str, Float64]:
    """Every measure that the number of clips allows, for each clip."""
    better, equal, others = _rivals(similarity, groups)
    fewest = int(others.min())
    measures = {f"{n}_way": n_way(similarity, n, groups) for n in N_WAYS if n - 1 <= fewest}
    measures |= {f"top_{k}": top_k(similarity, k, groups) for k in TOP if k <= fewest}
    return {**measures, "rank": 1 + better + equal / 2}


def _over_clips(of_clips: Mapping[str, Float64]) -> Iterator[tuple[str, Float64]]:
    """Mean over the last axis, and the median of ranks."""
    for name, values in of_clips.items():
        if name == "rank":
            yield "median_rank", np.median(values, axis=-1)
        yield ("mean_rank" if name == "rank" else name), values.mean(axis=-1)


def expected_accuracy(candidates: Floating, target: Floating, n_together: int = 4096) -> Float64:
    """Expected identification accuracy of each clip when its prediction is drawn at random.

    The mean over clips is one half whatever the candidates: a draw that favours one clip does so at the cost of others.

    Parameters
    ----------
    candidates : array, shape (n_candidates, n_dimensions)
        Vectors that are drawn from, each as likely.
    target : array, shape (n_clips, n_dimensions)
    n_together : int
        Candidates at a time.

    Returns
    -------
    array, shape (n_clips,)

    Examples
    --------
    >>> expected_accuracy(np.eye(3)[:1], np.eye(3)).tolist()
    [1.0, 0.25, 0.25]
    """
    total = np.zeros(len(target))
    for start in range(0, len(candidates), n_together):
        similarity = _row_correlation(candidates[start : start + n_together], target).round(12)  # ties, as elsewhere
        total += rankdata(similarity, axis=1).sum(axis=0) - len(similarity)
    return np.asarray(total / (len(candidates) * (len(target) - 1)))


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
            out[same] = _accuracy(similarity[np.ix_(same, same)])
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
    similarity, own = _row_correlation(predicted, means)[own >= 0].round(12), own[own >= 0]
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


EvaluatedClips = tuple[Floating, Floating, Booleans]
"""Predictions and targets of all clips by one decoder, and the mask of the clips on which it is evaluated."""


def identified(predicted: Floating, target: Floating) -> Integers:
    """Number of the target that is most similar to each prediction.

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
        accuracy = [_accuracy(similarity[order])[evaluated] for similarity, evaluated in similarities]
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
    pairs = [_of_clips(np.roll(similarity, -shift, axis=0)) for shift in range(n)]
    shifts = (np.stack([generator.permutation(n) for _ in range(n_permutations)]) - np.arange(n)) % n
    drawn = {name: np.stack([values[name] for values in pairs])[shifts, np.arange(n)] for name in pairs[0]}
    ends = [(1 - level) / 2, (1 + level) / 2]
    return {name: (float(low), float(high)) for name, means in _over_clips(drawn)
            for low, high in [np.quantile(means, ends)]}  # fmt: skip


def shared_clips(training: NDArray[Any], test: NDArray[Any]) -> list[str]:
    """Clips that were presented in both training and test; their identification measures memory, not decoding.

    Parameters
    ----------
    training, test : array of str, shape (n_windows,)
        Clip of each window; empty without a clip.

    Examples
    --------
    >>> shared_clips(np.array(["jazz.1", "pop.1", ""]), np.array(["pop.1", "", "rock.2"]))
    ['pop.1']
    """
    return sorted({str(clip) for clip in training} & {str(clip) for clip in test} - {""})


def note_of_shared(clips: Sequence[str]) -> str | None:
    """Note for the results on clips that training and test share; None without such clips."""
    if not clips:
        return None
    first = ", ".join(sorted(clips)[:5])
    return f"{len(clips)} test clips were presented in training ({first}): their identification is too good"


def _rivals(similarity: Float64, groups: NDArray[Any] | None = None) -> tuple[Float64, Float64, Float64]:
    """Number of others that are more similar to a prediction than its target, as similar, and in total."""
    diagonal = np.diag(similarity)[:, None]
    equal = np.isclose(similarity, diagonal, rtol=0, atol=TIE)
    rival = ~np.eye(len(similarity), dtype=bool) if groups is None else groups[:, None] != groups
    counts = [(rival & mask).sum(axis=1).astype(float) for mask in ((similarity > diagonal) & ~equal, equal)]
    others = rival.sum(axis=1).astype(float)
    if not others.all():
        raise InputError("identification needs two clips", found="one clip")
    return counts[0], counts[1], others


def _accuracy(similarity: Float64, groups: NDArray[Any] | None = None) -> Float64:
    better, equal, others = _rivals(similarity, groups)
    return np.asarray((others - better - equal / 2) / others)


def _row_correlation(a: Floating, b: Floating) -> Float64:
    """Pearson correlation of every row of a with every row of b; a row without variance correlates 0."""
    centred = [np.asarray(x, dtype=np.float64) - np.mean(x, axis=1, keepdims=True) for x in (a, b)]
    norms = [np.linalg.norm(x, axis=1, keepdims=True) for x in centred]
    a, b = (np.divide(x, n, out=np.zeros_like(x), where=n > 0) for x, n in zip(centred, norms, strict=True))
    return np.asarray(a @ b.T, dtype=np.float64)
