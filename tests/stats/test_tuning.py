"""Components of weights are those of scikit-learn, and tell apart targets that are tuned differently."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gamma
from sklearn.decomposition import PCA

from b2m_encoding import EncodingModel, Runs
from b2m_encoding.errors import InputError
from b2m_encoding.stats import tuning
from b2m_encoding.stats.tuning import delay_curves, peak_delays, weight_components


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


@pytest.mark.parametrize("prior", ["flat", "hrf"])
def test_simulated_delays_are_recovered(prior: str, rng: np.random.Generator) -> None:
    """Responses whose peak is known, 3.5 to 7 s, and as much noise as signal; the truth lies between the delays."""
    tr, n, truth = 1.5, 300, np.repeat([3.5, 4.3, 5.0, 5.9, 7.0], 20)
    runs = Runs.from_lengths([n] * 4, tr=tr)
    features = {"a": rng.standard_normal((4 * n, 3)), "b": rng.standard_normal((4 * n, 2))}
    driven = np.hstack(list(features.values())) @ rng.standard_normal((5, len(truth)))
    time = np.arange(0, 30, tr)
    responses = np.empty_like(driven)
    for target, peak in enumerate(truth):
        response = gamma.pdf(time, 6, scale=peak / 5)  # largest at five times its scale
        responses[:, target] = np.ravel([np.convolve(run, response)[:n] for run in driven[:, target].reshape(4, n)])
    responses = responses / responses.std(axis=0) + rng.standard_normal(responses.shape)
    delays = np.arange(1.5, 11, 1.5)
    model = EncodingModel(delays=tuple(delays), delay_prior=prior).fit(features, responses, runs=runs)
    found = peak_delays(delay_curves(model.coef_, {"a": np.ones(3), "b": np.ones(2)}), delays)
    medians = [float(np.median(found[truth == peak])) for peak in np.unique(truth)]
    assert medians == pytest.approx(np.unique(truth), abs=0.25)  # a sixth of the distance of the delays
    assert np.corrcoef(found, truth)[0, 1] > 0.95


def test_the_peak_of_a_parabola_is_exact_and_ends_are_ends() -> None:
    delays = np.array([2.0, 4.0, 6.0, 8.0])
    tops = np.array([3.1, 5.0, 6.9, 1.0, 9.5])
    curves = 1 - 0.02 * (delays[:, None] - tops) ** 2
    curves[:, 1] *= -1  # responses that fall
    assert peak_delays(curves, delays) == pytest.approx([3.1, 5.0, 6.9, 2.0, 8.0])
    flat, unknown = np.ones((4, 1)), np.full((4, 1), np.nan)
    assert peak_delays(flat, delays) == 2.0
    assert np.isnan(peak_delays(unknown, delays))


@pytest.mark.parametrize("delays", [[3.0], [3.0, 4.5], [3.0, 4.5, 7.5], [6.0, 4.5, 3.0]])
def test_a_peak_is_not_told_of_delays_that_do_not_show_it(delays: list[float]) -> None:
    with pytest.raises(InputError, match="three or more delays, equally spaced"):
        peak_delays(np.ones((len(delays), 2)), delays)
