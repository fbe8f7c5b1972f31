"""Estimators with the interface of scikit-learn, for arrays and groups without runs or delays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.model_selection import KFold
from sklearn.utils.validation import check_is_fitted

from b2m_encoding._typing import Float32, Float64
from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import as_feature_spaces, as_responses, feature_names, is_vector
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
    if groups is not None and (cv is None or isinstance(cv, int | np.integer)):
        names, index = np.unique(np.asarray(groups), return_inverse=True)
        n_folds = len(names) if cv is None else int(cv)
        if len(names) < 2:
            raise InputError("cross-validation needs at least two groups", found=names.tolist())
        if not 2 <= n_folds <= len(names):
            raise InputError("impossible number of folds", found=n_folds, expected=f"2 to {len(names)} groups")
        return np.asarray((index % n_folds).astype(str))
    if cv is None or isinstance(cv, int | np.integer):
        cv = KFold(min(5, n_samples) if cv is None else int(cv))
    labels = np.full(n_samples, "", dtype=object)
    splits = list(cv.split(np.zeros((n_samples, 1)), groups=groups)) if hasattr(cv, "split") else list(cv)
    for fold, (train, test) in enumerate(splits):
        if (labels[test] != "").any() or len(train) + len(test) != n_samples:
            raise InputError(
                "the splitter must hold out every sample at most once, and train on all others",
                found=type(cv).__name__,
                expected="KFold, GroupKFold, LeaveOneGroupOut or alike",
            )
        labels[test] = str(fold)
    return labels.astype(str)


class RidgeCV(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Ridge regression with one penalty per target, chosen by cross-validation.

    Parameters
    ----------
    alphas : array
        Penalties to try, in the scale ``alpha * ||b||^2``.
    cv : None, int or splitter
        See :func:`held_out_labels`.
    alpha_per, scoring, standardize, form, device, precision, n_targets_batch
        See :class:`~b2m_encoding.models.model.EncodingModel`.

    Attributes
    ----------
    coef_ : array, shape (n_features, n_targets)
    intercept_, best_alphas_, cv_scores_ : array, shape (n_targets,)
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
        scoring: Scoring = "r2",
        standardize: bool = False,
        form: Form | str = "auto",
        device: str = "auto",
        precision: Precision = "float32",
        n_targets_batch: int = 4096,
    ) -> None:
        self.alphas = alphas
        self.cv = cv
        self.alpha_per = alpha_per
        self.scoring = scoring
        self.standardize = standardize
        self.form = form
        self.device = device
        self.precision = precision
        self.n_targets_batch = n_targets_batch

    def fit(self, X: Any, Y: ArrayLike, groups: ArrayLike | None = None) -> RidgeCV:
        """Fit to features and targets.

        Parameters
        ----------
        X : array (n_samples, n_features), or dict of str to such arrays
        Y : array, shape (n_samples, n_targets) or (n_samples,)
        groups : array, shape (n_samples,), optional
            Labels; samples of one group are never on both sides of a fold.
        """
        spaces = as_feature_spaces(X)
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
        self.model_ = EncodingModel(None, solver=self._solver, cv=folds, **self._options())
        self.model_.fit(spaces, responses[:, 0] if is_vector(Y) else responses, runs=runs)
        self.model_.layout_ = replace(self.model_.layout_, names=feature_names(X))
        self.n_features_in_ = self.model_.n_features_in_
        self.intercept_, self.best_alphas_ = self.model_.intercept_, self.model_.best_alphas_
        self.cv_scores_, self.deltas_ = self.model_.cv_scores_, self.model_.deltas_
        return self

    def _options(self) -> dict[str, Any]:
        return {name: value for name, value in self.get_params(deep=False).items() if name != "cv"}

    @property
    def coef_(self) -> NDArray[Any]:
        """Weights in the units of the features, shape (n_features, n_targets)."""
        check_is_fitted(self, "model_")
        return np.concatenate([part[0] for part in self.model_.coef_.values()])

    def predict(self, X: Any) -> Float32:
        """Predict the targets, shape (n_samples, n_targets); NaN for targets not tested."""
        check_is_fitted(self, "model_")
        return self.model_.predict(X)

    def score(self, X: Any, y: ArrayLike) -> Float64 | float:
        """Pearson r of prediction and target, shape (n_targets,)."""
        check_is_fitted(self, "model_")
        return self.model_.score(X, y)


class BandedRidgeCV(RidgeCV):
    """Ridge regression with one penalty per feature space and target, chosen by cross-validation.

    Parameters
    ----------
    alphas, cv, alpha_per, scoring, standardize, form, device, precision, n_targets_batch
        As in :class:`RidgeCV`.
    n_scalings, scalings, refine, random_state, progress_bar
        See :class:`~b2m_encoding.models.model.EncodingModel`.

    Attributes
    ----------
    coef_ : array, shape (n_features, n_targets)
        Feature spaces one after the other.
    deltas_ : array, shape (n_bands, n_targets)
        Minus the log of the penalty of each feature space.

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
        scoring: Scoring = "r2",
        standardize: bool = False,
        form: Form | str = "auto",
        device: str = "auto",
        precision: Precision = "float32",
        n_targets_batch: int = 4096,
        random_state: int | np.random.Generator | None = None,
        progress_bar: bool = False,
    ) -> None:
        super().__init__(
            alphas,
            cv=cv,
            alpha_per=alpha_per,
            scoring=scoring,
            standardize=standardize,
            form=form,
            device=device,
            precision=precision,
            n_targets_batch=n_targets_batch,
        )
        self.n_scalings = n_scalings
        self.scalings = scalings
        self.refine = refine
        self.random_state = random_state
        self.progress_bar = progress_bar
