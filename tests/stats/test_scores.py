from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import r2_score as sklearn_r2

from b2m_encoding.errors import InputError
from b2m_encoding.stats import pearson_r, r2_score
from b2m_encoding.stats.scores import scores_by


def test_agrees_with_numpy_and_scikit_learn(rng: np.random.Generator) -> None:
    predicted, measured = rng.standard_normal((2, 50, 4)) + np.array([5, -3])[:, None, None]
    expected = [np.corrcoef(predicted[:, i], measured[:, i])[0, 1] for i in range(4)]
    assert np.allclose(pearson_r(predicted, measured), expected)
    assert np.allclose(r2_score(predicted, measured), sklearn_r2(measured, predicted, multioutput="raw_values"))


def test_untestable_targets_are_nan_and_change_no_other(rng: np.random.Generator) -> None:
    predicted, measured = rng.standard_normal((2, 30, 3))
    expected = pearson_r(predicted, measured)[0]
    measured[:, 1] = 7.0
    measured[4, 2] = np.nan
    r = pearson_r(predicted, measured)
    assert np.isnan(r[1:]).all()
    assert r[0] == expected
    assert np.isnan(r2_score(predicted, measured)[1:]).all()


@given(st.floats(0.01, 100), st.floats(-1e4, 1e4))
def test_r_ignores_scale_and_offset(scale: float, offset: float) -> None:
    predicted, measured = np.random.default_rng(1).standard_normal((2, 40, 2))
    assert np.allclose(pearson_r(scale * predicted + offset, measured), pearson_r(predicted, measured), atol=1e-6)


def test_scores_by_label(rng: np.random.Generator) -> None:
    predicted, measured = rng.standard_normal((2, 31, 4))
    labels = np.array(
        [*("jazz" for _ in range(12)), "", *("pop" for _ in range(10)), *("jazz" for _ in range(6)), "x", "x"]
    )
    for measure, score in (("r", pearson_r), ("r2", r2_score)):
        found = scores_by(predicted, measured, labels, measure=measure)
        assert list(found) == ["jazz", "pop", "x"]
        rows = np.flatnonzero(labels == "jazz")
        assert np.array_equal(found["jazz"], score(predicted[rows], measured[rows]))
        assert np.isnan(found["x"]).all()
    with pytest.raises(InputError, match="differ in number"):
        scores_by(predicted, measured, labels[:3])


@pytest.mark.parametrize(
    ("scale", "offset"), [(1e-200, 0.0), (1e200, 0.0), (1.0, 1e7), (1.0, 1.7e9), (1e-13, 0.0), (1e-3, 1e4)]
)
def test_r_of_any_unit_and_far_from_zero(scale: float, offset: float, rng: np.random.Generator) -> None:
    predicted, measured = rng.standard_normal((2, 200, 3))
    expected = pearson_r(predicted, measured)
    assert np.allclose(pearson_r(scale * predicted + offset, measured), expected, atol=1e-6)
    assert np.allclose(pearson_r(predicted, scale * measured + offset), expected, atol=1e-6)


def test_what_varies_by_rounding_alone_is_constant(rng: np.random.Generator) -> None:
    """Also where numbers of float32 are stored as float64."""
    noise = rng.standard_normal((200, 1))
    single = (1e4 + 1e-4 * noise).astype(np.float32)
    assert np.isnan(pearson_r(single, noise)).all()
    assert np.isnan(pearson_r(single.astype(np.float64), noise)).all()


def test_predictions_and_responses_have_one_shape(rng: np.random.Generator) -> None:
    predicted, measured = rng.standard_normal((2, 20, 3))
    assert pearson_r(predicted[:, 0], measured[:, :1]) == pytest.approx(pearson_r(predicted, measured)[0])
    masked = np.ma.array(measured, mask=np.arange(60).reshape(20, 3) == 4)
    assert np.isnan(pearson_r(predicted, masked)).tolist() == [False, True, False]
    assert np.isnan(r2_score(predicted, masked)).tolist() == [False, True, False]
    for wrong in (predicted[:, :1], predicted[:-1], predicted[:, :, None], predicted.astype(str)[:2]):
        for score in (pearson_r, r2_score):
            with pytest.raises(InputError, match="differ in shape"):
                score(wrong, measured)
    with pytest.raises(InputError, match="unknown measure"):
        scores_by(predicted, measured, list("ab" * 10), measure="R2")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="one per sample"):
        scores_by(predicted, measured, list("ab"))  # type: ignore[arg-type]
