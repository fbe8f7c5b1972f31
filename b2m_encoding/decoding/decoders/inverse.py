"""Inverse decoder: an encoding model of windows, inverted."""

from __future__ import annotations

from typing import Self

import numpy as np

from b2m_encoding._typing import Booleans, Float64, Floating
from b2m_encoding.decoding.decoders.base import (
    ENCODER_ALPHAS,
    Decoder,
    as_windows,
    inner_folds,
    training_windows,
    usable_targets,
)
from b2m_encoding.models import EncodingModel
from b2m_encoding.runs import Runs


class InverseDecoder(Decoder):
    """Encoding model of windows, and the posterior mean of the features given the responses.

    Parameters
    ----------
    targets : array of bool, shape (n_targets,), optional
        Targets to decode from; all by default.
    n_targets : int or None
        Number of targets that are used, the best by cross-validation in training; None for all.
    alphas : sequence of float
        Penalties of the encoding model that are tried.
    folds : int, optional
        Number of folds of whole runs that choose penalties; one run is left out at a time by default.
    rank : int
        Number of noise directions that targets share.
    shrinkage : float, optional
        Shrinkage of the noise correlations; estimated by default.
    device : str

    Attributes
    ----------
    model_ : EncodingModel
    map_ : InverseMap
    columns_ : array of int
        Targets of the encoding model.

    References
    ----------
    Naselaris et al. 2009, doi 10.1016/j.neuron.2009.09.006; Nishimoto et al. 2011, doi 10.1016/j.cub.2011.08.031.
    """

    def __init__(
        self,
        targets: Booleans | None = None,
        *,
        n_targets: int | None = 2000,
        alphas: tuple[float, ...] = ENCODER_ALPHAS,
        folds: int | None = None,
        rank: int = 128,
        shrinkage: float | None = None,
        device: str = "auto",
    ) -> None:
        self.targets = targets
        self.n_targets = n_targets
        self.alphas = alphas
        self.folds = folds
        self.rank = rank
        self.shrinkage = shrinkage
        self.device = device

    def fit(self, X: Floating, Y: Floating, *, runs: Runs) -> Self:
        """Fit and invert an encoding model; see :meth:`Decoder.fit`."""
        X, Y = training_windows(X, Y, runs)
        self.columns_ = usable_targets(X, self.targets)
        responses = X[:, self.columns_]
        model = EncodingModel(None, alphas=self.alphas, cv=inner_folds(runs, self.folds), device=self.device)
        self.model_ = model.fit(Y, responses, runs=runs)
        self.map_ = self.model_.invert(
            Y, responses, runs, n_targets=self.n_targets, rank=self.rank, shrinkage=self.shrinkage
        )
        return self

    def predict(self, X: Floating, *, runs: Runs) -> Float64:
        """Decode features; see :meth:`Decoder.predict`."""
        return np.asarray(self.map_.predict(as_windows(X, runs)[:, self.columns_], runs), dtype=np.float64)
