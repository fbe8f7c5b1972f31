"""Responses that load run by run give what arrays give: any numbers, and blocks that are part of several runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from b2m_encoding.errors import InputError
from b2m_encoding.models import ArrayResponses, EncodingModel
from b2m_encoding.models.subsets import fit_run_subsets, fit_subsets
from b2m_encoding.runs import Runs

FORMS = ("gram", "prediction", "dual")
Make = Callable[..., tuple[Any, Any, Runs]]


@dataclass
class Lazy:
    """What models know of an array of zarr."""

    values: Any
    ndim: int = 2

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)

    @property
    def chunks(self) -> tuple[int, ...]:
        return self.shape

    def __getitem__(self, at: Any) -> Any:
        return self.values[at]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("memory_limit", [1.0, 1e-6])
def test_a_block_may_be_part_of_several_runs(make: Make, form: Any, memory_limit: float) -> None:
    X, Y, runs = make(120, 6, 4)
    runs = replace(runs, block=np.array(["a", "b", "c"])[np.arange(120) // 7 % 3])
    whole = EncodingModel(None, form=form).fit(X, Y, runs=runs)
    read = EncodingModel(None, form=form, memory_limit=memory_limit)
    read.fit_responses({"features": X}, ArrayResponses(Y, runs))
    np.testing.assert_allclose(read.cv_scores_, whole.cv_scores_, atol=1e-5)
    np.testing.assert_allclose(read.predict({"features": X}), whole.predict(X), atol=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_statistics_of_such_a_block_hold_the_runs_of_a_set_alone(make: Make, form: Any) -> None:
    X, Y, runs = make(120, 6, 4)
    runs = replace(runs, block=np.array(["a", "b", "c"])[np.arange(120) // 7 % 3])
    model, sets = EncodingModel(None, form=form), [("run-01", "run-02"), ("run-02", "run-04", "run-05")]
    for names, _, found in fit_run_subsets(model, {"features": X}, ArrayResponses(Y, runs), sets):
        own, rows = runs.select(names)
        alone = EncodingModel(None, form=form).fit(X[rows], Y[rows], runs=own)
        np.testing.assert_allclose(found.predict({"features": X}), alone.predict(X), atol=1e-3)


@pytest.mark.parametrize("kind", [np.int16, np.uint8])
@pytest.mark.parametrize("form", FORMS)
def test_integers_are_read_as_they_are(make: Make, form: Any, kind: type) -> None:
    """Differences of integers would wrap around."""
    X, Y, runs = make(120, 6, 4)
    info = np.iinfo(kind)
    Y = np.interp(Y, [Y.min(), Y.max()], [info.min, info.max]).round().astype(kind)
    expected = EncodingModel(None, form=form).fit(X, Y.astype(float), runs=runs).predict(X)
    read = EncodingModel(None, form=form).fit(X, Lazy(Y), runs=runs)
    [(_, of_sets)] = fit_subsets(EncodingModel(None, form=form), {"features": X}, ArrayResponses(Y, runs))
    for model in (read, of_sets):
        np.testing.assert_allclose(model.predict({"features": X}), expected, atol=1e-4 * info.max)


@pytest.mark.parametrize("size", [1e-26, 1e26])
@pytest.mark.parametrize("form", FORMS)
def test_sizes_that_products_do_not_hold_are_told(make: Make, form: Any, size: float) -> None:
    X, Y, runs = make(120, 6, 200)
    for intercept in (True, False):
        model = EncodingModel(None, form=form, fit_intercept=intercept)
        with pytest.raises(InputError, match=r"too small or too large[\s\S]*change their unit"):
            model.fit_responses({"features": X}, ArrayResponses(Y * size, runs))
