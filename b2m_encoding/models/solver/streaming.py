"""Fits to responses that are never in memory at once: read run by run, solved slice of targets by slice if need be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import as_responses
from b2m_encoding.models.layout import Design
from b2m_encoding.models.responses import RunResponses
from b2m_encoding.models.sizes import pick_form, target_slices
from b2m_encoding.models.solver.fit_inputs import FitInputs, gather_inputs
from b2m_encoding.models.solver.fitting import fit
from b2m_encoding.models.solver.out_of_core import DiskStatistics
from b2m_encoding.models.solver.result import FitResult, concatenate_results
from b2m_encoding.models.solver.settings import Settings
from b2m_encoding.models.solver.stacking import member_sets
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.runs import Runs


def gather_statistics(design: Design, responses: RunResponses, settings: Settings) -> SufficientStatistics:
    """Compute the statistics of all targets, reading every run once."""
    statistics = SufficientStatistics(design.layout.widths, dtype=settings.dtype, device=settings.device)
    for _, block, x, y in _read_blocks(design, responses):
        statistics.update(block, x, y)
    return statistics


def write_statistics(
    design: Design, responses: RunResponses, slices: list[slice], settings: Settings, folder: Path
) -> DiskStatistics:
    """Write the statistics of all targets to files, reading every run once; one slice of targets in memory at a time.

    Parameters
    ----------
    design : Design
    responses : object that loads run by run
    slices : list of slice
        Slices of targets.
    settings : Settings
    folder : Path

    Raises
    ------
    InputError
        If the disk has no room for them, before anything is read.
    """
    statistics = DiskStatistics(folder, design.layout.widths, responses.n_targets, settings.dtype, settings.device)
    statistics.check_space(responses.runs.n_parts)
    for run, block, x, y in _read_blocks(design, responses):
        for targets in slices:
            statistics.update(block, targets, x, y[:, targets], run)
    return statistics


def _read_blocks(design: Design, responses: RunResponses) -> Iterator[tuple[str, str, Floating, Floating]]:
    """Features and responses of every block of every run; one run in memory at a time."""
    runs = responses.runs
    for name, rows in runs.slices.items():
        if runs.used[rows].any():
            values = as_responses(responses.load_run(name), rows.stop - rows.start)
            for block, local in _blocks_of_run(runs, rows):
                all_used = len(local) == len(values)
                yield name, block, design.values[rows][local], values if all_used else values[local]


def _read_inputs(design: Design, responses: RunResponses, targets: slice, settings: Settings) -> FitInputs:
    """Inputs of a slice of targets: the samples, which are read again for every slice."""
    return gather_inputs(design, read_runs(responses, targets), settings)


def read_runs(responses: RunResponses, targets: slice | None = None) -> Floating:
    """Responses of all runs as floats, of all targets or of a slice, shape (n_samples, n_targets)."""
    values = [responses.load_run(name, targets) for name in responses.runs.slices]
    return as_responses(np.concatenate(values), len(responses.runs))


def _blocks_of_run(runs: Runs, rows: slice) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Each block of a run with its used rows, counted from the first row of the run."""
    labels, used = runs.block[rows], runs.used[rows]
    for block in dict.fromkeys(labels[used].tolist()):
        yield str(block), np.flatnonzero(used & (labels == block))


def fit_runs(
    design: Design, responses: RunResponses, settings: Settings, memory: float
) -> tuple[FitResult, SufficientStatistics | None]:
    """Fit all targets; the statistics are returned if they were in memory at once.

    Parameters
    ----------
    design : Design
    responses : object that loads run by run
    settings : Settings
    memory : float
        Bytes that the statistics may use.

    Raises
    ------
    InputError
        If targets share a penalty and do not fit in memory together.
    """
    runs, bands = design.runs, design.layout.widths
    members = len(member_sets(tuple(bands))) if settings.solver == "stacked" else 1
    slices = target_slices(responses.n_targets, runs, design.n_columns, settings, memory, members)
    if settings.shares_penalties and len(slices) > 1:
        raise InputError(
            "targets that share a penalty must be in memory together",
            found=f"{len(slices)} slices of targets",
            fix='raise memory_limit, or use alpha_per="target"',
        )
    form = pick_form(design.n_columns, runs, settings)
    solve = partial(fit, runs=runs, bands=bands, settings=settings, penalty_unit=design.layout.penalty_unit)
    if form != "gram":
        parts = [solve(_read_inputs(design, responses, targets, settings)) for targets in slices]
        return concatenate_results(parts), None
    if len(slices) == 1:
        statistics = gather_statistics(design, responses, settings)
        return solve(FitInputs(statistics)), statistics
    with TemporaryDirectory(prefix="b2m-statistics-") as folder:
        on_disk = write_statistics(design, responses, slices, settings, Path(folder))
        parts = [solve(FitInputs(on_disk.load(targets))) for targets in slices]
    return concatenate_results(parts), None
