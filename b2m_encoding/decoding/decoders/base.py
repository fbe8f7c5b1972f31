"""Interface of decoders: fit to windows of responses and features, predict features, cross-validate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from b2m_encoding._typing import Booleans, Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.folds import Blocks
from b2m_encoding.models import EncodingModel
from b2m_encoding.models.inputs import as_responses
from b2m_encoding.models.inverse import best_targets
from b2m_encoding.runs import Runs

MAX_FOLDS = 5
ENCODER_ALPHAS = tuple(np.logspace(-1, 7, 20).tolist())
"""Penalties of the encoding models of windows by which decoders choose targets, or which they invert."""


class Decoder(BaseEstimator, ABC):  # type: ignore[misc]
    """A map from responses to features of the stimuli, fitted to training windows alone.

    Responses come first, as in scikit-learn what is predicted from: ``X`` are responses, ``Y`` is the embedding.
    """

    @abstractmethod
    def fit(self, X: Floating, Y: Floating, *, runs: Runs) -> Self:
        """Fit to training windows.

        Parameters
        ----------
        X : array, shape (n_windows, n_targets)
            Responses; targets that are NaN or constant are left out.
        Y : array, shape (n_windows, n_dimensions)
            Features of the same windows; standardised dimensions weigh the same.
        runs : Runs
            Runs of the windows; folds are their blocks.

        Raises
        ------
        InputError
            If no target can be decoded from.
        """

    @abstractmethod
    def predict(self, X: Floating, *, runs: Runs) -> Float64:
        """Decode features of windows.

        Parameters
        ----------
        X : array, shape (n_windows, n_targets)
            Responses.
        runs : Runs
            Runs of the windows.

        Returns
        -------
        array, shape (n_windows, n_dimensions)
        """

    def cross_val_predict(self, X: Floating, Y: Floating, *, runs: Runs) -> Float64:
        """Decode the features of every training window by a decoder of the other folds.

        Everything that a fit chooses is chosen anew in each fold.

        Parameters
        ----------
        X, Y, runs
            As given to :meth:`fit`.

        Returns
        -------
        array, shape (n_windows, n_dimensions)
        """
        X, Y = training_windows(X, Y, runs)
        out = np.full(Y.shape, np.nan)
        for held_out in decoding_folds(runs, getattr(self, "folds", None)):
            rows = runs.rows(held_out)
            training = np.setdiff1d(runs.rows(), rows)
            decoder = clone(self).fit(X[training], Y[training], runs=with_blocks(runs.take(training)))
            out[rows] = decoder.predict(X[rows], runs=runs.take(rows))
        return out


def training_windows(X: Any, Y: Any, runs: Runs) -> tuple[Floating, Floating]:
    """Responses and features of training windows as arrays, one row per window.

    Raises
    ------
    InputError
        If numbers of rows differ, or features are not finite.
    """
    responses, features = as_windows(X, runs), as_windows(Y, runs)
    if not (finite := np.isfinite(features)).all():
        row, column = map(int, np.argwhere(~finite)[0])
        raise InputError(
            "features to decode have NaN or infinity",
            found=f"window {row}, dimension {column}; {int((~finite).sum())} values",
            fix="leave such windows out",
        )
    return responses, features


def as_windows(values: Any, runs: Runs) -> Floating:
    """Responses or features as an array, shape (n_windows, n_columns); an error if it has another number of rows."""
    if not isinstance(runs, Runs):
        raise InputError("runs of windows must be Runs", found=type(runs).__name__, fix="Runs.from_labels(labels, tr)")
    return as_responses(values, len(runs))


def usable_targets(X: Floating, chosen: Booleans | None = None) -> NDArray[np.intp]:
    """Numbers of the targets with finite responses that vary.

    Parameters
    ----------
    X : array, shape (n_windows, n_targets)
        Responses.
    chosen : array of bool, shape (n_targets,), optional
        Targets to choose from; all by default.

    Raises
    ------
    InputError
        If there is none.
    """
    usable = varying(X)
    if chosen is not None:
        usable &= as_mask(chosen, usable.shape, "the mask of targets does not fit the responses")
    if not usable.any():
        raise InputError("there is no target that can be decoded from", expected="responses that vary, without NaN")
    return np.flatnonzero(usable)


def as_mask(mask: Any, shape: tuple[int, ...], problem: str) -> Booleans:
    """Mask of targets; an error, the problem, if it is something else, such as numbers of targets."""
    found: Booleans = np.asarray(mask)
    if found.dtype != bool or found.shape != shape:
        expected = f"bool of shape {shape}, one per target"
        raise InputError(problem, found=f"{found.dtype} of shape {found.shape}", expected=expected)
    return found


def varying(X: Floating) -> Booleans:
    """Mask of the targets with finite responses that vary, shape (n_targets,)."""
    return np.asarray(np.isfinite(X).all(axis=0) & (np.ptp(X, axis=0) > 0))


def predicted_targets(
    X: Floating,
    Y: Floating,
    *,
    runs: Runs,
    chosen: Booleans | None = None,
    n_targets: int | None = None,
    device: str = "auto",
) -> NDArray[np.intp]:
    """Usable targets that an encoding model predicts best by cross-validation in the training windows.

    Parameters
    ----------
    X : array, shape (n_windows, n_targets)
        Responses.
    Y : array, shape (n_windows, n_dimensions)
        Features.
    runs : Runs
        Runs of the windows.
    chosen : array of bool, shape (n_targets,), optional
        Targets to choose from; all by default.
    n_targets : int, optional
        Number of targets; all usable ones by default.
    device : str
    """
    usable = usable_targets(X, chosen)
    if n_targets is None or n_targets >= len(usable):
        return usable
    model = EncodingModel(delays=None, alphas=ENCODER_ALPHAS, device=device).fit(Y, X[:, usable], runs=runs)
    return usable[best_targets(model, n_targets)]


def decoding_folds(runs: Runs, folds: int | None = None) -> list[Blocks]:
    """Folds of whole blocks: as many as are wanted, five by default, and not more than there are blocks."""
    return runs.folds(inner_folds(runs, folds or MAX_FOLDS))


def inner_folds(runs: Runs, folds: int | None) -> int | None:
    """As many folds as are wanted, and not more than there are blocks; None leaves one block out at a time."""
    return None if folds is None else max(2, min(folds, len(runs.blocks)))


def with_blocks(runs: Runs) -> Runs:
    """Runs with the clips of a single block as blocks, so that penalties can be chosen; other runs as given."""
    if len(runs.blocks) > 1 or len(set(runs.clip[runs.used].tolist())) < 2:
        return runs
    return replace(runs, block=runs.clip)
