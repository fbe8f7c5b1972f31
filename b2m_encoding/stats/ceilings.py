"""Noise ceilings: how much of a response any model could explain, from repeats, halves or other subjects."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import as_floats
from b2m_encoding.runs import Runs
from b2m_encoding.stats.scores import check_measure, pearson_r

Presentations = Literal["average", "repeat"]
MAX_SPLITS = 50
MIN_EXPLAINABLE = 0.1


@dataclass(frozen=True, eq=False)
class Ceiling:
    """Signal and noise power of every target from repeats; arrays of shape (n_targets,), NaN where not measured.

    Parameters
    ----------
    signal_power, noise_power : array
        Variance that repeats share, and variance of a single repeat that they do not. Unbiased, so that the signal
        power of a target without signal is as often below 0 as above.
    average_power : array
        Variance of the average over repeats.
    n_repeats, n_samples : int
        Presentations of each stimulus, and samples of one presentation.
    """

    signal_power: Float64
    noise_power: Float64
    average_power: Float64
    n_repeats: int
    n_samples: int

    @property
    def explainable_variance(self) -> Float64:
        """Share of signal in the variance of a single repeat; not clipped at 0."""
        return _ratio(self.signal_power, self.signal_power + self.noise_power)

    @property
    def explainable_of_average(self) -> Float64:
        """Share of signal in the variance of the average over repeats: the highest R2 to expect there."""
        return _ratio(self.signal_power, self.average_power)

    def share(self, of: Presentations) -> Float64:
        """Share of signal in the variance of the average, or of one repeat."""
        return self.explainable_of_average if of == "average" else self.explainable_variance

    def highest_r(self, of: Presentations = "average") -> Float64:
        """Highest Pearson r to expect with the average over repeats, or with one repeat (0 without signal).

        With the average, this is CCmax of Schoppe et al. 2016 and Hsu et al. 2004.
        """
        return np.sqrt(np.clip(self.share(of), 0, None))


@dataclass(frozen=True)
class NoCeiling:
    """Reason why these data have no ceiling.

    Parameters
    ----------
    reason : str
    """

    reason: str


JOINED = NoCeiling("every sample is held out once: repeats lie in training and test")
"""Where folds are joined."""


def repeat_ceiling(repeats: Floating) -> Ceiling:
    """Estimate signal and noise power from responses to repeats of the same stimulus.

    With R repeats, signal power is (R var(average) - mean var(repeat)) / (R - 1): the noise left in the average is
    taken off (Sahani & Linden 2003, NIPS 15:125; Hsu et al. 2004, doi 10.1088/0954-898X_15_2_001; Schoppe et al. 2016,
    doi 10.3389/fncom.2016.00010).

    Parameters
    ----------
    repeats : array, shape (n_repeats, n_samples, n_targets)
        Responses to the same stimuli, at least two repeats.

    Returns
    -------
    Ceiling

    Raises
    ------
    InputError
        If there are fewer than two repeats or two samples.

    Notes
    -----
    Not valid where noise is shared between repeats (a drift or an artefact locked to the stimulus, repeats so close
    that slow noise spans them, repeats averaged or smoothed together): such noise counts as signal. The ceiling holds
    for these stimuli; adaptation to repeats lowers it.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ceiling = repeat_ceiling(rng.standard_normal((1, 1000, 1)) + rng.standard_normal((4, 1000, 1)))
    >>> ceiling.explainable_variance.round(1), ceiling.explainable_of_average.round(1)
    (array([0.5]), array([0.8]))
    """
    repeats = as_floats(repeats, "the repeats")
    if repeats.ndim != 3 or len(repeats) < 2 or repeats.shape[1] < 2:
        raise InputError(
            "a ceiling needs responses to at least two repeats",
            found=repeats.shape,
            expected="(n_repeats, n_samples, n_targets)",
        )
    n = len(repeats)
    total = np.mean([repeat.var(axis=0, ddof=1, dtype=np.float64) for repeat in repeats], axis=0)
    average = repeats.mean(axis=0, dtype=np.float64).var(axis=0, ddof=1)
    signal = (n * average - total) / (n - 1)
    tested = total > 0
    signal, noise, average = (np.where(tested, power, np.nan) for power in (signal, total - signal, average))
    return Ceiling(signal, noise, average, n_repeats=n, n_samples=repeats.shape[1])


def noise_ceiling(responses: Floating, runs: Runs, *, within_runs: bool = True) -> Ceiling | NoCeiling:
    """Estimate the ceiling from the clips that were presented more than once, by :func:`repeat_ceiling`.

    Parameters
    ----------
    responses : array, shape (n_samples, n_targets)
        All presentations, not yet averaged.
    runs : Runs
        Runs with the presented clip of every sample; unused samples are left out.
    within_runs : bool
        Repeats are presentations in the same run, as in averaging; otherwise in any run.

    Returns
    -------
    Ceiling or NoCeiling
        The latter, with its reason, where no clip was repeated.

    Examples
    --------
    >>> responses = np.random.default_rng(0).standard_normal((6, 1))
    >>> noise_ceiling(responses, Runs.from_lengths([6], tr=1.5))
    NoCeiling(reason='no clip was presented twice in the same run')
    """
    responses = as_floats(responses, "the responses")
    runs.check_length(responses, "the response array")
    rows = find_repeats(runs, within_runs=within_runs)
    if isinstance(rows, NoCeiling):
        return rows
    return repeat_ceiling(responses[rows])


def find_repeats(runs: Runs, *, within_runs: bool = True) -> NDArray[np.intp] | NoCeiling:
    """Find the rows of repeated presentations of the same moment of a clip.

    Samples are matched by clip and position in the clip. Where clips were repeated unequally often, the number of
    repeats is chosen that gives the most samples beyond the first presentations.

    Parameters
    ----------
    runs : Runs
    within_runs : bool
        Repeats are presentations in the same run; otherwise in any run.

    Returns
    -------
    array of int, shape (n_repeats, n_samples), or NoCeiling
    """
    groups: dict[tuple[str, str, int], list[int]] = {}
    for rows in runs.presentations:
        run = str(runs.run[rows.start]) if within_runs else ""
        for position in np.flatnonzero(runs.used[rows]).tolist():
            groups.setdefault((run, str(runs.clip[rows.start]), position), []).append(rows.start + position)
    counts = np.array([len(rows) for rows in groups.values()])
    gain = {int(n): (n - 1) * int((counts >= n).sum()) for n in np.unique(counts) if n > 1}
    if not gain:
        return NoCeiling("no clip was presented twice" + (" in the same run" if within_runs else ""))
    n_repeats = max(gain, key=lambda n: gain[n])
    repeated = np.array([rows[:n_repeats] for rows in groups.values() if len(rows) >= n_repeats]).T
    return repeated if repeated.shape[1] > 1 else NoCeiling("only one sample was repeated")


def split_half_reliability(repeats: Floating, *, random_state: int | None = None) -> Float64:
    """Estimate the reliability of the average over repeats from correlations of halves.

    The mean correlation of averages of halves (all ways to split, or 50 random ones) is stepped up to all repeats
    by the Spearman-Brown formula (doi 10.1111/j.2044-8295.1910.tb00206.x). Its square root is the highest r to expect
    with the average (Hsu et al. 2004, doi 10.1088/0954-898X_15_2_001).

    Parameters
    ----------
    repeats : array, shape (n_repeats, n_samples, n_targets)
    random_state : int, optional
        Seed of the random splits.

    Returns
    -------
    array, shape (n_targets,)

    Raises
    ------
    InputError
        If there are fewer than two repeats.

    Notes
    -----
    Prefer :func:`repeat_ceiling`, which is unbiased; this estimate is slightly biased where reliability is low, but
    ignores differences in scale between halves. Not valid where noise is shared between repeats.
    """
    repeats = as_floats(repeats, "the repeats")
    half = len(repeats) // 2
    if repeats.ndim != 3 or half < 1:
        raise InputError("halves need at least two repeats", found=repeats.shape)
    total = np.zeros(repeats.shape[2])
    splits = _splits(len(repeats), half, np.random.default_rng(random_state))
    for first, second in splits:
        total += pearson_r(repeats[first].mean(axis=0), repeats[second].mean(axis=0))
    r, ratio = total / len(splits), len(repeats) / half
    return np.asarray(ratio * r / (1 + (ratio - 1) * r))


def inter_subject_ceiling(responses: Floating) -> tuple[Float64, Float64]:
    """Bound the r that a model common to all subjects can reach.

    Lower: r of a subject with the average of the others (Nastase et al. 2019, doi 10.1093/scan/nsz037). Upper: with the
    average of all, the subject included (Nili et al. 2014, doi 10.1371/journal.pcbi.1003553).

    Parameters
    ----------
    responses : array, shape (n_subjects, n_samples, n_targets)
        Responses to the same stimuli, on the same targets (a common surface).

    Returns
    -------
    lower, upper : array, shape (n_subjects, n_targets)

    Raises
    ------
    InputError
        If there are fewer than two subjects.

    Notes
    -----
    Not a ceiling for models fitted to each subject: signal that is reliable in one subject alone is missing in it.
    Bounds from few subjects are far apart.
    """
    responses = as_floats(responses, "the responses")
    if responses.ndim != 3 or len(responses) < 2:
        raise InputError("an inter-subject ceiling needs at least two subjects", found=responses.shape)
    total = responses.sum(axis=0, dtype=np.float64)
    lower = np.stack([pearson_r((total - subject) / (len(responses) - 1), subject) for subject in responses])
    return lower, np.stack([pearson_r(total, subject) for subject in responses])


def normalised_score(
    score: Float64,
    ceiling: Ceiling | NoCeiling,
    *,
    measure: Literal["r", "r2"] = "r",
    of: Presentations = "average",
    minimum: float = MIN_EXPLAINABLE,
) -> Float64:
    """Divide a score by its ceiling: CCnorm for r (Schoppe et al. 2016).

    The rule for low ceilings: NaN where less than ``minimum`` of the variance is explainable, because a
    quotient by almost nothing is noise (0.1 is a convention; use more with few samples). Values above 1
    are not clipped: they show the uncertainty of the ceiling, and clipping would bias averages. All NaN without one.

    Parameters
    ----------
    score : array, shape (n_targets,)
        Pearson r or R2 of the prediction with the responses.
    ceiling : Ceiling or NoCeiling
    of : {"average", "repeat"}
        Whether these responses were the average over repeats, or single presentations.
    measure : {"r", "r2"}
        Kind of the score.
    minimum : float
        Smallest explainable share of the variance.

    Returns
    -------
    array, shape (n_targets,)

    Raises
    ------
    InputError
        If the measure or the kind of responses is unknown, or the numbers of targets differ.

    Notes
    -----
    Not for choosing targets or testing: test the score itself.

    Examples
    --------
    >>> ceiling = Ceiling(np.array([0.5, 0.01]), np.ones(2), np.array([1.0, 1.0]), n_repeats=2, n_samples=100)
    >>> normalised_score(np.array([0.35, 0.35]), ceiling).round(2), normalised_score(np.zeros(1), NoCeiling("one run"))
    (array([0.49,  nan]), array([nan]))
    """
    check_measure(measure)
    if of not in get_args(Presentations):
        raise InputError("unknown kind of responses", found=of, expected="average or repeat")
    if isinstance(ceiling, NoCeiling):
        return np.full(np.shape(score), np.nan)
    share = ceiling.share(of)
    if np.shape(score) != share.shape:
        raise InputError("score and ceiling differ in targets", found=np.shape(score), expected=share.shape)
    with np.errstate(invalid="ignore"):
        enough = share >= minimum
    return _ratio(score, np.where(enough, np.sqrt(np.clip(share, 0, None)) if measure == "r" else share, np.nan))


def _splits(n: int, half: int, generator: np.random.Generator) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Pairs of disjoint sets of ``half`` repeats: all of them, each once, or 50 at random."""
    if n == 2 * half and comb(n, half) // 2 <= MAX_SPLITS:
        ways = [np.array((0, *rest)) for rest in combinations(range(1, n), half - 1)]
        return [(half_of, np.setdiff1d(np.arange(n), half_of)) for half_of in ways]
    orders = [generator.permutation(n) for _ in range(MAX_SPLITS)]
    return [(order[:half], order[half : 2 * half]) for order in orders]


def _ratio(a: Float64, b: Float64) -> Float64:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(b > 0, a / b, np.nan))
