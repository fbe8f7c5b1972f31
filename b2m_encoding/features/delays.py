"""Finite impulse response (FIR) delays of features, within runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs

TOLERANCE = 0.05
"""Largest difference of a sample from the grid of volumes, in samples."""


def canonical_response(time: Floating) -> Float64:
    """Compute the canonical double-gamma haemodynamic response to an impulse.

    Parameters
    ----------
    time : array
        Seconds since the impulse.

    Returns
    -------
    array
        Of the same shape; 0 before the impulse.

    References
    ----------
    Friston et al. 1998, doi 10.1006/nimg.1997.0306; Glover 1999, doi 10.1006/nimg.1998.0419.
    """
    from scipy.stats import gamma  # half a second, which the check of a study need not wait for

    return np.asarray(gamma.pdf(time, 6) - gamma.pdf(time, 16) / 6)


def in_seconds(delays: Any) -> tuple[float, ...]:
    """Delays as finite numbers.

    Raises
    ------
    InputError
        If they are no list of such.
    """
    try:
        seconds = () if isinstance(delays, str) else tuple(float(delay) for delay in delays)
        known = all(abs(delay) < float("inf") for delay in seconds) and not isinstance(delays, str)
    except (TypeError, ValueError):
        known = False
    if not known:
        raise InputError("delays must be a list of seconds", found=repr(delays), expected="such as (3, 4.5)")
    return seconds


def delays_in_samples(delays: Sequence[float], tr: float) -> list[int]:
    """Convert delays in seconds to whole samples.

    Raises
    ------
    InputError
        If a delay is not a multiple of the repetition time (within 1 % of a sample), is negative, or occurs twice.
    """
    seconds = in_seconds(delays)
    samples = [round(delay / tr) for delay in seconds]
    for delay, whole in zip(seconds, samples, strict=True):
        if delay < 0 or abs(delay / tr - whole) > 0.01:
            raise InputError(
                "a delay must be a multiple of the repetition time, and not negative",
                found=f"{delay} s",
                expected=f"a multiple of {tr} s, such as {max(whole, 0) * tr:g} s",
                fix="correct the delays (model.delays of a study)",
            )
    if len(set(samples)) != len(samples):
        raise InputError("a delay occurs twice", found=seconds)
    return samples


def delay(values: Floating, runs: Runs, delays: Sequence[float]) -> Floating:
    """Shift copies of the features to later samples by their time; before the start of a run they are zero.

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

    Raises
    ------
    InputError
        If a sample that a delay needs was taken out of its run.

    Examples
    --------
    >>> runs = Runs.from_lengths([2, 2], tr=1.5)
    >>> delay(np.array([[1.0], [2.0], [3.0], [4.0]]), runs, [0, 1.5]).T
    array([[1., 2., 3., 4.],
           [0., 1., 0., 3.]])
    """
    runs.check_length(values, "the feature array")
    runs.check_clock()
    n_features = values.shape[1]
    shifts = delays_in_samples(delays, runs.tr)
    out = np.zeros((len(values), len(shifts) * n_features), dtype=values.dtype)
    for name, rows in runs.slices.items():
        for i, (seconds, shift) in enumerate(zip(delays, shifts, strict=True)):
            to, source = _shifted(name, runs.time[rows], runs.tr, seconds, shift)
            out[rows, i * n_features : (i + 1) * n_features][to] = values[rows][source]
    return out


def _shifted(
    name: str, time: Float64, tr: float, seconds: float, shift: int
) -> tuple[slice | NDArray[np.intp], slice | NDArray[np.intp]]:
    """Samples of a run that a delay reaches, and the samples that they come from."""
    if np.abs(time - time[0] - np.arange(len(time)) * tr).max() < TOLERANCE * tr:
        return slice(min(shift, len(time)), None), slice(0, max(len(time) - shift, 0))
    wanted = time - shift * tr
    source, there = rows_at(time, wanted, TOLERANCE * tr)
    inside = wanted > time[0] - TOLERANCE * tr
    lost = inside & ~there
    if lost.any():
        raise InputError(
            f"run {name}: samples that a delay of {seconds:g} s needs are not there",
            found=f"nothing at {wanted[lost][0]:g} s ({int(lost.sum())} such samples)",
            expected=f"every volume, {tr:g} s apart",
            fix="mark volumes that shall not count as not used (Runs.used) instead of taking them out",
        )
    return np.flatnonzero(inside), source[inside]


def rows_at(time: Float64, wanted: Float64, near: float) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """First row of a run at each of the wanted times, at most ``near`` seconds off, and whether there is one."""
    rows = np.minimum(np.searchsorted(time, wanted - near), len(time) - 1)
    return rows, np.abs(time[rows] - wanted) <= near
