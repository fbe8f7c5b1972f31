"""Calibration gives decoded features the centre, spread and length of training features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from b2m_encoding import InputError
from b2m_encoding.decoding.decoders.calibration import Calibration, equal_length, scale_rows


@pytest.fixture
def shrunk() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    true = rng.standard_normal((400, 5)) * [1, 2, 3, 4, 0.1] + 7
    return (true - 7) * [0.5, 0.1, 0.2, 0.3, 0.0] + 0.05 * rng.standard_normal(true.shape) + 6, true


def test_all_dimensions_get_one_factor_or_each_its_own(shrunk: tuple[Any, Any]) -> None:
    predicted, true = shrunk
    together, each = (Calibration(scale).fit(predicted, true) for scale in ("all", "dimension"))
    for calibration in (together, each):
        assert np.allclose(calibration.transform(predicted).mean(axis=0), true.mean(axis=0))
    assert np.allclose(each.transform(predicted).std(axis=0), true.std(axis=0))
    assert len(set(together.factor_.tolist())) == 1
    assert (together.transform(predicted).var(axis=0)).sum() == pytest.approx(true.var(axis=0).sum())
    assert np.allclose(Calibration("none", norm=False).fit(predicted, true).transform(predicted), predicted)


def test_unit_vectors_stay_unit_vectors(shrunk: tuple[Any, Any]) -> None:
    predicted, true = shrunk
    units = scale_rows(true, 1.0)
    assert np.allclose(np.linalg.norm(Calibration().fit(predicted, units).transform(predicted), axis=1), 1)
    assert Calibration().fit(predicted, true).length_ is None
    forced = Calibration(norm=True).fit(predicted, true).transform(predicted)
    assert np.allclose(np.linalg.norm(forced, axis=1), np.linalg.norm(true, axis=1).mean())
    assert Calibration(norm=False).fit(predicted, units).length_ is None
    assert equal_length(units) == pytest.approx(1)


def test_a_dimension_that_was_not_decoded_stays_at_the_mean(shrunk: tuple[Any, Any]) -> None:
    predicted, true = shrunk
    predicted[:, 2] = 3.0
    assert np.allclose(Calibration("dimension").fit(predicted, true).transform(predicted)[:, 2], true[:, 2].mean())


def test_what_is_refused(shrunk: tuple[Any, Any]) -> None:
    predicted, true = shrunk
    with pytest.raises(InputError, match="unknown scale"):
        Calibration("some")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="prediction of every"):
        Calibration().fit(predicted[:10], true)
    with pytest.raises(InputError, match="NaN"):
        Calibration().fit(np.where(true > 9, np.nan, predicted), true)
