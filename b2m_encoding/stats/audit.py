"""Leakage audit: one line per way in which test data may have reached the training of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from b2m_encoding._typing import Booleans, Float32, Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.runs import Runs

Status = Literal["pass", "warn", "fail", "not possible"]
SLOWEST_CYCLES = 4


@dataclass(frozen=True)
class Check:
    """One line of the audit.

    Parameters
    ----------
    name : str
    status : {"pass", "warn", "fail", "not possible"}
    value : float
        The number the status follows from; NaN if the check was not possible.
    warn, fail : float
        From which value on it warns or fails.
    meaning : str
        What was measured, and what to do.
    """

    name: str
    status: Status
    value: float
    warn: float
    fail: float
    meaning: str

    def row(self) -> dict[str, Any]:
        """A row of the table."""
        return asdict(self)

    @property
    def line(self) -> str:
        """A line of the report.

        Examples
        --------
        >>> grade("clips in both", 2, 1, 1, "clips of training that are heard in the test").line
        'fail: clips in both = 2 (clips of training that are heard in the test)'
        """
        number = "" if np.isnan(self.value) else f" = {self.value:.3g}"
        return f"{self.status}: {self.name}{number} ({self.meaning})"


def grade(name: str, value: float, warn: float, fail: float, meaning: str) -> Check:
    """A check whose status follows from its value."""
    if not np.isfinite(value):
        return Check(name, "not possible", float("nan"), warn, fail, meaning)
    status: Status = "fail" if value >= fail else "warn" if value >= warn else "pass"
    return Check(name, status, float(value), warn, fail, meaning)


def time_features(runs: Runs) -> Float32:
    """Slow cosines of the time within each run: all that a model without any stimulus can know.

    The same in every run, shape (n_samples, 4): half a cycle to two cycles of the longest run (the audit of an
    "orthogonal autocorrelated sequences model"; Feghhi et al. 2024, arXiv 2406.01538).

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
    """Whether time within the run alone predicts responses.

    Parameters
    ----------
    control_r : array, shape (n_targets,)
        Held-out Pearson r of the model of :func:`time_features`.

    Notes
    -----
    It fails if slow drift is alike in all runs, or if training and test samples are neighbours in time; clean responses
    give a mean about 0. It does not see a leak of fast signals. Trends that the stimuli themselves have (all runs begin
    loud) fail too: then they cannot be told from drift.
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
    """Whether reported scores look like those of shuffled folds.

    Parameters
    ----------
    reported : array, shape (n_targets,)
        The study's held-out scores.
    whole_runs, shuffled : array, shape (n_targets,)
        Cross-validated scores of the same model on the same data, with whole runs (or blocks far apart) held out, and
        with samples held out at random, whose neighbours are in the training set.
    least : float
        A smaller gap between the two is no gap: the check passes.

    Notes
    -----
    The value is (reported - whole runs) / (shuffled - whole runs): 0 is clean, 1 as good as shuffling. Not for test
    responses averaged over repeats, which score higher for a better reason: give the scores of single presentations.
    """
    ok = np.isfinite(reported) & np.isfinite(whole_runs) & np.isfinite(shuffled)
    meaning = "reported score between whole-run folds (0) and shuffled folds (1)"
    if not ok.any():
        return grade("fold gap", float("nan"), warn, fail, meaning)
    clean, leaky, own = (float(values[ok].mean()) for values in (whole_runs, shuffled, reported))
    gap = leaky - clean
    value = (own - clean) / gap if gap > least else 0.0
    meaning += f"; mean r {own:.3f}, whole-run folds {clean:.3f}, shuffled folds {leaky:.3f}"
    return grade("fold gap", max(value, 0.0), warn, fail, meaning)


def shuffled_blocks(runs: Runs, n_blocks: int, random_state: int | None = None) -> Runs:
    """The same samples, the used ones dealt at random to blocks: the folds that nobody should report."""
    labels = np.full(len(runs), "", dtype=object)
    used = np.flatnonzero(runs.used)
    labels[np.random.default_rng(random_state).permutation(used)] = [
        f"shuffled-{i % n_blocks}" for i in range(len(used))
    ]
    return replace(runs, block=labels.astype(str))


def alpha_at_edge(
    alphas: Float64, grid: Floating, predicted: Booleans, *, warn: float = 0.1, fail: float = 0.5
) -> Check:
    """Share of the predicted targets whose penalty is the smallest or largest of the grid.

    Only predicted targets count: the others rightly take the largest penalty.

    Examples
    --------
    >>> alpha_at_edge(np.array([1.0, 10, 100, 100]), np.array([1.0, 10, 100]), np.array([1, 1, 0, 0], bool)).value
    0.5
    """
    chosen = alphas[predicted & np.isfinite(alphas)]
    meaning = "share of the predicted targets at the smallest or largest penalty; widen [model.alphas]"
    if not len(chosen) or len(grid) < 3:
        return grade("alpha at edge", float("nan"), warn, fail, meaning)
    edge = np.isclose(chosen, np.min(grid), rtol=1e-6) | np.isclose(chosen, np.max(grid), rtol=1e-6)
    return grade("alpha at edge", float(edge.mean()), warn, fail, meaning)


def stimulus_overlap(train: Iterable[str], test: Iterable[str], *, what: str = "clip names") -> Check:
    """How many stimuli of the test set were heard in training.

    Parameters
    ----------
    train, test : iterable of str
        Names of the stimuli under the samples of each set, or better hashes of their sound: copies hide under other
        names. "" is no stimulus.
    what : str
        What they are, for the report.

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


def standardised_on_test(
    spaces: Mapping[str, Floating],
    train: Booleans,
    test: Booleans,
    *,
    tolerance: float = 1e-4,
) -> Check:
    """Whether features were standardised, or turned to principal components, with the test samples.

    Parameters
    ----------
    spaces : dict of str to array (n_samples, n_features)
        As they reach the model.
    train, test : array of bool, shape (n_samples,)
    tolerance : float
        How exactly mean 0 and deviation 1, or uncorrelated components, must be met.

    Returns
    -------
    Check
        The number of feature spaces that are standardised, or uncorrelated, over training and test samples together
        (or over the test samples alone) to a precision that only a fit to them gives, and that they do not have over
        the training samples.

    Notes
    -----
    It sees what was done exactly; whoever standardised other samples (a whole corpus) escapes, and so do features
    standardised within every run, which are standardised over the training samples as well. Standardising on test
    samples is a mild leak, for no response is touched, but it can flatter small test sets.
    """
    if train.shape != test.shape or any(len(values) != len(train) for values in spaces.values()):
        raise InputError("features and masks differ in length", expected=len(train))
    everything = np.ones(len(train), dtype=bool)
    found = [
        name
        for name, values in spaces.items()
        if not _fitted_to(values[train], tolerance)
        and any(_fitted_to(values[rows], tolerance) for rows in (train | test, test, everything))
    ]
    meaning = "feature spaces standardised or reduced with test samples" + (f": {', '.join(found)}" if found else "")
    return grade("features fitted to test samples", len(found), 1, 1, meaning)


def _fitted_to(values: Floating, tolerance: float) -> bool:
    """Whether all varying columns have mean 0, and either deviation 1 or no correlation among each other."""
    x = np.asarray(values, dtype=np.float64)
    deviation = x.std(axis=0) if len(x) else np.zeros(x.shape[1])
    varies = deviation > 1e-12
    if len(x) < 3 or not varies.any():
        return False
    x, deviation = x[:, varies], deviation[varies]
    centred = bool((np.abs(x.mean(axis=0)) < tolerance * deviation).all())
    unit = bool((np.abs(deviation - 1) < tolerance).all() or (np.abs(x.std(axis=0, ddof=1) - 1) < tolerance).all())
    if not centred or unit or x.shape[1] < 2 or x.shape[1] >= len(x):
        return centred and unit
    correlation = np.corrcoef(x.T) - np.eye(x.shape[1])
    return bool((np.abs(correlation) < tolerance).all())
