"""The decoder of Brain2Music: one ridge per region, the best regions averaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.decoding.decoders.base import Decoder, Floats
from b2m_encoding.decoding.decoders.ridge import filled
from b2m_encoding.errors import InputError
from b2m_encoding.models import EncodingModel, cross_val_predict
from b2m_encoding.runs import Runs


class RegionDecoder(Decoder):
    """Predict an embedding from responses: one ridge per region, the best regions averaged.

    Each embedding dimension has its own penalty; folds are whole runs; regions are ranked by their mean
    cross-validated Pearson r over dimensions, in training data alone (Brain2Music, arXiv 2307.11078, section 3.2).

    Parameters
    ----------
    regions : mapping of str to array of bool, shape (n_targets,)
        Targets of each region.
    n_best : int
        How many regions are averaged.
    alphas : array, optional

    Attributes
    ----------
    best_ : tuple of str
        The regions that are averaged, best first.
    scores_ : dict
        Cross-validated r of every region.
    """

    def __init__(
        self,
        regions: Mapping[str, NDArray[np.bool_]],
        *,
        n_best: int = 6,
        alphas: NDArray[np.float64] | None = None,
        device: str = "auto",
    ) -> None:
        self.regions = regions
        self.n_best = n_best
        self.alphas = np.logspace(0, 6, 13) if alphas is None else alphas
        self.device = device

    def fit(self, responses: Floats, embedding: Floats, runs: Runs) -> Self:
        """Fit one ridge per region.

        Parameters
        ----------
        responses : array, shape (n_windows, n_targets)
            Targets that are NaN or constant are left out.
        embedding : array, shape (n_windows, n_dimensions)
        runs : Runs
            Of the windows.

        Raises
        ------
        InputError
            If no region has a usable target.
        """
        usable = np.isfinite(responses).all(axis=0) & (np.ptp(responses, axis=0) > 0)
        self.columns_ = {n: np.flatnonzero(m & usable) for n, m in self.regions.items() if (m & usable).any()}
        if not self.columns_:
            raise InputError("no region has a target that can be decoded from", found=list(self.regions))
        self.models_ = {}
        for name, columns in self.columns_.items():
            model = EncodingModel(delays=None, alphas=self.alphas, scoring="r", device=self.device)
            self.models_[name] = model.fit(responses[:, columns], embedding, runs=runs)
        self.scores_ = {name: _mean_cv_score(model) for name, model in self.models_.items()}
        self.best_ = tuple(sorted(self.scores_, key=lambda name: -self.scores_[name])[: self.n_best])
        return self

    def predict(self, responses: Floats, runs: Runs) -> NDArray[np.float64]:
        """Mean prediction of the best regions, shape (n_windows, n_dimensions)."""
        parts = [self.models_[name].predict(responses[:, self.columns_[name]], runs=runs) for name in self.best_]
        return filled(np.mean(parts, axis=0, dtype=np.float64), self.models_[self.best_[0]])

    def cross_val_predict(self, responses: Floats, embedding: Floats, runs: Runs) -> NDArray[np.float64]:
        """Mean cross-validated prediction of the best regions, with the regions and penalties of the fit."""
        parts = [
            cross_val_predict(self.models_[name], responses[:, self.columns_[name]], embedding, runs)
            for name in self.best_
        ]
        return filled(np.mean(parts, axis=0, dtype=np.float64), self.models_[self.best_[0]])


def _mean_cv_score(model: EncodingModel) -> float:
    """Cross-validated score at each dimension's own penalty, averaged over the dimensions that vary."""
    return float(np.nanmean(model.cv_scores_))
