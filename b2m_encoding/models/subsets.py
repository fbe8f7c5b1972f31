"""Models of some of the feature spaces, all from one pass over the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from b2m_encoding._typing import Bands
from b2m_encoding.errors import InputError
from b2m_encoding.features.space import all_subsets
from b2m_encoding.models.inputs import as_feature_spaces
from b2m_encoding.models.layout import Design, Layout
from b2m_encoding.models.model import EncodingModel
from b2m_encoding.models.responses import Relabelled, RunResponses
from b2m_encoding.models.sizes import pick_form
from b2m_encoding.models.solver.fit_inputs import FitInputs, gather_inputs
from b2m_encoding.models.solver.fitting import fit, fit_sets
from b2m_encoding.models.solver.settings import Settings
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.models.solver.streaming import gather_statistics, read_runs
from b2m_encoding.runs import Runs


def fit_subsets(
    model: EncodingModel,
    feature_spaces: Mapping[str, Any],
    responses: RunResponses,
    subsets: Iterable[Iterable[str]] | None = None,
    statistics: SufficientStatistics | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[tuple[Bands, EncodingModel]]:
    """Fit a model to every set of feature spaces; the responses are read once, not once per model.

    The statistics of all feature spaces are gathered in one pass; those of a set of them are some of their rows and
    columns. With k feature spaces that replaces 2^k - 1 passes over the samples. Each model chooses its own penalty
    and equals one fitted to its feature spaces alone. Stacked models share their members, each of which is fitted once.

    Parameters
    ----------
    model : EncodingModel
        Parameters of the models; it is not fitted itself.
    feature_spaces : dict of str to array (n_samples, n_features)
    responses : object that loads run by run
        :class:`~b2m_encoding.models.responses.ArrayResponses` wraps an array. The statistics of all targets are held
        in memory.
    subsets : iterable of iterables of str, optional
        All 2^k - 1 by default.
    statistics : SufficientStatistics, optional
        Statistics of every block that :func:`statistics_of_blocks` gathered: the responses are not read then.
    progress : callable
        Called with the model that is fitted.

    Yields
    ------
    names, model : tuple of str, EncodingModel
        The names in the order of ``feature_spaces``.

    Raises
    ------
    InputError
        If a set is empty or names an unknown feature space.
    """
    settings = Settings.of(model)
    design = Design.learn(
        feature_spaces, responses.runs, model.delays, standardize=settings.standardize, intercept=model.fit_intercept
    )
    bands = list(design.layout.features)
    chosen = [_in_order(names, bands) for names in subsets or all_subsets(bands)]
    gathered = statistics or _gather(design, responses, settings)
    if settings.solver == "stacked":
        yield from _fit_stacked(model, chosen, design, gathered, progress)
        return
    for names in chosen:
        progress("model " + "+".join(names))
        yield names, _fit_subset(model, names, design, gathered)


def fit_run_subsets(
    model: EncodingModel,
    feature_spaces: Mapping[str, Any],
    responses: RunResponses,
    run_sets: Iterable[Iterable[str]],
    subsets: Iterable[Iterable[str]] | None = None,
) -> Iterator[tuple[tuple[str, ...], Bands, EncodingModel]]:
    """Fit a model to sets of runs; in the Gram form, statistics of every run are gathered once for all sets.

    Each model equals one that is fitted to these runs alone, by :func:`fit_subsets`; folds that are a number are at
    most as many as the blocks of a set.

    Parameters
    ----------
    model : EncodingModel
    feature_spaces : dict of str to array (n_samples, n_features)
    responses : object that loads run by run
    run_sets : iterable of iterables of str
        Names of the runs of each set.
    subsets : iterable of iterables of str, optional
        As for :func:`fit_subsets`.

    Yields
    ------
    runs, names, model : tuple of str, tuple of str, EncodingModel
    """
    spaces, wanted = as_feature_spaces(feature_spaces, responses.runs), None if subsets is None else list(subsets)
    layout = layout_of_statistics(model, spaces, responses.runs)
    if responses.runs.n_parts > len(responses.runs.blocks):
        layout = None  # a block spans runs: its statistics hold samples of runs that are not in a set
    gathered = None if layout is None else statistics_of_blocks(model, layout, spaces, responses)
    for names in map(tuple, run_sets):
        runs, rows = responses.runs.select(names)
        own = {name: values[rows] for name, values in spaces.items()}
        part = clone(model)
        if isinstance(model.cv, int | np.integer):
            part.cv = min(int(model.cv), len(runs.blocks))
        given, alone = None, layout_of_statistics(part, own, runs)
        if gathered is not None and layout is not None and alone is not None and layout.key == alone.key:
            given = replace(gathered, blocks={block: gathered.blocks[block] for block in runs.blocks})
        for bands, fitted in fit_subsets(part, own, Relabelled(responses, runs), wanted, given):
            yield names, bands, fitted


def layout_of_statistics(model: EncodingModel, feature_spaces: Mapping[str, Any], runs: Runs) -> Layout | None:
    """Learn the columns of statistics of training data; None where models are fitted to the samples instead.

    Parameters
    ----------
    model : EncodingModel
    feature_spaces : dict of str to array (n_samples, n_features)
    runs : Runs
        Runs of all training samples.
    """
    spaces, settings = as_feature_spaces(feature_spaces, runs), Settings.of(model)
    layout = Layout.learn(spaces, runs, model.delays, standardize=settings.standardize, intercept=model.fit_intercept)
    return layout if pick_form(sum(layout.widths.values()), runs, settings) == "gram" else None


def statistics_of_blocks(
    model: EncodingModel, layout: Layout, feature_spaces: Mapping[str, Any], responses: RunResponses
) -> SufficientStatistics:
    """Gather statistics of the used blocks of some runs for :func:`fit_subsets`; they add up over runs.

    Parameters
    ----------
    model : EncodingModel
    layout : Layout
        Layout of all training data.
    feature_spaces : dict of str to array (n_samples, n_features)
        Features of these runs.
    responses : object that loads run by run
        The same runs, whole, so that delays begin where the runs do.
    """
    spaces = as_feature_spaces(feature_spaces, responses.runs)
    return gather_statistics(layout.design(spaces, responses.runs), responses, Settings.of(model))


def _in_order(names: Iterable[str], bands: list[str]) -> Bands:
    chosen = set(names)
    if not chosen or chosen - set(bands):
        raise InputError("unknown feature space in a set", found=sorted(chosen), expected=f"some of {bands}")
    return tuple(name for name in bands if name in chosen)


def _gather(design: Design, responses: RunResponses, settings: Settings) -> SufficientStatistics | NDArray[Any]:
    """Statistics of all columns; or, where models are fitted to samples, the responses themselves."""
    if pick_form(design.n_columns, design.runs, settings) != "gram":
        return read_runs(responses)
    return gather_statistics(design, responses, settings)


def _fit_subset(
    model: EncodingModel, names: Bands, design: Design, gathered: SufficientStatistics | NDArray[Any]
) -> EncodingModel:
    """Fit a clone of the model to some feature spaces, from statistics or responses of all."""
    fitted: EncodingModel = clone(model)
    bands = list(design.layout.features)
    if fitted.scalings is not None:
        rows = np.atleast_2d(np.asarray(fitted.scalings))[:, [bands.index(name) for name in names]]
        fitted.scalings = rows[rows.sum(1) > 0]
    settings, part, runs = Settings.of(fitted), design.subset(names), design.runs
    inputs = _inputs(part, gathered, settings)
    result = fit(inputs, runs, part.layout.widths, settings, penalty_unit=part.layout.penalty_unit)
    return fitted.store_fit(result, part.layout, runs, inputs.statistics)


def _fit_stacked(
    model: EncodingModel,
    sets: list[Bands],
    design: Design,
    gathered: SufficientStatistics | NDArray[Any],
    progress: Callable[[str], None],
) -> Iterator[tuple[Bands, EncodingModel]]:
    """Fit stacked models to sets of feature spaces; members that they share are fitted once."""
    settings, layout, runs = Settings.of(model), design.layout, design.runs
    inputs = _inputs(design, gathered, settings)
    unit = layout.penalty_unit
    for names, result in fit_sets(inputs, runs, layout.widths, settings, sets, penalty_unit=unit, progress=progress):
        statistics = None if inputs.statistics is None else inputs.statistics.subset(names)
        yield names, clone(model).store_fit(result, layout.subset(names), runs, statistics)


def _inputs(part: Design, gathered: SufficientStatistics | NDArray[Any], settings: Settings) -> FitInputs:
    """Inputs of a fit to some feature spaces, from statistics or responses of all."""
    if not isinstance(gathered, SufficientStatistics):
        return gather_inputs(part, gathered, settings)
    names = list(part.layout.features)
    return FitInputs(gathered if names == list(gathered.bands) else gathered.subset(names))
