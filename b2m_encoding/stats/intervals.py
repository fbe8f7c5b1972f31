"""Confidence intervals of prediction accuracy by a bootstrap over blocks of samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs
from b2m_encoding.stats.autocorrelation import joint_autocorrelation
from b2m_encoding.stats.joined_folds import FoldDependence
from b2m_encoding.stats.sums.blocks import TARGET_CHUNK, BlockSums, Measure
from b2m_encoding.stats.sums.bootstrap import bootstrap_weights
from b2m_encoding.stats.sums.gather import block_sums, block_units

MIN_BLOCKS = 6
MODEL = ("model",)
SPREADS_PER_BLOCK = 8


@dataclass(frozen=True, eq=False)
class Interval:
    """Scores with confidence intervals; arrays of shape (n_targets,), NaN where undefined.

    Parameters
    ----------
    score, low, high : array
    block_length, n_blocks : int
        Samples per block, and number of blocks.
    widening : array, shape (n_targets,), or None
        Factor by which intervals were widened because folds are joined; None for fixed predictions.
    """

    score: Float64
    low: Float64
    high: Float64
    block_length: int
    n_blocks: int
    widening: Float64 | None = None


def score_interval(
    predicted: Floating,
    measured: Floating,
    runs: Runs,
    *,
    measure: Measure = "r",
    block_length: int | None = None,
    level: float = 0.95,
    n_bootstraps: int = 1000,
    dependence: FoldDependence | None = None,
    random_state: int | None = None,
) -> Interval:
    """Compute confidence intervals of r or R2 by a block bootstrap.

    The standard error comes from drawing whole blocks with replacement (Kunsch 1989, doi 10.1214/aos/1176347265) on a
    scale where the score is near normal, Fisher's z for r and log(1 - R2) for R2; the limits follow from
    Student's t with as many degrees of freedom as there are blocks, less one, and return to the scale of
    the score. Plain percentiles cover only 80 to 93 % with so few blocks (``benchmarks/calibration.py``).

    Parameters
    ----------
    predicted, measured : array, shape (n_samples, n_targets)
    runs : Runs
        Runs of these samples.
    measure : "r" or "r2"
    block_length : int, optional
        Samples per block; no block crosses runs. If not given, eight times the reach of the autocorrelation, or as
        long as leaves six blocks.
    level : float
    n_bootstraps : int
    dependence : FoldDependence, optional
        Needed where predictions of several folds are joined: their errors are larger than those of fixed predictions.
        For r only.
    random_state : int, optional

    Returns
    -------
    Interval

    Raises
    ------
    InputError
        If there are fewer than six blocks: too few to estimate their spread.

    Notes
    -----
    The interval is that of other samples of the same kind, for the fitted model; not of other training data, nor of
    other subjects. Not a test of r = 0: use
    :func:`~b2m_encoding.stats.permutation.significance`.

    Examples
    --------
    >>> measured = np.random.default_rng(0).standard_normal((600, 1))
    >>> predicted = measured + np.random.default_rng(1).standard_normal((600, 1))
    >>> interval = score_interval(predicted, measured, Runs.from_lengths([100] * 6, tr=1.5), random_state=0)
    >>> [round(float(value[0]), 2) for value in (interval.low, interval.score, interval.high)]
    [0.68, 0.72, 0.76]
    """
    runs.check_length(predicted, "the prediction")
    runs.check_length(measured, "the response array")
    if not 0 < level < 1:
        raise InputError("a confidence level lies between 0 and 1", found=level)
    if block_length is None:
        block_length = block_length_for(predicted, measured, runs)
    sums = block_sums({MODEL: predicted}, measured, runs, block_length=block_length)
    if sums.n_blocks < MIN_BLOCKS:
        raise InputError(
            "too few blocks for a bootstrap",
            found=f"{sums.n_blocks} blocks of {block_length} samples",
            expected=f"at least {MIN_BLOCKS}",
            fix="use shorter blocks or more runs",
        )
    score = sums.scores(measure)[MODEL]
    widening = None if dependence is None else dependence.ratio(measure, score)
    error = standard_error(sums, measure, n_bootstraps, random_state) * (1.0 if widening is None else widening)
    half = student.isf((1 - level) / 2, sums.n_blocks - 1) * error
    centre = _near_normal(score, measure)
    ends = [_back(centre + sign * half, measure) for sign in (-1, 1)]
    return Interval(score, np.minimum(*ends), np.maximum(*ends), block_length, sums.n_blocks, widening)


def fisher_interval(
    mean: Float64, error: Float64, degrees: Float64 | float, *, level: float = 0.95, bound: Float64 | float = 1.0
) -> tuple[Float64, Float64]:
    """Compute Student's t interval of a mean of correlations on the scale of Fisher's z: it cannot leave their range.

    Parameters
    ----------
    mean, error : array
        Means of correlations, or of differences of them, and their standard errors.
    degrees : array or float
        Degrees of freedom of the errors; NaN or 0 where there are none.
    level : float
    bound : array or float
        Largest possible mean: 1 of correlations, 2 of their differences; infinite of scores without a range.

    Returns
    -------
    low, high : array
        Near the plain interval where the mean is far from the bounds. The plain interval where the mean lies beyond
        them, which is that of no correlation.

    Examples
    --------
    >>> low, high = fisher_interval(np.array([0.5, 0.9]), np.array([0.01, 0.05]), 4)
    >>> low.round(3), high.round(3)
    (array([0.472, 0.63 ]), array([0.527, 0.976]))
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        half, share = student.ppf((1 + level) / 2, degrees) * error, np.asarray(mean) / bound
        centre, width = np.arctanh(share), half / bound / (1 - share**2)
        inside, certain = np.isfinite(bound) & (np.abs(share) < 1), half == 0
        ends = [
            np.where(certain, mean, np.where(inside, bound * np.tanh(centre + side * width), mean + side * half))
            for side in (-1, 1)
        ]
    return ends[0], ends[1]


def standard_error(sums: BlockSums, measure: Measure, n_bootstraps: int, random_state: int | None = None) -> Float64:
    """Compute the standard error of Fisher's z, or of log(1 - R2), of the only model, shape (n_targets,)."""
    weights = bootstrap_weights(sums.split, n_bootstraps, random_state)
    return np.concatenate(list((_error_of_r if measure == "r" else _error_of_r2)(sums, weights)))


def block_length_for(predicted: Floating, measured: Floating, runs: Runs, multiple: int = 1) -> int:
    """Choose the length of blocks that are nearly independent: eight times the reach of the autocorrelation.

    Parameters
    ----------
    predicted, measured : array, shape (n_samples, n_targets)
    runs : Runs
    multiple : int
        The length is a multiple of so many samples, the nearest.

    Returns
    -------
    int
        Samples per block; fewer, where that leaves less than six blocks.
    """
    length = int(np.ceil(SPREADS_PER_BLOCK * joint_autocorrelation(predicted, measured, runs).spread))
    number = max(int(np.ceil(length / multiple - 0.5)), 1)
    while number > 1 and block_units(runs, number * multiple).max() + 1 < MIN_BLOCKS:
        number -= 1
    return number * multiple


def _error_of_r(sums: BlockSums, weights: Float64) -> Iterator[Float64]:
    """Standard error of Fisher's z, for a chunk of targets at a time."""
    for _, scores in sums.resampled(weights, "r"):
        yield _near_normal(scores[MODEL], "r").std(axis=0)


def _error_of_r2(sums: BlockSums, weights: Float64) -> Iterator[Float64]:
    """Standard error of log(1 - R2), for a chunk of targets at a time.

    R2 loses the square of the error m of the mean response, of variance 4 mu^2 s^2 + 2 s^4 if m has the mean mu and the
    variance s^2. Resampling includes it to first order, 4 m^2 s^2, whose mean is larger by 2 s^4: that is subtracted,
    down to the variance without an error of the mean. Otherwise intervals of a small R2 are too wide.
    """
    n = sums.n.sum()
    for start in range(0, sums.n_targets, TARGET_CHUNK):
        part = slice(start, start + TARGET_CHUNK)
        model, y, total = sums.models[MODEL], sums.y[:, part], weights @ sums.yy[:, part]
        p, pp, py = model.p[:, part], model.pp[:, part], model.py[:, part]
        offset = p.sum(axis=0) / n
        centred = 2 * (py - offset * y) - (pp - 2 * offset * p + sums.n[:, None] * offset**2)
        whole, without = (
            np.divide(weights @ explained, total, out=np.full_like(total, np.nan), where=total > 0)
            for explained in (2 * py - pp, centred - sums.n[:, None] * offset**2)
        )
        share = total.mean(axis=0) / n  # of a sample, in the squared unit of the response
        with np.errstate(invalid="ignore", divide="ignore"):
            twice = 2 * ((weights @ y / n).var(axis=0) / share / (1 - whole.mean(axis=0))) ** 2
        spread, least = (_near_normal(values, "r2").var(axis=0) for values in (whole, without))
        yield np.sqrt(np.maximum(spread - twice, least))


def _near_normal(score: Float64, measure: Measure) -> Float64:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.arctanh(np.clip(score, -1, 1)) if measure == "r" else np.log1p(-score))


def _back(value: Float64, measure: Measure) -> Float64:
    return np.asarray(np.tanh(value) if measure == "r" else -np.expm1(value))
