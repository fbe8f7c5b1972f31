"""Result of a fit, and remarks about it for readers of the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from b2m_encoding._typing import Bands, Float64
from b2m_encoding.models.solver.problems import Form
from b2m_encoding.models.solver.weights import FittedWeights, Weights, WeightsOfTested
from b2m_encoding.models.status import TESTED


@dataclass(frozen=True, eq=False)
class Stack:
    """Members of a stacked model and what they contribute.

    Parameters
    ----------
    members : list of tuple of str
        Feature spaces of each member; the last member has all of them.
    weights : array, shape (n_members, n_targets)
        Weight of each member in the prediction; not negative, and one in sum.
    alphas : array, shape (n_members, n_targets)
        Penalty of each member.
    """

    members: list[Bands]
    weights: Float64
    alphas: Float64


@dataclass(frozen=True, eq=False)
class FitResult:
    """Result of a fit; all values of targets that were not tested are NaN.

    Parameters
    ----------
    weights : FittedWeights
    status : array of str, shape (n_targets,)
    alphas, scores : array, shape (n_targets,)
        Penalty of each target, and its cross-validated score.
    path : array, shape (n_alphas, n_scalings or n_members, n_targets)
        Cross-validated score of every candidate.
    deltas : array, shape (n_bands, n_targets), or None
        Minus the log of the penalty of each feature space, if banded.
    form : {"gram", "prediction", "dual"}
    notes : list of str
    stack : Stack or None
        If stacked.
    """

    weights: FittedWeights
    status: NDArray[np.str_]
    alphas: Float64
    scores: Float64
    path: Float64
    deltas: Float64 | None
    form: Form
    notes: list[str]
    stack: Stack | None = None

    def in_units(self, unit: float) -> FitResult:
        """Result whose penalties are those of features in units of ``unit``."""
        stack = self.stack and replace(self.stack, alphas=self.stack.alphas / unit**2)
        deltas = None if self.deltas is None else self.deltas + 2 * np.log(unit)
        return replace(self, alphas=self.alphas / unit**2, deltas=deltas, stack=stack)

    def among(self, status: NDArray[np.str_], mean_y: Tensor) -> FitResult:
        """Result of these targets, the tested ones, among all.

        Parameters
        ----------
        status : array of str, shape (n_targets,)
            Of all targets.
        mean_y : Tensor, shape (n_targets,)
            Their mean responses.
        """
        places = np.flatnonzero(status == TESTED)
        mean_y = mean_y.clone()
        mean_y[places] = self.weights.mean_y.to(mean_y)

        def spread(values: Float64) -> Float64:
            out = np.full((*values.shape[:-1], len(status)), np.nan)
            out[..., places] = values
            return out

        return FitResult(
            WeightsOfTested(self.weights, torch.from_numpy(places), mean_y),
            status,
            spread(self.alphas),
            spread(self.scores),
            spread(self.path),
            None if self.deltas is None else spread(self.deltas),
            self.form,
            self.notes,
            self.stack and Stack(self.stack.members, spread(self.stack.weights), spread(self.stack.alphas)),
        )


def of_tested(values: Tensor, tested: Tensor) -> Float64:
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


def concatenate_results(results: Sequence[FitResult]) -> FitResult:
    """Join the results of neighbouring slices of targets."""
    first = results[0]
    if len(results) == 1:
        return first
    weights = Weights(
        torch.cat([result.weights.full() for result in results]),
        None,
        first.weights.mean_x,
        torch.cat([result.weights.mean_y for result in results]),
    )
    deltas = [result.deltas for result in results if result.deltas is not None]
    stacks = [result.stack for result in results if result.stack is not None]
    return FitResult(
        weights,
        np.concatenate([result.status for result in results]),
        np.concatenate([result.alphas for result in results]),
        np.concatenate([result.scores for result in results]),
        np.concatenate([result.path for result in results], axis=1),
        np.concatenate(deltas, axis=1) if deltas else None,
        first.form,
        list(dict.fromkeys(note for result in results for note in result.notes)),
        Stack(
            stacks[0].members,
            np.concatenate([stack.weights for stack in stacks], axis=1),
            np.concatenate([stack.alphas for stack in stacks], axis=1),
        )
        if stacks
        else None,
    )
