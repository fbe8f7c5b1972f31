"""Cleaning of one run at a time: slow drift and scale. Nothing crosses runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

Detrend = Literal["none", "linear", "cosine", "median"]


@dataclass(frozen=True)
class Cleaning:
    """What is done to the responses of every run.

    Parameters
    ----------
    detrend : {"none", "linear", "cosine", "median"}
        ``cosine`` regresses out a discrete cosine basis below ``1 / cutoff`` Hz together with a line; ``median``
        subtracts a running median ``cutoff`` seconds wide (Brain2Music used 240 s, arXiv 2307.11078).
    cutoff : float
        Seconds.
    zscore : bool
        Centre and scale each target to unit variance in the run. A constant target becomes zero.

    Examples
    --------
    >>> drift = np.linspace(0, 5, 100)[:, None]
    >>> bool(np.abs(Cleaning(zscore=False)(drift, tr=2.0)).max() < 1e-6)
    True
    """

    detrend: Detrend = "cosine"
    cutoff: float = 128.0
    zscore: bool = True

    def __call__(self, values: NDArray[np.floating], tr: float) -> NDArray[np.float32]:
        """Clean one run, shape (n_samples, n_targets). NaN targets stay NaN and change no other target."""
        values = np.asarray(values, dtype=np.float32)
        values = values - values.mean(axis=0, dtype=np.float64).astype(np.float32)
        if self.detrend == "median":
            size = min(round(self.cutoff / tr) | 1, len(values) | 1)
            values = values - median_filter(values, size=(size, 1), mode="nearest")
        elif self.detrend != "none":
            basis = drift_basis(len(values), tr, self.cutoff if self.detrend == "cosine" else np.inf)
            values = values - basis @ (basis.T @ values)
        return zscore(values) if self.zscore else values


def drift_basis(n_samples: int, tr: float, cutoff: float) -> NDArray[np.float32]:
    """Orthonormal basis of a constant, a line and cosines slower than ``cutoff`` seconds, (n_samples, n_basis)."""
    time = np.arange(n_samples)
    order = int(2 * n_samples * tr / cutoff) if np.isfinite(cutoff) else 0
    cosines = [np.cos(np.pi * (time + 0.5) * k / n_samples) for k in range(1, order + 1)]
    basis = np.stack([np.ones(n_samples), time / n_samples, *cosines], axis=1)
    orthonormal: NDArray[np.float32] = np.linalg.qr(basis)[0].astype(np.float32)
    return orthonormal


def zscore(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centre and scale columns; a column without variance becomes zero."""
    mean = values.mean(axis=0, dtype=np.float64)
    deviation = values.std(axis=0, dtype=np.float64)
    flat = deviation <= 1e-6 * np.maximum(np.abs(mean), 1e-3)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=~flat)
    scaled: NDArray[np.float32] = ((values - mean.astype(np.float32)) * scale.astype(np.float32)).astype(np.float32)
    return scaled
