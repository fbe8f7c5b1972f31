"""Cross-validated predictions: every training sample predicted by weights from the other folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from b2m_encoding._typing import Float32, Floating
from b2m_encoding.models.fitted import FittedModel
from b2m_encoding.models.inputs import as_responses
from b2m_encoding.models.solver.banded import BandedChoice, solve_banded
from b2m_encoding.models.solver.devices import tensor, threads_for
from b2m_encoding.models.solver.fit_inputs import FitInputs, gather_inputs
from b2m_encoding.models.solver.make_problem import make_problem
from b2m_encoding.models.solver.settings import Settings
from b2m_encoding.models.solver.stacking import solve_members, stack
from b2m_encoding.models.solver.weights import FittedWeights
from b2m_encoding.models.status import TESTED
from b2m_encoding.runs import Runs


def cross_val_predict(
    model: FittedModel,
    X: Floating | Mapping[str, Any] | Sequence[Any],
    Y: ArrayLike,
    runs: Runs | None = None,
    *,
    targets: NDArray[np.intp] | None = None,
) -> Float32:
    """Predict the samples of each fold by weights from the other folds, with the penalties of the fitted model.

    The folds are those of the model (its ``cv``). Unlike :func:`sklearn.model_selection.cross_val_predict`, penalties
    are not searched again in every fold, which makes this cheap next to the fit; they were chosen with the held-out
    fold among the others, as in any cross-validation that is not nested.

    Parameters
    ----------
    model : EncodingModel
        Fitted to these samples.
    X : array (n_samples, n_features), or dict of str to such arrays
    Y : array, shape (n_samples, n_targets)
    runs : Runs, optional
        As given to the fit.
    targets : array of int, optional
        Predict only these targets.

    Returns
    -------
    array, shape (n_samples, n_targets)
        NaN for samples that are not used and for targets that were not tested.
    """
    check_is_fitted(model, "weights_")
    spaces, runs = model.layout_.read(X, runs)
    design = model.layout_.design(spaces, runs)
    chosen = np.arange(len(model.status_)) if targets is None else targets
    measured = as_responses(Y, len(runs))
    measured = measured if targets is None else measured[:, chosen]
    settings = Settings.of(model, form=model.form_, alpha_per="target")
    if model._target_units is not None:
        settings = replace(settings, precision="float64")  # whose products hold any unit
    inputs = gather_inputs(design, measured, settings)
    predicted = np.full(measured.shape, np.nan, dtype=np.float32)
    with threads_for(design.n_columns, len(chosen), settings.device):
        for held_out in runs.folds(model.cv):
            rows = runs.rows(held_out)
            weights = _solve(model, inputs.without(held_out), settings, chosen)
            predicted[rows] = weights.predict(tensor(design.values[rows]).to(settings.device)).float().cpu().numpy()
    predicted[:, model.status_[chosen] != TESTED] = np.nan
    return predicted


def _solve(model: FittedModel, inputs: FitInputs, settings: Settings, targets: NDArray[np.intp]) -> FittedWeights:
    """Weights from all samples of the inputs, with the penalties that the targets have in the model."""
    unit = model.layout_.penalty_unit**2  # penalties of the model are for features in units of their own
    if model.stack_ is not None:
        penalties = torch.from_numpy(np.nan_to_num(model.stack_.alphas[:, targets], nan=1.0)).to(settings.device)
        shares = torch.from_numpy(np.nan_to_num(model.stack_.weights[:, targets])).to(settings.device)
        known = dict(zip(model.stack_.members, unit * penalties, strict=True))
        return stack(solve_members(inputs, model.layout_.widths, settings, known), shares)
    problem = make_problem(inputs, model.layout_.widths, settings)
    alphas = unit * torch.from_numpy(np.nan_to_num(model.best_alphas_[targets], nan=1.0)).to(problem.device)
    if model.deltas_ is None:
        return problem.solve(alphas, batch=model.n_targets_batch)
    deltas = torch.from_numpy(np.nan_to_num(model.deltas_[:, targets], posinf=np.inf, neginf=-np.inf)).to(alphas)
    most = deltas.amax(0)  # of the feature space with the smallest penalty
    ratios = torch.where(deltas == most, 0.0, deltas - most).round(decimals=6)  # else rounding would tell targets apart
    scalings, index = torch.unique(ratios.exp().T, dim=0, return_inverse=True)
    alphas = unit * (-most).exp()
    choice = BandedChoice(scalings, index, alphas, alphas, alphas[None])
    return solve_banded(problem, choice, n_targets_batch=model.n_targets_batch)
