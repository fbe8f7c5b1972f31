"""Windows of a clip: where they lie, never across clips, and windows as samples instead of volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs

Spans = NDArray[np.float64]
"""First and last second of each of several stretches of a clip, shape (n, 2)."""
TOLERANCE = 1e-6


def window_starts(duration: float, window: float, step: float) -> NDArray[np.float64]:
    """Starts of the windows that fit into a clip, in seconds.

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
    """Windows around the middle of stretches; one that would leave the clip is moved into it.

    Examples
    --------
    >>> centred(np.array([[0.0, 1.5], [7.5, 9.0]]), 10.0, 15.0).tolist()
    [[0.0, 10.0], [3.25, 13.25]]
    """
    _check_fits(window, duration)
    start = np.clip(spans.mean(axis=1) - window / 2, 0.0, max(duration - window, 0.0))
    return np.stack([start, start + window], axis=1)


def causal(spans: Spans, window: float) -> Spans:
    """Windows that end where stretches end; one that would begin before the clip is shorter.

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
    """Windows of clips as samples, and the volumes that belong to each.

    Parameters
    ----------
    runs : Runs
        One sample per window; ``time`` is its start, ``tr`` the step.
    length : float
        Seconds.
    heard, measured : sparse array, shape (n_windows, n_volumes)
        Means over the volumes under each window, and over the used ones ``lag`` later.
    volumes : Runs
    """

    runs: Runs
    length: float
    heard: csr_array
    measured: csr_array
    volumes: Runs

    def of_run(self, name: str, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Mean responses of the windows of one run, from those of its volumes; zero where a window is not used."""
        own = self.measured[self.runs.slices[name]][:, self.volumes.slices[name]]
        return np.asarray(own @ values, dtype=np.float32)


def cut_windows(volumes: Runs, length: float, step: float, lag: float = 0.0) -> Windows:
    """Cut every presentation of a clip into the windows that fit into it.

    The window that starts at *t* hears the volumes that overlap [*t*, *t* + length); its responses are the mean of
    those that overlap [*t* + lag, *t* + length + lag), without the volumes that are not used. A window of 10 s covers 7
    scans of 1.5 s (Brain2Music). A window of a clip that is not used, or without a response in its run, is not used.

    Parameters
    ----------
    volumes : Runs
        With clip labels.
    length, step, lag : float
        Seconds; the lag stands for the haemodynamic delay.

    Raises
    ------
    InputError
        If there is no clip, or one is shorter than a window.
    """
    firsts, starts = [], []
    for rows in volumes.presentations:
        duration = (rows.stop - rows.start) * volumes.tr
        _check_fits(length, duration, "shorten windows.length, decoding.window or the one in decoding.own_windows")
        for start in window_starts(duration, length, step):
            firsts.append(rows.start)
            starts.append(start)
    if not firsts:
        raise InputError("there is no clip to cut windows from", fix="check that events name a clip for each stimulus")
    first, start = np.array(firsts), np.array(starts)
    ends = np.array([volumes.slices[str(volumes.run[row])].stop for row in firsts])
    heard = _means(_rows_under(start, length, first, ends, volumes.tr), np.ones(len(volumes), dtype=bool))
    measured = _means(_rows_under(start + lag, length, first, ends, volumes.tr), volumes.used)
    heard_at_all = np.isin(first, [rows.start for rows in volumes.presentations if volumes.used[rows].any()])
    used = heard_at_all & (np.diff(measured.indptr) > 0)
    runs = replace(volumes.take(first), tr=step, time=volumes.time[first] + start, used=used)
    return Windows(runs, length, heard, measured, volumes)


def _rows_under(
    start: NDArray[np.float64], length: float, first: NDArray[np.intp], end: NDArray[np.intp], tr: float
) -> list[tuple[int, int]]:
    """First and past-the-last volume that each window overlaps, not beyond its run."""
    low = first + np.floor(start / tr + TOLERANCE).astype(int)
    high = np.minimum(first + np.ceil((start + length) / tr - TOLERANCE).astype(int), end)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _means(bounds: Sequence[tuple[int, int]], kept: NDArray[np.bool_]) -> csr_array:
    """Matrix of the means over the kept rows between bounds; a row of zeros where none is kept."""
    columns = [np.arange(low, max(high, low))[kept[low:high]] for low, high in bounds]
    counts = np.array([len(own) for own in columns])
    data = np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
    return csr_array((data, np.concatenate(columns), np.r_[0, np.cumsum(counts)]), shape=(len(bounds), len(kept)))
