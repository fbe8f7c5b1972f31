"""Finite impulse response (FIR) delays of features, within runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs


def delays_in_samples(delays: Sequence[float], tr: float) -> list[int]:
    """Convert delays in seconds to whole samples.

    Raises
    ------
    InputError
        If a delay is not a multiple of the repetition time (within 1 % of a sample), is negative, or occurs twice.
    """
    samples = [round(delay / tr) for delay in delays]
    for delay, whole in zip(delays, samples, strict=True):
        if delay < 0 or abs(delay / tr - whole) > 0.01:
            raise InputError(
                "a delay must be a multiple of the repetition time, and not negative",
                found=f"{delay} s",
                expected=f"a multiple of {tr} s, such as {max(whole, 0) * tr:g} s",
            )
    if len(set(samples)) != len(samples):
        raise InputError("a delay occurs twice", found=list(delays))
    return samples


def delay(values: Floating, runs: Runs, delays: Sequence[float]) -> Floating:
    """Shift copies of the features to later samples; samples before the start of a run are zero.

    Parameters
    ----------
    values : array, shape (n_samples, n_features)
    runs : Runs
    delays : sequence of float
        Delays in seconds, multiples of ``runs.tr``.

    Returns
    -------
    array, shape (n_samples, n_delays * n_features)
        All features at the first delay, then all at the second, and so on.

    Examples
    --------
    >>> runs = Runs.from_lengths([2, 2], tr=1.5)
    >>> delay(np.array([[1.0], [2.0], [3.0], [4.0]]), runs, [0, 1.5]).T
    array([[1., 2., 3., 4.],
           [0., 1., 0., 3.]])
    """
    runs.check_length(values, "the feature array")
    n_features = values.shape[1]
    shifts = delays_in_samples(delays, runs.tr)
    out = np.zeros((len(values), len(shifts) * n_features), dtype=values.dtype)
    for rows in runs.slices.values():
        for i, shift in enumerate(shifts):
            columns = slice(i * n_features, (i + 1) * n_features)
            out[rows, columns][shift:] = values[rows][: max(rows.stop - rows.start - shift, 0)]
    return out
