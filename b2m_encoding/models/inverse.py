"""The inverse map: which features most likely made the responses, by Bayes' rule from a fitted encoding model.

With weights B, noise covariance S and a Gaussian prior of the features (mean m, covariance P), the features given
responses y are Gaussian with covariance C = (P^-1 + B'S^-1 B)^-1 and mean m + C B'S^-1 (y - y0), where y0 are the
responses expected at m (Naselaris et al. 2009, doi 10.1016/j.neuron.2009.09.006; Nishimoto et al. 2011,
doi 10.1016/j.cub.2011.08.031).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from b2m_encoding.errors import InputError
from b2m_encoding.features.delays import delays_in_samples
from b2m_encoding.models.cross_validation import cross_val_predict
from b2m_encoding.models.inputs import UNNAMED, Floats, as_targets
from b2m_encoding.models.solver.covariance import Covariance
from b2m_encoding.models.status import TESTED
from b2m_encoding.runs import Runs

if TYPE_CHECKING:
    from b2m_encoding.models.model import EncodingModel

Array = NDArray[np.float64]
Residuals = Literal["cross-validated", "training"]


@dataclass(frozen=True, eq=False)
class InverseMap:
    """Posterior of the features of a sample, given the responses at all its delays; a linear map of the responses.

    Made by :func:`invert`, or :meth:`b2m_encoding.EncodingModel.invert`.

    Parameters
    ----------
    columns : dict of str to slice
        Features of each feature space.
    mean : array, shape (n_features,)
        Of the prior.
    root : array, shape (n_features, rank)
        Of the prior covariance, which is ``root @ root.T``.
    targets : array of int, shape (n_chosen,)
        Targets that are used, of ``n_targets``.
    n_targets : int
    shifts : tuple of int
        Delays, in samples.
    loadings : array, shape (n_shifts * n_chosen, n_features)
        What one feature changes in the responses at each delay, all targets at the first delay first.
    offset : array, shape (n_chosen,)
        Responses expected at the mean of the prior.
    noise : Covariance
        Of the responses at all delays, given the features.
    """

    columns: Mapping[str, slice]
    mean: Array
    root: Array
    targets: NDArray[np.intp]
    n_targets: int
    shifts: tuple[int, ...]
    loadings: Array
    offset: Array
    noise: Covariance
    _gains: dict[bytes, tuple[Array, Array]] = field(default_factory=dict, repr=False)

    def predict(self, Y: ArrayLike, runs: Runs | None = None) -> Floats | dict[str, Floats]:
        """Posterior mean of the features of every sample.

        Responses after the end of a run, or of samples that are not used, are unknown: what is left of the delays
        decides, and where nothing is left the prior mean.

        Parameters
        ----------
        Y : array, shape (n_samples, n_targets)
        runs : Runs, optional
            Needed if there are delays.

        Returns
        -------
        array, shape (n_samples, n_features), or dict of str to such arrays
            As the features were given to the model.
        """
        values = self._posterior_means(Y, runs)
        return values if list(self.columns) == [UNNAMED] else {n: values[:, own] for n, own in self.columns.items()}

    def covariance(self) -> Array:
        """Posterior covariance of the features of a sample all of whose responses are known."""
        return self._gain(np.ones(len(self.shifts), dtype=bool))[1]

    def _posterior_means(self, Y: ArrayLike, runs: Runs | None) -> Floats:
        Y = np.asarray(Y)
        Y = Y if Y.dtype == np.float32 else Y.astype(np.float64)
        if Y.ndim != 2 or Y.shape[1] != self.n_targets:
            raise InputError(
                "other responses than were fitted", found=Y.shape, expected=f"(n_samples, {self.n_targets})"
            )
        centred = Y[:, self.targets] - self.offset.astype(Y.dtype)
        rows, known = _stacked_rows(len(Y), self.shifts, runs)
        if not np.isfinite(centred[np.unique(rows[known])]).all():
            raise InputError("responses to decode hold NaN or infinity in targets that the inverse map uses")
        out = np.tile(self.mean, (len(Y), 1))
        for pattern in np.unique(known, axis=0):
            if not pattern.any():
                continue
            same = np.flatnonzero((known == pattern).all(axis=1))
            gain, _ = self._gain(pattern)
            stacked = np.concatenate([centred[rows[same, i]] for i in np.flatnonzero(pattern)], axis=1)
            out[same] += stacked @ gain.T
        return out.astype(np.float32)

    def _gain(self, pattern: NDArray[np.bool_]) -> tuple[Array, Array]:
        """The linear map from the known responses to the features, and the posterior covariance."""
        key = pattern.tobytes()
        if key not in self._gains:
            kept = np.repeat(pattern, len(self.targets))
            loadings = self.loadings[kept] @ self.root
            weighted = self.noise.take(kept).solve(loadings)
            core = np.linalg.inv(np.eye(self.root.shape[1]) + loadings.T @ weighted)
            self._gains[key] = (self.root @ core @ weighted.T, self.root @ core @ self.root.T)
        return self._gains[key]


def invert(
    model: EncodingModel,
    X: Floats | Mapping[str, Any],
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
    responses also hold what was heard before and after: the part that the features themselves foretell (their
    autocorrelation in training) counts as theirs, the rest is noise.

    Parameters
    ----------
    model : EncodingModel
    X, Y, runs
        What it was fitted to; never test samples.
    n_targets : int, optional
        Use the targets with the best cross-validated scores; all tested ones by default.
    residuals : {"cross-validated", "training"}
        What the noise is estimated from. Those of training are too small where there are many features.
    rank : int
        Directions of the noise that targets share; the rest belongs to each target alone.
    shrinkage : float, optional
        Of the correlations of the noise; estimated by default.

    Raises
    ------
    InputError
        If the samples are not those of the fit, or no target was tested.
    """
    check_is_fitted(model, "weights_")
    spaces = model.layout_.read(X, runs, type(model).__name__)
    runs = model.layout_.runs_of(spaces, runs)
    if len(runs) != len(model.runs_) or not np.array_equal(runs.used, model.runs_.used):
        raise InputError("noise and prior come from the samples of the fit", found=len(runs), expected=len(model.runs_))
    shifts = tuple(delays_in_samples(model.layout_.delays, runs.tr)) or (0,)
    targets = best_targets(model, n_targets)
    measured = as_targets(Y, len(runs))[:, targets]
    values = np.concatenate([np.asarray(part, dtype=np.float64) for part in spaces.values()], axis=1)
    mean = values[runs.used].mean(axis=0)
    units = _independent(runs)
    prior = Covariance.of(values[runs.used], units=None if units is None else units[runs.used])
    strength, axes = np.linalg.eigh(prior.dense())
    kept = strength > 1e-12 * strength[-1]
    root = axes[:, kept] * np.sqrt(strength[kept])

    weights = _weights_by_delay(model, targets)
    offset = np.asarray(model.intercept_[targets] + sum(part @ mean for part in weights))
    foretold = _foretold(values - mean, runs, shifts, axes[:, kept] / np.sqrt(strength[kept]), prior.shrinkage)
    loadings = [np.sum([w @ foretold[d - e] for w, e in zip(weights, shifts, strict=True)], axis=0) for d in shifts]
    predicted = np.asarray(model.predict(X, runs), dtype=np.float32).reshape(len(runs), -1)[:, targets]
    expected = predicted if residuals == "training" else cross_val_predict(model, X, Y, runs, targets)
    left = (measured - expected).astype(np.float32)
    rows, known = _stacked_rows(len(runs), shifts, runs)
    whole = known.all(axis=1) & runs.used
    noise = [
        left[rows[whole, i]] + _of_neighbours(predicted, rows[whole, i], values[whole] - mean, own, offset, shifts)
        for i, own in enumerate(loadings)
    ]
    covariance = Covariance.of(
        np.concatenate(noise, axis=1), rank=rank, shrinkage=shrinkage, units=None if units is None else units[whole]
    )
    columns = _columns({name: part.shape[1] for name, part in spaces.items()})
    return InverseMap(
        columns, mean, root, targets, len(model.status_), shifts, np.concatenate(loadings), offset, covariance
    )


def _independent(runs: Runs) -> NDArray[np.intp] | None:
    """Number of the presentation of each sample: windows of one overlap; None where there are no clips."""
    return np.cumsum(runs.begins) if (runs.clip[runs.used] != "").any() else None


def best_targets(model: EncodingModel, n_targets: int | None = None) -> NDArray[np.intp]:
    """Tested targets with the best cross-validated scores, in their order; never chosen by test samples."""
    tested = np.flatnonzero(model.status_ == TESTED)
    if not len(tested):
        raise InputError("no target of the encoding model was tested, so there is nothing to invert")
    if n_targets is not None and n_targets < 1:
        raise InputError("an inverse map needs targets", found=n_targets, expected=">= 1")
    best = tested[np.argsort(-model.cv_scores_[tested], kind="stable")[:n_targets]]
    return np.sort(best)


def _weights_by_delay(model: EncodingModel, targets: NDArray[np.intp]) -> list[Array]:
    """Weights of the features of all spaces side by side at each delay, shape (n_chosen, n_features) each."""
    full = [np.asarray(part, dtype=np.float64)[:, :, targets] for part in model.coef_.values()]
    return [np.concatenate([part[i] for part in full]).T for i in range(len(full[0]))]


def _of_neighbours(
    predicted: Floats, rows: NDArray[np.intp], centred: Array, loadings: Array, offset: Array, shifts: tuple[int, ...]
) -> Floats | float:
    """What the features of other samples add to the responses at a delay; nothing where there is one delay only."""
    if len(shifts) == 1:
        return 0.0
    own = centred.astype(np.float32) @ loadings.T.astype(np.float32)
    return np.asarray(predicted[rows] - offset.astype(np.float32) - own)


def _foretold(centred: Array, runs: Runs, shifts: Sequence[int], whiten: Array, shrinkage: float) -> dict[int, Array]:
    """Features so many samples later, regressed on those now: (n_features, n_features) per difference of delays."""
    found = {0: np.eye(centred.shape[1])}
    for lag in sorted({abs(a - b) for a in shifts for b in shifts} - {0}):
        later, count = np.zeros((centred.shape[1],) * 2), 0
        for rows in runs.slices.values():
            used, own = runs.used[rows], np.where(runs.used[rows, None], centred[rows], 0.0)
            later += own[lag:].T @ own[:-lag]
            count += int((used[lag:] & used[:-lag]).sum())
        for step, cross in ((lag, later), (-lag, later.T)):
            found[step] = (1 - shrinkage) / max(count, 1) * cross @ whiten @ whiten.T
    return found


def _stacked_rows(
    n_samples: int, shifts: Sequence[int], runs: Runs | None
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Row of the response at each delay after every sample, and whether it is known; (n_samples, n_shifts) each."""
    rows = np.arange(n_samples)[:, None] + np.array(shifts)
    if runs is None:
        if tuple(shifts) != (0,):
            raise InputError("delays need runs, so that no sample crosses into another run", fix="pass runs=Runs(...)")
        return rows, np.ones_like(rows, dtype=bool)
    if len(runs) != n_samples:
        raise InputError("responses and runs differ in their number of samples", found=n_samples, expected=len(runs))
    ends = np.concatenate([np.full(own.stop - own.start, own.stop) for own in runs.slices.values()])
    inside = rows < ends[:, None]
    rows = np.where(inside, rows, 0)
    return rows, inside & runs.used[rows]


def _columns(widths: Mapping[str, int]) -> dict[str, slice]:
    stops = np.cumsum(list(widths.values())).tolist()
    return {name: slice(stop - n, stop) for (name, n), stop in zip(widths.items(), stops, strict=True)}
