"""Significance of prediction accuracy: predictions rearranged within their runs, the same way for all targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor
from torch.nn.functional import embedding_bag

from b2m_encoding._typing import Float32, Float64, Floating, Integers
from b2m_encoding.errors import whole_number
from b2m_encoding.models.solver.devices import resolve_device, tensor
from b2m_encoding.runs import Runs
from b2m_encoding.stats.arrangements import Arrangements
from b2m_encoding.stats.autocorrelation import Autocorrelation, joint_autocorrelation, spread_of_windows
from b2m_encoding.stats.multiplicity import max_statistic_p
from b2m_encoding.stats.nulls import RefittedNull, gaussian_null_p
from b2m_encoding.stats.rearranging import Method, arrangements_of, length_of_blocks, widening_of
from b2m_encoding.stats.scores import pearson_r, scored_samples, standardised

TABLE_NUMBERS = 2**18
"""Numbers in a table on the CPU: small enough for its cache."""
DRAWS_AT_ONCE = 2048
TIE = 2e-6
"""Tolerance for rounding: an equal arrangement must not count as smaller than the true one."""
LOWEST_DEVIATE = -10.0
N_BEST, N_ALIKE = 100, 1000
"""Targets whose predictions are compared with their own rearrangements, and how many of these."""


@dataclass(frozen=True, eq=False)
class Significance:
    """Result of a permutation test of every target; arrays of shape (n_targets,), NaN where not tested.

    Parameters
    ----------
    r : array
        Pearson correlation of predicted and measured responses.
    p : array
        One-sided, (b + 1) / (m + 1): never 0 (Phipson & Smyth 2010, doi 10.2202/1544-6115.1585).
    p_fwe : array
        Family-wise: against the largest r of each permuted map. All NaN for ``paper``.
    method : str
        ``shift``, ``block``, ``clip`` or ``paper``.
    n_permutations, n_arrangements : int
        Arrangements that were drawn, and number of different ones.
    widening : float
        Factor by which the null distribution was widened to compensate for autocorrelation lost at cuts.
    false_positive_rate : float
        Rate of p < .05 among empty targets where it follows from the data: for ``paper`` from the mean autocorrelation;
        else NaN.
    fold_dependence : float
        Standard deviation of the null distribution over that of rearranged predictions, where folds are joined; else 1.
    n_refits : int
        Rearranged responses that models were fitted to; 0 for fixed predictions.
    refit_method : str
        How these were rearranged: as ``method``, or ``phase``; "" for fixed predictions.
    deviate : array or None
        Normal deviate of p where folds are joined, from a tail that extends beyond the refits.
    block_length : int
        Samples of a block that changes its place; 0 for other methods.
    """

    r: Float64
    p: Float64
    p_fwe: Float64
    method: str
    n_permutations: int
    n_arrangements: int
    widening: float
    false_positive_rate: float
    fold_dependence: float = 1.0
    n_refits: int = 0
    refit_method: str = ""
    deviate: Float64 | None = None
    block_length: int = 0


def significance(
    predicted: Floating,
    measured: Floating,
    runs: Runs,
    *,
    method: Method = "auto",
    block_length: int | None = None,
    n_permutations: int = 10_000,
    refitted: RefittedNull | None = None,
    device: str = "auto",
    random_state: int | None = None,
) -> Significance:
    """Test Pearson r of every target against rearrangements of the prediction within its runs.

    Means and variances do not change when samples change places, so that a permuted r is a sum of inner products
    computed once; all permutations of all targets follow as one product of a sparse matrix of choices with that table.

    Parameters
    ----------
    predicted, measured : array, shape (n_samples, n_targets)
    runs : Runs
        Runs of these samples; those that are not used do not count.
    method : str
        ``shift``: each run is shifted circularly by a different number of samples. One cut per run loses the least
        autocorrelation. Not for few runs: near-zero shifts then limit the smallest p value.
        ``block``: blocks of ``block_length`` samples change places within their run. Not with blocks shorter than
        the reach of the autocorrelation: the more cuts, the larger the correction below.
        ``clip``: whole clips change places. Responses common to all clips (onset, fade) are then part of the null. It
        is exact if responses to different clips are independent; for clips without breaks it depends on the
        correction below. Not if the order of clips follows the response.
        ``auto``: ``shift`` if at least 10,000 shifts are independent of each other; else ``clip`` where most samples
        belong to clips that can move, else ``block`` with the longest blocks that leave enough arrangements.
        ``paper``: the Gaussian null of Brain2Music, too narrow by far (:func:`gaussian_null_p`).
    block_length : int, optional
        Samples per block, for ``block``; the longest that leave 10,000 arrangements, if not given.
    n_permutations : int
    refitted : RefittedNull, optional
        Needed where predictions of several folds are joined: each fold is then tested on responses that train the
        others, and rearranging fixed predictions gives half the variance. p is that of r, in units of its spread under
        rearrangement, among refits; p_fwe compares the same p, as a normal deviate, with the largest of each permuted
        map.
    device : str
        "auto", "cpu" or "cuda".
    random_state : int, optional

    Returns
    -------
    Significance

    Raises
    ------
    InputError
        If the runs allow fewer than 1,000 arrangements.

    Notes
    -----
    Every cut loses some of the autocorrelation and makes the null distribution too narrow (blocks of 10 samples, AR(1)
    .9: 10 % false positives at 5 %). It is therefore widened by the factor that follows from the measured
    autocorrelation (:class:`~b2m_encoding.stats.autocorrelation.Autocorrelation`), one for all targets: those more
    autocorrelated than the others still get p values somewhat too small. A warning is logged where cuts
    leave less than 70 % of the variance.

    Sources: circular shifts, Lancaster et al. 2018, doi 10.1016/j.physrep.2018.06.001; blocks, Kunsch 1989,
    doi 10.1214/aos/1176347265. Measured false positives are in ``benchmarks/calibration.py``. None of these tests is
    valid for samples that were used to fit the model.

    Examples
    --------
    >>> measured = np.random.default_rng(0).standard_normal((600, 2))
    >>> predicted = measured + np.array([1.0, 1000.0]) * np.random.default_rng(1).standard_normal((600, 2))
    >>> result = significance(predicted, measured, Runs.from_lengths([100] * 6, tr=1.5), random_state=0)
    >>> result.method, result.p.round(4)
    ('shift', array([1.000e-04, 9.859e-01]))
    """
    predicted, measured, runs = scored_samples(predicted, measured, runs)
    n_permutations = whole_number(n_permutations, "n_permutations", 1)
    if method == "paper":
        return _paper(predicted, measured, runs)
    name, ways, reach = arrangements_of(predicted, measured, runs, method=method, block_length=block_length)
    widening = widening_of(name, ways, reach)
    draws = ways.draw(n_permutations, np.random.default_rng(random_state))
    permuted = _permuted(predicted, measured, ways, draws, widening, device)
    found = _count(permuted, predicted.shape[1], n_permutations, in_units=refitted is not None)
    p = np.where(np.isfinite(found.r), (found.count + 1) / (n_permutations + 1), np.nan)
    reached = found.r - TIE
    deviate = None
    if refitted is not None:
        beyond = refitted.p(found.z)
        p, deviate = np.maximum(beyond, 1 / (len(refitted.z) + 1)), np.maximum(norm.isf(beyond), LOWEST_DEVIATE)
        reached = deviate - TIE
    return Significance(
        found.r,
        p=p,
        p_fwe=max_statistic_p(reached, found.maximum),
        method=name,
        n_permutations=n_permutations,
        n_arrangements=ways.count,
        widening=widening,
        false_positive_rate=np.nan,
        fold_dependence=1.0 if refitted is None else refitted.dependence,
        n_refits=0 if refitted is None else len(refitted.z),
        refit_method="" if refitted is None else refitted.method,
        deviate=deviate,
        block_length=length_of_blocks(ways) if name == "block" else 0,
    )


def spread_of_rearranged(
    predicted: Floating,
    measured: Floating,
    runs: Runs,
    *,
    method: Method = "auto",
    block_length: int | None = None,
    device: str = "auto",
) -> tuple[Float64, Float64]:
    """Compute r in units of the standard deviation it has over all rearrangements, exactly, and that deviation.

    Parameters
    ----------
    predicted, measured, runs, method, block_length, device
        As in :func:`significance`.

    Returns
    -------
    z, deviation : array, shape (n_targets,)
        NaN where a target is not tested.
    """
    name, ways, reach = arrangements_of(predicted, measured, runs, method=method, block_length=block_length)
    z, deviation = np.full((2, predicted.shape[1]), np.nan)
    nothing = ways.draw(0, np.random.default_rng())
    for chunk in _permuted(predicted, measured, ways, nothing, widening_of(name, ways, reach), device):
        z[chunk.targets], deviation[chunk.targets] = chunk.z.cpu().numpy(), chunk.deviation.cpu().numpy()
    return z, deviation


def null_maps(
    predicted: Floating,
    measured: Floating,
    runs: Runs,
    *,
    method: Literal["auto", "shift", "block", "clip"] = "auto",
    block_length: int | None = None,
    n_permutations: int = 1000,
    device: str = "auto",
    random_state: int | None = None,
) -> Float32:
    """Draw maps of permuted r, each from one arrangement of all targets, for tests of clusters.

    Parameters
    ----------
    predicted, measured : array, shape (n_samples, n_targets)
    runs : Runs
    method, block_length, n_permutations, device, random_state
        As in :func:`significance`.

    Returns
    -------
    array, shape (n_permutations, n_targets)
        NaN where a target is not tested. Not for 10,000 permutations of 60,000 targets: that takes 2.4 GB.
    """
    predicted, measured, runs = scored_samples(predicted, measured, runs)
    n_permutations = whole_number(n_permutations, "n_permutations", 1)
    name, ways, reach = arrangements_of(predicted, measured, runs, method=method, block_length=block_length)
    draws = ways.draw(n_permutations, np.random.default_rng(random_state))
    maps = np.full((n_permutations, predicted.shape[1]), np.nan, dtype=np.float32)
    for chunk in _permuted(predicted, measured, ways, draws, widening_of(name, ways, reach), device):
        start = 0
        for part in chunk.permuted:
            maps[start : start + len(part), chunk.targets] = part.cpu().numpy()
            start += len(part)
    return maps


def resemblance(
    predicted: Floating,
    measured: Floating,
    runs: Runs,
    *,
    method: Method = "auto",
    block_length: int | None = None,
    device: str = "auto",
) -> float:
    """Compute how much predictions resemble their own rearrangements: where much, no accuracy has a small p.

    Parameters
    ----------
    predicted, measured, runs, method, block_length, device
        As in :func:`significance`.

    Returns
    -------
    float
        Root mean square of r between a prediction and 1,000 rearrangements, median of the 100 targets with the largest
        r: near 0 where they are unlike; .3 and more where stimuli are few or follow each other at equal intervals.
        NaN for ``paper``.
    """
    if method == "paper":
        return float("nan")
    predicted, measured, runs = scored_samples(predicted, measured, runs)
    _, ways, _ = arrangements_of(predicted, measured, runs, method=method, block_length=block_length)
    r = pearson_r(np.asarray(predicted), np.asarray(measured))
    best = np.argsort(-np.nan_to_num(r, nan=-np.inf), kind="stable")[:N_BEST]
    own = np.asarray(predicted[:, best[np.isfinite(r[best])]])
    draws = ways.draw(N_ALIKE, np.random.default_rng(0))
    squares = [
        torch.stack([(part**2).mean(dim=0) for part in chunk.permuted]).mean(dim=0)
        for chunk in _permuted(own, own, ways, draws, 1.0, device)
    ]
    return float(torch.cat(squares).median().sqrt()) if squares else float("nan")


def _paper(predicted: Floating, measured: Floating, runs: Runs) -> Significance:
    reach = joint_autocorrelation(predicted, measured, runs)
    if runs.presentations:  # windows of one clip overlap
        reach = Autocorrelation(max(spread_of_windows(predicted, measured, runs), reach.spread), reach.edge)
    r = pearson_r(np.asarray(predicted), np.asarray(measured))
    p = gaussian_null_p(r, len(predicted))
    return Significance(r, p, np.full_like(r, np.nan), "paper", 0, 0, 1.0, reach.gaussian_rate())


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Testable targets: true r, mean and deviation over all arrangements, and r of parts of the draws."""

    targets: Integers
    r: Tensor
    still: Tensor
    deviation: Tensor
    permuted: Iterator[Tensor]

    @property
    def z(self) -> Tensor:
        """True r in units of its spread."""
        return (self.r - self.still) / self.deviation


@dataclass(frozen=True, eq=False)
class _Counted:
    """True r and its z, permutations that reach it, and the largest r (or z) of every permutation."""

    r: Float64
    z: Float64
    count: Float64
    maximum: Float64


def _count(permuted: Iterator[_Chunk], n_targets: int, n_draws: int, *, in_units: bool) -> _Counted:
    """Count permutations that reach true r; maxima are of r, or in units of the spread of each target."""
    r, z, count = np.full((3, n_targets), np.nan)
    maximum = np.full(n_draws, -np.inf)
    for chunk in permuted:
        true = chunk.r
        reached = torch.zeros(len(true), dtype=torch.int64, device=true.device)
        largest = []
        for part in chunk.permuted:
            reached += (part >= true - TIE).sum(dim=0)
            largest.append(((part - chunk.still) / chunk.deviation if in_units else part).amax(dim=1))
        r[chunk.targets], count[chunk.targets] = true.cpu().numpy(), reached.cpu().numpy()
        z[chunk.targets] = chunk.z.cpu().numpy()
        maximum = np.maximum(maximum, torch.cat(largest).cpu().numpy())
    return _Counted(r, z, count, maximum)


def _permuted(
    predicted: Floating,
    measured: Floating,
    ways: Arrangements,
    draws: Integers,
    widening: float,
    device: str,
) -> Iterator[_Chunk]:
    """Yield some testable targets at a time, with their permuted r in parts of (n_draws, n_targets)."""
    where = resolve_device(device)
    numbers = TABLE_NUMBERS if where.type == "cpu" else 64 * TABLE_NUMBERS
    size = int(np.clip(numbers // ways.n_rows, 8, 16384))
    parts = torch.split(torch.from_numpy(draws).to(where), DRAWS_AT_ONCE)
    identity = torch.from_numpy(ways.identity)[None].to(where)
    for start in range(0, predicted.shape[1], size):
        a, b = (standardised(values[:, start : start + size]) for values in (predicted, measured))
        true = np.einsum("ij,ij->j", a, b) / len(a)
        tested = np.flatnonzero(np.isfinite(true))
        if len(tested) == 0:
            continue
        moving, fixed = (tensor(values[:, tested].astype(np.float32)).to(where) for values in (a, b))
        table = ways.table(moving, fixed) / len(a)
        r = torch.from_numpy(true[tested]).to(where, torch.float32)
        still = r - embedding_bag(identity, table, mode="sum")[0]  # means, and samples that never move
        deviation = widening * ways.variance(table).sqrt()
        table = widening * table + still / identity.shape[1]
        drawn = (embedding_bag(part, table, mode="sum") for part in parts)
        yield _Chunk(start + tested, r, still, deviation, drawn)
