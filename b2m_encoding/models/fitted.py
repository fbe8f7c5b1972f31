"""A fitted encoding model: its weights, predictions and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from b2m_encoding._typing import Float32, Float64, Floating, Integers
from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import as_responses
from b2m_encoding.models.layout import Layout
from b2m_encoding.models.masked import responses_of
from b2m_encoding.models.scores import pearson_r, product_measure, r2_score, r_split
from b2m_encoding.models.solver.devices import tensor
from b2m_encoding.models.solver.options import Scoring
from b2m_encoding.models.solver.problems import Form
from b2m_encoding.models.solver.result import Stack
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.models.solver.weights import FittedWeights
from b2m_encoding.runs import Runs

Features = Floating | Mapping[str, Any] | Sequence[Any]
"""Features of every sample: an array, or feature spaces by name or in a list."""


class NoImagesError(InputError, AttributeError):
    """A model of arrays has no images, and no attribute that is one: ``hasattr`` returns False."""


class FittedModel(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Weights, predictions and scores of an encoding model, from what its fit stored.

    :class:`~b2m_encoding.models.model.EncodingModel` adds the parameters and the fits; functions that compute from a
    fitted model need no more than this.
    """

    cv: Any
    scoring: Scoring
    n_targets_batch: int
    layout_: Layout
    runs_: Runs
    bands_: list[str]
    form_: Form
    status_: NDArray[np.str_]
    weights_: FittedWeights
    statistics_: SufficientStatistics | None
    best_alphas_: Float64
    deltas_: Float64 | None
    stack_: Stack | None
    cv_scores_: Float64
    masker_: Any
    _one_target: bool
    _target_units: Float64 | None = None

    def predict(self, X: Features, runs: Runs | ArrayLike | None = None) -> Floating:
        """Predict the responses of every sample, shape (n_samples, n_targets); NaN for targets not tested.

        Parameters
        ----------
        X : array (n_samples, n_features), or dict of str to such arrays, or list of such
        runs : Runs, or labels of the runs, optional
            Needed if there are delays.

        Returns
        -------
        array of the type of the features, shape (n_samples, n_targets), or (n_samples,) where Y was a vector
        """
        check_is_fitted(self, "weights_")
        spaces, known = self.layout_.read(X, runs)
        predicted = self.predict_design(self.layout_.design(spaces, known).values)
        predicted = predicted.astype(np.result_type(*spaces.values()), copy=False)
        return predicted[:, 0] if self._one_target else predicted

    def design(self, X: Features, runs: Runs | ArrayLike | None = None) -> Floating:
        """Delay the feature spaces and put them side by side, shape (n_samples, n_columns).

        Predictions are linear in these columns: the mean of the rows of some samples predicts their mean response.

        Parameters
        ----------
        X, runs
            As for :meth:`predict`.
        """
        check_is_fitted(self, "weights_")
        return self.layout_.design(*self.layout_.read(X, runs)).values

    def predict_design(self, design: Floating, targets: Integers | None = None) -> Floating:
        """Predict the responses to rows of a design, shape (n_rows, n_targets).

        Parameters
        ----------
        design : array, shape (n_rows, n_columns)
            From :meth:`design`, or means of its rows.
        targets : array of int, optional
            Only these.
        """
        weights = self.weights_ if targets is None else self.weights_.take(tensor(targets))
        predicted: Floating = weights.predict(tensor(design).to(weights.device)).cpu().numpy()
        return predicted

    def score(
        self, X: Features, y: ArrayLike, runs: Runs | ArrayLike | None = None, sample_weight: None = None
    ) -> float:
        """Mean of :meth:`score_targets` over the tested targets: one number, as scikit-learn expects.

        The responses are called ``y`` here because scikit-learn passes them by this name; its ``Pipeline`` also passes
        weights of samples where metadata are routed, which must be None.
        """
        if sample_weight is not None:
            raise InputError("samples are not weighted in scores", found="sample_weight", expected="None")
        scores = self.score_targets(X, y, runs)
        tested = scores[np.isfinite(scores)]
        return float(tested.mean()) if len(tested) else float("nan")

    def score_targets(
        self, X: Features, Y: ArrayLike, runs: Runs | ArrayLike | None = None, scoring: Scoring | None = None
    ) -> Float64:
        """Score the prediction of every target over the used samples, shape (n_targets,); NaN where not tested.

        Parameters
        ----------
        X : array (n_samples, n_features), or dict of str to such arrays, or list of such
        Y : array, shape (n_samples, n_targets) or (n_samples,)
        runs : Runs, or labels of the runs, optional
            Needed if there are delays.
        scoring : {"r2", "r"}, optional
            R2, or Pearson r; by default that of the model.

        Raises
        ------
        InputError
            If the responses have another number of targets than the fit.
        """
        Y, runs = responses_of(getattr(self, "masker_", None), Y, runs)
        predicted = self.predict(X, runs)
        measured = as_responses(Y, len(predicted))
        if measured.shape[1] != len(self.status_):
            raise InputError(
                "the responses have another number of targets than the fit",
                found=measured.shape[1],
                expected=len(self.status_),
            )
        used = runs.used if isinstance(runs, Runs) else slice(None)
        score = pearson_r if (scoring or self.scoring) == "r" else r2_score
        return score(predicted.reshape(len(predicted), -1)[used], measured[used])

    def predict_bands(self, X: Features, runs: Runs | None = None) -> dict[str, Float32]:
        """Predict from each feature space alone; these parts and the mean response add up to the prediction."""
        return self.predict_design_bands(self.design(X, runs))

    def predict_design_bands(
        self, design: Floating, coef: Mapping[str, NDArray[Any]] | None = None
    ) -> dict[str, Float32]:
        """Predict from the columns of each feature space alone; see :meth:`predict_bands`, :meth:`predict_design`.

        Parameters
        ----------
        design : array, shape (n_rows, n_columns)
        coef : dict of str to array, optional
            :attr:`coef_`, where it is known already: it is multiplied out whenever it is asked for.
        """
        coef = self.coef_ if coef is None else coef
        x = design - self.weights_.mean_x.cpu().numpy()
        if self.layout_.units:
            x /= self._column_units()
        parts = {}
        for name, columns in self.layout_.columns.items():
            weights = coef[name].reshape(columns.stop - columns.start, -1)
            parts[name] = (x[:, columns].astype(weights.dtype) @ weights).astype(np.float32, copy=False)
        return parts

    def score_bands(
        self,
        X: Features,
        Y: ArrayLike,
        runs: Runs | None = None,
        measure: Literal["r", "r2"] = "r",
    ) -> dict[str, Float64]:
        """Split the prediction accuracy among feature spaces: shares that add up to Pearson r, or to R2.

        See :func:`~b2m_encoding.models.scores.r_split` and :func:`~b2m_encoding.models.scores.product_measure`.

        Parameters
        ----------
        X : array (n_samples, n_features), or dict of str to such arrays
        Y : array, shape (n_samples, n_targets)
        runs : Runs, optional
            Needed if there are delays; only used samples count.
        measure : {"r", "r2"}
        """
        parts = self.predict_bands(X, runs)
        used = slice(None) if runs is None else runs.used
        measured = as_responses(Y, len(next(iter(parts.values()))))[used]
        split = r_split if measure == "r" else product_measure
        return dict(zip(parts, split([part[used] for part in parts.values()], measured), strict=True))

    def predict_image(self, X: Features, runs: Runs | ArrayLike | None = None) -> Any:
        """Predict the responses as one image (4D, or a ``SurfaceImage``), with all runs one after the other.

        Raises
        ------
        InputError
            If the model has no masker, or was fitted to an array by one that is not fitted.
        """
        return self._to_image(self.predict(X, runs))

    def score_image(
        self, X: Features, Y: Any, runs: Runs | ArrayLike | None = None, scoring: Scoring | None = None
    ) -> Any:
        """Scores of :meth:`score_targets` as an image; NaN where a target was not tested."""
        return self._to_image(self.score_targets(X, Y, runs, scoring))

    @property
    def score_image_(self) -> Any:
        """Cross-validated score of the chosen penalty as an image; biased by that choice."""
        check_is_fitted(self, "weights_")
        return self._to_image(self.cv_scores_)

    def __dir__(self) -> list[str]:
        """Names for completion, none of them evaluated: weights of all targets are large."""
        return list(object.__dir__(self))

    def _get_fitted_attr_html(self, doc_link: str = "") -> Any:
        """What a notebook shows of a fitted model: scikit-learn would evaluate every other attribute as well."""
        stored = SimpleNamespace(**{name: value for name, value in vars(self).items() if name.endswith("_")})
        return BaseEstimator._get_fitted_attr_html(stored, doc_link)

    def _to_image(self, values: Any) -> Any:
        if not hasattr(self, "masker_"):
            raise NoImagesError(
                "the model was not fitted to images",
                expected="a masker, such as NiftiMasker() or SurfaceMasker()",
                fix="EncodingModel(masker=SurfaceMasker()).fit(X, images, runs)",
            )
        return self.masker_.inverse_transform(np.asarray(values, dtype=np.float32))

    @property
    def coef_(self) -> dict[str, NDArray[Any]]:
        """Weights in the units of the features, per feature space, shape (n_delays, n_features, n_targets)."""
        check_is_fitted(self, "weights_")
        full = self.weights_.full().cpu().numpy()
        n = max(len(self.layout_.delays), 1)
        if self.layout_.units:
            full = full * self._column_units()
        targets = () if self._one_target else (len(full),)
        return {name: full[:, part].T.reshape(n, -1, *targets) for name, part in self.layout_.columns.items()}

    @property
    def intercept_(self) -> Float64 | float:
        """Prediction where every feature is 0, shape (n_targets,)."""
        check_is_fitted(self, "weights_")
        intercept = self.weights_.intercept().cpu().numpy()
        return float(intercept[0]) if self._one_target else np.asarray(intercept)

    def _column_units(self) -> Float64:
        """Unit of every column of the design."""
        n = max(len(self.layout_.delays), 1)
        return np.concatenate([np.tile(self.layout_.units[name], n) for name in self.bands_])
