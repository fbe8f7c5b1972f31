"""Stimuli at equal intervals: what responses to all of them have in common can hardly become significant."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.analysis.splits import scored_rows, split_samples
from b2m_encoding.data import Recording
from b2m_encoding.features.events import event_features
from b2m_encoding.runs import Runs
from b2m_encoding.stats.arrangements import clips_can_move
from b2m_encoding.stats.repeats import different_samples, first_presentations
from b2m_encoding.study import Study

ALIKE = 0.3
"""Root mean square of r between a series and its circular shifts from which on a test has little power."""
FEWEST = 4
"""Stimuli of a run, on average, below which there are no intervals to speak of."""
STEADY = 0.1
"""Standard deviation of the share of time with stimuli below which there are no rests between them."""
WIDER = 1.2
"""How much wider the null distribution of joined folds is in such designs: 1.15 to 1.21 in simulations."""
KIND, ANY = "trial_type", {"any": [""]}
RISE = 15.0
"""Seconds from a first stimulus on in which the response to it rises."""


def describe_intervals(recording: Recording, study: Study) -> str | None:
    """Sentence on stimuli that follow each other at equal intervals in held-out runs, and what to do; None without.

    Parameters
    ----------
    recording : Recording
        With the events of its runs.
    study : Study

    Notes
    -----
    The course of a response to the mere presence of stimuli is shifted circularly within runs, as the test does. The
    root mean square of r over all shifts is the inverse of the largest z that any accuracy can have. Simulated power:
    ``benchmarks/intervals.py``.
    """
    test, evaluation = study.statistics.test, study.evaluation
    if study.windows is not None or test == "paper" or not recording.events:
        return None
    runs, splits = split_samples(recording.responses.runs, evaluation)
    rows = np.unique(scored_rows(runs, splits, average=evaluation.average_repeats)[:, 0])
    scored = runs.take(rows)
    if test == "auto" and evaluation.average_repeats and clips_can_move(scored):
        return None  # these move whole: what they have in common is part of the null distribution by design
    kept = first_presentations(scored) == np.arange(len(scored))
    series = [one[rows][kept] for one in _presence(recording)]
    number = sum(recording.events[run]["onset"].nunique() for run in scored.names if run in recording.events)
    if not series or number < FEWEST * len(scored.names):
        return None
    alike = float(np.mean([_resemblance(one, different_samples(scored)) for one in series]))
    if alike < ALIKE:
        return None
    if test == "clip":
        return (
            'statistics.test = "clip" exchanges predictions of whole stimuli: what responses to all of them have in '
            "common stays in place and cannot become significant; differences between stimuli can. Test it by shifts "
            '(test = "shift"), and with rests of different lengths'
        )
    gaps = np.concatenate([np.diff(np.unique(table["onset"])) for table in recording.events.values()])
    least = 0.5 * math.erfc(1 / (WIDER * alike * math.sqrt(2)))
    bound = f"has no p below about {least:.1g}, however well it is predicted" if len(splits) > 1 else "needs a larger r"
    return (
        f"stimuli follow each other every {np.median(gaps):.3g} s, in {len(scored.names)} held-out runs: shifted by "
        f"whole periods, what responses to all of them have in common looks the same (r of {alike:.2f} with itself, "
        f"root mean square) and {bound}; differences between stimuli are not concerned. Vary the rests between "
        "stimuli, or hold out more runs (documentation: Troubleshooting, equal intervals)"
    )


def _presence(recording: Recording) -> list[Float64]:
    """Smoothed share of every sample with stimuli; of each trial type where some stimulus is always there."""
    runs, events = recording.responses.runs, recording.events
    whole = _smoothed(
        event_features(runs, {run: one.assign(**{KIND: ""}) for run, one in events.items()}, KIND, ANY), runs
    )
    inside = np.zeros(len(runs), dtype=bool)
    for run, table in events.items():
        rows, last = runs.slices[run], (table["onset"] + table["duration"]).max()
        inside[rows] = (runs.time[rows] > table["onset"].min() + RISE) & (runs.time[rows] < last)
    if whole[inside].std() >= STEADY or not all(KIND in table for table in events.values()):
        return [whole[:, 0]]
    kinds = sorted({str(kind) for table in events.values() for kind in table[KIND]})
    found = _smoothed(event_features(runs, events, KIND, {kind: [kind] for kind in kinds}), runs)
    return [one for one in found.T if one[inside].std() >= STEADY]


def _smoothed(present: Floating, runs: Runs) -> Float64:
    """Convolve columns with a haemodynamic response, a gamma function with its peak at 5 s, run by run.

    It is not the canonical response, which has an undershoot: ``ALIKE`` and ``WIDER`` were simulated with this one.
    """
    delay = np.arange(0, 30, runs.tr)
    response = delay**5 * np.exp(-delay)
    convolve = partial(np.convolve, response / response.sum())
    parts = [np.clip(present[rows], 0, 1) for rows in runs.slices.values()]
    return np.concatenate([np.apply_along_axis(convolve, 0, part)[: len(part)] for part in parts])


def _resemblance(values: Float64, runs: Runs) -> float:
    """Root mean square of r between a series and itself, over all circular shifts within runs."""
    power = spread = 0.0
    for rows in runs.slices.values():
        spectrum = np.abs(np.fft.rfft(values[rows] - values[rows].mean())) ** 2
        shifted = np.fft.irfft(spectrum, rows.stop - rows.start)
        power, spread = power + float(shifted[0]), spread + float(shifted.var())
    return math.sqrt(spread) / power if power else 0.0
