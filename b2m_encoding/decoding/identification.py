"""Identification of the presented clip among n candidates, from a decoded embedding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import rankdata

from b2m_encoding._typing import Float64, Floating, Integers
from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import as_floats

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
    return accuracy_of(correlations(predicted, target), groups)


def correlations(predicted: Floating, target: Floating) -> Float64:
    """Pearson correlation of every prediction with every target, shape (n_clips, n_clips); 0 without variance.

    Parameters
    ----------
    predicted, target : array, shape (n_clips, n_dimensions)

    Raises
    ------
    InputError
        If the number of predictions and targets differs, there are fewer than two, or a number is not finite.
    """
    shapes = np.shape(predicted), np.shape(target)
    if shapes[0] != shapes[1] or len(predicted) < 2:
        raise InputError("identification needs one prediction per target and two clips", found=shapes)
    return row_correlations(predicted, target)


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
    return {name: float(value) for name, value in over_clips(scores_of_clips(correlations(predicted, target), groups))}


def scores_of_clips(similarity: Float64, groups: NDArray[Any] | None = None) -> dict[str, Float64]:
    """Every measure that the number of clips allows, for each clip."""
    better, equal, others = _rivals(similarity, groups)
    fewest = int(others.min())
    measures = {f"{n}_way": n_way(similarity, n, groups) for n in N_WAYS if n - 1 <= fewest}
    measures |= {f"top_{k}": top_k(similarity, k, groups) for k in TOP if k <= fewest}
    return {**measures, "rank": 1 + better + equal / 2}


def over_clips(of_clips: Mapping[str, Float64]) -> Iterator[tuple[str, Float64]]:
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
        similarity = row_correlations(candidates[start : start + n_together], target).round(12)  # ties, as elsewhere
        total += rankdata(similarity, axis=1).sum(axis=0) - len(similarity)
    return np.asarray(total / (len(candidates) * (len(target) - 1)))


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
    return np.asarray(row_correlations(predicted, target).argmax(axis=1))


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
    lead = similarity - np.diag(similarity)[:, None]
    rival = ~np.eye(len(similarity), dtype=bool) if groups is None else groups[:, None] != groups
    counts = [(rival & mask).sum(axis=1).astype(float) for mask in (lead > TIE, np.abs(lead) <= TIE)]
    others = rival.sum(axis=1).astype(float)
    if not others.all():
        raise InputError("identification needs two clips", found="one clip")
    return counts[0], counts[1], others


def accuracy_of(similarity: Float64, groups: NDArray[Any] | None = None) -> Float64:
    """Identification accuracy of every clip, from similarities of predictions (rows) and targets."""
    better, equal, others = _rivals(similarity, groups)
    return np.asarray((others - better - equal / 2) / others)


def row_correlations(a: Floating, b: Floating) -> Float64:
    """Pearson correlation of every row of a with every row of b; a row without variance correlates 0."""
    vectors = [_vectors(x) for x in (a, b)]
    if vectors[0].shape[1] != vectors[1].shape[1]:
        raise InputError("vectors differ in length", found=tuple(x.shape[1] for x in vectors))
    centred = [x - x.mean(axis=1, keepdims=True) for x in vectors]
    norms = [np.linalg.norm(x, axis=1, keepdims=True) for x in centred]
    a, b = (np.divide(x, n, out=np.zeros_like(x), where=n > 0) for x, n in zip(centred, norms, strict=True))
    return np.asarray(a @ b.T, dtype=np.float64)


def _vectors(values: Any) -> Float64:
    """Rows as vectors of finite numbers: without this, one that is missing would count as chance."""
    vectors = np.asarray(as_floats(values, "vectors to compare"), dtype=np.float64)
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        bad = int((~np.isfinite(vectors)).sum())
        found = f"shape {vectors.shape}, {bad} not finite"
        raise InputError("vectors must be finite, one per row", found=found, fix="leave out what has none")
    return vectors
