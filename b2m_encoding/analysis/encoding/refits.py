"""Models fitted to rearranged responses: the null distribution of the accuracy of joined folds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float64
from b2m_encoding.analysis.encoding.held_out import HeldOut
from b2m_encoding.analysis.encoding.predict import predict_held_out
from b2m_encoding.analysis.encoding.significance import arrangement_options
from b2m_encoding.analysis.splits import Split, scored_rows
from b2m_encoding.data import Responses
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.results.schema import JOINT
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced
from b2m_encoding.stats.nulls import RefittedNull
from b2m_encoding.stats.permutation import spread_of_rearranged
from b2m_encoding.stats.rearranging import arrangements_of
from b2m_encoding.stats.repeats import copies_of_samples
from b2m_encoding.study import Study

MAX_TARGETS = 2000
BYTES = 12
"""Of a refitted sample: the response and where it comes from."""
PHASE = "phase"
"""Method of a null distribution from responses of random phase."""


def refit_nulls(
    responses: Responses,
    spaces: Mapping[str, FeatureSpace],
    study: Study,
    splits: Sequence[Split],
    held_out: HeldOut,
    progress: Callable[[str], None] = lambda _: None,
    *,
    factors: Path | None = None,
) -> dict[str, RefittedNull]:
    """Refit every model that is tested to rearranged responses of some targets; none where nothing is rearranged.

    Parameters
    ----------
    responses : Responses
        With the runs of :func:`~b2m_encoding.analysis.splits.evaluated`.
    spaces : mapping of str to FeatureSpace
    study : Study
    splits : sequence of Split
    held_out : HeldOut
        Predictions of the measured responses.
    progress : callable
        Called with what is computed.
    factors : Path, optional
        As for :func:`~b2m_encoding.analysis.encoding.predict.predict_held_out`.

    Returns
    -------
    dict of str to RefittedNull
        By feature space, and of the joint model.

    Notes
    -----
    Folds that are blocks of one run are not independent: a filter of slow drift makes responses of neighbouring blocks
    negatively related, and samples that change places within blocks would not be. Their responses therefore get random
    phases over the whole run, the same in runs of the same stimuli, unless the study asks for another test, or
    stimuli are presented again at other times.
    """
    tested = np.flatnonzero(held_out.tested)
    if study.statistics.test == "paper":
        return {}
    chosen = np.unique(tested[np.linspace(0, len(tested) - 1, MAX_TARGETS).round().astype(np.intp)])
    measured = np.concatenate([responses.load_run(name)[:, chosen] for name in responses.runs.slices])
    rows = scored_rows(responses.runs, splits, average=study.evaluation.average_repeats)
    scheme = arrangement_options(held_out, study)
    method, ways, _ = arrangements_of(held_out.predicted, held_out.measured, held_out.runs, **scheme)
    phases = study.evaluation.blocks is not None and study.statistics.test == "auto" and rows.shape[1] == 1
    same = runs_alike(responses.runs)
    phases = phases and (same or copies_of_samples(held_out.runs) is None)
    generator = np.random.default_rng(study.seed)
    n_rounds = -(-study.statistics.refits // len(chosen))
    names, plain = held_out.feature_spaces, plain_study(study, held_out)
    models = [*((name,) for name in names if len(names) > 1), names]
    quotients: dict[str, list[Float64]] = {}
    for columns in _batches(np.tile(np.arange(len(chosen)), n_rounds), len(measured), study.model.memory):
        progress(f"refits of {n_rounds * len(chosen)} rearranged responses")
        moved = (
            of_random_phase(measured[:, columns], responses.runs, generator, same=same)
            if phases
            else rearrange(measured, columns, rows, ways.sources(len(columns), generator))
        )
        refitted = Responses.from_array(moved, responses.runs, Unplaced(len(columns)))
        found = predict_held_out(refitted, spaces, plain, splits, models, factors=factors)
        for model, predicted in {**found.singles, JOINT: found.predicted}.items():
            z, _ = spread_of_rearranged(
                predicted,
                found.measured,
                found.runs,
                method=method,
                block_length=scheme["block_length"],
                device=study.model.device,
            )
            quotients.setdefault(model, []).append(np.nan_to_num(z))  # a constant prediction: r is 0
    targets = np.tile(chosen, n_rounds)
    return {
        model: RefittedNull(np.concatenate(z), targets, PHASE if phases else method) for model, z in quotients.items()
    }


def rearrange(
    measured: NDArray[np.float32], columns: NDArray[np.intp], rows: NDArray[np.intp], sources: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Rearrange responses; samples that are never scored keep their place.

    Parameters
    ----------
    measured : array, shape (n_samples, n_targets)
    columns : array of int, shape (n_refits,)
        Target of every refit.
    rows : array of int, shape (n_scored, n_presentations)
        Samples that a scored one is the mean of; -1 where there are fewer.
    sources : array of int, shape (n_scored, n_refits)
        Scored sample that comes to each.
    """
    moved = measured[:, columns]
    counts = (rows >= 0).sum(axis=1)
    for number in range(rows.shape[1]):
        own = np.flatnonzero(rows[:, number] >= 0)
        source = sources[own]
        moved[rows[own, number]] = measured[rows[source, np.minimum(number, counts[source] - 1)], columns]
    return moved


def runs_alike(runs: Runs) -> bool:
    """Whether there are several runs, all of the same stimuli at the same times."""
    clips = [runs.clip[rows] for rows in runs.slices.values()]
    return len(clips) > 1 and bool((clips[0] != "").any()) and all(np.array_equal(clips[0], own) for own in clips)


def of_random_phase(
    values: NDArray[np.float32], runs: Runs, generator: np.random.Generator, *, same: bool = False
) -> NDArray[np.float32]:
    """Give every column random phases: each run keeps its power spectrum, and so its autocorrelation at all lags.

    Surrogates of Theiler et al. 1992, doi 10.1016/0167-2789(92)90102-S.

    Parameters
    ----------
    values : array, shape (n_samples, n_columns)
    runs : Runs
    generator : numpy.random.Generator
    same : bool
        The same phases in all runs, which are as long: what follows a stimulus stays alike.
    """
    surrogates, phase = np.empty_like(values), None
    for part in runs.slices.values():
        n = part.stop - part.start
        spectrum = np.fft.rfft(values[part], axis=0)
        if phase is None or not same:
            phase = np.exp(2j * np.pi * generator.random(spectrum.shape))
        phase[0] = 1  # the mean, and the fastest cycle of an even number of samples, have no phase
        if n % 2 == 0:
            phase[-1] = np.where(phase[-1].real < 0, -1, 1)
        surrogates[part] = np.fft.irfft(spectrum * phase, n, axis=0)
    return surrogates


def _batches(columns: NDArray[np.intp], n_samples: int, gigabytes: float) -> Iterator[NDArray[np.intp]]:
    """Cut the refits so that each part takes a quarter of the memory of a fit."""
    size = max(int(gigabytes * 1e9 / 4 / BYTES / n_samples), 100)
    yield from np.array_split(columns, -(-len(columns) // size))


def plain_study(study: Study, held_out: HeldOut) -> Study:
    """The same study without what refits do not need; where targets share a penalty, with that of the measured ones."""
    statistics = study.statistics.model_copy(update={"audit": False, "partition": False})
    results = study.results.model_copy(update={"weights": False})
    model = study.model
    if model.alpha_per == "all" and model.solver == "ridge":
        alpha = float(np.nanmedian(held_out.alphas[held_out.feature_spaces]))
        grid = model.alphas.model_copy(update={"low": alpha, "high": alpha, "number": 2})
        model = model.model_copy(update={"alphas": grid})
    return study.model_copy(update={"statistics": statistics, "results": results, "model": model})
