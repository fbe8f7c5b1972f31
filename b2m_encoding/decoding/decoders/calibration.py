"""Calibration of decoded features: mean, spread and length as those of the training features."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.errors import InputError

Scale = Literal["none", "all", "dimension"]
EQUAL = 1e-3
"""Largest spread of the lengths of vectors, as a share of their mean, that counts as equal lengths."""


class Calibration:
    """Mean, spread and length of decoded features as those of the training features.

    Ridge shrinks predictions towards the training mean, the more the noisier the responses. A search for nearest
    neighbours, or a generator, then only meets vectors near the mean. Fitted to cross-validated predictions of training
    windows, because predictions by the fit itself are shrunk less.

    Parameters
    ----------
    scale : {"none", "all", "dimension"}
        Give all dimensions together, or each by itself, the spread of training. With "dimension", a dimension that
        cannot be decoded is noise as large as any other.
    norm : bool, optional
        Give every vector the mean length of the training vectors; by default where those all have the same length, as
        embeddings of joint models do.

    Attributes
    ----------
    centre_, mean_ : array, shape (n_dimensions,)
        Mean of the predictions, and of the features.
    factor_ : array, shape (n_dimensions,)
        Factor of the spread.
    length_ : float or None
        Length of all calibrated vectors.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> true = rng.standard_normal((500, 3)) * [1, 2, 3] + 5
    >>> shrunk = 0.1 * (true - 5) + 0.01 * rng.standard_normal((500, 3)) + 5
    >>> calibration = Calibration("dimension").fit(shrunk, true)
    >>> (calibration.transform(shrunk).std(axis=0) / true.std(axis=0)).round(6)
    array([1., 1., 1.])
    """

    def __init__(self, scale: Scale = "all", *, norm: bool | None = None) -> None:
        if scale not in ("none", "all", "dimension"):
            raise InputError("unknown scale of a calibration", found=scale, expected='"none", "all" or "dimension"')
        self.scale = scale
        self.norm = norm

    def fit(self, predicted: Floating, true: Floating) -> Self:
        """Fit to training windows.

        Parameters
        ----------
        predicted : array, shape (n_windows, n_dimensions)
            Cross-validated predictions.
        true : array, shape (n_windows, n_dimensions)
            Features.

        Raises
        ------
        InputError
            If shapes differ, there are fewer than two windows, or a prediction is not finite.
        """
        if predicted.shape != true.shape or len(true) < 2:
            raise InputError("calibration needs a prediction of every feature", found=predicted.shape)
        if not np.isfinite(predicted).all():
            raise InputError(
                "predictions to calibrate by hold NaN", expected="cross-validated predictions of all windows"
            )
        self.centre_, self.mean_ = predicted.mean(axis=0), true.mean(axis=0)
        spread = [np.asarray(values.std(axis=0), dtype=np.float64) for values in (predicted, true)]
        if self.scale == "none":
            self.centre_, self.factor_ = self.mean_, np.ones(true.shape[1])
        elif self.scale == "all":
            spread = [np.full(true.shape[1], np.sqrt((part**2).sum())) for part in spread]
        if self.scale != "none":
            self.factor_ = np.divide(spread[1], spread[0], out=np.zeros_like(spread[0]), where=spread[0] > 0)
        self.length_ = equal_length(true)
        if self.norm is not None:
            self.length_ = float(np.linalg.norm(true, axis=1).mean()) if self.norm else None
        return self

    def transform(self, predicted: Floating) -> Float64:
        """Calibrate decoded features.

        Parameters
        ----------
        predicted : array, shape (n_windows, n_dimensions)

        Returns
        -------
        array, shape (n_windows, n_dimensions)
        """
        out = np.asarray((predicted - self.centre_) * self.factor_ + self.mean_, dtype=np.float64)
        return out if self.length_ is None else scale_rows(out, self.length_)


def equal_length(vectors: Floating) -> float | None:
    """Length of all vectors, if it is the same; else None.

    Examples
    --------
    >>> equal_length(np.array([[3.0, 4.0], [0.0, 5.0]])), equal_length(np.eye(2) * [1, 2])
    (5.0, None)
    """
    lengths = np.linalg.norm(vectors, axis=1)
    return float(lengths.mean()) if lengths.std() <= EQUAL * lengths.mean() else None


def scale_rows(vectors: Float64, length: float) -> Float64:
    """Scale rows to one length; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors * np.divide(length, lengths, out=np.zeros_like(lengths), where=lengths > 0))
