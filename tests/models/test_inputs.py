"""Features and responses as people hold them: read as the numbers they are, or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.model_selection import StratifiedKFold

from b2m_encoding.errors import InputError
from b2m_encoding.models.estimators import RidgeCV
from b2m_encoding.models.inputs import as_feature_spaces, as_responses
from b2m_encoding.models.model import EncodingModel
from b2m_encoding.runs import Runs

VALUES = np.arange(12.0).reshape(4, 3) + 0.5
FORMS: dict[str, Callable[[Any], Any]] = {
    "list": lambda a: a.tolist(),
    "frame": pd.DataFrame,
    "frame of extension type": lambda a: pd.DataFrame(a).astype("Float64"),
    "tensor": torch.tensor,
    "tensor with gradient": lambda a: torch.tensor(a, requires_grad=True),
    "bfloat16": lambda a: torch.tensor(a, dtype=torch.bfloat16),
    "half": lambda a: torch.tensor(a).half(),
    "float16": lambda a: a.astype(np.float16),
    "object": lambda a: a.astype(object),
    "text of numbers": lambda a: a.astype(str),
    "masked, nothing masked": np.ma.masked_array,
    "big-endian": lambda a: a.astype(">f8"),
    "columns first": np.asfortranarray,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_is_the_same_numbers(form: Callable[[Any], Any]) -> None:
    for X in (form(VALUES), {"a": form(VALUES)}):
        [found] = as_feature_spaces(X).values()
        assert np.array_equal(found, VALUES)
        assert found.dtype in (np.float32, np.float64)
    assert np.array_equal(as_responses(form(VALUES), 4), VALUES)


def test_a_tensor_of_integers_and_a_series_are_read() -> None:
    assert np.array_equal(as_responses(torch.arange(4), 4), np.arange(4.0)[:, None])
    assert np.array_equal(as_responses(pd.Series([1, 2, None, 4], dtype="Int64"), 4)[:, 0], [1, 2, np.nan, 4], True)


MISSING: dict[str, Callable[[], Any]] = {
    "masked": lambda: np.ma.masked_equal(VALUES, VALUES[2, 1]),
    "masked integers": lambda: np.ma.masked_array(VALUES.astype(int), np.arange(12).reshape(4, 3) == 7),
    "pd.NA": lambda: pd.DataFrame(VALUES).astype("Float64").mask(lambda frame: frame == VALUES[2, 1]),
    "object": lambda: np.where(VALUES[2, 1] == VALUES, pd.NA, VALUES.astype(object)),
    "None": lambda: np.where(VALUES[2, 1] == VALUES, None, VALUES.astype(object)),
}


@pytest.mark.parametrize("make", MISSING.values(), ids=MISSING)
def test_what_is_missing_is_no_number(make: Callable[[], Any]) -> None:
    """In features an error that names the place; in responses NaN, so that the target is not tested."""
    with pytest.raises(InputError, match="feature space a has NaN or infinity in sample 2, column 1"):
        as_feature_spaces({"a": make()})
    assert np.argwhere(np.isnan(as_responses(make(), 4))).tolist() == [[2, 1]]


@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.dok_array, lambda a: {"a": sparse.coo_array(a)}])
def test_sparse_input_is_refused(make: Callable[[Any], Any]) -> None:
    with pytest.raises(InputError, match="sparse"):
        as_feature_spaces(make(VALUES))
    if not isinstance(made := make(VALUES), dict):
        with pytest.raises(InputError, match="sparse"):
            as_responses(made, 4)


def test_text_is_refused_with_the_name_of_the_feature_space() -> None:
    with pytest.raises(InputError, match=r"a value is no number: feature space genre[\s\S]*jazz"):
        as_feature_spaces({"genre": pd.DataFrame({"a": ["jazz", "rock"]})})
    with pytest.raises(InputError, match="a value is no number: the responses"):
        as_responses([["jazz"], ["rock"]], 2)


def test_columns_in_another_order_are_refused(rng: np.random.Generator) -> None:
    """By estimators with and without runs; a frame without names of the fit is taken as it stands."""
    frame = pd.DataFrame(rng.standard_normal((40, 3)), columns=["loudness", "pitch", "tempo"])
    Y = frame.to_numpy() @ rng.standard_normal((3, 2))
    runs = Runs.from_lengths([20, 20], 1.0)
    for model, keywords in ((RidgeCV(), {}), (EncodingModel((0.0, 1.0)), {"runs": runs})):
        model.fit(frame, Y, **keywords)
        expected = model.predict(frame, **keywords)
        assert np.array_equal(model.predict(frame.to_numpy(), **keywords), expected)
        with pytest.raises(InputError, match=r"same order as they were in fit[\s\S]*pitch, loudness, tempo"):
            model.predict(frame[["pitch", "loudness", "tempo"]], **keywords)
        with pytest.raises(InputError, match="features"):
            model.predict(frame[["pitch", "loudness"]].to_numpy(), **keywords)
        with pytest.raises(InputError, match="number of targets"):
            model.score(frame, Y[:, [0, 0, 1]], **keywords)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(4).astype("datetime64[s]")[:, None],
        pd.DataFrame({"a": pd.date_range("2020-01-01", periods=4)}),
        pd.DataFrame({"a": pd.to_timedelta(range(4), unit="s")}),
        [np.zeros((4, 2)), np.zeros(4)],
        [[1.0, 2.0], [3.0]],
    ],
    ids=["datetime64", "dates", "differences of times", "matrix and vector", "ragged rows"],
)
def test_times_and_ragged_lists_are_no_features(values: Any) -> None:
    with pytest.raises(InputError, match="feature space"):
        as_feature_spaces(values)


def test_names_that_are_one_as_text_are_refused() -> None:
    with pytest.raises(InputError, match=r"two feature spaces have one name(?s:.)*1"):
        as_feature_spaces({1: VALUES, "1": VALUES[:, :1]})


def test_generators_and_splitters_by_classes_are_no_tables_and_no_folds(rng: np.random.Generator) -> None:
    X, Y = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    with pytest.raises(InputError, match="no array"):
        RidgeCV().fit((row for row in X), Y)
    with pytest.raises(InputError, match="by classes"):
        RidgeCV(cv=StratifiedKFold(2)).fit(X, Y)
