"""Models of some of the feature spaces, all from one pass over the samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from b2m_encoding.errors import InputError
from b2m_encoding.features.space import all_subsets
from b2m_encoding.models.inputs import Floats, as_feature_spaces
from b2m_encoding.models.layout import Layout
from b2m_encoding.models.model import EncodingModel
from b2m_encoding.models.solver.fitting import Data, Settings, gather, pick_form, rows_of_blocks
from b2m_encoding.models.solver.statistics import SufficientStatistics
from b2m_encoding.models.solver.streaming import RunResponses, gather_runs, target_slices
from b2m_encoding.runs import Runs

Bands = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ArrayResponses:
    """Responses in memory, shape (n_samples, n_targets), behind the interface of those that load run by run."""

    values: Floats
    runs: Runs

    def __post_init__(self) -> None:
        self.runs.check_length(self.values, "the response array")

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return int(self.values.shape[1])

    def load_run(self, name: str, targets: slice | None = None) -> NDArray[Any]:
        """Responses of a run, shape (n_run_samples, n_targets)."""
        return self.values[self.runs.slices[name]][:, slice(None) if targets is None else targets]


@dataclass(frozen=True, eq=False)
class Relabelled:
    """Responses under other runs: other blocks or used samples, or some of the runs."""

    responses: RunResponses
    runs: Runs

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return self.responses.n_targets

    def load_run(self, name: str, targets: slice | None = None) -> NDArray[Any]:
        """Responses of a run, shape (n_run_samples, n_targets)."""
        return self.responses.load_run(name, targets)


def fit_subsets(
    model: EncodingModel,
    feature_spaces: Mapping[str, Any],
    responses: RunResponses,
    subsets: Iterable[Iterable[str]] | None = None,
    statistics: SufficientStatistics | None = None,
) -> Iterator[tuple[Bands, EncodingModel]]:
    """Fit a model to every set of feature spaces; the responses are read once, not once per model.

    The statistics of all feature spaces are gathered in one pass; those of a set of them are some of their rows and
    columns. With k feature spaces that replaces 2^k - 1 passes over the samples. Each model chooses its own penalty
    and equals one fitted to its feature spaces alone.

    Parameters
    ----------
    model : EncodingModel
        What to fit; it is left as it is.
    feature_spaces : dict of str to array (n_samples, n_features)
    responses : object that loads run by run
        :class:`ArrayResponses` wraps an array. The statistics of all targets are held in memory.
    subsets : iterable of iterables of str, optional
        All 2^k - 1 by default.
    statistics : SufficientStatistics, optional
        Of every block, where :func:`statistics_of_blocks` has gathered them: the responses are not read then.

    Yields
    ------
    names, model : tuple of str, EncodingModel
        The names in the order of ``feature_spaces``.

    Raises
    ------
    InputError
        If a set is empty or names an unknown feature space.
    """
    whole: EncodingModel = clone(model)
    design, training = whole._begin(feature_spaces, responses.runs)
    wanted = [_in_order(names, whole.bands_) for names in subsets or all_subsets(whole.bands_)]
    gathered = statistics or _gather(design, responses, whole.layout_, whole._settings())
    for names in wanted:
        yield names, _fit(whole, names, design, training, gathered)


def layout_of_statistics(model: EncodingModel, feature_spaces: Mapping[str, Any], runs: Runs) -> Layout | None:
    """Columns that statistics of training data have; None where models are fitted to the samples instead.

    Parameters
    ----------
    model : EncodingModel
    feature_spaces : dict of str to array (n_samples, n_features)
    runs : Runs
        Of all training samples.
    """
    layout = Layout.learn(as_feature_spaces(feature_spaces, runs), runs, model.delays)
    return None if pick_form(sum(layout.widths.values()), runs, model._settings()) == "dual" else layout


def statistics_of_blocks(
    model: EncodingModel, layout: Layout, feature_spaces: Mapping[str, Any], responses: RunResponses
) -> SufficientStatistics:
    """Statistics of the used blocks of some runs, as :func:`fit_subsets` would gather them; they add up over runs.

    Parameters
    ----------
    model : EncodingModel
    layout : Layout
        Of all training data.
    feature_spaces : dict of str to array (n_samples, n_features)
        Of the runs.
    responses : object that loads run by run
        The same runs, whole, so that delays begin where they do.
    """
    spaces = as_feature_spaces(feature_spaces, responses.runs)
    return gather_runs(layout.design(spaces, responses.runs), responses, layout.widths, model._settings())


def slices_in_memory(model: EncodingModel, n_features: int, responses: RunResponses) -> list[slice]:
    """Slices of targets whose statistics fit the model's ``memory_limit``; one if targets share a penalty.

    Parameters
    ----------
    model : EncodingModel
    n_features : int
        Of all feature spaces, before delays.
    responses : object that loads run by run
    """
    if not (isinstance(model.alpha_per, str) and model.alpha_per == "target"):
        return [slice(0, responses.n_targets)]
    n_columns = n_features * max(len(model.delays or ()), 1)
    return target_slices(responses, n_columns, model._settings(), model.memory_limit * 1e9)


def _in_order(names: Iterable[str], bands: list[str]) -> Bands:
    chosen = set(names)
    if not chosen or chosen - set(bands):
        raise InputError("unknown feature space in a set", found=sorted(chosen), expected=f"some of {bands}")
    return tuple(name for name in bands if name in chosen)


def _gather(
    design: Floats, responses: RunResponses, layout: Layout, settings: Settings
) -> SufficientStatistics | NDArray[Any]:
    """Statistics of all columns; or, where there are more columns than samples, the responses themselves."""
    if pick_form(design.shape[1], responses.runs, settings) == "dual":
        return np.concatenate([responses.load_run(name) for name in responses.runs.slices])
    return gather_runs(design, responses, layout.widths, settings)


def _fit(
    whole: EncodingModel,
    names: Bands,
    design: Floats,
    runs: Runs,
    gathered: SufficientStatistics | NDArray[Any],
) -> EncodingModel:
    layout = whole.layout_
    model: EncodingModel = clone(whole)
    if model.scalings is not None:
        rows = np.atleast_2d(np.asarray(model.scalings))[:, [whole.bands_.index(name) for name in names]]
        model.scalings = rows[rows.sum(1) > 0]
    model._adopt(layout.subset(names))
    model.notes_ += model.layout_.notes()
    settings = model._settings()
    if isinstance(gathered, SufficientStatistics) and len(names) == len(whole.bands_):
        part, x = gathered, design
    else:
        x = np.concatenate([design[:, layout.columns[name]] for name in names], axis=1)
        if not isinstance(gathered, SufficientStatistics):
            return model._finish(gather(x, gathered, runs, model.layout_.widths, settings), runs)
        part = gathered.subset(names)
    rows_needed = pick_form(x.shape[1], runs, settings) == "prediction"
    data = Data(part, rows_of_blocks(x, runs, settings) if rows_needed else None, None)
    return model._finish(data, runs)
