"""From the inputs of a fit to its result: penalties by cross-validation, then weights from all samples."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from b2m_encoding.models.solver.fit_inputs import FitInputs
from b2m_encoding.models.solver.make_problem import make_problem
from b2m_encoding.models.solver.options import Scoring, SearchOptions
from b2m_encoding.models.solver.problems import Blocks, Form, RidgeProblem
from b2m_encoding.models.solver.refine import refine, refined_choice, solve_refined
from b2m_encoding.models.solver.result import FitResult, Stack, edge_note, of_tested
from b2m_encoding.models.solver.ridge import Choice, groups_of_targets, search_ridge
from b2m_encoding.models.solver.settings import Settings
from b2m_encoding.models.solver.stacking import (
    Member,
    fit_members,
    held_out_products,
    member_sets,
    solve_members,
    stack,
)
from b2m_encoding.models.solver.verify import TOLERANCE, check_scales, solution_error
from b2m_encoding.models.solver.weights import FittedWeights, Weights
from b2m_encoding.models.status import TESTED
from b2m_encoding.runs import Runs

logger = logging.getLogger(__name__)
MOST_TESTED = 0.9
"""Share of tested targets above which all are fitted: to select some copies their statistics."""
MIN_SAMPLES_OF_R = 3
"""Fewest held-out samples of a fold: two always correlate perfectly."""


def fit(
    inputs: FitInputs, runs: Runs, bands: Mapping[str, int], settings: Settings, *, penalty_unit: float = 1.0
) -> FitResult:
    """Choose penalties by cross-validation and solve with all samples.

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
    if penalty_unit != 1.0:
        inside = fit(inputs, runs, bands, replace(settings, alphas=settings.alphas * penalty_unit**2))
        return inside.in_units(penalty_unit)
    status = inputs.target_status()
    if (few := _few_tested(status)) is not None:
        return fit(inputs.of_targets(few), runs, bands, _settings_of(few, settings)).among(
            status, inputs.mean_responses(settings.center)
        )
    with threads_for(sum(bands.values()), len(status), settings.device):
        problem, folds = make_problem(inputs, bands, settings), runs.folds(settings.cv)
        options = _search_options(status, folds, runs, settings)
        check_scales(problem, float(settings.alphas.min()))
        choice: Choice | BandedChoice
        if settings.solver == "banded":
            choice = _search_banded(problem, folds, options, settings)
            deltas = of_tested(choice.deltas, options.tested)
        else:
            choice, deltas = search_ridge(problem, folds, settings.alphas, options), None
        weights, notes = _solve(inputs, bands, problem, choice, options.tested, settings)
        chosen = (choice.alphas, choice.scores, choice.path)
        return _result(weights, status, options, settings, problem.form, chosen, deltas=deltas, notes=notes)


def fit_known(
    inputs: FitInputs, bands: Mapping[str, int], settings: Settings, alphas: Float64, penalty_unit: float = 1.0
) -> FitResult:
    """Solve with penalties that are known, without cross-validation; the scores of the result are NaN.

    Parameters
    ----------
    inputs : FitInputs
    bands : dict of str to int
        Columns of each feature space.
    settings : Settings
    alphas : array, shape (n_targets,)
    penalty_unit : float
        As for :func:`fit`.
    """
    status = inputs.target_status()
    tested = torch.from_numpy(status == TESTED).to(settings.device)
    with threads_for(sum(bands.values()), len(status), settings.device):
        problem = make_problem(inputs, bands, settings)
        check_scales(problem, float(settings.alphas.min()) * penalty_unit**2)
        own = torch.tensor(alphas * penalty_unit**2, dtype=torch.float64, device=settings.device)
        nothing = torch.full_like(own, torch.nan)
        choice = Choice(own, nothing, nothing, nothing[None])
        weights, notes = _solve(inputs, bands, problem, choice, tested, settings)
    scores, path = of_tested(nothing, tested), of_tested(nothing[None], tested)
    result = FitResult(
        weights.of_tested(tested), status, of_tested(own, tested), scores, path, None, problem.form, notes
    )
    return result if penalty_unit == 1.0 else result.in_units(penalty_unit)


def fit_sets(
    inputs: FitInputs,
    runs: Runs,
    bands: Mapping[str, int],
    settings: Settings,
    sets: Sequence[Bands],
    *,
    penalty_unit: float = 1.0,
    progress: Callable[[str], None] = lambda _: None,
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
        As for :func:`fit`.
    progress : callable
        Called with the member that is fitted.

    Yields
    ------
    names, result : tuple of str, FitResult
    """
    if penalty_unit != 1.0:
        inside = replace(settings, alphas=settings.alphas * penalty_unit**2)
        for names, result in fit_sets(inputs, runs, bands, inside, sets, progress=progress):
            yield names, result.in_units(penalty_unit)
        return
    status, folds = inputs.target_status(), runs.folds(settings.cv)
    if (few := _few_tested(status)) is not None:
        their_own = _settings_of(few, settings)
        for names, result in fit_sets(inputs.of_targets(few), runs, bands, their_own, sets, progress=progress):
            yield names, result.among(status, inputs.mean_responses(settings.center))
        return
    options = _search_options(status, folds, runs, settings)
    shared = list(dict.fromkeys(member for names in sets if len(names) > 1 for member in member_sets(names)))
    with threads_for(sum(bands.values()), len(status), settings.device):
        whole = make_problem(inputs, bands, settings)
        check_scales(whole, float(settings.alphas.min()))
        every = list(dict.fromkeys([*shared, *sets]))
        members, choices = fit_members(
            inputs, folds, bands, settings, options, every, stacked=bool(shared), progress=progress
        )
        products = None
        if shared:
            some, count = [members[names] for names in shared], sum(inputs.n_samples(fold) for fold in folds)
            products = held_out_products(some, whole, folds, count, settings.n_targets_batch)
        notes = _make_exact(members, inputs, bands, options.tested, settings)
    for names in sets:
        own = member_sets(names)
        remarks = [note for member in own for note in notes.get(member, [])]
        if len(own) == 1:
            choice, form = choices[names], members[names].problem.form
            chosen = (choice.alphas, choice.scores, choice.path)
            yield names, _result(members[names].weights, status, options, settings, form, chosen, notes=remarks)
            continue
        assert products is not None
        part = products.take([shared.index(member) for member in own])
        shares = part.weights()
        scores = part.r(shares) if options.scoring == "r" else part.r2(shares)
        stacked = [members[member] for member in own]
        alphas = torch.stack([member.alphas for member in stacked])
        chosen = (alphas[-1], scores, torch.stack([choices[member].scores for member in own]))
        found = Stack(own, of_tested(shares, options.tested), of_tested(alphas, options.tested))
        weights = stack(stacked, shares)
        yield names, _result(weights, status, options, settings, whole.form, chosen, members=found, notes=remarks)


def _few_tested(status: NDArray[np.str_]) -> NDArray[np.intp] | None:
    """Places of the tested targets, if leaving the others out of the fit saves more than it costs."""
    tested = np.flatnonzero(status == TESTED)
    return tested if 0 < len(tested) < MOST_TESTED * len(status) else None


def _settings_of(targets: NDArray[np.intp], settings: Settings) -> Settings:
    """Settings of a fit to some targets."""
    labels = settings.alpha_per
    return settings if isinstance(labels, str) else replace(settings, alpha_per=np.asarray(labels)[targets])


def _make_exact(
    members: dict[Bands, Member], inputs: FitInputs, bands: Mapping[str, int], tested: Tensor, settings: Settings
) -> dict[Bands, list[str]]:
    """Solve members again in float64 where float32 is not enough, in place; remarks about those."""
    notes = {}
    for names, member in members.items():
        notes[names] = [f"{'+'.join(names)}: {note}" for note in member.problem.notes]
        penalties = member.penalties()
        error = solution_error(member.problem, member.weights, penalties, tested)
        if error > TOLERANCE and settings.dtype != torch.float64:
            exact = replace(settings, precision="float64")
            [members[names]] = solve_members(inputs.as_float64(), bands, exact, {names: member.alphas})
            again = f"{'+'.join(names)}: solved again in float64, float32 left a residual of {error:.1g}"
            notes[names].append(again)
            error = solution_error(members[names].problem, members[names].weights, penalties, tested)
        if error > TOLERANCE:
            notes[names].append(_inexact(error))
        members[names].problem.forget()
    return notes


def _inexact(error: float) -> str:
    note = f"the solution is not exact (residual {error:.1g}): standardise the features, or use larger alphas"
    logger.warning(note)
    return note


def _search_options(status: NDArray[np.str_], folds: Sequence[Blocks], runs: Runs, settings: Settings) -> SearchOptions:
    return SearchOptions(
        scoring=_possible_scoring(folds, runs, settings.scoring),
        groups=groups_of_targets(settings.alpha_per, len(status)),
        tested=torch.from_numpy(status == TESTED).to(settings.device),
        precision=settings.precision,
        n_targets_batch=settings.n_targets_batch,
        screens=settings.screening and settings.scoring == "r2_pooled" and not settings.shares_penalties,
    )


def _result(
    weights: FittedWeights,
    status: NDArray[np.str_],
    options: SearchOptions,
    settings: Settings,
    form: Form,
    chosen: tuple[Tensor, Tensor, Tensor],
    *,
    deltas: Float64 | None = None,
    members: Stack | None = None,
    notes: Sequence[str] = (),
) -> FitResult:
    """Result with NaN for targets that were not tested; ``chosen`` are their penalties, scores and path."""
    alphas, scores, path = (of_tested(values, options.tested) for values in chosen)
    remarks = [f"solved in the {form} form", *notes]
    if options.scoring != settings.scoring:
        remarks.append("penalties chosen by R2: the folds hold out too few samples for a correlation")
    if not settings.refine:
        remarks += edge_note(alphas, settings.alphas)
    return FitResult(weights.of_tested(options.tested), status, alphas, scores, path, deltas, form, remarks, members)


def _possible_scoring(folds: Sequence[Blocks], runs: Runs, scoring: Scoring) -> Scoring:
    """R2 in place of r where every fold holds out so few samples that a correlation means nothing."""
    most = max(len(runs.rows(fold)) for fold in folds)
    return "r2_pooled" if scoring == "r" and most < MIN_SAMPLES_OF_R else scoring


def _search_banded(
    problem: RidgeProblem, folds: Sequence[Blocks], options: SearchOptions, settings: Settings
) -> BandedChoice:
    """Search scalings and penalties, and refine them if asked to."""
    n_bands = len(problem.preparation.widths)
    if settings.scalings is None:
        scalings = simplex_scalings(n_bands, settings.n_scalings, settings.random_state)
    else:
        scalings = check_scalings(settings.scalings, n_bands)
    choice = search_banded(problem, folds, settings.alphas, scalings, options, progress_bar=settings.progress_bar)
    return (
        refined_choice(choice, *refine(problem, folds, choice, settings.refine, options.scoring))
        if settings.refine
        else choice
    )


def _solve(
    inputs: FitInputs,
    bands: Mapping[str, int],
    problem: RidgeProblem,
    choice: Choice | BandedChoice,
    tested: Tensor,
    settings: Settings,
) -> tuple[Weights, list[str]]:
    """Solve for the weights, check that they solve the problem, and solve again in float64 where they do not."""
    notes = list(problem.notes)
    weights, penalties = _weights(problem, choice, settings), _penalties(problem, choice)
    error = solution_error(problem, weights, penalties, tested)
    if error > TOLERANCE and settings.dtype != torch.float64:
        exact = replace(settings, precision="float64")
        again = make_problem(inputs.as_float64(), bands, exact)
        weights = _weights(again, choice, exact)
        notes.append(f"solved again in float64: the solution in float32 left a residual of {error:.1g}")
        error = solution_error(again, weights, penalties, tested)
    if error > TOLERANCE:
        notes.append(_inexact(error))
    return weights, notes


def _weights(problem: RidgeProblem, choice: Choice | BandedChoice, settings: Settings) -> Weights:
    if isinstance(choice, Choice):
        return problem.solve(choice.alphas, batch=settings.n_targets_batch)
    if settings.refine:
        return solve_refined(problem, choice.deltas)
    return solve_banded(problem, choice, n_targets_batch=settings.n_targets_batch)


def _penalties(problem: RidgeProblem, choice: Choice | BandedChoice) -> Tensor:
    """Penalty of every feature space and target, shape (n_bands, n_targets)."""
    if isinstance(choice, Choice):
        return choice.alphas.expand(len(problem.preparation.widths), -1)
    return (-choice.deltas).exp()
