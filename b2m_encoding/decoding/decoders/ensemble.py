"""Ensemble decoder: the mean direction of several decoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.decoding.decoders.base import Decoder
from b2m_encoding.runs import Runs


class EnsembleDecoder(Decoder):
    """Mean prediction of several decoders, each scaled to length one, because some shrink more than others.

    Parameters
    ----------
    members : sequence of Decoder
        The decoders that are averaged. They are fitted in place.
    """

    def __init__(self, members: Sequence[Decoder]) -> None:
        self.members = members

    def fit(self, X: Floating, Y: Floating, *, runs: Runs) -> Self:
        """Fit every member; see :meth:`Decoder.fit`."""
        for member in self.members:
            member.fit(X, Y, runs=runs)
        return self

    def predict(self, X: Floating, *, runs: Runs) -> Float64:
        """Decode features: mean direction of the members; see :meth:`Decoder.predict`."""
        return mean_direction([member.predict(X, runs=runs) for member in self.members])

    def cross_val_predict(self, X: Floating, Y: Floating, *, runs: Runs) -> Float64:
        """Average the cross-validated predictions of the members; see :meth:`Decoder.cross_val_predict`."""
        return mean_direction([member.cross_val_predict(X, Y, runs=runs) for member in self.members])


def mean_direction(predictions: Sequence[Floating]) -> Float64:
    """Mean of predictions whose rows are scaled to length one; a row of zeros counts as zero.

    Parameters
    ----------
    predictions : sequence of array, shape (n_windows, n_dimensions)
    """
    norms = [np.linalg.norm(rows, axis=1, keepdims=True) for rows in predictions]
    units = [np.divide(p, n, out=np.zeros_like(p), where=n > 0) for p, n in zip(predictions, norms, strict=True)]
    return np.asarray(np.mean(units, axis=0), dtype=np.float64)
