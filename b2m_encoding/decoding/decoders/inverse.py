"""Decoding by the inverse map of an encoding model of windows."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.decoding.decoders.base import ENCODER_ALPHAS, Decoder, Floats, usable_targets
from b2m_encoding.models import EncodingModel
from b2m_encoding.runs import Runs


class InverseDecoder(Decoder):
    """Fit an encoding model, then ask which features most likely made the responses.

    Parameters
    ----------
    targets : array of bool, shape (n_targets,), optional
        Decode from these targets alone.
    n_targets : int
        How many of them, the best by cross-validation in training.
    alphas : sequence of float
        Of the encoding model.
    rank : int
        Directions of noise that targets share.
    shrinkage : float, optional
        Of the correlations of the noise; estimated by default.
    device : str

    Attributes
    ----------
    model_ : EncodingModel
    map_ : InverseMap
    columns_ : array of int

    References
    ----------
    Naselaris et al. 2009, doi 10.1016/j.neuron.2009.09.006; Nishimoto et al. 2011, doi 10.1016/j.cub.2011.08.031.
    """

    def __init__(
        self,
        targets: NDArray[np.bool_] | None = None,
        *,
        n_targets: int = 2000,
        alphas: tuple[float, ...] = ENCODER_ALPHAS,
        rank: int = 128,
        shrinkage: float | None = None,
        device: str = "auto",
    ) -> None:
        self.targets = targets
        self.n_targets = n_targets
        self.alphas = alphas
        self.rank = rank
        self.shrinkage = shrinkage
        self.device = device

    def fit(self, responses: Floats, embedding: Floats, runs: Runs) -> Self:
        """See :meth:`Decoder.fit`."""
        self.columns_ = usable_targets(responses, self.targets)
        own = responses[:, self.columns_]
        self.model_ = EncodingModel(delays=None, alphas=self.alphas, device=self.device).fit(embedding, own, runs=runs)
        self.map_ = self.model_.invert(
            embedding, own, runs, n_targets=self.n_targets, rank=self.rank, shrinkage=self.shrinkage
        )
        return self

    def predict(self, responses: Floats, runs: Runs) -> NDArray[np.float64]:
        """See :meth:`Decoder.predict`."""
        return np.asarray(self.map_.predict(responses[:, self.columns_], runs), dtype=np.float64)
