"""What every decoder has in common: fit to windows of responses and features, predict features, and cross-validate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.errors import InputError
from b2m_encoding.models import EncodingModel
from b2m_encoding.models.inverse import best_targets
from b2m_encoding.runs import Blocks, Runs

Floats = NDArray[np.floating[Any]]
MAX_FOLDS = 5
ENCODER_ALPHAS = tuple(np.logspace(-1, 7, 20).tolist())
"""Penalties of the encoding models of windows by which decoders choose targets, or which they invert."""


class Decoder(ABC):
    """A map from responses to the features of what was heard, fitted to training windows alone."""

    @abstractmethod
    def fit(self, responses: Floats, embedding: Floats, runs: Runs) -> Self:
        """Fit to training windows.

        Parameters
        ----------
        responses : array, shape (n_windows, n_targets)
            Targets that are NaN or constant are left out.
        embedding : array, shape (n_windows, n_dimensions)
            Features; all dimensions weigh the same where they are standardised.
        runs : Runs
            Of the windows; folds are its blocks.
        """

    @abstractmethod
    def predict(self, responses: Floats, runs: Runs) -> NDArray[np.float64]:
        """Decoded features of windows, shape (n_windows, n_dimensions)."""

    def cross_val_predict(self, responses: Floats, embedding: Floats, runs: Runs) -> NDArray[np.float64]:
        """Decoded features of every training window, by a decoder of the other folds; shape (n_windows, n_dimensions).

        Everything that a fit chooses is chosen anew in each fold.
        """
        out = np.full(embedding.shape, np.nan)
        for held in decoding_folds(runs):
            rows = runs.rows(held)
            others = np.setdiff1d(runs.rows(), rows)
            decoder = copy(self).fit(responses[others], embedding[others], with_blocks(runs.take(others)))
            out[rows] = decoder.predict(responses[rows], runs.take(rows))
        return out


def usable_targets(responses: Floats, chosen: NDArray[np.bool_] | None = None) -> NDArray[np.intp]:
    """Targets with finite responses that vary, of all or of some.

    Raises
    ------
    InputError
        If there is none.
    """
    usable = np.isfinite(responses).all(axis=0) & (np.ptp(responses, axis=0) > 0)
    if chosen is not None:
        if chosen.shape != usable.shape:
            raise InputError("the targets to decode from are those of other responses", found=chosen.shape)
        usable &= chosen
    if not usable.any():
        raise InputError("there is no target that can be decoded from", expected="responses that vary, without NaN")
    return np.flatnonzero(usable)


def predicted_targets(
    responses: Floats,
    embedding: Floats,
    runs: Runs,
    chosen: NDArray[np.bool_] | None = None,
    n_targets: int | None = None,
    device: str = "auto",
) -> NDArray[np.intp]:
    """Usable targets that an encoding model predicts best by cross-validation in these (training) windows.

    Parameters
    ----------
    responses, embedding, runs
        Of training windows.
    chosen : array of bool, shape (n_targets,), optional
        Of these alone.
    n_targets : int, optional
        How many; all usable ones by default.
    """
    usable = usable_targets(responses, chosen)
    if n_targets is None or n_targets >= len(usable):
        return usable
    model = EncodingModel(delays=None, alphas=ENCODER_ALPHAS, device=device).fit(
        embedding, responses[:, usable], runs=runs
    )
    return usable[best_targets(model, n_targets)]


def decoding_folds(runs: Runs) -> list[Blocks]:
    """Folds of whole blocks, five at most."""
    return runs.folds(min(MAX_FOLDS, len(runs.blocks)))


def with_blocks(runs: Runs) -> Runs:
    """The same runs; where they are one block, its clips become the blocks, so that penalties can be chosen."""
    if len(runs.blocks) > 1 or len(set(runs.clip[runs.used].tolist())) < 2:
        return runs
    return replace(runs, block=runs.clip)
