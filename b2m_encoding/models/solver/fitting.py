"""From the inputs of a fit to its result: penalties by cross-validation, then weights from all samples."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding._typing import Float64
from b2m_encoding.models.solver.banded import (
    BandedChoice,
    check_scalings,
    search_banded,
    simplex_scalings,
    solve_banded,
)
from b2m_encoding.models.solver.devices import eigh, threads_for
from b2m_encoding.models.solver.dual import SamplesProblem
from b2m_encoding.models.solver.fit_inputs import FitInputs
from b2m_encoding.models.solver.preparation import Preparation
from b2m_encoding.models.solver.primal import StatisticsProblem
from b2m_encoding.models.solver.problems import Blocks, Form, RidgeProblem
from b2m_encoding.models.solver.refine import refine, refined_choice, solve_refined
from b2m_encoding.models.solver.ridge import Choice, Weights, groups_of_targets, search_ridge, solve_ridge
from b2m_encoding.models.solver.search import Scoring, SearchOptions
from b2m_encoding.models.solver.settings import Settings
from b2m_encoding.models.solver.verify import TOLERANCE, check_scales, solution_error
from b2m_encoding.models.status import TESTED
from b2m_encoding.runs import Runs

logger = logging.getLogger(__name__)
MIN_SAMPLES_OF_R = 3
"""Fewest held-out samples of a fold: two always correlate perfectly."""


@dataclass(frozen=True, eq=False)
class FitResult:
    """Result of a fit; all values of targets that were not tested are NaN.

    Parameters
    ----------
    weights : Weights
    status : array of str, shape (n_targets,)
    alphas, scores : array, shape (n_targets,)
        Penalty of each target, and its cross-validated score.
    path : array, shape (n_alphas or n_scalings, n_targets)
        Cross-validated score of every candidate.
    deltas : array, shape (n_bands, n_targets), or None
        Minus the log of the penalty of each feature space, if banded.
    form : {"gram", "prediction", "dual"}
    notes : list of str
    """

    weights: Weights
    status: NDArray[np.str_]
    alphas: Float64
    scores: Float64
    path: Float64
    deltas: Float64 | None
    form: Form
    notes: list[str]


def delay_prior(settings: Settings) -> Tensor | None:
    """Root of the prior covariance of the weights over delays, a Gaussian of the distance in seconds."""
    if not settings.smoothness or settings.delays is None or len(settings.delays) < 2:
        return None
    times = torch.tensor(list(settings.delays), dtype=torch.float64)
    covariance = torch.exp(-0.5 * ((times[:, None] - times) / settings.smoothness) ** 2)
    values, vectors = eigh(covariance)
    return vectors * values.sqrt()


def make_problem(inputs: FitInputs, bands: dict[str, int], settings: Settings) -> RidgeProblem:
    """Make the ridge problem that the inputs allow.

    Parameters
    ----------
    inputs : FitInputs
    bands : dict of str to int
        Columns of each feature space.
    settings : Settings
    """
    preparation = Preparation(settings.standardize, list(bands.values()), delay_prior(settings))
    if inputs.statistics is None:
        assert inputs.X is not None
        assert inputs.Y is not None
        return SamplesProblem(
            inputs.X, inputs.Y, preparation, center=settings.center, dtype=settings.dtype, device=settings.device
        )
    return StatisticsProblem(
        inputs.statistics,
        preparation,
        center=settings.center,
        form="gram" if inputs.X is None else "prediction",
        rows=inputs.X,
        responses=inputs.Y,
        device=settings.device,
    )


def fit(
    inputs: FitInputs, runs: Runs, bands: dict[str, int], settings: Settings, *, penalty_unit: float = 1.0
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
    if penalty_unit != 1.0:
        inside = fit(inputs, runs, bands, replace(settings, alphas=settings.alphas * penalty_unit**2))
        deltas = None if inside.deltas is None else inside.deltas + 2 * np.log(penalty_unit)
        return replace(inside, alphas=inside.alphas / penalty_unit**2, deltas=deltas)
    status = inputs.target_status()
    with threads_for(sum(bands.values()), len(status), settings.device):
        problem, folds = make_problem(inputs, bands, settings), runs.folds(settings.cv)
        scoring = _possible_scoring(folds, runs, settings.scoring)
        tested = torch.from_numpy(status == TESTED).to(settings.device)
        options = SearchOptions(
            scoring=scoring,
            groups=groups_of_targets(settings.alpha_per, problem.n_targets),
            tested=tested,
            precision=settings.precision,
            n_targets_batch=settings.n_targets_batch,
        )
        check_scales(problem, float(settings.alphas.min()))
        choice: Choice | BandedChoice
        if settings.solver == "banded":
            choice = _search_banded(problem, folds, options, settings)
            deltas = choice.deltas
        else:
            choice, deltas = search_ridge(problem, folds, settings.alphas, options), None
        weights, notes = _solve(inputs, bands, problem, choice, tested, settings)
        alphas, scores, path = choice.alphas, choice.scores, choice.path
        weights.reduced[~tested] = torch.nan
        if scoring != settings.scoring:
            notes.append("penalties chosen by R2: the folds hold out too few samples for a correlation")
        if not settings.refine:
            notes += edge_note(_numpy(alphas, tested), settings.alphas)
        return FitResult(
            weights,
            status,
            _numpy(alphas, tested),
            _numpy(scores, tested),
            _numpy(path, tested),
            None if deltas is None else _numpy(deltas, tested),
            problem.form,
            notes,
        )


def _possible_scoring(folds: Sequence[Blocks], runs: Runs, scoring: Scoring) -> Scoring:
    """R2 in place of r where every fold holds out so few samples that a correlation means nothing."""
    most = max(len(runs.rows(fold)) for fold in folds)
    return "r2" if most < MIN_SAMPLES_OF_R else scoring


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
    return refined_choice(choice, *refine(problem, folds, choice, settings.refine)) if settings.refine else choice


def _solve(
    inputs: FitInputs,
    bands: dict[str, int],
    problem: RidgeProblem,
    choice: Choice | BandedChoice,
    tested: Tensor,
    settings: Settings,
) -> tuple[Weights, list[str]]:
    """Solve for the weights, check that they solve the problem, and solve again in float64 where they do not."""
    notes = [f"solved in the {problem.form} form"]
    weights, penalties = _weights(problem, choice, settings), _penalties(problem, choice)
    error = solution_error(problem, weights, penalties, tested)
    if error > TOLERANCE and settings.dtype != torch.float64:
        exact = replace(settings, precision="float64")
        again = make_problem(inputs.as_float64(), bands, exact)
        weights = _weights(again, choice, exact)
        notes.append(f"solved again in float64: the solution in float32 left a residual of {error:.1g}")
        error = solution_error(again, weights, penalties, tested)
    if error > TOLERANCE:
        notes.append(
            f"the solution is not exact (residual {error:.1g}): standardise the features, or use larger alphas"
        )
        logger.warning(notes[-1])
    return weights, notes


def _weights(problem: RidgeProblem, choice: Choice | BandedChoice, settings: Settings) -> Weights:
    if isinstance(choice, Choice):
        return solve_ridge(problem, choice.alphas, n_targets_batch=settings.n_targets_batch)
    if settings.refine:
        return solve_refined(problem, choice.deltas)
    return solve_banded(problem, choice, n_targets_batch=settings.n_targets_batch)


def _penalties(problem: RidgeProblem, choice: Choice | BandedChoice) -> Tensor:
    """Penalty of every feature space and target, shape (n_bands, n_targets)."""
    if isinstance(choice, Choice):
        return choice.alphas.expand(len(problem.preparation.widths), -1)
    return (-choice.deltas).exp()


def _numpy(values: Tensor, tested: Tensor) -> Float64:
    """Values of tested targets (the last axis), NaN for the others."""
    return np.asarray(torch.where(tested, values, torch.nan).double().cpu().numpy())


def edge_note(chosen: Float64, alphas: Float64, share: float = 0.1) -> list[str]:
    """Note if many targets have the smallest or largest penalty, so that a better one may lie outside the grid."""
    chosen = chosen[np.isfinite(chosen)]
    if len(alphas) < 3 or not len(chosen):
        return []
    edges = (
        ("smallest", alphas.min(), "try smaller ones"),
        ("largest", alphas.max(), "try larger ones, or these targets are not predicted"),
    )
    shares = [float(np.mean(chosen == edge)) for _, edge, _ in edges]
    return [
        f"{part:.0%} of targets have the {name} penalty of the grid, {edge:g}: {advice}"
        for part, (name, edge, advice) in zip(shares, edges, strict=True)
        if part > share
    ]
