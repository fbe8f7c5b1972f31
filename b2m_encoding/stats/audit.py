"""Leakage audit: one check per way in which test data may have entered the training of a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from b2m_encoding._typing import Booleans, Float32, Float64, Floating
from b2m_encoding.runs import Runs

Status = Literal["pass", "warn", "fail", "not possible"]
SLOWEST_CYCLES = 4
SHORTEST_RUN = 60
"""Samples below which slow noise looks like drift over a run."""


@dataclass(frozen=True)
class Check:
    """Check of the audit.

    Parameters
    ----------
    name : str
    status : {"pass", "warn", "fail", "not possible"}
    value : float
        Number that the status follows from; NaN if the check was not possible.
    warn, fail : float
        Thresholds of the value for a warning and a failure.
    meaning : str
        Measured quantity, and what to do.
    """

    name: str
    status: Status
    value: float
    warn: float
    fail: float
    meaning: str

    def row(self) -> dict[str, Any]:
        """Row of the table of checks."""
        return asdict(self)

    @property
    def line(self) -> str:
        """Line of the report.

        Examples
        --------
        >>> grade("clips in both", 2, 1, 1, "training clips that are presented in the test").line
        'fail: clips in both = 2 (training clips that are presented in the test)'
        """
        number = "" if np.isnan(self.value) else f" = {self.value:.3g}"
        return f"{self.status}: {self.name}{number} ({self.meaning})"


def grade(name: str, value: float, warn: float, fail: float, meaning: str) -> Check:
    """Build a check from a value and its thresholds; not possible if the value is not finite."""
    if not np.isfinite(value):
        return Check(name, "not possible", float("nan"), warn, fail, meaning)
    status: Status = "fail" if value >= fail else "warn" if value >= warn else "pass"
    return Check(name, status, float(value), warn, fail, meaning)


def time_features(runs: Runs) -> Float32:
    """Compute slow cosines of the time within each run: the predictors of a model without stimuli.

    The same in every run: half a cycle to two cycles of the longest run (the audit of an
    "orthogonal autocorrelated sequences model"; Feghhi et al. 2024, arXiv 2406.01538).

    Parameters
    ----------
    runs : Runs

    Returns
    -------
    array of float32, shape (n_samples, 4)

    Examples
    --------
    >>> time_features(Runs.from_lengths([3, 2], 1.0))[:, 0].round(2)
    array([ 0.87,  0.  , -0.87,  0.87,  0.  ], dtype=float32)
    """
    longest = max((rows.stop - rows.start for rows in runs.slices.values()), default=1)
    time = np.concatenate([np.arange(rows.stop - rows.start) for rows in runs.slices.values()])
    cycles = np.arange(1, SLOWEST_CYCLES + 1)
    return np.cos(np.pi * (time[:, None] + 0.5) / longest * cycles).astype(np.float32)


def control_model(control_r: Float64, *, warn: float = 0.05, fail: float = 0.1) -> Check:
    """Check whether time within the run alone predicts responses.

    Parameters
    ----------
    control_r : array, shape (n_targets,)
        Held-out Pearson r of the model of :func:`time_features`.
    warn, fail : float
        Thresholds of the mean r.

    Returns
    -------
    Check

    Notes
    -----
    It fails if slow drift is alike in all runs, or if training and test samples are neighbours in time; clean responses
    give a mean about 0. It does not see a leak of fast signals. Trends that the stimuli themselves have (all runs begin
    loud) fail too: they cannot be distinguished from drift.
    """
    tested = control_r[np.isfinite(control_r)]
    value = float(tested.mean()) if len(tested) else float("nan")
    return grade("time-only model", value, warn, fail, "mean r of a model that knows only the time within the run")


def fold_gap(
    reported: Float64,
    whole_runs: Float64,
    shuffled: Float64,
    *,
    warn: float = 0.25,
    fail: float = 0.5,
    least: float = 0.02,
) -> Check:
    """Check whether reported scores are as high as those of shuffled folds.

    Parameters
    ----------
    reported : array, shape (n_targets,)
        Held-out scores of the study.
    whole_runs, shuffled : array, shape (n_targets,)
        Cross-validated scores of the same model on the same data, with whole runs (or blocks far apart) held out, and
        with samples held out at random, whose neighbours are in the training set.
    least : float
        Smallest difference between the two that is evaluated; the check passes below it.
    warn, fail : float
        Thresholds of the value.

    Returns
    -------
    Check

    Notes
    -----
    The value is (reported - whole runs) / (shuffled - whole runs): 0 is clean, 1 as good as shuffling. Not for test
    responses averaged over repeats, which score higher without a leak: give the scores of single presentations. Not for
    targets chosen by the reported score, which is then too high. Cross-validated scores are those of the best penalty,
    a little too high for targets that nothing predicts: a clean study may score below them.
    """
    ok = np.isfinite(reported) & np.isfinite(whole_runs) & np.isfinite(shuffled)
    meaning = "place of the reported score between those of whole-run folds (0) and of shuffled folds (1)"
    if not ok.any():
        return grade("fold gap", float("nan"), warn, fail, meaning)
    clean, leaky, score = (float(values[ok].mean()) for values in (whole_runs, shuffled, reported))
    gap = leaky - clean
    value = (score - clean) / gap if gap > least else 0.0
    meaning += f"; mean r {score:.3f}, whole-run folds {clean:.3f}, shuffled folds {leaky:.3f}"
    return grade("fold gap", max(value, 0.0), warn, fail, meaning)


def shuffled_blocks(runs: Runs, n_blocks: int, random_state: int | None = None) -> Runs:
    """Assign the used samples to blocks at random: leaky folds, for :func:`fold_gap` only.

    Parameters
    ----------
    runs : Runs
    n_blocks : int
    random_state : int, optional

    Returns
    -------
    Runs
        The same samples with the blocks ``shuffled-0``, ``shuffled-1`` ...
    """
    labels = np.full(len(runs), "", dtype=object)
    used = np.flatnonzero(runs.used)
    labels[np.random.default_rng(random_state).permutation(used)] = [
        f"shuffled-{i % n_blocks}" for i in range(len(used))
    ]
    return replace(runs, block=labels.astype(str))


def alpha_at_edge(
    alphas: Float64, grid: Floating, predicted: Booleans, *, warn: float = 0.1, fail: float = 0.5
) -> Check:
    """Check whether penalties lie at the edge of the grid: share of the predicted targets.

    Only predicted targets count: for the others the largest penalty is right.

    Parameters
    ----------
    alphas : array, shape (n_targets,)
        Penalty of each target.
    grid : array
        All penalties.
    predicted : array of bool, shape (n_targets,)
    warn, fail : float
        Thresholds of the share.

    Returns
    -------
    Check

    Examples
    --------
    >>> alpha_at_edge(np.array([1.0, 10, 100, 100]), np.array([1.0, 10, 100]), np.array([1, 1, 0, 0], bool)).value
    0.5
    """
    chosen = alphas[predicted & np.isfinite(alphas)]
    meaning = "share of the predicted targets at the smallest or largest penalty"
    if not len(chosen) or len(grid) < 3:
        reason = "there are fewer than three penalties" if len(grid) < 3 else "no target is predicted"
        return grade("alpha at edge", float("nan"), warn, fail, f"{meaning}; {reason}")
    edge = np.isclose(chosen, np.min(grid), rtol=1e-6) | np.isclose(chosen, np.max(grid), rtol=1e-6)
    return grade("alpha at edge", float(edge.mean()), warn, fail, f"{meaning}; widen [model.alphas]")


def noise_across_gap(autocorrelation: float, gap: float, *, warn: float = 0.1, fail: float = 0.3) -> Check:
    """Check whether the noise of a run reaches over the gap between training and held-out blocks.

    Parameters
    ----------
    autocorrelation : float
        Of the residuals of held-out samples at the distance of the nearest training samples, mean over targets.
    gap : float
        Gap, s.
    warn, fail : float
        Thresholds of the autocorrelation.

    Returns
    -------
    Check

    Notes
    -----
    Slow features and slow noise of the same run are then related in training and test alike, and empty targets score
    above zero. The autocorrelation is a lower bound where noise is slower than blocks are long.
    """
    meaning = f"autocorrelation of the residuals across the gap of {gap:g} s between blocks; make evaluation.gap longer"
    return grade("noise across the gap", autocorrelation, warn, fail, meaning)


def drift_within_runs(values: Floating, runs: Runs, *, warn: float = 0.1, fail: float = 0.3) -> Check:
    """Check whether slow drift is left in responses: a line or a parabola over each run of 60 samples or more.

    Parameters
    ----------
    values : array, shape (n_samples, n_targets)
        Responses as they are tested.
    runs : Runs
    warn, fail : float
        Thresholds of the value.

    Returns
    -------
    Check
        The value is the share of the variance that the course explains beyond what it would explain at another time
        of the run (mean over all circular shifts, then over targets); the larger of line and parabola.

    Notes
    -----
    Drift that begins and ends with the runs is no stationary noise: shifted or exchanged samples lose what drift of
    predictions and of responses have in common, and empty targets pass too often. In six runs of 100 samples a
    parabola, or a line, with a quarter of the variance of both made 10 to 13 % false positives at 5 % (values .14 and
    .20). Stationary noise of such runs has a value of .04 (AR(1) .9) or .06 (1/f), but .11 where it reaches over much
    of a run (AR(1) .95).

    Examples
    --------
    >>> runs, noise = Runs.from_lengths([100, 100], 1.5), np.random.default_rng(0).standard_normal((200, 50))
    >>> drift = np.tile(np.linspace(-1, 1, 100) ** 2, 2)[:, None]
    >>> drift_within_runs(noise, runs).status, drift_within_runs(noise + 3 * drift, runs).status
    ('pass', 'warn')
    """
    own, elsewhere, total = np.zeros((2, values.shape[1])), np.zeros((2, values.shape[1])), np.zeros(values.shape[1])
    for rows in runs.slices.values():
        part = values[rows] - values[rows].mean(axis=0)
        if len(part) < SHORTEST_RUN:
            continue
        powers = np.linspace(-1, 1, len(part))[:, None] ** np.arange(3)
        courses = np.linalg.qr(powers)[0][:, 1:]
        own += (courses.T @ part) ** 2
        spectra = [np.abs(np.fft.fft(one, axis=0)) ** 2 for one in (courses, part)]
        elsewhere += spectra[0].T @ spectra[1] / len(part) ** 2
        total += (part**2).sum(axis=0)
    known = np.isfinite(total) & (total > 0)
    shares = ((own - elsewhere)[:, known] / total[known]).mean(axis=1) if known.any() else np.full(2, np.nan)
    meaning = "share of the responses that is drift over each run; remove it: [cleaning] detrend, cutoff"
    return grade("drift within runs", max(float(shares.max()), 0.0), warn, fail, meaning)


def used_presentations(runs: Runs) -> tuple[slice, ...]:
    """Rows of every presentation of a clip with a used sample."""
    return tuple(rows for rows in runs.presentations if runs.used[rows].any())


def repeats_in_a_row(runs: Runs, autocorrelation: float, *, warn: float = 0.05, fail: float = 0.2) -> Check:
    """Check whether a noise ceiling counts slow noise as signal, because repeats of a clip follow each other.

    Parameters
    ----------
    runs : Runs
        Runs of the single presentations in the test.
    autocorrelation : float
        Of the noise at the distance of such repeats, mean over targets.
    warn, fail : float
        Thresholds of the value.

    Returns
    -------
    Check
        The value is the share of the repeats that follow another presentation of the same clip, times the
        autocorrelation: about the share of noise that is taken for explainable variance.

    Examples
    --------
    >>> labels = np.repeat(["a", "a", "b", "a"], 5)
    >>> runs = Runs.from_labels(["run"] * 20, 1.5, clip=labels, presentation=np.repeat([0, 1, 0, 2], 5))
    >>> repeats_in_a_row(runs, 0.4).value
    0.2
    """
    shown = [(str(runs.run[rows.start]), str(runs.clip[rows.start]), rows) for rows in used_presentations(runs)]
    n_repeats = len(shown) - len({clip for _, clip, _ in shown})
    adjacent = sum(a[:2] == b[:2] and a[2].stop == b[2].start for a, b in pairwise(shown))
    share = adjacent / n_repeats if n_repeats else float("nan")
    meaning = "share of noise in the noise ceiling, from repeats of a clip that follow each other in slow noise"
    value = share * max(autocorrelation, 0.0) if adjacent else 0.0 * share
    return grade("repeats in a row", value, warn, fail, f"{meaning}; {adjacent} of {n_repeats} repeats do")


def stimulus_overlap(train: Iterable[str], test: Iterable[str], *, what: str = "clip names") -> Check:
    """Count the test stimuli that were also presented in training.

    Parameters
    ----------
    train, test : iterable of str
        Names of the stimuli under the samples of each set, or better hashes of their sound: copies may have other
        names. "" is no stimulus.
    what : str
        Kind of the names, for the report.

    Returns
    -------
    Check

    Examples
    --------
    >>> stimulus_overlap(["a", "b"], ["b", "c", ""]).status
    'fail'
    """
    first, second = ({name for name in names if name} for names in (train, test))
    value = float(len(first & second)) if first and second else float("nan")
    shown = ", ".join(sorted(first & second)[:3])
    meaning = f"test stimuli also heard in training, by {what}" + (f": {shown}" if shown else "")
    return grade(f"stimulus overlap ({what})", value, 1, 1, meaning)
