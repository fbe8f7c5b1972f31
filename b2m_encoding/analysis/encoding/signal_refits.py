"""Refits to signal and rearranged noise: how much larger errors are where folds are joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Bands, Float64
from b2m_encoding.analysis.encoding.blocks import comparison_block, comparison_sums
from b2m_encoding.analysis.encoding.held_out import HeldOut
from b2m_encoding.analysis.encoding.predict import new_model, predict_held_out, training_values
from b2m_encoding.analysis.encoding.refits import plain_study, rearrange, refit_nulls
from b2m_encoding.analysis.encoding.significance import arrangement_options
from b2m_encoding.analysis.encoding.sizes import TIME, training_runs
from b2m_encoding.analysis.splits import Split, scored_rows
from b2m_encoding.data import Responses
from b2m_encoding.features.space import FeatureSpace, all_subsets
from b2m_encoding.spaces import Unplaced
from b2m_encoding.stats.intervals import MODEL, standard_error
from b2m_encoding.stats.joined_folds import FoldDependence, Refits, ratio_of_errors
from b2m_encoding.stats.rearranging import arrangements_of
from b2m_encoding.stats.scores import standardised
from b2m_encoding.stats.sums.blocks import BlockSums, Measure
from b2m_encoding.stats.sums.bootstrap import bootstrap_weights
from b2m_encoding.stats.sums.gather import block_sums
from b2m_encoding.stats.variance_partition import partition_matrix
from b2m_encoding.study import Study

SIGNAL = (0.0, 0.03, 0.1, 0.2, 0.4, 0.7)
"""Shares of signal in the variance of the responses."""
N_BOOTSTRAPS = 200
LARGEST, SMALLEST = 32, 8
"""Targets, and refits of each of them with each share of signal."""


def refit_subject(
    responses: Responses,
    spaces: Mapping[str, FeatureSpace],
    study: Study,
    splits: Sequence[Split],
    held_out: HeldOut,
    models: Sequence[Bands],
    progress: Callable[[str], None] = lambda _: None,
    *,
    factors: Path | None = None,
) -> Refits | None:
    """Refit models to rearranged responses, without and with signal; None where no folds are joined.

    Parameters
    ----------
    responses, spaces, study, splits, held_out, models, progress, factors
        As in :func:`refit_signals`.
    """
    if len(splits) < 2 or not held_out.tested.any():
        return None
    nulls = refit_nulls(responses, spaces, study, splits, held_out, progress, factors=factors)
    signals = refit_signals(responses, spaces, study, splits, held_out, models, progress, factors=factors)
    return Refits(nulls, signals)


def refit_signals(
    responses: Responses,
    spaces: Mapping[str, FeatureSpace],
    study: Study,
    splits: Sequence[Split],
    held_out: HeldOut,
    models: Sequence[Bands],
    progress: Callable[[str], None] = lambda _: None,
    *,
    factors: Path | None = None,
) -> FoldDependence:
    """Compare the spread of scores over refits with their errors from held-out blocks.

    The signal of a target is what a model fitted to all samples explains, and its noise are its rearranged responses.

    Parameters
    ----------
    responses, spaces, study, splits, held_out, progress, factors
        As in :func:`~b2m_encoding.analysis.encoding.refits.refit_nulls`.
    models : sequence of tuple of str
        Models whose scores are compared, the joint one last.
    """
    tested = np.flatnonzero(held_out.tested)
    number = int(np.clip(np.sqrt(study.statistics.refits / 20), SMALLEST, LARGEST))
    chosen = _predicted_best(held_out, tested, number)
    measured = np.concatenate([responses.load_run(name)[:, chosen] for name in responses.runs.slices])
    signal = _fitted(responses, spaces, study, measured, chosen)
    rows = scored_rows(responses.runs, splits, average=study.evaluation.average_repeats)
    _, ways, _ = arrangements_of(
        held_out.predicted, held_out.measured, held_out.runs, **arrangement_options(held_out, study)
    )
    columns = np.tile(np.arange(len(chosen)), number)
    generator, plain = np.random.default_rng(study.seed), plain_study(study, held_out)
    models = [names for names in models if names != (TIME,)]
    accuracy, ratios, length = [], [], comparison_block(held_out, study)
    progress(f"refits of {len(SIGNAL) * len(columns)} responses of known signal")
    noise = rearrange(_unit(measured), columns, rows, ways.sources(len(columns), generator))
    # one fit for all shares where each target has its own penalty: what depends on features alone is computed once
    for shares in [SIGNAL] if plain.model.alpha_per == "target" else [(share,) for share in SIGNAL]:
        mixed = [np.sqrt(share) * signal[:, columns] + np.sqrt(1 - share) * noise for share in shares]
        values = np.concatenate(mixed, axis=1).astype(np.float32)
        refitted = Responses.from_array(values, responses.runs, Unplaced(values.shape[1]))
        found = predict_held_out(refitted, spaces, plain, splits, models, factors=factors)
        for start in range(0, values.shape[1], len(columns)):
            own = np.s_[:, start : start + len(columns)]
            sums = found.sums.take_targets(own[1])
            part = replace(found, sums=sums, predicted=found.predicted[own], measured=found.measured[own])
            accuracy.append(float(np.mean(np.nan_to_num(part.sums.scores()[part.feature_spaces]))))
            ratios.append(_ratios(part, study, length, number))
    order = np.argsort(accuracy)
    return FoldDependence(
        np.array(accuracy)[order],
        {name: np.array([one[name] for one in ratios])[order] for name in ratios[0]},
        len(SIGNAL) * len(columns),
    )


def _predicted_best(held_out: HeldOut, tested: NDArray[np.intp], number: int) -> NDArray[np.intp]:
    """Targets among the best predicted tenth, evenly spaced."""
    r = np.nan_to_num(held_out.sums.scores()[held_out.feature_spaces][tested])
    best = np.sort(tested[np.argsort(-r)][: max(len(tested) // 10, number)])
    return np.unique(best[np.linspace(0, len(best) - 1, number).round().astype(np.intp)])


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.nan_to_num(standardised(values)).astype(np.float32)


def _fitted(
    responses: Responses,
    spaces: Mapping[str, FeatureSpace],
    study: Study,
    measured: NDArray[np.float32],
    chosen: NDArray[np.intp],
) -> NDArray[np.float32]:
    """Predictions of a model fitted to all samples, of unit variance."""
    every = Split(responses.runs.used, responses.runs.used)
    runs, rows = training_runs(responses.runs, study, every)
    values = {name: array[rows] for name, array in training_values(spaces, study, every).items()}
    signal = np.zeros_like(measured)
    model = new_model(study).fit(values, measured[rows], runs=runs)
    signal[rows] = _unit(model.predict(values, runs=runs))
    return signal


def _ratios(found: HeldOut, study: Study, length: int, number: int) -> dict[str, float]:
    """Spread over refits relative to standard errors, for every score."""
    whole = block_sums({MODEL: found.predicted}, found.measured, found.runs, block_length=length)
    r = np.arctanh(np.nan_to_num(whole.scores()[MODEL]))
    ratios = {"r": _ratio(r, standard_error(whole, "r", N_BOOTSTRAPS, study.seed) ** 2, number)}
    sums, names = comparison_sums(found, study, length), found.feature_spaces
    if len(names) < 2:
        return ratios
    singles = {name: ((name,), 1.0) for name in names}
    ratios["difference"] = _ratio_of_contrasts(sums, "r", _pairs(singles), study.seed, number)
    others = {name: (tuple(other for other in names if other != name), -1.0) for name in names}
    if all(bands in sums.models for bands, _ in others.values()):
        ratios["unique"] = _ratio_of_contrasts(sums, "r2", _pairs(others), study.seed, number)
    if study.statistics.partitions(len(names)):
        sets = all_subsets(names)
        for part, row in zip(sets, partition_matrix(names), strict=True):
            contrast = dict(zip(sets, row.tolist(), strict=True))
            ratios["+".join(part)] = _ratio_of_contrasts(sums, "r2", [contrast], study.seed, number)
    return ratios


def _pairs(models: Mapping[str, tuple[Bands, float]]) -> list[dict[Bands, float]]:
    """Differences of every two models."""
    return [{a[0]: a[1], b[0]: -b[1]} for a, b in combinations(models.values(), 2)]


def _ratio_of_contrasts(
    sums: BlockSums, measure: Measure, contrasts: list[dict[Bands, float]], seed: int, number: int
) -> float:
    """Spread of weighted sums of scores, relative to that over bootstrap resamples of blocks."""
    weights = np.r_[np.ones((1, sums.n_blocks)), bootstrap_weights(sums.split, N_BOOTSTRAPS, seed)]
    values, errors = np.empty((2, len(contrasts), sums.n_targets))
    for targets, scores in sums.resampled(weights, measure):
        for i, contrast in enumerate(contrasts):
            weighted = [weight * np.nan_to_num(scores[bands]) for bands, weight in contrast.items()]
            table = np.sum(weighted, axis=0)
            values[i, targets], errors[i, targets] = table[0], table[1:].var(axis=0)
    ratios = [_ratio(value, error, number) for value, error in zip(values, errors, strict=True)]
    return float(np.sqrt(np.mean(np.square(ratios))))


def _ratio(values: Float64, squared_errors: Float64, number: int) -> float:
    """Ratio of the spread over refits of each target to the standard error."""
    return ratio_of_errors(values.reshape(number, -1), squared_errors.reshape(number, -1))
