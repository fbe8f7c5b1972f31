"""Data quality of every run: length, what was left out, temporal signal-to-noise ratio, head motion."""

from __future__ import annotations

from typing import Any

import numpy as np

from b2m_encoding._typing import Floating
from b2m_encoding.analysis.splits import split_samples
from b2m_encoding.analysis.windows import WindowedResponses
from b2m_encoding.data import Recording, Responses
from b2m_encoding.data.confounds import framewise_displacement
from b2m_encoding.study import Study


def quality_rows(subject: str, recording: Recording, study: Study) -> list[dict[str, Any]]:
    """One row per run; each run is read once more, by itself.

    Parameters
    ----------
    subject : str
    recording : Recording
    study : Study
        Which runs are held out, and how much of their start is discarded.
    """
    responses = _of_volumes(recording.responses)
    runs = responses.runs
    roles = _roles(recording, study)
    kept = np.ones(len(runs), dtype=bool) if responses.kept is None else responses.kept
    start = float(getattr(study.data, "discard", 0.0))
    rows = []
    for name, own in runs.slices.items():
        begins = runs.time[own] < start - 1e-9
        censored = int((~kept[own] & ~begins).sum())
        moved = framewise_displacement(recording.files[name]) if name in recording.files else None
        after = max(int((~begins).sum()), 1)
        rows.append(
            {
                "subject": subject,
                "run": name,
                "role": roles[name],
                "volumes": own.stop - own.start,
                "tr": runs.tr,
                "seconds": (own.stop - own.start) * runs.tr,
                "discarded": int(begins.sum()),
                "censored": censored,
                "share_censored": censored / after,
                "tsnr": temporal_snr(responses.read_run(name)[kept[own]]),
                "mean_fd": np.nan if moved is None else float(np.nanmean(moved)),
                "max_fd": np.nan if moved is None else float(np.nanmax(moved)),
            }
        )
    return rows


def temporal_snr(values: Floating) -> float:
    """Median over targets of mean over standard deviation; NaN where the mean of the series was taken away.

    Parameters
    ----------
    values : array, shape (n_samples, n_targets)
        Before cleaning. Targets that are constant or hold NaN do not count.

    Notes
    -----
    Not detrended: slow drift counts as noise, as in most reports of a raw series.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.standard_normal((1000, 50))
    >>> round(temporal_snr(1000 + 20 * noise)), temporal_snr(noise - noise.mean(axis=0))
    (50, nan)
    """
    mean, deviation = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(mean) & (deviation > 1e-6 * np.abs(mean)) & (deviation > 0)
    if not usable.any():
        return float("nan")
    found = float(np.median(mean[usable] / deviation[usable]))
    return found if found > 1 else float("nan")


def _of_volumes(responses: Responses) -> Responses:
    """The volumes that windows were made of."""
    return responses.made_of if isinstance(responses, WindowedResponses) else responses


def _roles(recording: Recording, study: Study) -> dict[str, str]:
    runs, splits = split_samples(recording.responses.runs, study.evaluation)
    if study.evaluation.kind == "cross-validation":
        return dict.fromkeys(_of_volumes(recording.responses).runs.names, "cross-validated")
    tested = {name for name, rows in runs.slices.items() if splits[0].test[rows].any()}
    return {name: "test" if name in tested else "training" for name in _of_volumes(recording.responses).runs.names}
