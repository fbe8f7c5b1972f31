"""Cross-validated predictions: every training sample predicted by the model of the other folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from b2m_encoding.models.inputs import Floats, as_targets
from b2m_encoding.models.solver import fitting
from b2m_encoding.models.solver.banded import BandedChoice, solve_banded
from b2m_encoding.models.solver.devices import tensor, threads_for
from b2m_encoding.models.solver.problems import Source
from b2m_encoding.models.solver.ridge import Weights, solve_ridge
from b2m_encoding.models.status import TESTED
from b2m_encoding.runs import Runs

if TYPE_CHECKING:
    from b2m_encoding.models.model import EncodingModel


def cross_val_predict(
    model: EncodingModel,
    X: Floats | Mapping[str, Any],
    Y: ArrayLike,
    runs: Runs | None = None,
    targets: NDArray[np.intp] | None = None,
) -> NDArray[np.float32]:
    """Predict the samples of each fold by weights from the other folds, with the penalties of the fitted model.

    Cheap next to the fit, for penalties are not searched again; they were chosen with the held-out fold among the
    others, as in any cross-validation that is not nested.

    Parameters
    ----------
    model : EncodingModel
        Fitted to these samples.
    X, Y, runs
        As given to its ``fit``.
    targets : array of int, optional
        Only these targets.

    Returns
    -------
    array, shape (n_samples, n_targets)
        NaN for samples that are not used and for targets that were not tested.
    """
    check_is_fitted(model, "weights_")
    layout = model.layout_
    spaces = layout.read(X, runs, type(model).__name__)
    runs = layout.runs_of(spaces, runs)
    design = layout.design(spaces, runs)
    chosen = np.arange(len(model.status_)) if targets is None else targets
    measured = as_targets(Y, len(design))
    measured = measured if targets is None else measured[:, chosen]
    settings = replace(model._settings(model.form_), alpha_per="target")
    data = fitting.gather(design, measured, runs, layout.widths, settings)
    predicted = np.full(measured.shape, np.nan, dtype=np.float32)
    with threads_for(design.shape[1], len(chosen), settings.device):
        for held in runs.folds(model.cv):
            source = fitting.make_source(_without(data, held), layout.widths, settings)
            rows = runs.rows(held)
            x = tensor(design[rows]).to(source.device)
            predicted[rows] = _solve(model, source, chosen).predict(x).float().cpu().numpy()
    predicted[:, model.status_[chosen] != TESTED] = np.nan
    return predicted


def _without(data: fitting.Data, held: Sequence[str]) -> fitting.Data:
    """The data of the other blocks."""
    gone = set(held)

    def kept(parts: dict[str, Tensor] | None) -> dict[str, Tensor] | None:
        return None if parts is None else {name: part for name, part in parts.items() if name not in gone}

    statistics = None if data.statistics is None else data.statistics.without(gone)
    return replace(data, statistics=statistics, X=kept(data.X), Y=kept(data.Y))


def _solve(model: EncodingModel, source: Source, targets: NDArray[np.intp]) -> Weights:
    """Weights from a source, with the penalties that some targets of the model have."""
    alphas = torch.from_numpy(np.nan_to_num(model.best_alphas_[targets], nan=1.0)).to(source.device)
    if model.deltas_ is None:
        return solve_ridge(source, alphas, n_targets_batch=model.n_targets_batch)
    deltas = torch.from_numpy(np.nan_to_num(model.deltas_[:, targets], nan=0.0, neginf=-np.inf)).to(source.device)
    scalings, index = torch.unique(torch.softmax(deltas, dim=0).T.round(decimals=9), dim=0, return_inverse=True)
    choice = BandedChoice(scalings, index, alphas, alphas, alphas[None])
    return solve_banded(source, choice, n_targets_batch=model.n_targets_batch)
