"""Data quality of every run: length, censored volumes, temporal signal-to-noise ratio, head motion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from b2m_encoding._typing import Float32, Floating, Integers
from b2m_encoding.analysis.splits import split_samples
from b2m_encoding.analysis.windows import WindowedResponses
from b2m_encoding.data import Recording, Responses
from b2m_encoding.data.confounds import framewise_displacement
from b2m_encoding.errors import InputError, notice
from b2m_encoding.io.names import first_of
from b2m_encoding.study import Study


def quality_rows(subject: str, recording: Recording, study: Study, alone: bool = True) -> list[dict[str, Any]]:
    """One row per run; every run is read once more, one at a time.

    Columns are those of :data:`~b2m_encoding.results.schema.tables.QUALITY`.

    Parameters
    ----------
    subject : str
    recording : Recording
    study : Study
        Study with the held-out runs, and the discarded start of runs.
    alone : bool
        Whether the study has no other subject.

    Raises
    ------
    InputError
        If no target of a run can be tested, so that there would be no results; logged where there are other subjects.
    """
    responses = _of_volumes(recording.responses)
    runs = responses.runs
    roles = _roles(recording, study)
    used = np.ones(len(runs), dtype=bool) if responses.kept is None else responses.kept
    first = runs.first(float(getattr(study.data, "discard", 0.0)))
    rows = []
    for name, rows_of in runs.slices.items():
        begins = first[rows_of]
        censored = int((~used[rows_of] & ~begins).sum())
        values = responses.read_run(name)[used[rows_of]]
        fault = _fault(values, np.flatnonzero(used[rows_of]), subject, name, recording.files.get(name))
        if fault is not None:
            if alone:
                raise fault
            notice(f"{fault.problem}; the subject has no results. {fault.file or ''} {fault.found}".replace("  ", " "))
        moved = framewise_displacement(recording.files[name]) if name in recording.files else None
        after = max(int((~begins).sum()), 1)
        rows.append(
            {
                "subject": subject,
                "run": name,
                "role": roles[name],
                "volumes": rows_of.stop - rows_of.start,
                "tr": runs.tr,
                "seconds": (rows_of.stop - rows_of.start) * runs.tr,
                "discarded": int(begins.sum()),
                "censored": censored,
                "share_censored": censored / after,
                "tsnr": temporal_snr(values),
                "mean_fd": np.nan if moved is None else float(np.nanmean(moved)),
                "max_fd": np.nan if moved is None else float(np.nanmax(moved)),
            }
        )
    return rows


def motion_rows(recording: Recording) -> list[dict[str, Any]]:
    """One row per volume of every run whose motion is known.

    Columns are those of :data:`~b2m_encoding.results.schema.tables.MOTION`.
    """
    moved = {name: framewise_displacement(path) for name, path in recording.files.items()}
    return [
        {"run": name, "volume": volume, "fd": fd}
        for name, values in moved.items()
        if values is not None
        for volume, fd in enumerate(values.round(4).tolist())
    ]


def mean_volume(recording: Recording) -> Float32 | None:
    """Mean of the first run before cleaning, shape (n_targets,); None where the series are centred."""
    responses = _of_volumes(recording.responses)
    series = responses.read_run(responses.runs.names[0])
    mean = series.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean if np.isfinite(temporal_snr(series)) else None


def temporal_snr(values: Floating) -> float:
    """Compute the median over targets of mean / standard deviation; NaN where the series are centred.

    Parameters
    ----------
    values : array, shape (n_samples, n_targets)
        Series before cleaning. Targets that are constant or hold NaN do not count.

    Returns
    -------
    float

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
    with np.errstate(invalid="ignore"):
        mean, deviation = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
        usable = np.isfinite(mean) & (deviation > 1e-6 * np.abs(mean)) & (deviation > 0)
    if not usable.any():
        return float("nan")
    ratio = float(np.median(mean[usable] / deviation[usable]))
    return ratio if ratio > 1 else float("nan")


def _fault(values: Floating, samples: Integers, subject: str, run: str, file: Path | None) -> InputError | None:
    """Error of a run whose targets are all constant or hold values that are not finite."""
    if not len(values):  # which is an error of the samples
        return None
    high, low = values.max(axis=0), values.min(axis=0)
    finite = np.isfinite(high) & np.isfinite(low)
    if (finite & (high > low)).any():
        return None
    empty = samples[~np.isfinite(values).any(axis=1)]
    listed = first_of(empty.astype(str).tolist(), 5)
    constant = (
        f"{int(finite.sum()):,} of {len(finite):,} targets are constant, the others have values that are not finite"
    )
    return InputError(
        f"no target can be tested: in run {run} of sub-{subject} all responses are constant or hold NaN",
        file=file,
        found=f"every target is NaN or infinite in sample {listed} (counted from 0)" if len(empty) else constant,
        expected="responses that vary, with a value in every volume that is used",
        fix="write the run anew, with the mask that fits it; or leave it out, or censor these volumes (censor, or "
        "confounds, under [data])",
    )


def _of_volumes(responses: Responses) -> Responses:
    """Volumes that windows were averaged from."""
    return responses.made_of if isinstance(responses, WindowedResponses) else responses


def _roles(recording: Recording, study: Study) -> dict[str, str]:
    runs, splits = split_samples(recording.responses.runs, study.evaluation)
    if study.evaluation.kind == "cross-validation":
        return dict.fromkeys(_of_volumes(recording.responses).runs.names, "cross-validated")
    tested = {name for name, rows in runs.slices.items() if splits[0].test[rows].any()}
    return {name: "test" if name in tested else "training" for name in _of_volumes(recording.responses).runs.names}
