"""Inverse map: the most likely features given responses, by Bayes' rule from a fitted encoding model.

With weights B, noise covariance S and a Gaussian prior of the features (mean m, covariance P), the features given
responses y are Gaussian with covariance C = (P^-1 + B'S^-1 B)^-1 and mean m + C B'S^-1 (y - y0), where y0 are the
responses expected at m (Naselaris et al. 2009, doi 10.1016/j.neuron.2009.09.006; Nishimoto et al. 2011,
doi 10.1016/j.cub.2011.08.031).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.features.delays import TOLERANCE, delays_in_samples, rows_at
from b2m_encoding.models.covariance import Covariance
from b2m_encoding.models.cross_validation import cross_val_predict
from b2m_encoding.models.fitted import FittedModel
from b2m_encoding.models.inputs import UNNAMED, as_floats, as_responses
from b2m_encoding.models.status import TESTED
from b2m_encoding.runs import Runs

Residuals = Literal["cross-validated", "training"]


@dataclass(frozen=True, eq=False)
class InverseMap:
    """Posterior of the features of a sample, given the responses at all its delays; a linear map of the responses.

    The result of :func:`invert` and of :meth:`b2m_encoding.EncodingModel.invert`.

    Parameters
    ----------
    columns : dict of str to slice
        Features of each feature space.
    mean : array, shape (n_features,)
        Prior mean.
    root : array, shape (n_features, rank)
        Root of the prior covariance, which is ``root @ root.T``.
    targets : array of int, shape (n_chosen,)
        Targets that are used, out of ``n_targets``.
    n_targets : int
    shifts : tuple of int
        Delays, in samples.
    loadings : array, shape (n_shifts * n_chosen, n_features)
        Change of the responses at each delay per unit of a feature; all targets at the first delay first.
    offset : array, shape (n_chosen,)
        Responses expected at the mean of the prior.
    noise : Covariance
        Covariance of the responses at all delays, given the features.
    """

    columns: Mapping[str, slice]
    mean: Float64
    root: Float64
    targets: NDArray[np.intp]
    n_targets: int
    shifts: tuple[int, ...]
    loadings: Float64
    offset: Float64
    noise: Covariance
    _gains: dict[bytes, tuple[Float64, Float64]] = field(default_factory=dict, repr=False)

    def predict(self, Y: ArrayLike, runs: Runs | None = None) -> Floating | dict[str, Floating]:
        """Compute the posterior mean of the features of every sample.

        Responses after the end of a run, of samples that are not used, or of volumes that were taken out are unknown:
        the other delays decide, and where there are none the prior mean.

        Parameters
        ----------
        Y : array, shape (n_samples, n_targets)
        runs : Runs, optional
            Needed if there are delays.

        Returns
        -------
        array, shape (n_samples, n_features), or dict of str to such arrays
            In the form in which the features were given to the model.

        Raises
        ------
        InputError
            If the number of targets is not that of the fit, or a response that is used is not finite.
        """
        values = self._posterior_means(Y, runs)
        return values if list(self.columns) == [UNNAMED] else {n: values[:, part] for n, part in self.columns.items()}

    def covariance(self) -> Float64:
        """Posterior covariance of the features given the responses at all delays, shape (n_features, n_features)."""
        return self._gain(np.ones(len(self.shifts), dtype=bool))[1]

    def _posterior_means(self, Y: ArrayLike, runs: Runs | None) -> Floating:
        Y = as_floats(Y, "the responses")
        if Y.ndim != 2 or Y.shape[1] != self.n_targets:
            raise InputError(
                f"Y has shape {Y.shape}; the model was fitted to {self.n_targets} targets",
                expected=f"(n_samples, {self.n_targets})",
            )
        centred = Y[:, self.targets] - self.offset.astype(Y.dtype)
        rows, known = _rows_at_delays(len(Y), self.shifts, runs)
        if not np.isfinite(centred[np.unique(rows[known])]).all():
            raise InputError("responses have NaN or infinity in targets that the inverse map uses")
        means = np.tile(self.mean, (len(Y), 1))
        for pattern in np.unique(known, axis=0):
            if not pattern.any():
                continue
            same = np.flatnonzero((known == pattern).all(axis=1))
            gain, _ = self._gain(pattern)
            stacked = np.concatenate([centred[rows[same, i]] for i in np.flatnonzero(pattern)], axis=1)
            means[same] += stacked @ gain.T
        return means.astype(np.float32)

    def _gain(self, pattern: NDArray[np.bool_]) -> tuple[Float64, Float64]:
        """The linear map from the known responses to the features, and the posterior covariance."""
        key = pattern.tobytes()
        if key not in self._gains:
            known = np.repeat(pattern, len(self.targets))
            loadings = self.loadings[known] @ self.root
            weighted = self.noise.take(known).solve(loadings)
            core = np.linalg.inv(np.eye(self.root.shape[1]) + loadings.T @ weighted)
            self._gains[key] = (self.root @ core @ weighted.T, self.root @ core @ self.root.T)
        return self._gains[key]


def invert(
    model: FittedModel,
    X: Floating | Mapping[str, Any] | Sequence[Any],
    Y: ArrayLike,
    runs: Runs | None = None,
    *,
    n_targets: int | None = None,
    residuals: Residuals = "cross-validated",
    rank: int = 128,
    shrinkage: float | None = None,
) -> InverseMap:
    """Invert a fitted encoding model, with noise and prior from its training samples.

    With delays, the features of a sample are decoded from the responses at all delays after it, within its run. Those
    responses also depend on earlier and later features: the part of these that a regression on the features themselves
    predicts (their autocorrelation in training) counts as signal, the rest as noise.

    Parameters
    ----------
    model : EncodingModel
    X : array (n_samples, n_features), or dict of str to such arrays
    Y : array, shape (n_samples, n_targets)
    runs : Runs, optional
        Samples of the fit; never test samples.
    n_targets : int, optional
        Use the targets with the best cross-validated scores; all tested ones by default.
    residuals : {"cross-validated", "training"}
        Residuals that the noise is estimated from. Those of training are too small where there are many features.
    rank : int
        Directions of noise that targets share; all other noise is independent between targets.
    shrinkage : float, optional
        Shrinkage of the correlations of the noise; estimated by default.

    Raises
    ------
    InputError
        If the samples are not those of the fit, or no target was tested.
    """
    check_is_fitted(model, "weights_")
    spaces, runs = model.layout_.read(X, runs)
    if len(runs) != len(model.runs_) or not np.array_equal(runs.used, model.runs_.used):
        raise InputError("noise and prior need the samples of the fit", found=len(runs), expected=len(model.runs_))
    shifts = tuple(delays_in_samples(model.layout_.delays, runs.tr)) or (0,)
    targets = best_targets(model, n_targets)
    measured = as_responses(Y, len(runs))[:, targets]
    values = np.concatenate([np.asarray(part, dtype=np.float64) for part in spaces.values()], axis=1)
    mean = values[runs.used].mean(axis=0)
    units = _presentations(runs)
    prior = Covariance.from_samples(values[runs.used], units=None if units is None else units[runs.used])
    variances, axes = np.linalg.eigh(prior.dense())
    varies = variances > 1e-12 * variances[-1]
    root = axes[:, varies] * np.sqrt(variances[varies])

    weights = _weights_by_delay(model, targets)
    offset = np.asarray(np.atleast_1d(model.intercept_)[targets] + sum(part @ mean for part in weights))
    whiten = axes[:, varies] / np.sqrt(variances[varies])
    slopes = _lagged_regression(values - mean, runs, shifts, whiten, prior.shrinkage)
    loadings = [np.sum([w @ slopes[d - e] for w, e in zip(weights, shifts, strict=True)], axis=0) for d in shifts]
    predicted = np.asarray(model.predict(X, runs), dtype=np.float32).reshape(len(runs), -1)[:, targets]
    expected = predicted if residuals == "training" else cross_val_predict(model, X, Y, runs, targets=targets)
    residual = (measured - expected).astype(np.float32)
    rows, known = _rows_at_delays(len(runs), shifts, runs)
    complete = known.all(axis=1) & runs.used
    noise = [
        residual[rows[complete, i]]
        + _neighbour_contribution(predicted[rows[complete, i]], values[complete] - mean, loading, offset, shifts)
        for i, loading in enumerate(loadings)
    ]
    covariance = Covariance.from_samples(
        np.concatenate(noise, axis=1), rank=rank, shrinkage=shrinkage, units=None if units is None else units[complete]
    )
    columns = _columns({name: part.shape[1] for name, part in spaces.items()})
    return InverseMap(
        columns, mean, root, targets, len(model.status_), shifts, np.concatenate(loadings), offset, covariance
    )


def _presentations(runs: Runs) -> NDArray[np.intp] | None:
    """Number of the presentation of each sample, whose windows overlap; None where there are no clips."""
    return np.cumsum(runs.begins) if (runs.clip[runs.used] != "").any() else None


def best_targets(model: FittedModel, n_targets: int | None = None) -> NDArray[np.intp]:
    """Choose the tested targets with the best cross-validated scores in training.

    Parameters
    ----------
    model : EncodingModel
    n_targets : int, optional
        All tested targets by default.

    Returns
    -------
    array of int
        Sorted.

    Raises
    ------
    InputError
        If no target was tested.
    """
    tested = np.flatnonzero(model.status_ == TESTED)
    if not len(tested):
        raise InputError("no target of the encoding model was tested")
    if n_targets is not None and n_targets < 1:
        raise InputError("an inverse map needs targets", found=n_targets, expected=">= 1")
    best = tested[np.argsort(-model.cv_scores_[tested], kind="stable")[:n_targets]]
    return np.sort(best)


def _weights_by_delay(model: FittedModel, targets: NDArray[np.intp]) -> list[Float64]:
    """Weights of the features of all spaces side by side at each delay, shape (n_chosen, n_features) each."""
    full = [
        np.asarray(part, dtype=np.float64).reshape(*part.shape[:2], -1)[:, :, targets] for part in model.coef_.values()
    ]
    return [np.concatenate([part[i] for part in full]).T for i in range(len(full[0]))]


def _neighbour_contribution(
    predicted: Floating, centred: Float64, loadings: Float64, offset: Float64, shifts: tuple[int, ...]
) -> Floating | float:
    """Contribution of the features of other samples to the responses at a delay; 0 where there is one delay only."""
    if len(shifts) == 1:
        return 0.0
    own_contribution = centred.astype(np.float32) @ loadings.T.astype(np.float32)
    return np.asarray(predicted - offset.astype(np.float32) - own_contribution)


def _lagged_regression(
    centred: Float64, runs: Runs, shifts: Sequence[int], whiten: Float64, shrinkage: float
) -> dict[int, Float64]:
    """Regress features a lag later on those now; slopes (n_features, n_features) per lag, a difference of delays."""
    slopes = {0: np.eye(centred.shape[1])}
    for lag in sorted({abs(a - b) for a in shifts for b in shifts} - {0}):
        rows, known = _rows_at_delays(len(centred), (lag,), runs)
        both = known[:, 0] & runs.used
        later = centred[rows[both, 0]].T @ centred[both]
        for step, cross in ((lag, later), (-lag, later.T)):
            slopes[step] = (1 - shrinkage) / max(int(both.sum()), 1) * cross @ whiten @ whiten.T
    return slopes


def _rows_at_delays(
    n_samples: int, shifts: Sequence[int], runs: Runs | None
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Row of the response at each delay after every sample, and whether it is known; both (n_samples, n_shifts)."""
    rows = np.tile(np.arange(n_samples)[:, None], len(shifts))
    there = np.ones(rows.shape, dtype=bool)
    if runs is None:
        if tuple(shifts) != (0,):
            raise InputError("delays need runs, so that no sample crosses into another run", fix="pass runs=Runs(...)")
        return rows, there
    if len(runs) != n_samples:
        raise InputError("responses and runs differ in their number of samples", found=n_samples, expected=len(runs))
    if any(shifts):
        runs.check_clock()
        for run in runs.slices.values():
            time = runs.time[run]
            wanted = time[:, None] + np.array(shifts) * runs.tr
            found, there[run] = rows_at(time, wanted, 2 * TOLERANCE * runs.tr)  # both may be off the grid
            rows[run] = run.start + found
    return rows, there & runs.used[rows]


def _columns(widths: Mapping[str, int]) -> dict[str, slice]:
    stops = np.cumsum(list(widths.values())).tolist()
    return {name: slice(stop - n, stop) for (name, n), stop in zip(widths.items(), stops, strict=True)}
