"""Samples of a subject as the models take them: some targets of the training runs, and the test runs loaded once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from b2m_encoding.analysis.splits import Split
from b2m_encoding.data import Responses, average_repeats
from b2m_encoding.models import EncodingModel
from b2m_encoding.models.scores import pearson_r, product_measure
from b2m_encoding.runs import Runs
from b2m_encoding.stats.ceilings import Ceiling, NoCeiling, noise_ceiling
from b2m_encoding.stats.generalisation import TestSet

Array = NDArray[np.float64]


@dataclass(eq=False)
class Part:
    """Responses of some targets of a subject; keeps the samples of those that will be audited."""

    responses: Responses
    targets: slice
    keep: NDArray[np.intp]
    kept: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def runs(self) -> Runs:
        """What is known of every sample."""
        return self.responses.runs

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return int(self.targets.stop - self.targets.start)

    def load_run(self, name: str, targets: slice | None = None) -> NDArray[Any]:
        """Responses of a run."""
        everything = self.n_targets == self.responses.n_targets
        values = self.responses.load_run(name, None if everything else self.targets)
        self.kept[name] = values[:, self.keep]
        return values if targets is None else values[:, targets]


@dataclass(eq=False)
class TestSamples:
    """The held-out samples of a split, run by run, loaded once."""

    __test__ = False  # no test case of pytest's

    part: Part
    split: Split
    average: bool

    @cached_property
    def loaded(self) -> list[tuple[Runs, NDArray[np.intp], NDArray[Any]]]:
        """Runs, rows and responses of each test run."""
        runs = self.part.runs
        names = [name for name, rows in runs.slices.items() if self.split.test[rows].any()]
        return [(*replace(runs, used=self.split.test).select([name]), self.part.load_run(name)) for name in names]

    @cached_property
    def presented(self) -> Runs:
        """Runs of all samples of the test runs, one after the other."""
        return Runs.concatenate([runs for runs, _, _ in self.loaded])

    @cached_property
    def runs(self) -> Runs:
        """Runs of the scored samples."""
        return self._scored(np.zeros((len(self.presented), 0)))[1]

    @cached_property
    def measured(self) -> NDArray[np.float32]:
        """Scored responses, repeats averaged where the study asks for it."""
        return self.scored(self._presented_responses)

    def predict(self, model: EncodingModel, values: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Predictions of the scored samples; repeats are averaged before they are multiplied by the weights."""
        return model.predict_design(self._design(model, values)).astype(np.float32, copy=False)

    def product(
        self, model: EncodingModel, values: Mapping[str, NDArray[Any]], coef: Mapping[str, NDArray[Any]]
    ) -> Array:
        """R2 of the scored samples split among feature spaces by the product measure, shape (n_spaces, n_targets)."""
        parts = model.predict_design_bands(self._design(model, values), coef)
        return product_measure([parts[name] for name in values], self.measured)

    def scored(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Predictions, or responses, of the scored samples among all of the test runs."""
        return self._scored(values)[0].astype(np.float32, copy=False)

    def test_set(self, values: Mapping[str, NDArray[Any]]) -> TestSet:
        """The same as the statistics of generalisation take it."""
        return TestSet(self._presented_values(values), self.presented, self.measured, self.scored)

    def single_r(self, model: EncodingModel, values: Mapping[str, NDArray[Any]], targets: NDArray[np.intp]) -> Array:
        """Pearson r of some targets over single presentations."""
        measured = np.concatenate([responses[:, targets] for _, _, responses in self.loaded])
        used = self.presented.used
        design = model.design(self._presented_values(values), runs=self.presented)
        return pearson_r(model.predict_design(design[used], targets), measured[used])

    def ceiling(self) -> Ceiling | NoCeiling:
        """Noise ceiling from repeats within and across the test runs."""
        return noise_ceiling(self._presented_responses, self.presented, within_runs=False)

    def _design(self, model: EncodingModel, values: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Delayed features of the scored samples."""
        return self._scored(model.design(self._presented_values(values), runs=self.presented))[0]

    def _presented_values(self, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Features of all samples of the test runs, one run after the other."""
        rows = np.concatenate([own for _, own, _ in self.loaded])
        return {name: array[rows] for name, array in values.items()}

    @property
    def _presented_responses(self) -> NDArray[Any]:
        return np.concatenate([values for _, _, values in self.loaded])

    def _scored(self, values: NDArray[Any]) -> tuple[NDArray[Any], Runs]:
        runs = self.presented
        if self.average:
            return average_repeats(values, runs)
        return values[runs.used], runs.take(runs.used)
