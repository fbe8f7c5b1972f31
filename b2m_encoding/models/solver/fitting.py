"""From the inputs of a fit to its result: penalties by cross-validation, then weights from all samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding._typing import Bands, Float64
from b2m_encoding.models.solver.banded import (
    BandedChoice,
    check_scalings,
    search_banded,
    simplex_scalings,
    solve_banded,
)
from b2m_encoding.models.solver.devices import threads_for
from b2m_encoding.models.solver.fit_inputs import FitInputs, make_problem
from b2m_encoding.models.solver.problems import Blocks, Form, RidgeProblem
from b2m_encoding.models.solver.refine import refine, refined_choice, solve_refined
from b2m_encoding.models.solver.result import FitResult, Stack, edge_note, of_tested
from b2m_encoding.models.solver.ridge import Weights, groups_of_targets, search_ridge, solve_ridge
from b2m_encoding.models.solver.search import SearchOptions
from b2m_encoding.models.solver.settings import Settings
from b2m_encoding.models.solver.stacking import fit_members, held_out_products, member_sets, stack
from b2m_encoding.models.solver.verify import TOLERANCE, again_note, check_scales, inexact_notes, solution_error
from b2m_encoding.models.status import TESTED
from b2m_encoding.runs import Runs

MIN_SAMPLES_OF_R = 3
"""Fewest held-out samples of a fold: two always correlate perfectly."""


def fit(
    inputs: FitInputs, runs: Runs, bands: dict[str, int], settings: Settings, *, penalty_unit: float = 1.0
) -> FitResult:
    """Choose penalties by cross-validation, solve with all samples, and check the solution.

    Parameters
    ----------
    inputs : FitInputs
    runs : Runs
        Its blocks are those of the inputs; they make the folds.
    bands : dict of str to int
        Columns of each feature space.
    settings : Settings
    penalty_unit : float
        Unit of the features: penalties are multiplied by its square, and divided by it in the result.
    """
    if settings.solver == "stacked" and len(bands) > 1:
        return next(iter(fit_sets(inputs, runs, bands, settings, [tuple(bands)], penalty_unit=penalty_unit)))[1]
    inside = replace(settings, alphas=settings.alphas * penalty_unit**2)
    result, error = _fit(inputs, runs, bands, inside)
    if error > TOLERANCE and settings.dtype != torch.float64:
        result, after = _fit(inputs.as_float64(), runs, bands, replace(inside, precision="float64"))
        result.notes.append(again_note(error))
        error = after
    result.notes.extend(inexact_notes(error))
    return result.in_units(penalty_unit)


def _fit(inputs: FitInputs, runs: Runs, bands: dict[str, int], settings: Settings) -> tuple[FitResult, float]:
    """Fit, and return the largest residual of the normal equations, too."""
    status = inputs.target_status()
    with threads_for(sum(bands.values()), len(status), settings.device):
        problem, folds = make_problem(inputs, bands, settings), runs.folds(settings.cv)
        check_scales(problem, float(settings.alphas.min()))
        options = _search_options(status, folds, runs, settings)
        deltas, tested = None, options.tested
        if settings.solver == "banded":
            banded, weights = _fit_banded(problem, folds, options, settings)
            deltas = of_tested(banded.deltas, tested)
            penalties = (-banded.deltas).exp()
            chosen = (banded.alphas, banded.scores, banded.path)
        else:
            choice = search_ridge(problem, folds, settings.alphas, options)
            weights = solve_ridge(problem, choice.alphas, n_targets_batch=settings.n_targets_batch)
            penalties = choice.alphas.expand(len(bands), -1)
            chosen = (choice.alphas, choice.scores, choice.path)
        error = solution_error(problem, weights, penalties, tested)
        return _result(weights, status, options, settings, problem.form, chosen, deltas=deltas), error


def fit_sets(
    inputs: FitInputs,
    runs: Runs,
    bands: Mapping[str, int],
    settings: Settings,
    sets: Sequence[Bands],
    *,
    penalty_unit: float = 1.0,
) -> Iterator[tuple[Bands, FitResult]]:
    """Fit a stacked model to every set of feature spaces; they share members, each of which is fitted once.

    Parameters
    ----------
    inputs : FitInputs
        Of all feature spaces.
    runs : Runs
    bands : dict of str to int
        Columns of each feature space.
    settings : Settings
    sets : sequence of tuple of str
    penalty_unit : float
        As in :func:`fit`.

    Yields
    ------
    names, result : tuple of str, FitResult
    """
    inside = replace(settings, alphas=settings.alphas * penalty_unit**2)
    for names, result in _fit_sets(inputs, runs, bands, inside, sets):
        yield names, result.in_units(penalty_unit)


def _fit_sets(
    inputs: FitInputs, runs: Runs, bands: Mapping[str, int], settings: Settings, sets: Sequence[Bands]
) -> Iterator[tuple[Bands, FitResult]]:
    status, folds = inputs.target_status(), runs.folds(settings.cv)
    options = _search_options(status, folds, runs, settings)
    shared = list(dict.fromkeys(member for names in sets if len(names) > 1 for member in member_sets(names)))
    with threads_for(sum(bands.values()), len(status), settings.device):
        whole = make_problem(inputs, bands, settings)
        check_scales(whole, float(settings.alphas.min()))
        members, choices = fit_members(inputs, folds, bands, settings, options, list(dict.fromkeys([*shared, *sets])))
        error = max(member.error(options.tested) for member in members.values())
        if error > TOLERANCE and settings.dtype != torch.float64:
            exact = replace(settings, precision="float64")
            for names, result in _fit_sets(inputs.as_float64(), runs, bands, exact, sets):
                result.notes.append(again_note(error))
                yield names, result
            return
        products = None
        if shared:
            some, count = [members[names] for names in shared], sum(inputs.n_samples(fold) for fold in folds)
            products = held_out_products(some, whole, folds, count, settings.n_targets_batch)
    for names in sets:
        own = member_sets(names)
        if len(own) == 1:
            choice, form = choices[names], members[names].problem.form
            chosen = (choice.alphas, choice.scores, choice.path)
            result = _result(members[names].weights, status, options, settings, form, chosen)
            result.notes.extend(inexact_notes(error))
            yield names, result
            continue
        assert products is not None
        part = products.take([shared.index(member) for member in own])
        shares = part.weights()
        scores = part.r2(shares) if options.scoring == "r2" else part.r(shares)
        stacked = [members[member] for member in own]
        alphas = torch.stack([member.alphas for member in stacked])
        chosen = (alphas[-1], scores, torch.stack([choices[member].scores for member in own]))
        found = Stack(own, of_tested(shares, options.tested), of_tested(alphas, options.tested))
        result = _result(stack(stacked, shares), status, options, settings, whole.form, chosen, members=found)
        result.notes.extend(inexact_notes(error))
        yield names, result


def _search_options(status: NDArray[np.str_], folds: Sequence[Blocks], runs: Runs, settings: Settings) -> SearchOptions:
    """Options of the search; R2 decides where every fold holds out too few samples for a correlation."""
    most = max(len(runs.rows(fold)) for fold in folds)
    return SearchOptions(
        scoring="r2" if most < MIN_SAMPLES_OF_R else settings.scoring,
        groups=groups_of_targets(settings.alpha_per, len(status)),
        tested=torch.from_numpy(status == TESTED).to(settings.device),
        precision=settings.precision,
        n_targets_batch=settings.n_targets_batch,
    )


def _result(
    weights: Weights,
    status: NDArray[np.str_],
    options: SearchOptions,
    settings: Settings,
    form: Form,
    chosen: tuple[Tensor, Tensor, Tensor],
    *,
    deltas: Float64 | None = None,
    members: Stack | None = None,
) -> FitResult:
    """Result with NaN for targets that were not tested; ``chosen`` are their penalties, scores and path."""
    weights.reduced[~options.tested] = torch.nan
    alphas, scores, path = (of_tested(values, options.tested) for values in chosen)
    notes = [f"solved in the {form} form"]
    if options.scoring != settings.scoring:
        notes.append("penalties chosen by R2: the folds hold out too few samples for a correlation")
    if not settings.refine:
        notes += edge_note(alphas, settings.alphas)
    return FitResult(weights, status, alphas, scores, path, deltas, form, notes, members)


def _fit_banded(
    problem: RidgeProblem, folds: Sequence[Blocks], options: SearchOptions, settings: Settings
) -> tuple[BandedChoice, Weights]:
    """Search scalings and penalties, refine them if asked to, and solve."""
    n_bands = len(problem.preparation.widths)
    if settings.scalings is None:
        scalings = simplex_scalings(n_bands, settings.n_scalings, settings.random_state)
    else:
        scalings = check_scalings(settings.scalings, n_bands)
    choice = search_banded(problem, folds, settings.alphas, scalings, options, progress_bar=settings.progress_bar)
    if settings.refine:
        choice = refined_choice(choice, *refine(problem, folds, choice, settings.refine))
        return choice, solve_refined(problem, choice.deltas)
    return choice, solve_banded(problem, choice, n_targets_batch=settings.n_targets_batch)
