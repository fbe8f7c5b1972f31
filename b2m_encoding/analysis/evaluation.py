"""Evaluation of any model that predicts: scores, significance, noise ceiling and intervals on held-out samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from b2m_encoding._typing import Bands, Float64, Floating
from b2m_encoding.analysis.encoding.held_out import worst_status
from b2m_encoding.analysis.encoding.significance import filled
from b2m_encoding.analysis.foreign_models import fit_copy, predict_with, rows_of
from b2m_encoding.data import average_repeats as averaged
from b2m_encoding.errors import InputError
from b2m_encoding.models.inputs import as_responses
from b2m_encoding.models.scores import pearson_r, r2_score
from b2m_encoding.models.status import CONSTANT, MISSING, TESTED
from b2m_encoding.notebook import html_table
from b2m_encoding.results.schema import maps as schema
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Space, target_table
from b2m_encoding.spaces.names import space_or_unplaced
from b2m_encoding.spaces.targets import to_dataset
from b2m_encoding.stats import Preference, Significance, block_sums, fdr_q, prefer, significance
from b2m_encoding.stats.arrangements import clips_can_move
from b2m_encoding.stats.ceilings import Ceiling, NoCeiling, Presentations, noise_ceiling, normalised_score
from b2m_encoding.stats.intervals import Interval, block_length_for, score_interval
from b2m_encoding.stats.permutation import Method

Correction = Literal["bh", "by", "fwe"]


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
        """
        if other.measured.shape != self.measured.shape or not np.array_equal(other.runs.run, self.runs.run):
            raise InputError("two models are compared on the same samples", found=other.measured.shape)
        length = block_length_for(self.predicted, self.measured, self.runs)
        predicted: dict[Bands, Floating] = {(names[0],): self.predicted, (names[1],): other.predicted}
        sums = block_sums(predicted, self.measured, self.runs, block_length=length)
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
    average_repeats: bool = False,
    correction: Correction = "bh",
    method: Method = "auto",
    n_permutations: int = 10_000,
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
        Without it the model has been fitted, and all runs are held out.
    average_repeats : bool
        Average the presentations of each clip before scoring.
    correction : {"bh", "by", "fwe"}
        For multiple targets: false discovery rate, the same under any dependence, or family-wise.
    method : str
        How predictions are rearranged; see :func:`~b2m_encoding.stats.significance`.
    n_permutations : int
    random_state : int, optional

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If no run, or every run, is a test run, or prediction and response differ in shape.

    Notes
    -----
    Not for samples that the model was fitted to, nor for predictions of several folds joined: these depend on each
    other, and the test would be too lenient. Test on runs that are held out once.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> rng, runs = np.random.default_rng(0), Runs.from_lengths([100] * 6, tr=1.5)
    >>> X = rng.standard_normal((600, 5))
    >>> Y = np.stack([X[:, 0], 0 * X[:, 0], 0 * X[:, 0] + 1], axis=1) + [1, 1, 0] * rng.standard_normal((600, 3))
    >>> evaluate(Ridge(), X, Y, runs, test=["run-05", "run-06"]).status.tolist()
    ['tested', 'tested', 'constant']
    """
    measured = as_responses(Y, len(runs))
    if test is not None:
        model, held_out = fit_copy(model, X, Y, runs, [test] if isinstance(test, str) else list(test))
        X, measured, runs = rows_of(X, held_out), measured[held_out], runs.take(held_out)
    predicted = predict_with(model, X, runs)
    if predicted.shape != measured.shape:
        raise InputError("prediction and responses differ in shape", found=predicted.shape, expected=measured.shape)
    ceiling = noise_ceiling(measured, runs, within_runs=False)
    status = _status(measured[runs.used], predicted[runs.used])
    fitted = np.asarray(getattr(model, "status_", ()))
    if fitted.shape == status.shape:
        status = worst_status([status, fitted])
    if average_repeats:
        (predicted, scored), (measured, _) = averaged(predicted, runs), averaged(measured, runs)
        if method == "auto" and clips_can_move(scored):
            method = "clip"  # averaged clips have no order of presentation
    else:
        predicted, measured, scored = predicted[runs.used], measured[runs.used], runs.take(runs.used)
    tested = status == TESTED
    found = significance(
        predicted, measured, scored, method=method, n_permutations=n_permutations, random_state=random_state
    )
    p, p_fwe = filled(found.p, tested, 1.0), filled(found.p_fwe, tested, 1.0)
    return Evaluation(
        r=filled(pearson_r(predicted, measured), tested, 0.0),
        r2=np.where(tested, r2_score(predicted, measured), np.nan),
        p=p,
        q=p_fwe if correction == "fwe" else np.where(tested, fdr_q(p, correction), np.nan),
        status=status,
        significance=replace(found, p=p, p_fwe=p_fwe),
        interval=_interval(predicted, measured, scored, tested, random_state),
        ceiling=ceiling,
        predicted=predicted,
        measured=measured,
        runs=scored,
        averaged=average_repeats,
    )


def _status(measured: Floating, predicted: Floating) -> NDArray[np.str_]:
    """Status of every target; one that varies, but whose prediction is not finite, has not been fitted."""
    known = np.isfinite(measured).all(axis=0)
    constant = known & (np.ptp(np.where(known, measured, 0.0), axis=0) == 0)
    fitted = np.isfinite(predicted).all(axis=0)
    return np.where(constant, CONSTANT, np.where(known & fitted, TESTED, MISSING))


def _interval(
    predicted: Floating, measured: Floating, runs: Runs, tested: NDArray[np.bool_], random_state: int | None
) -> Interval | None:
    try:
        found = score_interval(predicted, measured, runs, random_state=random_state)
    except InputError:
        return None
    score, low, high = (np.where(tested, values, np.nan) for values in (found.score, found.low, found.high))
    return replace(found, score=score, low=low, high=high)
