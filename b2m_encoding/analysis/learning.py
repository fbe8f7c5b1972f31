"""Learning curves: how prediction accuracy grows with the number of training runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from b2m_encoding._typing import Bands, Booleans, Float64, Floating, Progress
from b2m_encoding.analysis.checks import FEWEST_RUNS
from b2m_encoding.analysis.encoding.predict import new_model, training_values
from b2m_encoding.analysis.encoding.significance import filled
from b2m_encoding.analysis.encoding.sizes import training_runs
from b2m_encoding.analysis.encoding.test_samples import Part, TestSamples
from b2m_encoding.analysis.foreign_models import runs_named
from b2m_encoding.analysis.splits import Split, evaluated
from b2m_encoding.analysis.tables.regions import study_regions
from b2m_encoding.data import Responses
from b2m_encoding.errors import InputError, whole_number
from b2m_encoding.features.space import FeatureSpace
from b2m_encoding.models import ArrayResponses, EncodingModel
from b2m_encoding.models.inputs import as_feature_spaces, as_responses
from b2m_encoding.models.scores import pearson_r
from b2m_encoding.models.status import TESTED
from b2m_encoding.models.subsets import fit_run_subsets
from b2m_encoding.results.schema import JOINT
from b2m_encoding.runs import Runs
from b2m_encoding.spaces import Unplaced
from b2m_encoding.study import Study

N_SIZES = 6
"""Most numbers of training runs that are tried, unless they are given."""
MOST_TARGETS = 5000
"""Most targets of a study without regions."""
EVERYTHING = "all"
"""Name of all targets, where there are no regions."""
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Prediction accuracy of models that were fitted to more and more training runs, on one test set.

    Parameters
    ----------
    runs : tuple of tuple of str
        Training runs of every fit. Those of a draw are nested; the last, of all runs, is common to all draws.
    draw : array of int, shape (n_fits,)
        Number of the draw, from 1; 0 for the fit to all runs.
    minutes : array, shape (n_fits,)
        Used training samples, in minutes.
    r : dict of str to array, shape (n_fits, n_targets)
        Pearson r on the test samples, of the model of each feature space and of all (``joint``); NaN where a target was
        not tested.
    """

    runs: tuple[tuple[str, ...], ...]
    draw: NDArray[np.int64]
    minutes: Float64
    r: Mapping[str, Float64]

    def to_frame(self, groups: Mapping[str, Booleans] | None = None) -> pd.DataFrame:
        """Mean r over targets, a row for every fit, model and group of targets.

        Parameters
        ----------
        groups : dict of str to array of bool, shape (n_targets,), optional
            Regions; all targets by default.

        Returns
        -------
        DataFrame
            ``region``, ``feature_space``, ``draw``, ``runs``, ``minutes``, ``r`` and ``targets``.
        """
        n_targets = next(iter(self.r.values())).shape[1]
        named = {EVERYTHING: np.ones(n_targets, dtype=bool)} if groups is None else groups
        return pd.DataFrame(
            {"region": name, **row} for name, mask in named.items() for row in self.rows(np.asarray(mask, dtype=bool))
        )

    def rows(self, inside: Booleans) -> Iterator[dict[str, Any]]:
        """Mean r over some targets, for every model and fit."""
        for model, r in self.r.items():
            for i, runs in enumerate(self.runs):
                own = r[i, inside]
                tested = own[np.isfinite(own)]
                yield {
                    "feature_space": model,
                    "draw": int(self.draw[i]),
                    "runs": len(runs),
                    "minutes": round(float(self.minutes[i]), 3),
                    "r": float(tested.mean()) if len(tested) else np.nan,
                    "targets": len(tested),
                }


def learning_curve(
    model: EncodingModel,
    X: Any,
    Y: ArrayLike,
    runs: Runs,
    *,
    test: str | Sequence[str],
    sizes: Iterable[int] | None = None,
    n_draws: int = 5,
    random_state: int | None = 0,
) -> LearningCurve:
    """Fit a model to more and more training runs, and score it on test runs that stay the same.

    In every draw the training runs are put in random order, and the model is fitted to the first of them, to more, and
    so on: subsets are nested and of whole runs. What depends on a run alone is computed once for all fits, and stays in
    memory. A subset has two runs or more, or one where every run has several blocks.

    Parameters
    ----------
    model : EncodingModel
        Not changed. Folds that are a number are at most as many as the blocks of a subset.
    X : dict of str to array (n_samples, n_features), or array
    Y : array, shape (n_samples, n_targets)
    runs : Runs
    test : str or sequence of str
        Names of the test runs, or patterns such as ``"task-Test*"``; they are in no training set.
    sizes : iterable of int, optional
        Numbers of training runs; by default up to six, in equal ratios up to all. All is always among them.
    n_draws : int
        Draws of every number but all.
    random_state : int, optional

    Returns
    -------
    LearningCurve

    Raises
    ------
    InputError
        If there are fewer than three training runs, or a number of runs is impossible.

    Notes
    -----
    Draws share runs, and the test set, so that their spread is what the choice of runs does: it is not a standard
    error. Scores of other studies with as many minutes of other stimuli may differ by more.

    Examples
    --------
    >>> rng, runs = np.random.default_rng(0), Runs.from_lengths([60] * 6, tr=1.5)
    >>> X = rng.standard_normal((360, 20))
    >>> Y = X @ rng.standard_normal((20, 4)) / 4 + rng.standard_normal((360, 4))
    >>> found = learning_curve(EncodingModel(delays=None), X, Y, runs, test="run-06", n_draws=2)
    >>> mean = found.to_frame().groupby("runs")["r"].mean()
    >>> mean.index.tolist(), bool(mean[2] < mean[3] < mean[5])
    ([2, 3, 4, 5], True)
    """
    if not isinstance(runs, Runs):
        raise InputError("a learning curve needs Runs", found=type(runs).__name__, fix="Runs.from_labels(labels, tr)")
    held_out = runs_named(runs, [test] if isinstance(test, str) else [str(name) for name in test])
    spaces, values = as_feature_spaces(X, runs, model.bands), as_responses(Y, len(runs))
    training, rows = runs.select(dict.fromkeys(runs.run[~held_out & runs.used].tolist()))
    subsets = nested_subsets(training, sizes, n_draws, random_state)
    own = {name: array[rows] for name, array in spaces.items()}
    _check_folds(model)
    fitted = fit_run_subsets(
        model,
        own,
        ArrayResponses(values[rows], training),
        [names for _, names in subsets],
        _models(own),
    )
    tested, at = runs.select(dict.fromkeys(runs.run[held_out & runs.used].tolist()))
    used = tested.used

    def predict(names: Bands, one: EncodingModel) -> Floating:
        return one.predict({name: spaces[name][at] for name in names}, runs=tested)[used]

    scores = _scores(((names, one) for _, names, one in fitted), predict, values[at][used], len(_models(own)))
    return _curve(subsets, training, scores)


def learning_rows(
    subject: str, responses: Responses, spaces: Mapping[str, FeatureSpace], study: Study, progress: Progress
) -> list[dict[str, Any]]:
    """Mean r of the regions of a subject by the training runs of a study.

    Models are fitted to the targets of these regions alone, at once; where there are none, to 5,000 targets that are
    evenly spaced. Columns are those of :data:`~b2m_encoding.results.schema.tables.LEARNING`.
    """
    regions = study_regions(responses.space, study)
    if not regions:
        every = np.zeros(responses.n_targets, dtype=bool)
        every[np.unique(np.linspace(0, responses.n_targets - 1, MOST_TARGETS).round().astype(int))] = True
        regions = [(None, EVERYTHING, every)]
    chosen = np.any([mask for _, _, mask in regions], axis=0)
    curve = _curve_of_study(responses, spaces, study, chosen, progress)
    return [
        {"subject": subject, "hemisphere": hemi, "region": name, **row}
        for hemi, name, mask in regions
        for row in curve.rows(mask[chosen])
    ]


def _curve_of_study(
    responses: Responses,
    spaces: Mapping[str, FeatureSpace],
    study: Study,
    chosen: Booleans,
    progress: Progress,
) -> LearningCurve:
    """Fit the models of a study to nested subsets of its training runs, for some targets."""
    responses, [split, *_] = evaluated(responses, study.evaluation)
    loaded = np.concatenate([responses.load_run(name)[:, chosen] for name in responses.runs.slices])
    some = Responses.from_array(loaded, responses.runs, Unplaced(loaded.shape[1]))
    training, rows = training_runs(some.runs, study, split)
    part = Part(some, slice(0, some.n_targets), np.zeros(0, dtype=np.intp))
    test = TestSamples(part, split, study.evaluation.average_repeats)
    own = ArrayResponses(loaded[rows], training)
    subsets = nested_subsets(training, None, study.statistics.learning_curve, study.seed)
    model, models = new_model(study), _models(spaces)
    # components follow from the training samples, so that each subset has features of its own
    alike = not any(table.pca for table in study.features.values())
    scores: dict[str, list[Float64]] = {}
    for group in [subsets] if alike else [[one] for one in subsets]:
        names = tuple(dict.fromkeys(name for _, members in group for name in members))
        inside = Split(split.train & np.isin(some.runs.run, names), split.test)
        values = training_values(spaces, study, inside)
        features = {name: array[rows] for name, array in values.items()}
        fitted = fit_run_subsets(model, features, own, [members for _, members in group], models)
        pairs = _reported(((bands, one) for _, bands, one in fitted), len(subsets) * len(models), progress)

        def predict(
            bands: Bands, one: EncodingModel, values: Mapping[str, NDArray[np.float32]] = values
        ) -> NDArray[np.float32]:
            return test.predict(one, {name: values[name] for name in bands})

        for name, rows_of_r in _scores(pairs, predict, test.measured, len(models)).items():
            scores.setdefault(name, []).extend(rows_of_r)
    return _curve(subsets, training, scores)


def _reported(fits: Iterable[T], total: int, progress: Progress) -> Iterator[T]:
    for number, one in enumerate(fits, start=1):
        progress("models of fewer training runs", number, total)
        yield one


def nested_subsets(
    training: Runs, sizes: Iterable[int] | None, n_draws: int, random_state: int | None
) -> list[tuple[int, tuple[str, ...]]]:
    """Draw nested subsets of whole runs: number of the draw, and runs in their order; all runs come last, once.

    Raises
    ------
    InputError
        If there are fewer than three runs, or a number of runs is impossible.

    Examples
    --------
    >>> runs = Runs.from_lengths([10] * 4, tr=1.0)
    >>> [(draw, len(names)) for draw, names in nested_subsets(runs, None, 2, 0)]
    [(1, 2), (1, 3), (2, 2), (2, 3), (0, 4)]
    """
    names, n_draws = training.names, whole_number(n_draws, "n_draws", 1)
    if len(names) < FEWEST_RUNS:
        raise InputError(
            "a learning curve needs three training runs or more", found=", ".join(names), fix="leave it out"
        )
    fewest = 1 if all(len(training.select([name])[0].blocks) > 1 for name in names) else 2
    usual = np.geomspace(fewest, len(names), N_SIZES).round().astype(int).tolist()
    given = usual if sizes is None else [_number_of_runs(size) for size in sizes]
    wanted = sorted({*given, len(names)})
    if wanted[0] < fewest or wanted[-1] > len(names):
        raise InputError("impossible number of training runs", found=wanted, expected=f"{fewest} to {len(names)}")
    generator, subsets = np.random.default_rng(random_state), []
    for draw in range(1, n_draws + 1):
        order = generator.permutation(len(names))
        subsets += [(draw, tuple(names[i] for i in sorted(order[:size].tolist()))) for size in wanted[:-1]]
    return [*subsets, (0, tuple(names))]


def _number_of_runs(size: float) -> int:
    """Whole number, also of a type of floats: sizes are often rounded."""
    whole = int(size) if isinstance(size, float | np.floating) and float(size).is_integer() else size
    return whole_number(whole, "a number of training runs", 1)


def _check_folds(model: EncodingModel) -> None:
    """Raise unless the folds of a model are a number: sets of runs and splitters are not those of a subset."""
    if model.cv is not None and not isinstance(model.cv, int | np.integer):
        raise InputError("folds of a learning curve are a number", found=repr(model.cv), expected="cv=5, or None")


def _models(spaces: Mapping[str, Any]) -> list[Bands]:
    """Each feature space by itself, and all."""
    singles = [(name,) for name in spaces] if len(spaces) > 1 else []
    return [*singles, tuple(spaces)]


def _scores(
    fits: Iterable[tuple[Bands, EncodingModel]],
    predict: Callable[[Bands, EncodingModel], Floating],
    measured: Floating,
    n_models: int,
) -> dict[str, list[Float64]]:
    """Correlation of every model and fit on the test samples."""
    known = np.isfinite(measured).all(axis=0) & (np.ptp(measured, axis=0) > 0)
    found: dict[str, list[Float64]] = {}
    for number, (names, model) in enumerate(fits):
        joint = number % n_models == n_models - 1  # the last of each subset has all feature spaces
        tested = known & (model.status_ == TESTED)
        r = filled(pearson_r(predict(names, model), measured), tested, 0.0)
        found.setdefault(JOINT if joint else names[0], []).append(r)
    return found


def _curve(
    subsets: Sequence[tuple[int, tuple[str, ...]]], training: Runs, scores: Mapping[str, Sequence[Float64]]
) -> LearningCurve:
    samples = {name: int(training.used[rows].sum()) for name, rows in training.slices.items()}
    return LearningCurve(
        tuple(names for _, names in subsets),
        np.array([draw for draw, _ in subsets]),
        np.array([sum(samples[name] for name in names) for _, names in subsets]) * training.tr / 60,
        {name: np.stack(list(rows)) for name, rows in scores.items()},
    )
