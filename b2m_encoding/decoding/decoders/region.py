"""Region decoder, that of Brain2Music: one ridge regression per region, the best regions averaged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

import numpy as np

from b2m_encoding._typing import Booleans, Float64, Floating
from b2m_encoding.decoding.decoders.base import Decoder, as_mask, as_windows, inner_folds, training_windows, varying
from b2m_encoding.decoding.decoders.ridge import fill_constant
from b2m_encoding.errors import InputError
from b2m_encoding.models import EncodingModel, cross_val_predict
from b2m_encoding.models.scores import pearson_r
from b2m_encoding.runs import Runs

REGION = tuple(np.logspace(0, 6, 13).tolist())
"""Penalties of a region."""


class RegionDecoder(Decoder):
    """One ridge regression per region from responses to an embedding; the predictions of the best regions averaged.

    Each embedding dimension has its own penalty; folds are whole runs; regions are ranked by their mean
    cross-validated Pearson r over dimensions, in training data alone (Brain2Music, arXiv 2307.11078, section 3.2).

    Parameters
    ----------
    regions : mapping of str to array of bool, shape (n_targets,)
        Targets of each region.
    n_best : int
        Number of regions that are averaged.
    alphas : sequence of float
        Penalties that are tried.
    folds : int, optional
        Number of folds of whole runs that choose penalties; one run is left out at a time by default.
    device : str

    Attributes
    ----------
    best_ : tuple of str
        Regions that are averaged, best first.
    scores_ : dict of str to float
        Cross-validated r of every region, averaged over the dimensions that vary.
    """

    def __init__(
        self,
        regions: Mapping[str, Booleans],
        *,
        n_best: int = 6,
        alphas: tuple[float, ...] = REGION,
        folds: int | None = None,
        device: str = "auto",
    ) -> None:
        self.regions = regions
        self.n_best = n_best
        self.alphas = alphas
        self.folds = folds
        self.device = device

    def fit(self, X: Floating, Y: Floating, *, runs: Runs) -> Self:
        """Fit one ridge regression per region; see :meth:`Decoder.fit`.

        Raises
        ------
        InputError
            If no region has a usable target, or one is no mask of the targets.
        """
        X, Y = training_windows(X, Y, runs)
        usable = varying(X)
        masks = {
            name: as_mask(mask, usable.shape, f"region {name!r} is no mask of the targets")
            for name, mask in self.regions.items()
        }
        self.columns_ = {n: np.flatnonzero(m & usable) for n, m in masks.items() if (m & usable).any()}
        if not self.columns_:
            raise InputError("no region has a target that can be decoded from", found=list(self.regions))
        self.models_ = {}
        for name, columns in self.columns_.items():
            model = EncodingModel(
                None, alphas=self.alphas, cv=inner_folds(runs, self.folds), scoring="r", device=self.device
            )
            self.models_[name] = model.fit(X[:, columns], Y, runs=runs)
        self.scores_ = {name: float(np.nanmean(model.cv_scores_)) for name, model in self.models_.items()}
        self.best_ = tuple(sorted(self.scores_, key=lambda name: -self.scores_[name])[: self.n_best])
        return self

    def predict(self, X: Floating, *, runs: Runs) -> Float64:
        """Decode features: mean prediction of the best regions; see :meth:`Decoder.predict`."""
        X = as_windows(X, runs)
        return self._mean([self.models_[name].predict(X[:, self.columns_[name]], runs=runs) for name in self.best_])

    def cross_val_predict(self, X: Floating, Y: Floating, *, runs: Runs) -> Float64:
        """Decode training windows with the regions and penalties of the fit; see :meth:`Decoder.cross_val_predict`."""
        X, Y = training_windows(X, Y, runs)
        return self._mean(
            [cross_val_predict(self.models_[name], X[:, self.columns_[name]], Y, runs) for name in self.best_]
        )

    def penalty_curve(self, X: Floating, Y: Floating, *, runs: Runs) -> dict[str, Float64]:
        """Scores of the best regions at every penalty, the same for all dimensions.

        Parameters
        ----------
        X, Y, runs
            As given to :meth:`fit`.

        Returns
        -------
        dict
            ``alpha``, and Pearson r averaged over dimensions and folds of the windows that were fitted
            (``r_training``) and of those left out (``r_validation``), each of shape (n_alphas,).
        """
        scores, regions = [], [part / part.std(axis=0) for part in (X[:, self.columns_[name]] for name in self.best_)]
        for held_out in runs.folds(inner_folds(runs, self.folds)):
            rows = runs.rows(held_out)
            training = np.setdiff1d(runs.rows(), rows)
            parts = [_decomposed(x[training], x[rows], Y[training]) for x in regions]
            scores.append([[_mean_r(np.mean([part(alpha)[which] for part in parts], axis=0), Y[own])
                            for which, own in enumerate((training, rows))] for alpha in self.alphas])  # fmt: skip
        both = np.mean(scores, axis=0)
        return {"alpha": np.array(self.alphas), "r_training": both[:, 0], "r_validation": both[:, 1]}

    def _mean(self, predictions: list[Floating]) -> Float64:
        return fill_constant(np.mean(predictions, axis=0, dtype=np.float64), self.models_[self.best_[0]])


def _decomposed(fitted: Floating, held_out: Floating, Y: Floating) -> Callable[[float], tuple[Floating, Floating]]:
    """Ridge predictions of fitted and of left-out windows at any penalty, from one decomposition."""
    mean, centre = fitted.mean(axis=0), Y.mean(axis=0)
    u, s, vt = np.linalg.svd(fitted - mean, full_matrices=False)
    projected, others = u.T @ (Y - centre), (held_out - mean) @ vt.T

    def predict(alpha: float) -> tuple[Floating, Floating]:
        weights = (s / (s**2 + alpha))[:, None] * projected
        return u @ (s[:, None] * weights) + centre, others @ weights + centre

    return predict


def _mean_r(predicted: Floating, true: Floating) -> float:
    r = pearson_r(predicted, true)
    return float(np.nanmean(r)) if np.isfinite(r).any() else float("nan")
