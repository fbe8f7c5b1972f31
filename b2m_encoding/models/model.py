"""EncodingModel: from named feature spaces and responses to weights, predictions and scores."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import Floats, as_feature_spaces, as_targets
from b2m_encoding.models.inverse import InverseMap, invert
from b2m_encoding.models.layout import Layout, default_runs
from b2m_encoding.models.penalties import DEFAULT_ALPHAS
from b2m_encoding.models.responses import RunResponses
from b2m_encoding.models.scores import pearson_r, product_measure, r_split
from b2m_encoding.models.solver import fitting
from b2m_encoding.models.solver.devices import Precision, number_type, resolve_device, tensor
from b2m_encoding.models.solver.moments import Center
from b2m_encoding.models.solver.problems import Form
from b2m_encoding.models.solver.search import Scoring
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.models.solver.streaming import fit_runs
from b2m_encoding.runs import Runs

logger = logging.getLogger(__name__)
DEFAULT_DELAYS = (3.0, 4.5, 6.0, 7.5)


class EncodingModel(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    r"""Predict the response of every target from feature spaces.

    Ridge regression on delayed features, with the penalty of each target (and feature space, if banded) chosen by
    cross-validation over blocks of runs. Samples are read once; every fold, penalty and scaling of feature spaces is
    then answered from sufficient statistics.

    Parameters
    ----------
    delays : sequence of float or None
        Delays of the features in seconds, multiples of the repetition time; None or () for none.
    solver : {"ridge", "banded"}
        One penalty per target, or one per target and feature space.
    alphas : array
        Penalties to try, in the scale ``alpha * ||b||^2``.
    cv : None, int, iterable of block sets, or splitter
        Folds of whole blocks; see :meth:`b2m_encoding.runs.Runs.folds`.
    alpha_per : {"target", "all"} or array of labels, shape (n_targets,)
        Which targets share a penalty.
    scoring : {"r2", "r"}
        What cross-validation maximises: R2 over all held-out samples, or the mean over folds of the correlation.
    center : {"all", "block"}
        Remove one mean of all training samples, or the mean of every block.
    standardize : bool
        Divide features by their standard deviation in the training part of each fold, and of all samples at the end.
    smoothness : float or None
        Width, in seconds, of a Gaussian prior covariance of the weights over delays; None for independent delays.
    n_scalings : int
        Scalings of the feature spaces to try, if banded.
    scalings : array, shape (n_scalings, n_bands), optional
        The scalings themselves.
    refine : int
        Gradient steps from the best scaling of each target, if banded.
    form : {"auto", "gram", "prediction", "dual"}
        How to compute; "auto" takes "gram" where there are at most as many features as held-out samples, "dual" where
        there are more features than samples, else "prediction". The results are the same.
    device : {"auto", "cpu", "cuda"}
    precision : {"float32", "float64", "fast"}
        Type of the large products. Gram matrices and eigenproblems are float64 always; "fast" allows TF32 and a
        looser tolerance in the search, not in the final fit.
    n_targets_batch : int
        Targets at a time.
    memory_limit : float
        Gigabytes that :meth:`fit_responses` may use for statistics, besides one run of responses and the weights.
        Where the statistics of all targets do not fit, they go to a temporary folder (``TMPDIR``), targets are
        solved slice by slice, and no statistics are kept.
    random_state : int, Generator or None
        Of the scalings.
    progress_bar : bool
        Show progress of a banded search on standard error.

    Attributes
    ----------
    status_ : array of str, shape (n_targets,)
        "tested", "constant" or "missing"; all results of the latter two are NaN.
    coef_ : dict of str to array (n_delays, n_features, n_targets)
        Weights in the units of the features.
    intercept_ : array, shape (n_targets,)
    best_alphas_ : array, shape (n_targets,)
    deltas_ : array, shape (n_bands, n_targets)
        Minus the log of the penalty of each feature space, if banded.
    cv_scores_ : array, shape (n_targets,)
        Cross-validated score of the choice. It chose the penalty: report scores of other data.
    cv_path_ : array, shape (n_alphas or n_scalings, n_targets)
    form_ : {"gram", "prediction", "dual"}
    bands_ : list of str
        Feature spaces, in order.
    statistics_ : SufficientStatistics or None
        None in the dual form, and where a streamed fit could not hold them.
    notes_ : list of str
        What a reader of the results should know: features dropped, form, penalties at the edge of the grid.

    References
    ----------
    Hoerl & Kennard 1970, doi 10.1080/00401706.1970.10488634; Nunez-Elizalde et al. 2019,
    doi 10.1016/j.neuroimage.2019.04.012; Dupre la Tour et al. 2022, doi 10.1016/j.neuroimage.2022.119728.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> runs = Runs.from_lengths([60, 60, 60], tr=1.5)
    >>> X = rng.standard_normal((180, 4))
    >>> Y = X @ rng.standard_normal((4, 3)) + rng.standard_normal((180, 3))
    >>> Y[:, 2] = 0
    >>> model = EncodingModel(delays=(0, 1.5)).fit({"acoustic": X}, Y, runs=runs)
    >>> model.coef_["acoustic"].shape, model.form_, model.status_.tolist()
    ((2, 4, 3), 'gram', ['tested', 'tested', 'constant'])
    >>> model.score({"acoustic": X}, Y, runs=runs).round(1)
    array([0.9, 0.9, nan])
    """

    statistics_: SufficientStatistics | None
    runs_: Runs

    def __init__(
        self,
        delays: Sequence[float] | None = DEFAULT_DELAYS,
        *,
        solver: Literal["ridge", "banded"] = "ridge",
        alphas: ArrayLike = DEFAULT_ALPHAS,
        cv: int | Iterable[Iterable[str]] | Any | None = None,
        alpha_per: str | ArrayLike = "target",
        scoring: Scoring = "r2",
        center: Center = "all",
        standardize: bool = True,
        smoothness: float | None = None,
        n_scalings: int = 50,
        scalings: ArrayLike | None = None,
        refine: int = 0,
        form: Form | Literal["auto"] = "auto",
        device: str = "auto",
        precision: Precision = "float32",
        n_targets_batch: int = 4096,
        memory_limit: float = 2.0,
        random_state: int | np.random.Generator | None = None,
        progress_bar: bool = False,
    ) -> None:
        self.delays = delays
        self.solver = solver
        self.alphas = alphas
        self.cv = cv
        self.alpha_per = alpha_per
        self.scoring = scoring
        self.center = center
        self.standardize = standardize
        self.smoothness = smoothness
        self.n_scalings = n_scalings
        self.scalings = scalings
        self.refine = refine
        self.form = form
        self.device = device
        self.precision = precision
        self.n_targets_batch = n_targets_batch
        self.memory_limit = memory_limit
        self.random_state = random_state
        self.progress_bar = progress_bar

    def fit(self, X: Floats | Mapping[str, Any], Y: ArrayLike, runs: Runs | None = None) -> EncodingModel:
        """Fit to responses in memory.

        Parameters
        ----------
        X : array (n_samples, n_features), or dict of str to such arrays
        Y : array, shape (n_samples, n_targets)
            Responses; a target with NaN in a used sample is not tested.
        runs : Runs, optional
            None makes five blocks of equal length, which suits only data without delays.
        """
        X_design, runs = self._begin(X, runs)
        targets = as_targets(Y, len(X_design))
        self._flat = np.asarray(Y).ndim == 1
        data = fitting.gather(X_design, targets, runs, self.layout_.widths, self._settings())
        return self._finish(data, runs)

    def fit_responses(self, feature_spaces: Mapping[str, Any], responses: RunResponses) -> EncodingModel:
        """Fit to responses that load run by run; memory does not grow with the number of samples.

        Parameters
        ----------
        feature_spaces : dict of str to array (n_samples, n_features), or to objects with ``values``
        responses : object
            With ``runs``, ``n_targets`` and ``load_run(name, targets)``.
        """
        X_design, runs = self._begin(feature_spaces, responses.runs)
        settings = self._settings()
        fitted, statistics = fit_runs(X_design, responses, self.layout_.widths, settings, self.memory_limit * 1e9)
        return self._keep(fitted, statistics, runs)

    def partial_fit(self, X: Floats | Mapping[str, Any], y: ArrayLike, runs: Runs | None = None) -> EncodingModel:
        """Add new runs to the statistics and fit again; the first call fits."""
        if not hasattr(self, "statistics_"):
            return self.fit(X, y, runs)
        if self.statistics_ is None:
            raise InputError(
                "this fit kept no statistics to add to", fix='fit with form="gram", or with a larger memory_limit'
            )
        layout = self.layout_
        spaces = layout.read(X, runs, type(self).__name__)
        runs = layout.runs_of(spaces, runs, name=f"part-{len(self.runs_.names) + 1}")
        known = sorted(set(runs.blocks) & set(self.statistics_.blocks))
        if known:
            raise InputError("these blocks were fitted already", found=known, fix="give new runs new names")
        targets, settings = as_targets(y, len(runs)), self._settings("gram")
        new = fitting.gather(layout.design(spaces, runs), targets, runs, layout.widths, settings)
        assert new.statistics is not None
        self.runs_ = Runs.concatenate([self.runs_, runs])
        return self._finish(fitting.Data(self.statistics_.merge(new.statistics), None, None), self.runs_)

    def predict(self, X: Floats | Mapping[str, Any], runs: Runs | None = None) -> NDArray[np.float32]:
        """Predicted responses of every sample, float32; NaN for targets not tested."""
        x = self._new_design(X, runs)
        predicted = self.weights_.predict(x.to(self.weights_.reduced.device))
        out = predicted.float().cpu().numpy()
        return out[:, 0] if self._flat else out

    def score(
        self, X: Floats | Mapping[str, Any], y: ArrayLike, runs: Runs | None = None
    ) -> NDArray[np.float64] | float:
        """Pearson r of prediction and response over the used samples, per target; NaN where not tested."""
        predicted = self.predict(X, runs)
        measured = as_targets(y, len(predicted))
        used = slice(None) if runs is None else runs.used
        r = pearson_r(predicted.reshape(len(predicted), -1)[used], measured[used])
        return float(r[0]) if self._flat else r

    def predict_bands(self, X: Floats | Mapping[str, Any], runs: Runs | None = None) -> dict[str, NDArray[np.float32]]:
        """The part of each feature space in the prediction; the parts and the mean response add up to it."""
        x = self._new_design(X, runs)
        full, mean = self.weights_.full().cpu(), self.weights_.mean_x.cpu()
        x = (x.double() - mean).to(full)
        columns = self.layout_.columns
        return {name: (x[:, own] @ full[:, own].T).float().numpy() for name, own in columns.items()}

    def score_bands(
        self, X: Floats | Mapping[str, Any], y: ArrayLike, runs: Runs | None = None, measure: Literal["r", "r2"] = "r"
    ) -> dict[str, NDArray[np.float64]]:
        """Prediction accuracy split among feature spaces: shares that add up to Pearson r, or to R2.

        See :func:`~b2m_encoding.models.scores.r_split` and :func:`~b2m_encoding.models.scores.product_measure`.
        """
        parts = self.predict_bands(X, runs)
        used = slice(None) if runs is None else runs.used
        measured = as_targets(y, len(next(iter(parts.values()))))[used]
        split = r_split if measure == "r" else product_measure
        return dict(zip(parts, split([part[used] for part in parts.values()], measured), strict=True))

    def invert(
        self, X: Floats | Mapping[str, Any], Y: ArrayLike, runs: Runs | None = None, **options: Any
    ) -> InverseMap:
        """The map from responses back to features; see :func:`b2m_encoding.models.inverse.invert`.

        Parameters
        ----------
        X, Y, runs
            What the model was fitted to: noise and prior of the features are estimated from it.
        **options
            ``n_targets``, ``residuals``, ``rank``, ``shrinkage``.
        """
        return invert(self, X, Y, runs, **options)

    @property
    def coef_(self) -> dict[str, NDArray[Any]]:
        """Weights in the units of the features, per feature space, shape (n_delays, n_features, n_targets)."""
        check_is_fitted(self, "weights_")
        full = self.weights_.full().cpu().numpy()
        n = max(len(self.layout_.delays), 1)
        return {name: full[:, own].T.reshape(n, -1, len(full)) for name, own in self.layout_.columns.items()}

    @property
    def intercept_(self) -> NDArray[np.float64]:
        """Prediction where every feature is 0."""
        check_is_fitted(self, "weights_")
        return np.asarray(self.weights_.intercept().cpu().numpy())

    def _begin(self, X: Any, runs: Runs | None) -> tuple[Floats, Runs]:
        """Check the features, make the runs if there are none, and delay."""
        spaces = as_feature_spaces(X, runs)
        if runs is None:
            runs = default_runs(len(next(iter(spaces.values()))), self.delays)
        if len(runs) < 2:
            raise InputError("cross-validation needs more than 1 sample", found=f"n_samples = {len(runs)}")
        self._adopt(Layout.learn(spaces, runs, self.delays))
        self._note(self.layout_.notes())
        return self.layout_.design(spaces, runs), runs

    def _adopt(self, layout: Layout) -> None:
        """Take a layout of the features; nothing is fitted yet."""
        self.layout_, self.bands_, self.n_features_in_ = layout, list(layout.features), sum(layout.features.values())
        self.notes_: list[str] = []
        self._flat = False

    def _new_design(self, X: Any, runs: Runs | None) -> Tensor:
        check_is_fitted(self, "weights_")
        spaces = self.layout_.read(X, runs, type(self).__name__)
        return tensor(self.layout_.design(spaces, self.layout_.runs_of(spaces, runs)))

    def _settings(self, form: Form | None = None) -> fitting.Settings:
        device, dtype = resolve_device(self.device), number_type(self.precision)
        names = ("solver", "alpha_per", "scoring", "center", "standardize", "smoothness", "delays")
        more = ("n_scalings", "scalings", "refine", "precision", "n_targets_batch", "random_state", "progress_bar")
        values = {name: getattr(self, name) for name in (*names, *more)}
        alphas = np.atleast_1d(np.asarray(self.alphas, dtype=float))
        return fitting.Settings(alphas=alphas, form=form or self.form, cv=self.cv, device=device, dtype=dtype, **values)

    def _finish(self, data: fitting.Data, runs: Runs) -> EncodingModel:
        """Search and solve."""
        return self._keep(fitting.fit(data, runs, self.layout_.widths, self._settings()), data.statistics, runs)

    def _keep(self, fitted: fitting.Fitted, statistics: SufficientStatistics | None, runs: Runs) -> EncodingModel:
        self.runs_, self.statistics_, self.weights_ = runs, statistics, fitted.weights
        self.status_, self.best_alphas_, self.deltas_ = fitted.status, fitted.alphas, fitted.deltas
        self.cv_scores_, self.cv_path_, self.form_ = fitted.scores, fitted.path, fitted.form
        self._note(fitted.notes)
        return self

    def _note(self, notes: list[str]) -> None:
        self.notes_ += notes
        for note in notes:
            logger.info(note)
