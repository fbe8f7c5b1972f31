"""Windows of clips: their placement within one clip, and windows as samples instead of volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import NDArray

from b2m_encoding._typing import Booleans, Float32, Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs

Spans = Float64
"""Begin and end of parts of a clip, s from its start, shape (n_spans, 2)."""
TOLERANCE = 1e-6
"""Seconds by which times may differ and count as equal."""


def window_starts(duration: float, window: float, step: float) -> Float64:
    """Starts of the windows that fit into a clip, s.

    Examples
    --------
    Table 1 of Brain2Music (arXiv 2307.11078): 15 s clips, windows of 10, 5 and 1.5 s, a step of 1.5 s.

    >>> [len(window_starts(15, window, 1.5)) for window in (10, 5, 1.5)]
    [4, 7, 10]
    """
    _check_fits(window, duration)
    count = int((duration - window) / step + TOLERANCE) + 1
    return np.arange(count, dtype=np.float64) * step


def centred(spans: Spans, window: float, duration: float) -> Spans:
    """Windows around the middle of spans; a window that would leave the clip is shifted into it.

    Examples
    --------
    >>> centred(np.array([[0.0, 1.5], [7.5, 9.0]]), 10.0, 15.0).tolist()
    [[0.0, 10.0], [3.25, 13.25]]
    """
    _check_fits(window, duration)
    start = np.clip(spans.mean(axis=1) - window / 2, 0.0, max(duration - window, 0.0))
    return np.stack([start, start + window], axis=1)


def on_grid(windows: Spans, every: float, duration: float) -> Spans:
    """Windows of one length, each moved to the nearest place on a grid around the middle of the clip.

    Examples
    --------
    >>> on_grid(np.array([[0.0, 3.0], [1.0, 4.0], [6.0, 9.0], [12.0, 15.0]]), 5.0, 15.0).tolist()
    [[1.0, 4.0], [1.0, 4.0], [6.0, 9.0], [11.0, 14.0]]
    """
    length = windows[:, 1] - windows[:, 0]
    middle = (duration - length) / 2
    most = np.floor(middle / every + TOLERANCE)
    steps = np.clip(np.floor((windows[:, 0] - middle) / every + 0.5), -most, most)
    start = np.round(middle + steps * every, 6)
    return np.stack([start, np.round(start + length, 6)], axis=1)


def causal(spans: Spans, window: float) -> Spans:
    """Windows that end with the spans; a window that would begin before the clip is shortened.

    Examples
    --------
    >>> causal(np.array([[0.0, 1.5], [12.0, 13.5]]), 10.0).tolist()
    [[0.0, 1.5], [3.5, 13.5]]
    """
    return np.stack([np.maximum(spans[:, 1] - window, 0.0), spans[:, 1]], axis=1)


def _check_fits(window: float, duration: float, fix: str | None = None) -> None:
    if not 0 < window <= duration + TOLERANCE:
        raise InputError(
            "a window must fit into its clip", found=f"{window:g} s", expected=f"at most {duration:g} s", fix=fix
        )


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of clips as samples, and the averages over volumes that belong to them.

    Parameters
    ----------
    runs : Runs
        One sample per window; ``time`` is the start of the window, ``tr`` the step between windows.
    length : float
        Length of a window, s.
    stimulus_average, response_average : sparse array, shape (n_windows, n_volumes)
        Matrices that average over the volumes under each window, and over the used volumes ``lag`` seconds later.
    volumes : Runs
        The volumes that are averaged.
    """

    runs: Runs
    length: float
    stimulus_average: scipy.sparse.csr_array
    response_average: scipy.sparse.csr_array
    volumes: Runs

    def run_responses(self, name: str, values: Floating) -> Float32:
        """Average the responses of one run over its windows; windows that are not used are zero.

        Parameters
        ----------
        name : str
            Name of the run.
        values : array, shape (n_volumes_of_run, n_targets)

        Returns
        -------
        array of float32, shape (n_windows_of_run, n_targets)
        """
        average = self.response_average[self.runs.slices[name]][:, self.volumes.slices[name]]
        return np.asarray(average @ values, dtype=np.float32)


def cut_windows(volumes: Runs, length: float, step: float, lag: float = 0.0) -> Windows:
    """Cut every presentation of a clip into the windows that fit into it.

    Features of the window that starts at *t* are averaged over the volumes that overlap [*t*, *t* + length), responses
    over the used volumes that overlap [*t* + lag, *t* + length + lag). A window of 10 s covers 7 scans of 1.5 s
    (Brain2Music). A window is not used if its clip is not used, or if its run holds no response to it.

    Parameters
    ----------
    volumes : Runs
        Volumes with clip labels.
    length, step, lag : float
        Length of windows, distance of their starts, and the lag that stands for the haemodynamic delay, s.

    Raises
    ------
    InputError
        If no sample has a clip label, or a clip is shorter than a window.
    """
    firsts, starts = [], []
    for rows in volumes.presentations:
        duration = (rows.stop - rows.start) * volumes.tr
        _check_fits(length, duration, "shorten windows.length, decoding.window or the one in decoding.own_windows")
        for start in window_starts(duration, length, step):
            firsts.append(rows.start)
            starts.append(start)
    if not firsts:
        raise InputError("no volume has a clip label", fix="check that the events name the clip of each stimulus")
    first, start = np.array(firsts), np.array(starts)
    ends = np.array([volumes.slices[str(volumes.run[row])].stop for row in firsts])
    stimulus = _averaging(_overlapping(start, length, first, ends, volumes.tr), np.ones(len(volumes), dtype=bool))
    response = _averaging(_overlapping(start + lag, length, first, ends, volumes.tr), volumes.used)
    clip_used = np.isin(first, [rows.start for rows in volumes.presentations if volumes.used[rows].any()])
    used = clip_used & (np.diff(response.indptr) > 0)
    runs = replace(volumes.take(first), tr=step, time=volumes.time[first] + start, used=used)
    return Windows(runs, length, stimulus, response, volumes)


def _overlapping(
    start: Float64, length: float, first: NDArray[np.intp], end: NDArray[np.intp], tr: float
) -> list[tuple[int, int]]:
    """First and past-the-last volume that each window overlaps, cut at the end of its run."""
    low = first + np.floor(start / tr + TOLERANCE).astype(int)
    high = np.minimum(first + np.ceil((start + length) / tr - TOLERANCE).astype(int), end)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _averaging(bounds: Sequence[tuple[int, int]], used: Booleans) -> scipy.sparse.csr_array:
    """Matrix that averages over the used rows between bounds; a row of zeros where none is used."""
    columns = [np.arange(low, max(high, low))[used[low:high]] for low, high in bounds]
    counts = np.array([len(rows) for rows in columns])
    data = np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
    indptr = np.r_[0, np.cumsum(counts)]
    return scipy.sparse.csr_array((data, np.concatenate(columns), indptr), shape=(len(bounds), len(used)))
