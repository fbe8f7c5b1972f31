"""Component preference: feature space that predicts a target best, with margin and uncertainty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from b2m_encoding._typing import Bands, Booleans, Float32, Float64, Integers
from b2m_encoding.errors import InputError
from b2m_encoding.stats.intervals import fisher_interval
from b2m_encoding.stats.multiplicity import fdr_q
from b2m_encoding.stats.sums.blocks import BlockSums, Measure
from b2m_encoding.stats.sums.bootstrap import bootstrap_weights

By = Literal["r", "unique"]
NO_PREFERENCE, NOT_PREDICTED = -1, -2
TARGET_CHUNK = 4096
MANY_BLOCKS = 8
MEASURE: dict[By, Measure] = {"r": "r", "unique": "r2"}


@dataclass(frozen=True, eq=False)
class Preference:
    """Preferred feature space of each target; arrays of shape (n_targets,) unless stated otherwise.

    Parameters
    ----------
    names : tuple of str
        Feature spaces.
    best : array of int
        Position in ``names`` of the feature space with the highest score, however small its lead; -1 if not tested.
    margin : array
        Score of the best minus that of the second best; NaN if not tested.
    interval : array, shape (2, n_targets)
        Bootstrap interval of the margin; NaN, like all that follow, where no feature space predicts.
    probability : array, shape (n_names, n_targets)
        Probability that the feature space predicts new stimuli best, from a bootstrap over blocks.
    p : array
        Two-sided p value of the margin: another feature space predicts as well.
    q : array
        The same, adjusted for multiple targets (Benjamini-Hochberg).
    index : array of int
        Decision: position in ``names``, -1 for no preference, -2 where the target is not predicted or not tested.
    n_blocks : int
        Blocks whose signs were flipped.
    widening : float
        Factor for joined folds, median over predicted targets; 1 for fixed predictions.
    """

    names: tuple[str, ...]
    best: Integers
    margin: Float64
    interval: Float64
    probability: Float64
    p: Float64
    q: Float64
    index: Integers
    n_blocks: int = 0
    widening: float = 1.0

    def shares(self) -> dict[str, float]:
        """Share of the predicted targets that prefer each feature space, or none (``no preference``)."""
        predicted = self.index != NOT_PREDICTED
        count = max(int(predicted.sum()), 1)
        shares = {name: float((self.index == i).sum() / count) for i, name in enumerate(self.names)}
        return {**shares, "no preference": float((self.index == NO_PREFERENCE).sum() / count)}


def prefer(
    sums: BlockSums,
    predicted: Booleans,
    *,
    by: By = "r",
    q: float = 0.05,
    n_bootstraps: int = 1000,
    n_permutations: int = 10_000,
    level: float = 0.95,
    widening: Float64 | None = None,
    random_state: int | None = None,
) -> Preference:
    """Compare feature spaces target by target on held-out blocks.

    Parameters
    ----------
    sums : BlockSums
        With the model of each feature space alone (``by="r"``), or of all and of all but one (``by="unique"``).
    predicted : array of bool, shape (n_targets,)
        Targets that the model of all feature spaces predicts; only these can have a preference.
    by : {"r", "unique"}
        Compare Pearson r of each feature space alone, or the R2 that it alone explains. Feature spaces that share
        much variance differ little in r, and not at all in the shared part.
    q : float
        False discovery rate of preferences.
    n_bootstraps, n_permutations : int
        Resamples of blocks for interval and probability, and sign flips for the test.
    level : float
        Confidence level of the interval of the margin.
    widening : array, shape (n_targets,), optional
        Standard error of a difference relative to that for fixed predictions, where folds are joined; see
        :class:`~b2m_encoding.stats.joined_folds.FoldDependence`.
    random_state : int, optional

    Returns
    -------
    Preference

    Raises
    ------
    InputError
        If a model is missing, or there are fewer than two feature spaces.

    Notes
    -----
    The test swaps the predictions of two feature spaces within randomly chosen blocks: if they predict equally well,
    the difference of the contributions of a block to their scores is as often positive as negative (a paired sign-flip
    test; Winkler et al. 2014, doi 10.1016/j.neuroimage.2014.01.060; p as in Phipson & Smyth 2010,
    doi 10.2202/1544-6115.1585). With more than two feature spaces the best must beat every other (intersection-union;
    Berger 1982, doi 10.1080/00401706.1982.10487790). Fewer than six blocks cannot reach p < .05.

    The bootstrap gives the probability tails as wide as the t distribution's, as few blocks need, and shrinks the
    differences of all predicted targets towards zero by the share of their spread that is sampling error (empirical
    Bayes; Efron & Morris 1975, doi 10.1080/01621459.1975.10479864): where all targets differ by noise alone the
    probability is that of guessing. It refers to new stimuli for these fitted models; more training data may change
    the preference, especially where one feature space is much wider than the other. Blocks are assumed to be
    independent: not for blocks shorter than the haemodynamic response.
    """
    names, contenders = _contenders(sums, by)
    whole = np.concatenate([table[:, 0] for _, table in _scores(sums, contenders, by, np.ones((1, sums.n_blocks)))], 1)
    best, margin = _ranked(whole)
    chosen = np.flatnonzero(predicted & np.isfinite(margin))
    tested = sums.take_targets(chosen)
    interval, probability = np.full((2, len(best)), np.nan), np.full((len(names), len(best)), np.nan)
    p = np.full(len(best), np.nan)
    wider = np.ones(len(chosen)) if widening is None else widening[chosen]
    interval[:, chosen], probability[:, chosen] = _bootstrap(
        tested, contenders, by, n_bootstraps, level, wider, random_state
    )
    products = np.nan_to_num([tested.contributions(model, MEASURE[by]) for model in contenders])
    signed = products if by == "r" else -products
    p[chosen] = _sign_flip_p(signed, best[chosen], n_permutations, wider, random_state)
    adjusted = fdr_q(p)
    index = np.where(adjusted < q, best, NO_PREFERENCE)
    index = np.where(np.isfinite(p), index, NOT_PREDICTED)
    typical = float(np.median(wider)) if len(wider) else 1.0
    return Preference(names, best, margin, interval, probability, p, adjusted, index, sums.n_blocks, typical)


def prefer_by_deltas(deltas: Mapping[str, Float64], predicted: Booleans) -> Preference:
    """Find the feature space with the smallest penalty of a banded model.

    Parameters
    ----------
    deltas : dict of str to array, shape (n_targets,)
        Minus the log of each feature space's penalty; minus infinity where it is switched off.
    predicted : array of bool, shape (n_targets,)
        Targets that the model predicts.

    Returns
    -------
    Preference
        The margin is a difference of log penalties; interval, probability, p and q are NaN.

    Notes
    -----
    Descriptive only: a penalty has no sampling distribution here, and it depends on the scale of the features, which
    must be standardised. Prefer :func:`prefer`. Dupre la Tour et al. 2022, doi 10.1016/j.neuroimage.2022.119728.

    Examples
    --------
    >>> preference = prefer_by_deltas({"a": np.array([2.0, 1]), "b": np.array([-1.0, 4])}, np.array([True, False]))
    >>> preference.index, preference.margin
    (array([ 0, -2]), array([ 3., nan]))
    """
    _at_least_two(tuple(deltas))
    table = np.stack(list(deltas.values()))
    inside = ~np.isnan(table).any(axis=0) & predicted & (table > -np.inf).any(axis=0)
    ordered = np.sort(np.where(inside, table, 0.0), axis=0)
    best = np.where(inside, np.where(inside, table, 0.0).argmax(axis=0), -1)
    nothing = np.full(len(best), np.nan)
    return Preference(
        tuple(deltas),
        best,
        margin=np.where(inside, ordered[-1] - ordered[-2], np.nan),
        interval=np.stack([nothing, nothing]),
        probability=np.stack([nothing] * len(table)),
        p=nothing,
        q=nothing,
        index=np.where(inside, best, NOT_PREDICTED),
    )


def _at_least_two(names: Sequence[str]) -> None:
    if len(names) < 2:
        raise InputError("a preference needs at least two feature spaces", found=list(names))


def _contenders(sums: BlockSums, by: By) -> tuple[tuple[str, ...], list[Bands]]:
    """Feature spaces, and the model that scores each; unique variance is R2(all) - R2(all but one)."""
    everything = max(sums.models, key=len, default=())
    names = everything if by == "unique" else tuple(name for bands in sums.models if len(bands) == 1 for name in bands)
    _at_least_two(names)
    if by == "r":
        return names, [(name,) for name in names]
    models = [tuple(other for other in names if other != name) for name in names]
    missing = [chosen for chosen in models if chosen not in sums.models]
    if missing:
        raise InputError("unique variance needs the models of all feature spaces but one", expected=missing)
    return names, models


def _scores(sums: BlockSums, contenders: list[Bands], by: By, weights: Float64) -> Iterator[tuple[slice, Float64]]:
    """Scores under each row of block weights, shape (n_contenders, n_resamples, n_chunk)."""
    for targets, scores in sums.resampled(weights, MEASURE[by], contenders):
        varies = sums.yy[:, targets].sum(axis=0) > 0
        table = np.where(varies, np.nan_to_num([scores[model] for model in contenders]), np.nan)  # no prediction: r 0
        yield targets, table if by == "r" else -table  # R2 of all others: the lower, the larger the unique part


def _ranked(table: Float64) -> tuple[Integers, Float64]:
    """Best contender of each target and its margin, from scores (n_contenders, n_targets); -1 and NaN if not tested."""
    tested = np.isfinite(table).all(axis=0)
    ordered = np.sort(table, axis=0)
    best = np.where(tested, np.where(tested, table, 0.0).argmax(axis=0), -1)
    return best.astype(np.int64), np.where(tested, ordered[-1] - ordered[-2], np.nan)


def _bootstrap(
    sums: BlockSums,
    contenders: list[Bands],
    by: By,
    n_bootstraps: int,
    level: float,
    wider: Float64,
    random_state: int | None,
) -> tuple[Float64, Float64]:
    """Interval of the margin and probability of every contender."""
    weights = np.r_[np.ones((1, sums.n_blocks)), bootstrap_weights(sums.split, n_bootstraps, random_state)]
    degrees = sums.degrees
    bound = 2.0 if by == "r" else np.inf
    tails = np.sqrt(degrees / np.random.default_rng(random_state).chisquare(degrees, n_bootstraps))
    interval, probability = np.empty((2, sums.n_targets)), np.empty((len(contenders), sums.n_targets))
    spread, error = np.empty(sums.n_targets), np.empty(sums.n_targets)
    for targets, table in _scores(sums, contenders, by, weights):
        order = np.argsort(table[:, 0], axis=0)
        lead = _of(table, order[-1]) - _of(table, order[-2])
        of_lead = wider[targets] * lead[1:].std(axis=0)
        interval[:, targets] = fisher_interval(lead[0], of_lead, degrees, level=level, bound=bound)
        contrast = table - table.mean(axis=0)
        spread[targets] = (contrast[:, 0] ** 2).sum(axis=0)
        error[targets] = wider[targets] ** 2 * contrast[:, 1:].var(axis=1).sum(axis=0)
    true = max(float(np.mean(spread - error)), 0.0) if len(spread) else 0.0
    for targets, table in _scores(sums, contenders, by, weights):
        contrast = table - table.mean(axis=0)
        shrinkage = true / np.maximum(true + error[targets], 1e-300)
        spread_out = np.sqrt(shrinkage) * wider[targets] * tails[:, None]
        draws = shrinkage * contrast[:, :1] + spread_out * (contrast[:, 1:] - contrast[:, :1])
        wins = draws.argmax(axis=0)
        probability[:, targets] = [(wins == i).mean(axis=0) for i in range(len(contenders))]
        probability[:, targets][:, shrinkage == 0] = 1 / len(contenders)
    return interval, probability


def _of(table: Float64, which: NDArray[np.intp]) -> Float64:
    """Scores of one contender per target, shape (n_resamples, n_targets)."""
    chosen: Float64 = np.take_along_axis(table, np.broadcast_to(which, (1, *table.shape[1:])), axis=0)[0]
    return chosen


def _sign_flip_p(
    products: Float64, best: Integers, n_permutations: int, wider: Float64, random_state: int | None
) -> Float64:
    """Two-sided p of the best contender against its closest rival.

    ``products``, shape (n_contenders, n_blocks, n_targets), are the contributions of each block to the score.
    """
    k, _, n = products.shape
    signs = torch.from_numpy(sign_flips(products.shape[1], n_permutations, random_state))
    p = np.zeros(n)
    rival = np.arange(k)[:, None] != best
    for start in range(0, n, TARGET_CHUNK):
        part = slice(start, start + TARGET_CHUNK)
        winner = np.take_along_axis(products[:, :, part], best[None, None, part], axis=0)[0]
        for i in range(k):
            lead = torch.from_numpy((winner - products[i, :, part]).astype(np.float32))
            slack = 1e-5 * lead.abs().sum(dim=0)
            flipped = torch.from_numpy(wider[part].astype(np.float32)) * (signs @ lead)
            flipped[0] = lead.sum(dim=0)  # the data themselves
            count = (flipped >= lead.sum(dim=0) - slack).sum(dim=0).numpy()
            p[part] = np.where(rival[i, part], np.maximum(p[part], count / len(signs)), p[part])
    return np.minimum(2 * p, 1.0)


def flip_widening(n_blocks: int) -> float:
    """Factor of flipped contributions to a score, whose means are estimated from the same blocks.

    Not for fewer than eight blocks, where p is so coarse that it is too large rather than too small.
    """
    return float(np.sqrt(n_blocks / (n_blocks - 1))) if n_blocks >= MANY_BLOCKS else 1.0


def sign_flips(n_units: int, n_permutations: int, random_state: int | None = None) -> Float32:
    """Draw the signs of every unit in every permutation, the first all plus; all combinations, if these are fewer.

    Parameters
    ----------
    n_units : int
        Blocks or subjects.
    n_permutations : int
    random_state : int, optional

    Returns
    -------
    array of float32, shape (n_permutations + 1 or 2 ** n_units, n_units)
        Signs, 1 or -1.

    Examples
    --------
    >>> sign_flips(2, 1000).tolist()
    [[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]]
    """
    if n_units < 30 and 2**n_units <= n_permutations:
        bits = np.arange(2**n_units)[:, None] >> np.arange(n_units) & 1
        return (1 - 2 * bits).astype(np.float32)
    drawn = np.random.default_rng(random_state).integers(0, 2, (n_permutations, n_units), dtype=np.int8)
    return np.concatenate([np.ones((1, n_units)), 1 - 2.0 * drawn]).astype(np.float32)
