"""Check of a solution: the normal equations in float64, for a sample of targets."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from b2m_encoding.errors import InputError
from b2m_encoding.models.solver.problems import RidgeProblem
from b2m_encoding.models.solver.weights import Weights

N_TARGETS = 16
"""Number of targets whose equations are checked, evenly spaced."""
TOLERANCE = 2e-5
"""Largest residual, as a correlation of what is left of a response with a column of the design matrix."""
LOST = 1e-14
"""Sum of squares of a column, over the largest one and the number of columns, that float64 products do not keep."""


def check_scales(problem: RidgeProblem, smallest_alpha: float) -> None:
    """Raise if columns differ so much in scale that float64 products lose the small ones where they matter.

    Parameters
    ----------
    problem : RidgeProblem
    smallest_alpha : float
        A column whose sum of squares is far below every penalty has no effect, whatever its digits.
    """
    if problem.preparation.standardize:
        return
    squares = problem.squares()
    lost = (squares < squares.max() * len(squares) * LOST) & (squares > max(smallest_alpha, 1e-300) * 1e-6)
    if lost.any():
        ratio = (squares.max() / squares[lost].min()).sqrt()
        raise InputError(
            "features differ too much in scale to be fitted without standardisation",
            found=f"{int(lost.sum())} columns are up to {float(ratio):.2g} times smaller than the largest",
            expected=f"a ratio below {(len(squares) * LOST) ** -0.5:.0e}",
            fix="use standardize=True, or give the features like units",
        )


def solution_error(problem: RidgeProblem, weights: Weights, penalties: Tensor, tested: Tensor) -> float:
    """Largest residual of the normal equations of a sample of targets, about 1e-7 for a good solution in float32.

    With ``M`` the map of :class:`~b2m_encoding.models.solver.preparation.Preparation`, weights ``w`` of features with
    penalty ``a`` satisfy ``a w = M M' X'(y - X w)``. The difference is divided by its largest possible size.

    Parameters
    ----------
    problem : RidgeProblem
    weights : Weights
    penalties : Tensor, shape (n_bands, n_targets)
        Penalty of every feature space; infinite where it is left out.
    tested : Tensor of bool, shape (n_targets,)
    """
    at = tested.nonzero()[:, 0]
    if not len(at):
        return 0.0
    at = at[torch.linspace(0, len(at) - 1, min(N_TARGETS, len(at))).round().long().to(at.device)]
    w = weights.take(at).full().double().cpu()
    found = problem.normal_equations(w, at)
    prep = problem.preparation
    inverse_sd = prep.inverse_deviations(found.squares, found.mean, found.count)
    size = replace(prep, prior=None if prep.prior is None else prep.prior.abs())
    largest = size.back(size.apply(found.squares.sqrt()[None], inverse_sd, None).T, inverse_sd, None).T
    mapped = prep.back(prep.apply(found.gradient, inverse_sd, None).T, inverse_sd, None).T
    widths = torch.tensor(list(prep.widths))
    columns = penalties[:, at].double().cpu().repeat_interleave(widths, dim=0).T
    left = torch.where(columns.isfinite(), columns * w - mapped, 0.0)
    scale = largest * found.yy.sqrt()[:, None]
    return float(torch.where(scale > 0, left.abs() / scale, 0.0).max())
