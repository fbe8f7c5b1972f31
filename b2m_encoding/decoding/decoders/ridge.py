"""Ridge decoder: from the whole cortex, or from given targets, to features."""

from __future__ import annotations

from typing import Self

import numpy as np

from b2m_encoding._typing import Booleans, Float64, Floating
from b2m_encoding.decoding.decoders.base import Decoder, as_windows, inner_folds, predicted_targets, training_windows
from b2m_encoding.models import EncodingModel, cross_val_predict
from b2m_encoding.models.status import CONSTANT
from b2m_encoding.runs import Runs

WHOLE_CORTEX = tuple(np.logspace(1, 9, 17).tolist())
"""Penalties: the more targets, the larger."""


class RidgeDecoder(Decoder):
    """One ridge regression from all targets to every dimension, each with its own penalty; folds are whole blocks.

    Parameters
    ----------
    targets : array of bool, shape (n_targets,), optional
        Targets to decode from; all by default.
    n_targets : int, optional
        Number of these targets that are used: those that an encoding model predicts best by cross-validation in
        training. All by default.
    alphas : sequence of float
        Penalties that are tried.
    folds : int, optional
        Number of folds of whole runs that choose penalties; one run is left out at a time by default.
    device : str

    Attributes
    ----------
    model_ : EncodingModel
        From responses to features; in its dual form where there are more targets than windows.
    columns_ : array of int
        Targets that are decoded from.
    score_ : float
        Mean cross-validated r over the dimensions; too high where targets were chosen by the same windows.

    Examples
    --------
    >>> from b2m_encoding import Runs
    >>> rng = np.random.default_rng(0)
    >>> Y = rng.standard_normal((40, 2))
    >>> X = Y @ rng.standard_normal((2, 9)) + rng.standard_normal((40, 9))
    >>> runs = Runs.from_labels(np.repeat(["a", "b"], 20), 1.5)
    >>> RidgeDecoder(device="cpu").fit(X, Y, runs=runs).predict(X, runs=runs).shape
    (40, 2)
    """

    def __init__(
        self,
        targets: Booleans | None = None,
        *,
        n_targets: int | None = None,
        alphas: tuple[float, ...] = WHOLE_CORTEX,
        folds: int | None = None,
        device: str = "auto",
    ) -> None:
        self.targets = targets
        self.n_targets = n_targets
        self.alphas = alphas
        self.folds = folds
        self.device = device

    def fit(self, X: Floating, Y: Floating, *, runs: Runs) -> Self:
        """Fit to training windows; see :meth:`Decoder.fit`."""
        X, Y = training_windows(X, Y, runs)
        self.columns_ = predicted_targets(
            X, Y, runs=runs, chosen=self.targets, n_targets=self.n_targets, device=self.device
        )
        model = EncodingModel(
            None, alphas=self.alphas, cv=inner_folds(runs, self.folds), scoring="r", device=self.device
        )
        self.model_ = model.fit(X[:, self.columns_], Y, runs=runs)
        self.score_ = float(np.nanmean(self.model_.cv_scores_))
        return self

    def predict(self, X: Floating, *, runs: Runs) -> Float64:
        """Decode features; see :meth:`Decoder.predict`. A dimension that never varied keeps its value."""
        X = as_windows(X, runs)
        return fill_constant(self.model_.predict(X[:, self.columns_], runs=runs), self.model_)

    def cross_val_predict(self, X: Floating, Y: Floating, *, runs: Runs) -> Float64:
        """Decode training windows; see :meth:`Decoder.cross_val_predict`.

        Penalties are those of the fit, unless the fit chose targets, too.
        """
        if self.n_targets is not None:
            return super().cross_val_predict(X, Y, runs=runs)
        X, Y = training_windows(X, Y, runs)
        return fill_constant(cross_val_predict(self.model_, X[:, self.columns_], Y, runs), self.model_)


def fill_constant(predicted: Floating, model: EncodingModel) -> Float64:
    """Put the training mean into the dimensions that did not vary in training."""
    constant = model.status_ == CONSTANT
    return np.asarray(np.where(constant, model.weights_.mean_y.cpu().numpy(), predicted), dtype=np.float64)
