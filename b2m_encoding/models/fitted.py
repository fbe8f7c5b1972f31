"""Interface of a fitted encoding model, for functions that compute from one without importing it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.models.layout import Layout
from b2m_encoding.models.solver.problems import Form
from b2m_encoding.models.solver.result import Stack
from b2m_encoding.runs import Runs


class FittedEncodingModel(Protocol):
    """Part of a fitted :class:`~b2m_encoding.models.model.EncodingModel` that cross-validation and inversion read."""

    cv: Any
    n_targets_batch: int
    layout_: Layout
    runs_: Runs
    form_: Form
    status_: NDArray[np.str_]
    best_alphas_: Float64
    deltas_: Float64 | None
    stack_: Stack | None
    cv_scores_: Float64
    _target_units: Float64 | None

    @property
    def coef_(self) -> dict[str, NDArray[Any]]:
        """Weights of each feature space, shape (n_delays, n_features, n_targets)."""

    @property
    def intercept_(self) -> Float64 | float:
        """Prediction where every feature is 0, shape (n_targets,)."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of the constructor."""

    def predict(self, X: Any, runs: Runs | None = None) -> Floating:
        """Predicted responses of every sample."""
