"""Cleaning of one run at a time: slow drift, confounds and scale. Nothing crosses runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import scipy
from numpy.typing import NDArray

from b2m_encoding.errors import InputError

Detrend = Literal["none", "linear", "cosine", "median", "savgol"]
Real = TypeVar("Real", bound=np.floating[Any])
SAVGOL_ORDER = 3
FLOAT32, FLOAT64 = 1e-6, 1e-13  # variation, as a share of the size of numbers, that is rounding
FLAT = 1e-3  # share of its variance that must be left of a confound after detrending
ALIKE = 1e-5  # columns of a design that differ by less count as one: their weights would be too large for float32


@dataclass(frozen=True)
class Cleaning:
    """Cleaning of the responses of one run: drift, then confounds, then scale.

    Everything is estimated from the *kept* samples alone (neither discarded nor censored) and applied to all.
    Drift is taken from confounds too, so that regressing them out brings none back (Lindquist et al. 2019, doi
    10.1002/hbm.24528).

    Parameters
    ----------
    detrend : {"none", "linear", "cosine", "median", "savgol"}
        ``cosine`` regresses out a discrete cosine basis below ``1 / cutoff`` Hz together with a line; ``median``
        subtracts a running median ``cutoff`` seconds wide (Brain2Music used 240 s, arXiv 2307.11078); ``savgol``
        subtracts a Savitzky-Golay filter of third order and that width.
    cutoff : float
        Seconds.
    zscore : bool
        Centre and scale each target to unit variance in the run. A constant target becomes zero.

    Notes
    -----
    A running filter needs a value at every sample: under samples that are not kept it is the line between their
    kept neighbours. That affects the estimate of the drift only; the samples themselves are never filled in.

    Examples
    --------
    >>> drift = np.linspace(0, 5, 100)[:, None]
    >>> bool(np.abs(Cleaning(zscore=False).transform(drift, tr=2.0)).max() < 1e-6)
    True
    >>> Cleaning("median", 240).steps(tr=1.5)
    ('subtract a running median of 240 s (161 samples)', 'z-score each target')
    """

    detrend: Detrend = "cosine"
    cutoff: float = 128.0
    zscore: bool = True

    def __post_init__(self) -> None:
        if self.detrend not in get_args(Detrend):
            raise InputError("unknown way to detrend", found=self.detrend, expected=" | ".join(get_args(Detrend)))
        if not (np.isfinite(self.cutoff) and self.cutoff > 0):
            raise InputError("the cutoff of a detrending must be positive", found=self.cutoff, expected="seconds > 0")

    @np.errstate(invalid="ignore")  # infinite values, which become NaN
    def transform(
        self,
        values: NDArray[np.floating],
        tr: float,
        *,
        kept: NDArray[np.bool_] | None = None,
        confounds: NDArray[np.floating] | None = None,
    ) -> NDArray[np.float32]:
        """Clean one run. NaN targets stay NaN and change no other target.

        Parameters
        ----------
        values : array, shape (n_samples, n_targets)
        tr : float
            Seconds between samples.
        kept : array of bool, shape (n_samples,), optional
            Samples to estimate from; all by default.
        confounds : array, shape (n_samples, n_confounds), optional
            Regressed out.

        Raises
        ------
        InputError
            If a confound is not finite, or there are as many confounds as kept samples.
        """
        values = np.asarray(values)
        kept = np.ones(len(values), dtype=bool) if kept is None else np.asarray(kept, dtype=bool)
        if not kept.any():
            return values.astype(np.float32)
        mean = values[kept].mean(axis=0, dtype=np.float64)
        rounding = np.abs(mean) * (FLOAT64 if values.dtype == np.float64 else FLOAT32)
        if values.dtype.itemsize > 4:  # far from 0, float32 would round what varies
            values = (values - mean).astype(np.float32)
        else:
            values = values.astype(np.float32, copy=False) - mean.astype(np.float32)
        least = np.maximum(rounding, FLOAT32 * np.abs(values[kept]).max(axis=0))
        design = self._drift_basis(len(values), tr)
        if self.detrend in ("median", "savgol"):
            values = values - self._running(values, tr, kept)
        if confounds is not None and confounds.shape[1]:
            design = np.concatenate([design, self._usable(confounds, tr, kept)], axis=1)
        values = regressed_out(values, design, kept)
        return zscore(values, kept, least) if self.zscore else values

    def steps(self, tr: float) -> tuple[str, ...]:
        """Steps of the cleaning as sentences, for the record of provenance."""
        width = f"{self.cutoff:g} s ({self._width(tr)} samples)"
        drift = {
            "none": (),
            "linear": ("regress out a line",),
            "cosine": (f"regress out a line and cosines slower than {self.cutoff:g} s",),
            "median": (f"subtract a running median of {width}",),
            "savgol": (f"subtract a Savitzky-Golay filter of order {SAVGOL_ORDER}, {width}",),
        }[self.detrend]
        return (*drift, *(("z-score each target",) if self.zscore else ()))

    def _width(self, tr: float) -> int:
        return max(round(self.cutoff / tr) | 1, 3)

    def _drift_basis(self, n_samples: int, tr: float) -> NDArray[np.float64]:
        if self.detrend in ("linear", "cosine"):
            return drift_basis(n_samples, tr, self.cutoff if self.detrend == "cosine" else np.inf)
        return np.zeros((n_samples, 0))

    def _running(self, values: NDArray[np.floating], tr: float, kept: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Running baseline, shape of ``values``."""
        filled = values if kept.all() else _bridged(values, kept)
        odd = len(values) - 1 + len(values) % 2
        if self.detrend == "savgol":
            width = max(min(self._width(tr), odd), SAVGOL_ORDER + 2)
            if width > len(values):
                raise InputError("a run is too short for a Savitzky-Golay filter", found=f"{len(values)} samples")
            baseline = scipy.signal.savgol_filter(filled, width, SAVGOL_ORDER, axis=0)
            return np.asarray(baseline, dtype=np.float32)
        return running_median(filled, min(self._width(tr), len(values) | 1))

    def _usable(self, confounds: NDArray[np.floating], tr: float, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Confounds scaled and rid of drift; one that is constant, or drift alone, is left out."""
        if len(confounds) != len(kept) or not np.isfinite(confounds).all():
            raise InputError(
                "confounds must be finite, one row per volume",
                found=f"shape {confounds.shape}, {int((~np.isfinite(confounds)).sum())} not finite",
                expected=f"{len(kept)} rows",
            )
        known = np.asarray(confounds, dtype=np.float64)
        least = 1e-9 * np.abs(known[kept]).max(axis=0)  # squares of rotations are small numbers that vary
        scaled = zscore(known, kept, least).astype(np.float64)
        if self.detrend in ("median", "savgol"):
            scaled = scaled - self._running(scaled.astype(np.float32), tr, kept)
        else:
            scaled = regressed_out(scaled, self._drift_basis(len(scaled), tr), kept)
        usable = scaled[:, scaled[kept].std(axis=0) > FLAT]
        if usable.shape[1] >= kept.sum() - 1:
            raise InputError(
                "there are as many confounds as samples",
                found=f"{usable.shape[1]} confounds, {int(kept.sum())} samples kept",
                fix="choose fewer confounds",
            )
        return usable


def drift_basis(n_samples: int, tr: float, cutoff: float) -> NDArray[np.float64]:
    """Orthonormal basis of a constant, a line and cosines slower than ``cutoff`` seconds, (n_samples, n_basis)."""
    time = np.arange(n_samples)
    order = int(2 * n_samples * tr / cutoff) if np.isfinite(cutoff) else 0
    cosines = [np.cos(np.pi * (time + 0.5) * k / n_samples) for k in range(1, min(order, n_samples - 2) + 1)]
    basis = np.stack([np.ones(n_samples), time / n_samples, *cosines], axis=1)
    orthonormal: NDArray[np.float64] = np.linalg.qr(basis)[0]
    return orthonormal


def regressed_out(values: NDArray[Real], design: NDArray[np.float64], kept: NDArray[np.bool_]) -> NDArray[Real]:
    """Residuals of ``values`` (n_samples, n_targets) on ``design`` (n_samples, n_columns), fitted to kept samples."""
    if design.shape[1] == 0:
        return values
    left, strength, right = np.linalg.svd(design[kept], full_matrices=False)
    strong = strength > ALIKE * strength[0]
    basis = (design @ (right[strong].T / strength[strong])).astype(values.dtype)  # orthonormal where kept
    inside = values if kept.all() else values[kept]
    return np.asarray(values - basis @ (left[:, strong].T.astype(values.dtype) @ inside), dtype=values.dtype)


def running_median(values: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Median of ``width`` neighbours of each sample in time, ends repeated; shape of ``values``.

    Column by column: scipy's filter of one dimension is eleven times as fast as its filter along an axis.
    """
    medians = np.empty(values.shape[::-1], dtype=np.float32)
    for column, median in zip(values.T, medians, strict=True):
        median[:] = scipy.ndimage.median_filter(np.ascontiguousarray(column), size=width, mode="nearest")
    return medians.T


def zscore(
    values: NDArray[np.floating], kept: NDArray[np.bool_] | None = None, least: NDArray[np.float64] | None = None
) -> NDArray[np.float32]:
    """Centre and scale columns by their kept samples; a column without variance becomes zero.

    Parameters
    ----------
    values : array, shape (n_samples, n_columns)
    kept : array of bool, shape (n_samples,), optional
    least : array, shape (n_columns,), optional
        Standard deviation up to which variation is rounding; by default that of numbers of usual size.
    """
    inside = values if kept is None or kept.all() else values[kept]
    mean = inside.mean(axis=0, dtype=np.float64)
    deviation = inside.std(axis=0, dtype=np.float64)
    flat = deviation <= (FLOAT32 * np.maximum(np.abs(mean), 1e-3) if least is None else least)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=~flat)
    centred = values - mean.astype(values.dtype)
    return np.asarray(centred * scale.astype(values.dtype), dtype=np.float32)


def _bridged(values: NDArray[np.floating], kept: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Values with a straight line across the samples that are not kept."""
    known, gaps = np.flatnonzero(kept), np.flatnonzero(~kept)
    after = np.clip(np.searchsorted(known, gaps), 0, len(known) - 1)
    before = np.clip(after - 1, 0, None)
    left, right = known[before], known[after]
    share = np.clip((gaps - left) / np.maximum(right - left, 1), 0, 1)[:, None]
    filled = np.array(values, dtype=np.float32)
    filled[gaps] = (1 - share) * values[left] + share * values[right]
    return filled
