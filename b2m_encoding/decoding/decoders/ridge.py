"""Ridge from the whole cortex, or from given targets, to features."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.decoding.decoders.base import Decoder, Floats, predicted_targets
from b2m_encoding.models import EncodingModel, cross_val_predict
from b2m_encoding.models.status import CONSTANT
from b2m_encoding.runs import Runs

WHOLE_CORTEX = tuple(np.logspace(1, 9, 17).tolist())
"""Penalties: the more targets, the larger."""


class RidgeDecoder(Decoder):
    """One ridge from all targets to every dimension, each with its own penalty; folds are whole blocks.

    Parameters
    ----------
    targets : array of bool, shape (n_targets,), optional
        Decode from these targets alone.
    n_targets : int, optional
        Only as many of them, those that an encoding model predicts best by cross-validation in training.
    alphas : sequence of float
    device : str

    Attributes
    ----------
    model_ : EncodingModel
        From responses to features; in its dual form where there are more targets than windows.
    columns_ : array of int
        Targets that are decoded from.
    score_ : float
        Mean cross-validated r over the dimensions; too high where targets were chosen by the same windows.
    """

    def __init__(
        self,
        targets: NDArray[np.bool_] | None = None,
        *,
        n_targets: int | None = None,
        alphas: tuple[float, ...] = WHOLE_CORTEX,
        device: str = "auto",
    ) -> None:
        self.targets = targets
        self.n_targets = n_targets
        self.alphas = alphas
        self.device = device

    def fit(self, responses: Floats, embedding: Floats, runs: Runs) -> Self:
        """See :meth:`Decoder.fit`."""
        self.columns_ = predicted_targets(responses, embedding, runs, self.targets, self.n_targets, device=self.device)
        model = EncodingModel(delays=None, alphas=self.alphas, scoring="r", device=self.device)
        self.model_ = model.fit(responses[:, self.columns_], embedding, runs=runs)
        self.score_ = float(np.nanmean(self.model_.cv_scores_))
        return self

    def predict(self, responses: Floats, runs: Runs) -> NDArray[np.float64]:
        """See :meth:`Decoder.predict`; a dimension that never varied stays at its value."""
        return filled(self.model_.predict(responses[:, self.columns_], runs=runs), self.model_)

    def cross_val_predict(self, responses: Floats, embedding: Floats, runs: Runs) -> NDArray[np.float64]:
        """See :meth:`Decoder.cross_val_predict`; with the penalties of the fit, unless it chose targets too."""
        if self.n_targets is not None:
            return super().cross_val_predict(responses, embedding, runs)
        return filled(cross_val_predict(self.model_, responses[:, self.columns_], embedding, runs), self.model_)


def filled(predicted: Floats, model: EncodingModel) -> NDArray[np.float64]:
    """Predictions with the mean of training in the dimensions that never varied there."""
    constant = model.status_ == CONSTANT
    return np.asarray(np.where(constant, model.weights_.mean_y.cpu().numpy(), predicted), dtype=np.float64)
