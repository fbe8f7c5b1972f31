"""Components of weights are those of scikit-learn, and tell apart targets that are tuned differently."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from b2m_encoding.errors import InputError
from b2m_encoding.stats import tuning
from b2m_encoding.stats.tuning import weight_components


def make(rng: np.random.Generator) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    weights = {"a": rng.standard_normal((3, 4, 50)), "b": rng.standard_normal((3, 2, 50))}
    return weights, {"a": rng.uniform(1, 2, 4), "b": rng.uniform(1, 2, 2)}


@pytest.mark.parametrize("chunk", [16, 4096])
def test_components_are_those_of_scikit_learn(
    chunk: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "CHUNK", chunk)
    weights, deviations = make(rng)
    weights["a"][..., 7] = weights["b"][..., 7] = np.nan
    fitted = np.arange(50) < 40
    found = weight_components(weights, deviations, fitted)
    table = np.concatenate([own.mean(axis=0) * deviations[name][:, None] for name, own in weights.items()]).T
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    used = fitted & np.isfinite(table).all(axis=1)
    oracle = PCA(3).fit(table[used])
    np.testing.assert_allclose(found.explained, oracle.explained_variance_ratio_)
    theirs = oracle.transform(np.nan_to_num(table)).T
    sign = np.sign((theirs[:, used] * found.scores[:, used]).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found.scores[:, np.arange(50) != 7], (sign * theirs)[:, np.arange(50) != 7])
    assert np.isnan(found.scores[:, 7]).all()
    whole = np.concatenate(list(found.loadings.values()), axis=1)
    np.testing.assert_allclose(whole @ whole.T, np.eye(3), atol=1e-12)
    assert (whole[range(3), np.abs(whole).argmax(axis=1)] > 0).all()


def test_gain_of_targets_and_units_of_features_do_not_matter(rng: np.random.Generator) -> None:
    weights, deviations = make(rng)
    gain, units = rng.uniform(0.1, 10, 50), rng.uniform(0.1, 10, 4)
    first = weight_components(weights, deviations, np.ones(50, dtype=bool))
    weights = {name: own * gain for name, own in weights.items()}
    weights["a"] = weights["a"] / units[:, None]
    second = weight_components(weights, {**deviations, "a": deviations["a"] * units}, np.ones(50, dtype=bool))
    np.testing.assert_allclose(first.scores, second.scores, atol=1e-10)


def test_too_few_targets_are_told(rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match="too few targets"):
        weight_components(*make(rng), np.arange(50) < 2)
