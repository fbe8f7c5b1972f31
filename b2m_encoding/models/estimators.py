"""Estimators with the interface of scikit-learn, for arrays and groups without runs or delays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.model_selection import KFold
from sklearn.utils.validation import check_is_fitted

from b2m_encoding._typing import Float64, Floating
from b2m_encoding.errors import InputError
from b2m_encoding.folds import check_rows, check_split, is_splitter, list_of_folds, rows_of_part, splits
from b2m_encoding.models.fitted import Features
from b2m_encoding.models.inputs import as_feature_spaces, as_responses, feature_names, is_vector, set_feature_names
from b2m_encoding.models.model import EncodingModel
from b2m_encoding.models.penalties import DEFAULT_ALPHAS
from b2m_encoding.models.solver.devices import Precision
from b2m_encoding.models.solver.options import Scoring
from b2m_encoding.models.solver.problems import Form
from b2m_encoding.runs import Runs


def held_out_labels(cv: Any, n_samples: int, groups: ArrayLike | None) -> NDArray[Any]:
    """Label every sample with the fold that holds it out, "" where none does.

    Parameters
    ----------
    cv : None, int or splitter
        None leaves one group out, or makes five folds of neighbouring samples without groups; an int makes that many
        folds, of whole groups where there are groups.
    n_samples : int
    groups : array, shape (n_samples,), optional

    Raises
    ------
    InputError
        If the number of folds is impossible, or a sample is held out twice.

    Examples
    --------
    >>> held_out_labels(2, 4, None).tolist()
    ['0', '0', '1', '1']
    """
    if groups is not None:
        groups = _checked_groups(groups, n_samples)
    if groups is not None and (cv is None or isinstance(cv, int | np.integer)):
        names, index = np.unique(groups, return_inverse=True)
        n_folds = len(names) if cv is None else int(cv)
        if len(names) < 2:
            raise InputError("cross-validation needs at least two groups", found=names.tolist())
        if not 2 <= n_folds <= len(names):
            raise InputError("impossible number of folds", found=n_folds, expected=f"2 to {len(names)} groups")
        return np.asarray((index % n_folds).astype(str))
    if cv is None or isinstance(cv, int | np.integer):
        n_folds = min(5, n_samples) if cv is None else int(cv)
        if not 2 <= n_folds <= n_samples:
            raise InputError("impossible number of folds", found=cv, expected=f"2 to {n_samples} samples")
        cv = KFold(n_folds)
    labels = np.full(n_samples, "", dtype=object)
    given = splits(cv, n_samples, groups) if is_splitter(cv) else list_of_folds(cv)
    for fold, (train, test) in enumerate(map(rows_of_part, pair) for pair in given):
        check_rows(np.concatenate([train, test]), n_samples, cv)
        check_split(len(train) + len(test), n_samples, cv)
        if (labels[test] != "").any():
            raise InputError(
                "the splitter must hold out every sample at most once",
                found=type(cv).__name__,
                expected="KFold, GroupKFold, LeaveOneGroupOut or alike",
            )
        labels[test] = str(fold)
    return labels.astype(str)


def _checked_groups(groups: ArrayLike, n_samples: int) -> NDArray[Any]:
    """Labels of the groups of samples, each there, text where they are of several kinds."""
    labels = np.asarray(groups)
    if labels.shape != (n_samples,):
        raise InputError("groups need one label for every sample", found=labels.shape, expected=(n_samples,))
    if (missing := pd.isna(labels)).any():
        raise InputError("a sample has no group", found=f"{labels[missing][0]} at sample {int(missing.argmax())}")
    return labels.astype(str) if labels.dtype == object else labels


class _OfArrays(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Weights, predictions and scores of an estimator that holds an encoding model without delays."""

    model_: EncodingModel
    scoring: Scoring = "r2_pooled"

    def _store(self, model: EncodingModel, X: Any) -> None:
        set_feature_names(self, X)
        self.model_, self.bands_, self.n_features_in_ = model, model.bands_, model.n_features_in_
        model.layout_ = replace(model.layout_, names=feature_names(X))
        labels = model.layout_.bands
        if labels is not None:  # columns that were left out have been given, too
            self.n_features_in_ = len(labels) if not isinstance(labels, str) else len(self.feature_names_in_)

    @property
    def coef_(self) -> NDArray[Any]:
        """Weights in the units of the features, shape (n_features, n_targets), or (n_features,) where Y was a vector.

        Columns are those of X; of a dict or list of feature spaces, those of one space after the other.
        """
        check_is_fitted(self, "model_")
        parts = [part[0] for part in self.model_.coef_.values()]
        columns = self.model_.layout_.band_columns
        if columns is None:
            return np.concatenate(parts)
        weights = np.zeros((self.n_features_in_, *parts[0].shape[1:]), dtype=parts[0].dtype)
        for at, part in zip(columns.values(), parts, strict=True):
            weights[at] = part
        return weights

    @property
    def intercept_(self) -> Float64 | float:
        """Prediction where every feature is 0, shape (n_targets,), or a float where Y was a vector."""
        check_is_fitted(self, "model_")
        return self.model_.intercept_

    def predict(self, X: Features) -> Floating:
        """Predict the targets, shape (n_samples, n_targets) or (n_samples,); NaN for targets not tested."""
        check_is_fitted(self, "model_")
        return self.model_.predict(X)

    def predict_bands(self, X: Features) -> dict[str, NDArray[Any]]:
        """Predict from each feature space alone; these parts and the mean of the targets add up to the prediction."""
        check_is_fitted(self, "model_")
        return self.model_.predict_bands(X)

    def score(self, X: Features, y: ArrayLike, sample_weight: None = None) -> float:
        """Mean of :meth:`score_targets` over the tested targets; see :meth:`EncodingModel.score`.

        scikit-learn's functions of model selection split arrays: give them one with the label of each column in
        ``bands``. Of feature spaces in a dict they count the names as samples, and refuse them.
        """
        check_is_fitted(self, "model_")
        return self.model_.score(X, y, sample_weight=sample_weight)

    def score_targets(self, X: Features, Y: ArrayLike, scoring: Scoring | None = None) -> Float64:
        """Score the prediction of every target, shape (n_targets,); see :meth:`EncodingModel.score_targets`."""
        check_is_fitted(self, "model_")
        return self.model_.score_targets(X, Y, scoring=scoring)


class Ridge(_OfArrays):
    """Ridge regression with penalties that are known.

    Parameters
    ----------
    alpha : float or array, shape (n_targets,)
        Penalty, in the scale ``alpha * ||b||^2``.
    fit_intercept, standardize, device, precision, bands
        See :class:`~b2m_encoding.models.model.EncodingModel`.

    Attributes
    ----------
    coef_ : array, shape (n_features, n_targets), or (n_features,) where Y was a vector
    intercept_ : array, shape (n_targets,), or float
    model_ : EncodingModel

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 3))
    >>> Ridge(0.001).fit(X, X @ [1, 2, 3]).coef_.round(2).tolist()
    [1.0, 2.0, 3.0]
    """

    def __init__(
        self,
        alpha: float | ArrayLike = 1.0,
        *,
        fit_intercept: bool = True,
        standardize: bool = False,
        device: str = "auto",
        precision: Precision = "float32",
        bands: ArrayLike | None = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.device = device
        self.precision = precision
        self.bands = bands

    def fit(self, X: Features, Y: ArrayLike) -> Ridge:
        """Fit to features (n_samples, n_features) and targets (n_samples, n_targets) or (n_samples,).

        Raises
        ------
        InputError
            If a penalty is negative, or their number is not that of the targets.
        """
        options = {name: value for name, value in self.get_params(deep=False).items() if name != "alpha"}
        self._store(EncodingModel(None, solver="ridge", **options).fit_known(X, Y, self.alpha), X)
        return self


class RidgeCV(_OfArrays):
    """Ridge regression with one penalty per target, chosen by cross-validation.

    Parameters
    ----------
    alphas : array
        Penalties to try, in the scale ``alpha * ||b||^2``.
    cv : None, int or splitter
        See :func:`held_out_labels`.
    scoring : {"r2_pooled", "r2", "r"}
        "r2_pooled" chooses by the squared error of all held-out samples, as himalaya does by default; "r2" by the mean
        over folds of R2, as searches of scikit-learn do; see :class:`~b2m_encoding.models.model.EncodingModel`.
    alpha_per, fit_intercept, standardize, form, device, precision, n_targets_batch, bands
        See :class:`~b2m_encoding.models.model.EncodingModel`.

    Attributes
    ----------
    coef_ : array, shape (n_features, n_targets), or (n_features,) where Y was a vector
    intercept_ : array, shape (n_targets,), or float
    best_alphas_, cv_scores_ : array, shape (n_targets,)
    n_features_in_ : int
    feature_names_in_ : array of str, shape (n_features,)
        Where X was a DataFrame.
    model_ : EncodingModel

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((60, 3))
    >>> ridge = RidgeCV(alphas=[0.1, 1, 10]).fit(X, X @ rng.standard_normal((3, 5)), groups=np.arange(60) // 20)
    >>> ridge.coef_.shape, ridge.best_alphas_.tolist()
    ((3, 5), [0.1, 0.1, 0.1, 0.1, 0.1])
    """

    _solver: Literal["ridge", "banded"] = "ridge"

    def __init__(
        self,
        alphas: ArrayLike = DEFAULT_ALPHAS,
        *,
        cv: Any = None,
        alpha_per: str | ArrayLike = "target",
        scoring: Scoring = "r2_pooled",
        fit_intercept: bool = True,
        standardize: bool = False,
        form: Form | str = "auto",
        device: str = "auto",
        precision: Precision = "float32",
        n_targets_batch: int = 4096,
        bands: ArrayLike | None = None,
    ) -> None:
        self.alphas = alphas
        self.cv = cv
        self.alpha_per = alpha_per
        self.scoring = scoring
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.form = form
        self.device = device
        self.precision = precision
        self.n_targets_batch = n_targets_batch
        self.bands = bands

    def fit(self, X: Features, Y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit to features and targets.

        Parameters
        ----------
        X : array (n_samples, n_features), or dict of str to such arrays, or list of such
        Y : array, shape (n_samples, n_targets) or (n_samples,)
        groups : array, shape (n_samples,), optional
            Labels; samples of one group are never on both sides of a fold.
        """
        bands = None if isinstance(X, Mapping) else self.bands
        spaces = as_feature_spaces(X, None, bands)
        n_samples = len(next(iter(spaces.values())))
        if n_samples < 2:
            raise InputError("cross-validation needs more than 1 sample", found=f"n_samples = {n_samples}")
        responses = as_responses(Y, n_samples)
        labels = held_out_labels(self.cv, n_samples, groups)
        order = np.argsort(labels, kind="stable")
        in_order = bool((order == np.arange(n_samples)).all())
        if not in_order:
            spaces, responses = {name: values[order] for name, values in spaces.items()}, responses[order]
        folds = [(name,) for name in np.unique(labels) if name]
        runs = Runs.from_labels(labels[order], 1.0)
        model = EncodingModel(None, solver=self._solver, cv=folds, **self._options())
        model.fit(spaces, responses[:, 0] if is_vector(Y) else responses, runs=runs)
        model.layout_ = replace(model.layout_, bands=bands)
        self._store(model, X)
        self.best_alphas_, self.cv_scores_ = model.best_alphas_, model.cv_scores_
        self.deltas_ = model.deltas_[:, 0] if model.deltas_ is not None and is_vector(Y) else model.deltas_
        return self

    def _options(self) -> dict[str, Any]:
        return {name: value for name, value in self.get_params(deep=False).items() if name not in ("cv", "bands")}


class BandedRidgeCV(RidgeCV):
    """Ridge regression with one penalty per feature space and target, chosen by cross-validation.

    Parameters
    ----------
    alphas, cv, alpha_per, scoring, fit_intercept, standardize, form, device, precision, n_targets_batch, bands
        As in :class:`RidgeCV`. Feature spaces are a dict or a list of arrays, or the columns of one array with a label
        for each in ``bands``.
    n_scalings, scalings, refine, random_state, progress_bar
        See :class:`~b2m_encoding.models.model.EncodingModel`.

    Attributes
    ----------
    coef_ : array, shape (n_features, n_targets), or (n_features,) where Y was a vector
        Feature spaces one after the other; the columns of X where it was one array.
    deltas_ : array, shape (n_bands, n_targets), or (n_bands,)
        Minus the log of the penalty of each feature space.
    bands_ : list of str
        Feature spaces, in the order of ``deltas_``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = {"useful": rng.standard_normal((90, 3)), "noise": rng.standard_normal((90, 3))}
    >>> Y = X["useful"] @ rng.standard_normal((3, 4)) + rng.standard_normal((90, 4))
    >>> banded = BandedRidgeCV(n_scalings=8, random_state=0).fit(X, Y)
    >>> bool((banded.deltas_[0] > banded.deltas_[1]).all())
    True
    """

    _solver: Literal["ridge", "banded"] = "banded"

    def __init__(
        self,
        alphas: ArrayLike = DEFAULT_ALPHAS,
        *,
        cv: Any = None,
        n_scalings: int = 50,
        scalings: ArrayLike | None = None,
        refine: int = 0,
        alpha_per: str | ArrayLike = "target",
        scoring: Scoring = "r2_pooled",
        fit_intercept: bool = True,
        standardize: bool = False,
        form: Form | str = "auto",
        device: str = "auto",
        precision: Precision = "float32",
        n_targets_batch: int = 4096,
        bands: ArrayLike | None = None,
        random_state: int | np.random.Generator | None = None,
        progress_bar: bool = False,
    ) -> None:
        super().__init__(
            alphas,
            cv=cv,
            alpha_per=alpha_per,
            scoring=scoring,
            fit_intercept=fit_intercept,
            standardize=standardize,
            form=form,
            device=device,
            precision=precision,
            n_targets_batch=n_targets_batch,
            bands=bands,
        )
        self.n_scalings = n_scalings
        self.scalings = scalings
        self.refine = refine
        self.random_state = random_state
        self.progress_bar = progress_bar
