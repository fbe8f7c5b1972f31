"""Windows of a clip: the rows of features and responses that belong to each, never across clips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs

TOLERANCE = 1e-6


def window_starts(duration: float, window: float, step: float) -> NDArray[np.float64]:
    """Starts of the windows that fit into a clip, in seconds.

    Examples
    --------
    Table 1 of Brain2Music (arXiv 2307.11078): 15 s clips, windows of 10, 5 and 1.5 s, a step of 1.5 s.

    >>> [len(window_starts(15, window, 1.5)) for window in (10, 5, 1.5)]
    [4, 7, 10]
    """
    if not 0 < window <= duration + TOLERANCE:
        raise InputError("a window must fit into its clip", found=f"{window} s", expected=f"at most {duration} s")
    count = int((duration - window) / step + TOLERANCE) + 1
    return np.arange(count, dtype=np.float64) * step


def average_windows(
    values: NDArray[np.floating], runs: Runs, window: float, step: float, lag: float = 0.0, *, shifted: bool = True
) -> tuple[NDArray[np.floating], Runs]:
    """Mean of the samples under each window of each clip.

    The window that starts at *t* covers the samples that overlap [*t* + lag, *t* + window + lag); for responses
    the lag stands for the haemodynamic delay. A window of 10 s covers 7 scans of 1.5 s (Brain2Music). A window whose
    lagged samples begin after the run is left out. Features of the same windows come with the same lag and
    ``shifted=False``.

    Parameters
    ----------
    values : array, shape (n_samples, n_columns)
    runs : Runs
        With clip labels.
    window, step, lag : float
        Seconds.
    shifted : bool
        Take the samples ``lag`` later, or those under the window itself.

    Returns
    -------
    values : array, shape (n_windows, n_columns)
    runs : Runs
        One sample per window; ``time`` is its start. Windows of clips that are not used are left out.
    """
    runs.check_length(values)
    first_rows, bounds, starts = [], [], []
    for first, last in clip_stretches(runs):
        run = runs.slices[str(runs.run[first])]
        for start in window_starts((last - first) * runs.tr, window, step):
            if first + int(np.floor((start + lag) / runs.tr + TOLERANCE)) < run.stop:
                begin = start + lag if shifted else start
                low = first + int(np.floor(begin / runs.tr + TOLERANCE))
                high = first + int(np.ceil((begin + window) / runs.tr - TOLERANCE))
                first_rows.append(first)
                bounds.append((low, min(high, run.stop)))
                starts.append(runs.time[first] + start)
    if not bounds:
        raise InputError("there is no clip to cut windows from", fix="check that events name a clip for each stimulus")
    averaged = np.stack([values[low:high].mean(axis=0) for low, high in bounds])
    rows = np.array(first_rows)
    windows = replace(runs.take(rows), tr=step, time=np.array(starts, dtype=float))
    return averaged, windows


def clip_stretches(runs: Runs) -> list[tuple[int, int]]:
    """First and past-the-last row of every presentation of a clip whose samples are used."""
    return [(rows.start, rows.stop) for rows in runs.presentations if runs.used[rows].all()]
