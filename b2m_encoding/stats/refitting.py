"""Null distribution of joined folds for any way to fit: responses are rearranged, then everything is fitted again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from b2m_encoding._typing import Floating
from b2m_encoding.runs import Runs
from b2m_encoding.stats.joined_folds import RefittedNull
from b2m_encoding.stats.permutation import Method, arrangements_of, spread_of_rearranged


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
