"""Evaluation of any model that predicts: scores, significance, noise ceiling and intervals on held-out samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

from b2m_encoding._typing import Bands, Float64, Floating
from b2m_encoding.analysis.encoding.significance import filled
from b2m_encoding.analysis.foreign_folds import ForeignFolds
from b2m_encoding.analysis.foreign_models import fit_copy, predict_with, rows_of, runs_named, status_of
from b2m_encoding.data import average_repeats as averaged
from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import as_responses
from b2m_encoding.models.scores import pearson_r, r2_score
from b2m_encoding.models.status import TESTED
from b2m_encoding.notebook import html_table
from b2m_encoding.results.schema import maps as schema
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Space, target_table
from b2m_encoding.spaces.names import space_or_unplaced
from b2m_encoding.spaces.targets import to_dataset
from b2m_encoding.stats import Preference, Significance, block_sums, fdr_q, prefer, significance
from b2m_encoding.stats.arrangements import clips_can_move
from b2m_encoding.stats.ceilings import JOINED, Ceiling, NoCeiling, Presentations, noise_ceiling, normalised_score
from b2m_encoding.stats.intervals import Interval, block_length_for, score_interval
from b2m_encoding.stats.joined_folds import FoldDependence
from b2m_encoding.stats.rearranging import Method

Correction = Literal["bh", "by", "fwe"]
WIDEST = float(np.sqrt(2))
"""Largest ratio of an error where folds are joined to the same for fixed predictions."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model predicts of held-out samples; arrays of shape (n_targets,), NaN where a target was not tested.

    Parameters
    ----------
    r, r2 : array
        Pearson r and R2 of prediction and response.
    p, q : array
        One-sided p of r, and the same adjusted for multiple targets.
    status : array of str
        ``tested``, ``constant`` or ``missing``.
    significance : Significance
    interval : Interval or None
        Of r; None where there are too few blocks for one.
    ceiling : Ceiling or NoCeiling
        From clips that were presented more than once.
    predicted, measured : array, shape (n_samples, n_targets)
        Scored samples.
    runs : Runs
        Of the scored samples.
    averaged : bool
        Repeats were averaged before scoring.
    folds : int
        Folds of a cross-validation whose predictions are joined; 0 where all samples were held out at once.
    """

    r: Float64
    r2: Float64
    p: Float64
    q: Float64
    status: NDArray[np.str_]
    significance: Significance
    interval: Interval | None
    ceiling: Ceiling | NoCeiling
    predicted: Floating
    measured: Floating
    runs: Runs
    averaged: bool = False
    folds: int = 0

    @property
    def tested(self) -> NDArray[np.bool_]:
        """Targets that were tested, shape (n_targets,)."""
        return np.asarray(self.status == TESTED)

    @property
    def maps(self) -> dict[str, Float64]:
        """All maps by the names that a results folder gives them; those of a ceiling only where there is one."""
        known = {schema.R: self.r, schema.R2: self.r2, schema.P: self.p, schema.Q: self.q}
        known[schema.P_FAMILY_WISE] = self.significance.p_fwe
        if self.interval is not None:
            known |= {schema.R_LOW: self.interval.low, schema.R_HIGH: self.interval.high}
        if isinstance(self.ceiling, Ceiling):
            of: Presentations = "average" if self.averaged else "repeat"
            known[schema.CEILING] = self.ceiling.highest_r(of)
            known[schema.R_NORMALISED] = normalised_score(self.r, self.ceiling, of=of)
        return {kind.stat: values for kind, values in known.items()}

    def to_frame(self, space: Space | str | None = None) -> pd.DataFrame:
        """All maps as a table, one row per target, beside the coordinates of the targets if a space is given."""
        return target_table(space_or_unplaced(space, len(self.r))).assign(**self.maps, status=self.status)

    def to_xarray(self, space: Space | str | None = None) -> Any:
        """All maps as an ``xarray.Dataset`` with the dimension ``target``."""
        return to_dataset(self.maps, space, {"method": self.significance.method, "n_samples": len(self.runs)})

    def plot(self, space: Space | str | None = None, *, q: float = 0.05, **keywords: Any) -> Any:
        """Draw r on the cortex, masked by ``q``; keywords as in :func:`~b2m_encoding.figures.score_map`."""
        from b2m_encoding.figures import score_map

        options = {"tested": self.tested, "significant": self.q < q, "criterion": f"significant at q < {q:g}"}
        return score_map(self.r, space, **{**options, **keywords})

    def compare(self, other: Evaluation, names: tuple[str, str], *, q: float = 0.05, **options: Any) -> Preference:
        """Test which of two models predicts each target better, where one of them predicts at all.

        Parameters
        ----------
        other : Evaluation
            Of the same samples.
        names : tuple of str
            Names of this model and of the other.
        q : float
            False discovery rate.
        **options
            Of :func:`~b2m_encoding.stats.prefer`.

        Raises
        ------
        InputError
            If the samples differ.

        Notes
        -----
        Where folds are joined, errors are taken as large as they can be: sqrt(2) times those for fixed predictions.
        """
        if other.measured.shape != self.measured.shape or not np.array_equal(other.runs.run, self.runs.run):
            raise InputError("two models are compared on the same samples", found=other.measured.shape)
        length = block_length_for(self.predicted, self.measured, self.runs)
        predicted: dict[Bands, Floating] = {(names[0],): self.predicted, (names[1],): other.predicted}
        sums = block_sums(predicted, self.measured, self.runs, block_length=length)
        if self.folds or other.folds:
            options = {"widening": np.full(len(self.r), WIDEST)} | options
        return prefer(sums, np.fmin(self.q, other.q) < q, q=q, **options)

    def __repr__(self) -> str:
        n = int(self.tested.sum())
        r = f"median r {np.nanmedian(self.r):.3f}, {int((self.q < 0.05).sum())} with q < .05" if n else "none tested"
        return f"<Evaluation: {n} of {len(self.r)} targets tested, {r}; .maps, .to_frame(), .plot(space)>"

    def _repr_html_(self) -> str:
        frame = pd.DataFrame(self.maps).describe().loc[["mean", "min", "50%", "max"]]
        rows = [(name, *(f"{value:.3g}" for value in values)) for name, values in frame.T.iterrows()]
        caption = f"{int(self.tested.sum())} of {len(self.r)} targets tested on {len(self.runs)} samples"
        return html_table(("", *frame.index), rows, caption=caption)


def evaluate(
    model: Any,
    X: Any,
    Y: Any,
    runs: Runs,
    *,
    test: str | Sequence[str] | None = None,
    cv: int | Literal["runs"] | Iterable[Any] | None = None,
    average_repeats: bool = False,
    correction: Correction = "bh",
    method: Method = "auto",
    n_permutations: int = 10_000,
    n_refits: int = 5000,
    random_state: int | None = 0,
) -> Evaluation:
    """Score and test any model with ``predict`` on held-out samples, by the statistics of a study.

    Parameters
    ----------
    model : object with ``predict(X)``, or array, shape (n_samples, n_targets)
        Of this package, of scikit-learn or himalaya, a pipeline, or one's own; or its predictions. ``runs`` are passed
        on where ``predict`` (or ``fit``) takes them, ``groups`` (the labels of the runs) where ``fit`` does.
    X : array, shape (n_samples, n_features), or what else the model takes
        Ignored where predictions are given.
    Y : array, shape (n_samples, n_targets) or (n_samples,)
    runs : Runs
        Of these samples; only used ones are scored, or fitted.
    test : str or sequence of str, optional
        Names of the test runs, or patterns such as ``"task-Test*"``: a copy of the model is fitted to all other runs.
        Without ``test`` and ``cv`` the model has been fitted, and all runs are held out.
    cv : "runs", int, sets of names of runs, or splitter, optional
        Cross-validation instead: each run (or fold of whole runs, see :meth:`~b2m_encoding.Runs.folds`) is predicted
        by a copy of the model that is fitted to the others, and the predictions are joined.
    average_repeats : bool
        Average the presentations of each clip before scoring, with ``cv`` within folds.
    correction : {"bh", "by", "fwe"}
        For multiple targets: false discovery rate, the same under any dependence, or family-wise.
    method : str
        How predictions are rearranged; see :func:`~b2m_encoding.stats.significance`.
    n_permutations : int
    n_refits : int
        With ``cv``: responses that are rearranged and fitted anew, at least one of each target (of 2,000 at most). The
        model is fitted once per fold to as many of them at a time as there are targets.
    random_state : int, optional

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If no run, or every run, is a test run, the model is not fitted and none is, folds are not whole runs, or
        prediction and response differ in shape.

    Notes
    -----
    Not for samples that the model was fitted to, nor for predictions of several folds that were joined elsewhere: these
    depend on each other, and rearranging them is too lenient (:func:`~b2m_encoding.stats.refitted_null`). With ``cv``
    the null distribution is that of refits, as in a study; intervals are widened by its width at all r, which is more
    than is needed where the signal is strong. r is that of series standardised within folds. A model that makes one
    choice for all targets, such as one penalty, makes it anew among rearranged responses.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> rng, runs = np.random.default_rng(0), Runs.from_lengths([100] * 6, tr=1.5)
    >>> X = rng.standard_normal((600, 5))
    >>> Y = np.stack([X[:, 0], 0 * X[:, 0], 0 * X[:, 0] + 1], axis=1) + [1, 1, 0] * rng.standard_normal((600, 3))
    >>> evaluate(Ridge(), X, Y, runs, test=["run-05", "run-06"]).status.tolist()
    ['tested', 'tested', 'constant']
    >>> evaluate(Ridge(), X, Y, runs, cv="runs", n_refits=500).q < 0.05
    array([ True, False, False])
    """
    if not isinstance(runs, Runs):
        raise InputError("runs must be Runs", found=type(runs).__name__, fix="Runs.from_labels(labels, tr=1.5)")
    folds: ForeignFolds | None = None
    ceiling: Ceiling | NoCeiling = JOINED
    if cv is not None:
        if test is not None:
            raise InputError("runs are tested once, or in folds", found="test and cv", expected="one of them")
        folds = ForeignFolds.of(model, X, runs, cv, average_repeats)
        (predicted, measured, r2, status), scored = folds.predict(Y), folds.scored
    else:
        predicted, measured, status, scored, ceiling = _held_out(model, X, Y, runs, test, average_repeats)
        r2 = r2_score(predicted, measured)
    if average_repeats and method == "auto" and clips_can_move(scored):
        method = "clip"  # averaged clips have no order of presentation
    tested = status == TESTED
    null = folds.refit(Y, tested, method, n_refits, random_state) if folds and tested.any() else None
    found = significance(
        predicted, measured, scored, method=method, n_permutations=n_permutations, refitted=null,
        random_state=random_state,
    )  # fmt: skip
    p, p_fwe = filled(found.p, tested, 1.0), filled(found.p_fwe, tested, 1.0)
    return Evaluation(
        r=filled(pearson_r(predicted, measured), tested, 0.0),
        r2=np.where(tested, r2, np.nan),
        p=p,
        q=p_fwe if correction == "fwe" else np.where(tested, fdr_q(p, correction), np.nan),
        status=status,
        significance=replace(found, p=p, p_fwe=p_fwe),
        interval=_interval(predicted, measured, scored, tested, found.fold_dependence, random_state),
        ceiling=ceiling,
        predicted=predicted,
        measured=measured,
        runs=scored,
        averaged=average_repeats,
        folds=len(folds.splits) if folds else 0,
    )


def _held_out(
    model: Any, X: Any, Y: Any, runs: Runs, test: str | Sequence[str] | None, average: bool
) -> tuple[Floating, Floating, NDArray[np.str_], Runs, Ceiling | NoCeiling]:
    """Predictions and responses of samples that are held out once, their status, runs, and noise ceiling."""
    measured = as_responses(Y, len(runs))
    if test is not None:
        names = [test] if isinstance(test, str) or not isinstance(test, Iterable) else test
        held_out = runs_named(runs, [str(name) for name in names])
        model = fit_copy(model, X, Y, runs, held_out)
        X, measured, runs = rows_of(X, held_out), measured[held_out], runs.take(held_out)
    try:
        predicted = predict_with(model, X, runs)
    except NotFittedError as error:
        raise InputError(
            "the model is not fitted, and no run is named that is held out", fix='give test="run-03", or cv="runs"'
        ) from error
    if predicted.shape != measured.shape:
        raise InputError("prediction and responses differ in shape", found=predicted.shape, expected=measured.shape)
    ceiling = noise_ceiling(measured, runs, within_runs=False)
    status = status_of(measured[runs.used], predicted[runs.used], model)
    if average:
        (predicted, scored), (measured, _) = averaged(predicted, runs), averaged(measured, runs)
        return predicted, measured, status, scored, ceiling
    return predicted[runs.used], measured[runs.used], status, runs.take(runs.used), ceiling


def _interval(
    predicted: Floating,
    measured: Floating,
    runs: Runs,
    tested: NDArray[np.bool_],
    widening: float,
    random_state: int | None,
) -> Interval | None:
    dependence = FoldDependence(np.zeros(1), {"r": np.full(1, widening)}, 0) if widening != 1 else None
    try:
        found = score_interval(predicted, measured, runs, dependence=dependence, random_state=random_state)
    except InputError:
        return None
    score, low, high = (np.where(tested, values, np.nan) for values in (found.score, found.low, found.high))
    return replace(found, score=score, low=low, high=high)
