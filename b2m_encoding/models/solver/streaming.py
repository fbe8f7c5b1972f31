"""Fits to responses that are never in memory at once: read run by run, solved slice of targets by slice if need be."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import Floats, as_targets
from b2m_encoding.models.responses import RunResponses
from b2m_encoding.models.solver.fitting import Data, Fitted, Settings, fit, gather, pick_form, rows_of_blocks
from b2m_encoding.models.solver.out_of_core import SpilledStatistics
from b2m_encoding.models.solver.ridge import Weights
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.runs import Runs


def target_slices(responses: RunResponses, n_features: int, settings: Settings, memory: float) -> list[slice]:
    """Slices of targets whose statistics fit the memory given in bytes."""
    runs, size = responses.runs, torch.finfo(settings.dtype).bits // 8
    if pick_form(n_features, runs, settings) == "dual":
        kept = 4 * len(runs) * size
    else:
        kept = (len(runs.blocks) + 3) * n_features * size
    kept += 32 * len(settings.alphas)
    n = max(1, int(0.5 * memory / kept))
    n_slices = -(-responses.n_targets // n)
    edges = np.linspace(0, responses.n_targets, n_slices + 1).round().astype(int).tolist()
    return [slice(a, b) for a, b in pairwise(edges)]


def gather_runs(X: Floats, responses: RunResponses, bands: dict[str, int], settings: Settings) -> SufficientStatistics:
    """Statistics of all targets, reading every run once."""
    statistics = SufficientStatistics(dict(bands), dtype=settings.dtype, device=settings.device)
    for block, x, y in _read_blocks(X, responses):
        statistics.update(block, x, y)
    return statistics


def spill_runs(
    X: Floats, responses: RunResponses, slices: list[slice], bands: dict[str, int], settings: Settings, folder: Path
) -> SpilledStatistics:
    """Statistics of all targets in files, reading every run once; products are made for one slice at a time."""
    spilled = SpilledStatistics(folder, dict(bands), responses.n_targets, settings.dtype, settings.device)
    spilled.check_space(len(responses.runs.blocks))
    for block, x, y in _read_blocks(X, responses):
        for targets in slices:
            spilled.update(block, targets, x, y[:, targets])
    return spilled


def _read_blocks(X: Floats, responses: RunResponses) -> Iterator[tuple[str, Floats, Floats]]:
    """Features and responses of every block; one run in memory at a time."""
    runs = responses.runs
    for name, rows in runs.slices.items():
        if runs.used[rows].any():
            values = as_targets(responses.load_run(name), rows.stop - rows.start)
            for block, local in _blocks_of_run(runs, rows):
                whole = len(local) == len(values)
                yield block, X[rows][local], values if whole else values[local]


def _samples(X: Floats, responses: RunResponses, targets: slice, bands: dict[str, int], settings: Settings) -> Data:
    """In the dual form the fewest numbers are the samples themselves: read again for every slice of targets."""
    Y = np.concatenate([responses.load_run(name, targets) for name in responses.runs.slices])
    return gather(X, Y, responses.runs, bands, settings)


def _blocks_of_run(runs: Runs, rows: slice) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Each block of a run with its used rows, counted from the run's first."""
    labels, used = runs.block[rows], runs.used[rows]
    for block in dict.fromkeys(labels[used].tolist()):
        yield str(block), np.flatnonzero(used & (labels == block))


def fit_runs(
    X: Floats, responses: RunResponses, bands: dict[str, int], settings: Settings, memory: float
) -> tuple[Fitted, SufficientStatistics | None]:
    """Fit all targets; the statistics are returned if they were in memory at once."""
    slices = target_slices(responses, X.shape[1], settings, memory)
    shared = not (isinstance(settings.alpha_per, str) and settings.alpha_per == "target")
    if shared and len(slices) > 1:
        raise InputError(
            "targets that share a penalty must be in memory together",
            found=f"{len(slices)} slices of targets",
            fix='raise memory_limit, or use alpha_per="target"',
        )
    runs = responses.runs
    form = pick_form(X.shape[1], runs, settings)
    if form == "dual":
        return join(
            [fit(_samples(X, responses, part, bands, settings), runs, bands, settings) for part in slices]
        ), None
    samples = rows_of_blocks(X, runs, settings) if form == "prediction" else None
    if len(slices) == 1:
        statistics = gather_runs(X, responses, bands, settings)
        return fit(Data(statistics, samples, None), runs, bands, settings), statistics
    with TemporaryDirectory(prefix="b2m-statistics-") as folder:
        spilled = spill_runs(X, responses, slices, bands, settings, Path(folder))
        fits = [fit(Data(spilled.load(part), samples, None), runs, bands, settings) for part in slices]
    return join(fits), None


def join(fits: list[Fitted]) -> Fitted:
    """Fits of neighbouring slices of targets as one."""
    if len(fits) == 1:
        return fits[0]
    first = fits[0]
    weights = Weights(
        torch.cat([one.weights.full() for one in fits]),
        None,
        first.weights.mean_x,
        torch.cat([one.weights.mean_y for one in fits]),
    )
    deltas = [one.deltas for one in fits if one.deltas is not None]
    return Fitted(
        weights,
        np.concatenate([one.status for one in fits]),
        np.concatenate([one.alphas for one in fits]),
        np.concatenate(deltas, axis=1) if deltas else None,
        np.concatenate([one.scores for one in fits]),
        np.concatenate([one.path for one in fits], axis=1),
        first.form,
        list(dict.fromkeys(note for one in fits for note in one.notes)),
    )
