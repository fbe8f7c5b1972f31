"""Joined folds: refits to rearranged responses, and how much larger errors are than for fixed predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from b2m_encoding._typing import Bands, Float64, Floating
from b2m_encoding.runs import Runs
from b2m_encoding.stats.nulls import RefittedNull
from b2m_encoding.stats.permutation import spread_of_rearranged
from b2m_encoding.stats.rearranging import Method, arrangements_of


@dataclass(frozen=True, eq=False)
class FoldDependence:
    """Standard errors of joined folds, relative to those for fixed predictions, by prediction accuracy.

    Errors of training and of test meet in products of two samples of noise. Each pair occurs twice where folds are
    joined, and a bootstrap or sign flips over held-out blocks count it once. Where the signal is strong, these products
    are small beside the errors of test samples alone, and the ratio is 1.

    Parameters
    ----------
    accuracy : array, shape (n_levels,)
        Mean r of refits to responses with more and more signal, increasing.
    ratios : dict of str to array, shape (n_levels,)
        Standard deviation of a score over refits, over its standard error from held-out blocks: ``r`` (Fisher's z of
        the joint model), ``difference`` of r of two feature spaces, ``unique`` (R2), each part of R2 (``a+b``).
    n_refits : int
    """

    accuracy: Float64
    ratios: Mapping[str, Float64]
    n_refits: int

    def ratio(self, score: str, accuracy: Float64) -> Float64:
        """Interpolate the ratio at an accuracy; at least 1."""
        return np.maximum(np.interp(np.nan_to_num(accuracy), self.accuracy, self.ratios[score]), 1.0)

    def of_parts(self, parts: Iterable[Bands], accuracy: Float64) -> dict[Bands, Float64]:
        """Interpolate the ratios of parts of R2."""
        return {part: self.ratio("+".join(part), accuracy) for part in parts}


def ratio_of_errors(values: Float64, squared_errors: Float64) -> float:
    """Compute the standard deviation of refits of the same targets, over their root mean squared standard error.

    Parameters
    ----------
    values, squared_errors : array, shape (n_refits_per_target, n_targets)
    """
    return float(np.sqrt(np.nanmean(values.var(axis=0, ddof=1)) / np.nanmean(squared_errors)))


@dataclass(frozen=True, eq=False)
class Refits:
    """What refits of one subject show.

    Parameters
    ----------
    nulls : dict of str to RefittedNull
        By model; empty where nothing is rearranged.
    dependence : FoldDependence
    """

    nulls: Mapping[str, RefittedNull]
    dependence: FoldDependence


def refitted_null(
    predict: Callable[[Floating], Floating],
    measured: Floating,
    runs: Runs,
    *,
    method: Method = "auto",
    block_length: int | None = None,
    n_refits: int = 20_000,
    device: str = "auto",
    random_state: int | None = None,
) -> RefittedNull:
    """Fit to rearranged responses, for :func:`~b2m_encoding.stats.significance` of cross-validated predictions.

    Parameters
    ----------
    predict : callable
        Given responses of shape (n_samples, n_columns), fits to all folds but one, with the choice of penalties, and
        returns predictions of every sample by the models that did not see its fold, in the same shape.
    measured : array, shape (n_samples, n_targets)
        Responses; each is rearranged about equally often.
    runs : Runs
        Every fold consists of whole runs.
    method, block_length, device
        As in :func:`~b2m_encoding.stats.significance`.
    n_refits : int
        Rearranged responses. A fit of so many targets is what this takes.
    random_state : int, optional

    Returns
    -------
    RefittedNull

    Raises
    ------
    InputError
        If the runs allow fewer than 1,000 arrangements.

    Notes
    -----
    Predictions and responses should be standardised within folds, or else their means are part of r. Not needed, and
    without use, where training and test samples are fixed sets.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, Y, runs = rng.standard_normal((240, 5)), rng.standard_normal((240, 8)), Runs.from_lengths([40] * 6, tr=1.5)
    >>> def predict(responses):
    ...     folds = [runs.rows([name]) for name in runs.names]
    ...     train = [np.setdiff1d(np.arange(240), fold) for fold in folds]
    ...     return np.concatenate([X[a] @ np.linalg.lstsq(X[b], responses[b])[0] for a, b in zip(folds, train)])
    >>> null = refitted_null(predict, Y, runs, n_refits=4000, random_state=0)
    >>> 1.25 < null.dependence < 1.45
    True
    """
    runs.check_length(measured, "the response array")
    name, ways, _ = arrangements_of(predict(measured), measured, runs, method=method, block_length=block_length)
    columns = np.resize(np.arange(measured.shape[1]), n_refits)
    sources = ways.sources(n_refits, np.random.default_rng(random_state))
    moved = np.take_along_axis(measured[:, columns], sources, axis=0)
    z, _ = spread_of_rearranged(predict(moved), moved, runs, method=name, block_length=block_length, device=device)
    return RefittedNull(np.nan_to_num(z), columns, name)
