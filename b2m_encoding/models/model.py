"""EncodingModel: from named feature spaces and responses to weights, predictions and scores."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from b2m_encoding._typing import Floating
from b2m_encoding.errors import InputError
from b2m_encoding.models.delay_prior import DelayPrior
from b2m_encoding.models.fitted import Features, FittedModel
from b2m_encoding.models.inputs import as_responses, check_one_target, is_lazy, is_vector, set_feature_names
from b2m_encoding.models.inverse import InverseMap, invert
from b2m_encoding.models.layout import Design, Layout, target_units
from b2m_encoding.models.masked import fitted_masker, responses_of
from b2m_encoding.models.penalties import DEFAULT_ALPHAS
from b2m_encoding.models.responses import ArrayResponses, RunResponses
from b2m_encoding.models.solver.devices import Precision
from b2m_encoding.models.solver.fit_inputs import FitInputs, gather_inputs
from b2m_encoding.models.solver.fitting import fit, fit_known
from b2m_encoding.models.solver.moments import Center
from b2m_encoding.models.solver.options import Scoring
from b2m_encoding.models.solver.problems import Form
from b2m_encoding.models.solver.result import FitResult
from b2m_encoding.models.solver.settings import Settings, Solver, numbers
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.models.solver.streaming import fit_runs
from b2m_encoding.runs import Runs

logger = logging.getLogger(__name__)
DEFAULT_DELAYS = (3.0, 4.5, 6.0, 7.5)


class EncodingModel(FittedModel):
    r"""Predict the response of every target from feature spaces.

    Ridge regression on delayed features, with the penalty of each target (and feature space, if banded) chosen by
    cross-validation over blocks of runs. Samples are read once; every fold, penalty and scaling of feature spaces is
    then answered from sufficient statistics.

    Parameters
    ----------
    delays : sequence of float or None
        Delays of the features in seconds, multiples of the repetition time; None or () for none.
    solver : {"stacked", "ridge", "banded"}
        "stacked": a weighted mean of the ridge models of each feature space, of all but one, and of all, in which every
        feature space has the same prior variance; the weights of each target follow from cross-validation (see
        :mod:`b2m_encoding.models.solver.stacking`). "ridge": one penalty per target for all feature spaces; "banded":
        one per target and feature space. All are the same for one feature space.
    alphas : array
        Penalties to try, in the scale ``alpha * ||b||^2``.
    cv : None, int, iterable of block sets, or splitter
        Folds of whole blocks; see :meth:`b2m_encoding.runs.Runs.folds`.
    alpha_per : {"target", "all"} or array of labels, shape (n_targets,)
        Targets that share a penalty: none, all, or those with the same label.
    scoring : {"r2_pooled", "r2", "r"}
        Score that cross-validation maximises: R2 over all held-out samples, in which every sample counts the same; the
        mean over folds of the R2 of each, as scikit-learn and himalaya compute it; or the mean over folds of the
        correlation. The weights of a stacked model follow from the squared error of all held-out samples. :meth:`score`
        is R2, or r with "r".
    center : {"all", "block"}
        Remove one mean of all training samples, or the mean of every block.
    fit_intercept : bool
        Remove the means of features and responses; without it, divide by root mean squares where ``standardize``.
    standardize : bool
        Divide features by their standard deviation in all samples of the fit, which its folds share.
    delay_prior : {"hrf", "flat"}
        Prior standard deviation of the weights at each delay: the height of the canonical haemodynamic response, at
        least a fifth of its peak; or the same at all delays.
    smoothness : float or None
        Width, in seconds, of a Gaussian prior covariance of the weights over delays; None for 1.5 s with the prior
        "hrf", and for independent delays with "flat".
    n_scalings : int
        Scalings of the feature spaces to try, if banded.
    scalings : array, shape (n_scalings, n_bands), optional
        Scalings to try instead; every row has one number >= 0 per feature space.
    refine : int
        Gradient steps from the best scaling of each target, if banded.
    form : {"auto", "gram", "prediction", "dual"}
        Order of the computation; the results are the same. "auto" is "gram" (from sufficient statistics alone) where
        there are at most as many features as held-out samples, "dual" (from the kernel of the samples) where there
        are more features than samples, else "prediction" (from the samples, by products of features).
    device : {"auto", "cpu", "cuda"}
    precision : {"float32", "float64", "fast"}
        Type of the large products. Gram matrices and eigenproblems are float64 always; "fast" allows TF32 and a
        looser tolerance in the search, not in the final fit.
    n_targets_batch : int
        Number of targets at a time.
    memory_limit : float
        Gigabytes that :meth:`fit_responses` may use for statistics, besides one run of responses and the weights.
        Where the statistics of all targets do not fit, they go to a temporary folder (``TMPDIR``), targets are
        solved slice by slice, and no statistics are kept.
    random_state : int, Generator or None
        Seed of the scalings.
    progress_bar : bool
        Show progress of a banded search on standard error.
    screening : bool
        Leave out exact scores of penalties that cannot be the best of a target, where that is cheaper; see
        :mod:`b2m_encoding.models.solver.screening`. ``notes_`` say how often the choice is that of all scores.
    factors : path, optional
        Folder that keeps what a fit needs of the features alone, for later fits with the same features, also of other
        processes. The forms that keep samples use it.
    bands : array of labels, shape (n_features,), or "prefix", optional
        Feature space of every column where X is one array; columns with a negative number are left out. "prefix": what
        stands before ``__`` in the names of the columns, as a ``ColumnTransformer`` writes them.
    masker : masker of nilearn, optional
        ``NiftiMasker``, ``SurfaceMasker`` or alike: responses may then be an image, or a list with an image per run.
        ``runs`` follow from such a list if the masker has a ``t_r``. See :meth:`predict_image`, :meth:`score_image` and
        ``score_image_``.

    Attributes
    ----------
    status_ : array of str, shape (n_targets,)
        "tested", "constant" or "missing"; all results of the latter two are NaN.
    coef_ : dict of str to array (n_delays, n_features, n_targets)
        Weights in the units of the features; of a stacked model, the weighted sum of those of its members. Without the
        last axis where Y was a vector.
    intercept_ : array, shape (n_targets,), or float where Y was a vector
    best_alphas_ : array, shape (n_targets,)
        Of a stacked model, the penalty of the member that has all feature spaces.
    stack_ : Stack or None
        Members of a stacked model, with the weight and the penalty of each for every target.
    deltas_ : array, shape (n_bands, n_targets)
        Minus the log of the penalty of each feature space, if banded.
    cv_scores_ : array, shape (n_targets,)
        Cross-validated score of the chosen penalty. It is biased by that choice: report scores of other data.
    cv_path_ : array, shape (n_alphas, n_scalings or n_members, n_targets)
        Cross-validated score of every penalty, or the best one of every scaling or member; NaN for penalties that
        ``screening`` left out.
    form_ : {"gram", "prediction", "dual"}
    bands_ : list of str
        Feature spaces, in order.
    n_features_in_ : int
    feature_names_in_ : array of str, shape (n_features,)
        Where X was a DataFrame.
    statistics_ : SufficientStatistics or None
        In the Gram form, unless a streamed fit could not hold them.
    notes_ : list of str
        Remarks for readers of the results: features dropped, form, penalties at the edge of the grid.

    References
    ----------
    Hoerl & Kennard 1970, doi 10.1080/00401706.1970.10488634; Nunez-Elizalde et al. 2019,
    doi 10.1016/j.neuroimage.2019.04.012; Dupre la Tour et al. 2022, doi 10.1016/j.neuroimage.2022.119728;
    Breiman 1996, doi 10.1007/BF00117832; Lin et al. 2024, doi 10.1016/j.neuroimage.2024.120772.

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
    >>> model.score_targets({"acoustic": X}, Y, runs=runs, scoring="r").round(1)
    array([0.9, 0.9, nan])
    """

    def __init__(
        self,
        delays: Sequence[float] | None = DEFAULT_DELAYS,
        *,
        solver: Solver = "stacked",
        alphas: ArrayLike = DEFAULT_ALPHAS,
        cv: int | Iterable[Iterable[str]] | Any | None = None,
        alpha_per: str | ArrayLike = "target",
        scoring: Scoring = "r2_pooled",
        center: Center = "all",
        fit_intercept: bool = True,
        standardize: bool = True,
        delay_prior: DelayPrior = "hrf",
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
        screening: bool = True,
        factors: str | Path | None = None,
        bands: ArrayLike | None = None,
        masker: Any = None,
    ) -> None:
        self.delays = delays
        self.solver = solver
        self.alphas = alphas
        self.cv = cv
        self.alpha_per = alpha_per
        self.scoring = scoring
        self.center = center
        self.fit_intercept = fit_intercept
        self.standardize = standardize
        self.delay_prior = delay_prior
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
        self.screening = screening
        self.factors = factors
        self.bands = bands
        self.masker = masker

    def fit(self, X: Features, Y: ArrayLike, runs: Runs | ArrayLike | None = None) -> EncodingModel:
        """Fit to responses in memory.

        Parameters
        ----------
        X : array (n_samples, n_features), or dict of str to such arrays, or list of such
            Arrays, tensors or data frames.
        Y : array, shape (n_samples, n_targets) or (n_samples,)
            Responses; a target with NaN in a used sample is not tested. Arrays of zarr, dask or HDF5 are read run by
            run, as :meth:`fit_responses` does. Images, where there is a ``masker``.
        runs : Runs, or labels of the runs, shape (n_samples,), optional
            Labels suit data without delays; so does None, which makes five blocks of equal length.
        """
        if (masker := fitted_masker(self.masker, Y)) is not None:
            self.masker_ = masker
        Y, runs = responses_of(masker, Y, runs)
        design = self._learn(X, runs)
        if is_lazy(Y):
            return self._fit_runs(design, ArrayResponses(Y, design.runs))
        inputs = gather_inputs(design, self._measured(Y, design.runs), Settings.of(self))
        return self._fit_inputs(inputs, design.layout, design.runs, one_target=is_vector(Y))

    def fit_known(
        self, X: Features, Y: ArrayLike, alphas: float | ArrayLike, runs: Runs | ArrayLike | None = None
    ) -> EncodingModel:
        """Fit ridge regression with penalties that are known, without cross-validation.

        Parameters
        ----------
        X, Y, runs
            As for :meth:`fit`.
        alphas : float or array, shape (n_targets,)

        Raises
        ------
        InputError
            If a penalty is negative, or their number is not that of the targets.
        """
        design = self._learn(X, runs)
        responses, known = self._measured(Y, design.runs), numbers(alphas, "alpha")
        n_samples, n_targets = responses.shape
        if known.shape not in ((), (n_targets,)) or not (np.isfinite(known).all() and (known >= 0).all()):
            raise InputError("alpha must be one number >= 0, or one per target", found=alphas)
        form = "gram" if design.n_columns <= n_samples else "dual"
        settings = Settings.of(self, solver="ridge", alphas=known, form=form)
        inputs = gather_inputs(design, responses, settings)
        each = np.broadcast_to(known, n_targets)
        result = fit_known(inputs, design.layout.widths, settings, each, design.layout.penalty_unit)
        return self._store_in_units(result, design.layout, design.runs, inputs.statistics, one_target=is_vector(Y))

    def _measured(self, Y: Any, runs: Runs) -> Floating:
        """Responses as floats, in units of usual size."""
        responses = as_responses(Y, len(runs))
        if is_vector(Y):
            check_one_target(responses[runs.used])
        self._target_units = target_units(responses, runs.used)
        return self._in_units(responses)

    def _learn(self, X: Any, runs: Any) -> Design:
        set_feature_names(self, X)
        return Design.learn(
            X, runs, self.delays, standardize=self.standardize, intercept=self.fit_intercept, bands=self.bands
        )

    def _fit_runs(self, design: Design, responses: RunResponses) -> EncodingModel:
        self._target_units = None
        result, statistics = fit_runs(design, responses, Settings.of(self), self.memory_limit * 1e9)
        return self.store_fit(result, design.layout, design.runs, statistics)

    def fit_responses(self, feature_spaces: Mapping[str, Any], responses: RunResponses) -> EncodingModel:
        """Fit to responses that load run by run; memory does not grow with the number of samples.

        Parameters
        ----------
        feature_spaces : dict of str to array (n_samples, n_features), or to objects with ``values``
        responses : object
            With ``runs``, ``n_targets`` and ``load_run(name, targets)``.
        """
        return self._fit_runs(self._learn(feature_spaces, responses.runs), responses)

    def partial_fit(self, X: Features, Y: ArrayLike, runs: Runs | ArrayLike | None = None) -> EncodingModel:
        """Add new runs to the statistics and fit again; the first call fits.

        Parameters
        ----------
        X : array (n_samples, n_features), or dict of str to such arrays
        Y : array, shape (n_samples, n_targets)
        runs : Runs, optional
            Runs with new names. None makes one run.

        Raises
        ------
        InputError
            If the fit has no statistics, a block was fitted before, or a feature that did not vary does now.
        """
        if not hasattr(self, "statistics_"):
            return self.fit(X, Y, runs)
        layout = self.layout_
        spaces, new_runs = layout.read(X, runs, run_name=f"part-{len(self.runs_.names) + 1}")
        if self.statistics_ is None:
            raise InputError(
                "the fitted model has no statistics to add to",
                fix='fit with form="gram", or with a larger memory_limit',
            )
        repeated = sorted(set(new_runs.blocks) & set(self.statistics_.blocks))
        if repeated:
            raise InputError("these blocks were fitted already", found=repeated, fix="give new runs new names")
        layout.check_constant(spaces, new_runs)
        responses = self._in_units(as_responses(Y, len(new_runs)))
        new = gather_inputs(layout.design(spaces, new_runs), responses, Settings.of(self, form="gram"))
        assert new.statistics is not None
        inputs = FitInputs(self.statistics_.merge(new.statistics))
        return self._fit_inputs(inputs, layout, Runs.concatenate([self.runs_, new_runs]), one_target=self._one_target)

    def store_fit(
        self,
        result: FitResult,
        layout: Layout,
        runs: Runs,
        statistics: SufficientStatistics | None,
        *,
        one_target: bool = False,
    ) -> EncodingModel:
        """Store the result of a fit in the fitted attributes; every fit ends here.

        For code that computes fits itself, as :func:`~b2m_encoding.models.subsets.fit_subsets` does.

        Parameters
        ----------
        result : FitResult
        layout : Layout
            Layout of the features of the fit.
        runs : Runs
            Runs of the training samples.
        statistics : SufficientStatistics or None
            Statistics for :meth:`partial_fit`.
        one_target : bool
            Predictions have shape (n_samples,), because ``Y`` had.
        """
        self.layout_, self.bands_, self.n_features_in_ = layout, list(layout.features), sum(layout.features.values())
        self.runs_, self.statistics_, self._one_target = runs, statistics, one_target
        self.weights_, self.status_, self.form_ = result.weights, result.status, result.form
        self.best_alphas_, self.deltas_, self.stack_ = result.alphas, result.deltas, result.stack
        self.cv_scores_, self.cv_path_ = result.scores, result.path
        self.notes_ = [*layout.notes(), *result.notes]
        for note in self.notes_:
            logger.info(note)
        return self

    def invert(self, X: Features, Y: ArrayLike, runs: Runs | None = None, **options: Any) -> InverseMap:
        """Make the map from responses back to features; see :func:`b2m_encoding.models.inverse.invert`.

        Parameters
        ----------
        X : array (n_samples, n_features), or dict of str to such arrays
        Y : array, shape (n_samples, n_targets)
        runs : Runs, optional
            As given to the fit: noise and prior of the features are estimated from the same samples.
        **options
            ``n_targets``, ``residuals``, ``rank``, ``shrinkage``.
        """
        return invert(self, X, Y, runs, **options)

    def _in_units(self, responses: Floating) -> Floating:
        return responses if self._target_units is None else responses * self._target_units

    def _fit_inputs(self, inputs: FitInputs, layout: Layout, runs: Runs, *, one_target: bool) -> EncodingModel:
        result = fit(inputs, runs, layout.widths, Settings.of(self), penalty_unit=layout.penalty_unit)
        return self._store_in_units(result, layout, runs, inputs.statistics, one_target=one_target)

    def _store_in_units(self, result: FitResult, *fitted: Any, one_target: bool) -> EncodingModel:
        if self._target_units is not None:
            result = replace(result, weights=result.weights.rescaled(1 / self._target_units))
        return self.store_fit(result, *fitted, one_target=one_target)
