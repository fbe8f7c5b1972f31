"""The inverse map against the Gaussian posterior written out with full matrices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from b2m_encoding import EncodingModel, InputError, Runs
from b2m_encoding.decoding.decoders.ridge import RidgeDecoder
from b2m_encoding.models import cross_val_predict, encoding_patterns, patterns
from b2m_encoding.models.covariance import Covariance
from b2m_encoding.models.inverse import InverseMap, best_targets


def simulate_responses(
    n_runs: int = 5, n: int = 60, p: int = 4, t: int = 12, seed: int = 0
) -> tuple[Any, Any, Runs, Any]:
    """Correlated features, responses with noise that targets share."""
    rng = np.random.default_rng(seed)
    runs = Runs.from_lengths([n] * n_runs, tr=1.5)
    X = rng.standard_normal((len(runs), p)) @ (np.eye(p) + 0.5 * rng.standard_normal((p, p))) + 3
    noise = rng.standard_normal((len(runs), 2)) @ rng.standard_normal((2, t)) + rng.standard_normal((len(runs), t))
    weights = rng.standard_normal((p, t))
    return X, X @ weights + 2 * noise + 100, runs, weights


def posterior(B: Any, noise: Any, mean: Any, prior: Any, offset: Any, y: Any) -> tuple[Any, Any]:
    """The textbook formula, every matrix inverted."""
    precision = np.linalg.inv(prior) + B.T @ np.linalg.inv(noise) @ B
    return mean + (y - offset) @ np.linalg.inv(noise) @ B @ np.linalg.inv(precision), np.linalg.inv(precision)


def full(inverse: InverseMap) -> tuple[Any, Any]:
    return inverse.noise.dense(), inverse.root @ inverse.root.T


def test_equals_the_gaussian_posterior() -> None:
    X, Y, runs, _ = simulate_responses()
    model = EncodingModel(delays=None).fit(X, Y, runs=runs)
    inverse = model.invert(X, Y, runs)
    noise, prior = full(inverse)
    B = model.coef_["features"][0].T
    offset = model.intercept_ + B @ X.mean(0)
    expected, covariance = posterior(B, noise, X.mean(0), prior, offset, Y)
    assert np.allclose(inverse.predict(Y, runs), expected, atol=1e-4)
    assert np.allclose(inverse.covariance(), covariance)
    for broken in (
        posterior(B, np.diag(np.diag(noise)), X.mean(0), prior, offset, Y),
        posterior(B, noise, X.mean(0), np.diag(np.diag(prior)), offset, Y),
        posterior(B, noise, np.zeros(4), prior, offset, Y),
    ):
        assert np.abs(broken[0] - expected).max() > 0.05


def test_noise_and_prior_are_those_of_the_simulation() -> None:
    """With many samples, what is estimated becomes what was put in, and so does the error of the decoded features."""
    rng = np.random.default_rng(1)
    runs = Runs.from_lengths([1500] * 4, tr=1.0)
    root = np.array([[1.0, 0.8, 0], [0, 0.6, 0], [0, 0, 0.5]])
    prior = root.T @ root
    shared = rng.standard_normal((1, 8))
    B = rng.standard_normal((8, 3))
    X = rng.standard_normal((len(runs), 3)) @ root
    noise = rng.standard_normal((len(runs), 1)) @ shared + rng.standard_normal((len(runs), 8))
    Y = X @ B.T + noise
    inverse = EncodingModel(delays=None).fit(X, Y, runs=runs).invert(X, Y, runs)
    found_noise, found_prior = full(inverse)
    assert np.allclose(found_noise, shared.T @ shared + np.eye(8), atol=0.25)
    assert np.allclose(found_prior, prior, atol=0.06)
    errors = np.asarray(inverse.predict(Y, runs)) - X
    assert np.allclose(np.cov(errors.T), inverse.covariance(), atol=0.02)


def test_delays_equal_the_posterior_of_all_responses_together() -> None:
    """A sample's features given the responses at both delays, with neighbours' features marginalised out by hand."""
    rng = np.random.default_rng(0)
    runs = Runs.from_lengths([400] * 4, tr=1.5)
    X = np.concatenate([autocorrelated(rng, 400, 3) for _ in range(4)])
    taps = rng.standard_normal((2, 3, 6))
    Y = sum(np.concatenate([shifted(part, d) for _, part in runs.each_run(X)]) @ taps[d - 1] for d in (1, 2))
    Y = Y + rng.standard_normal(Y.shape)
    model = EncodingModel(delays=(1.5, 3.0)).fit(X, Y, runs=runs)
    inverse = model.invert(X, Y, runs)
    noise, prior = full(inverse)
    mean = X.mean(0)
    one = sum(part[1:].T @ part[:-1] for _, part in runs.each_run(X - mean)) / (4 * 399)
    step = (1 - Covariance.from_samples(X).shrinkage) * one @ np.linalg.inv(prior)
    back = (1 - Covariance.from_samples(X).shrinkage) * one.T @ np.linalg.inv(prior)
    early, late = model.coef_["features"].transpose(0, 2, 1)
    B = np.concatenate([early + late @ back, late + early @ step])
    offset = np.tile(model.intercept_ + (early + late) @ mean, 2)
    rows = np.arange(50, 300)
    stacked = np.concatenate([Y[rows + 1], Y[rows + 2]], axis=1)
    expected, _ = posterior(B, noise, mean, prior, offset, stacked)
    decoded = np.asarray(inverse.predict(Y, runs))
    assert np.allclose(decoded[rows], expected, atol=1e-4)
    assert np.corrcoef(decoded[rows].ravel(), X[rows].ravel())[0, 1] > 0.8
    errors = (decoded - X)[rows]
    assert np.allclose(np.diag(np.cov(errors.T)), np.diag(inverse.covariance()), rtol=0.3)


def autocorrelated(rng: np.random.Generator, n: int, p: int) -> Any:
    out = rng.standard_normal((n, p))
    for i in range(1, n):
        out[i] = 0.7 * out[i - 1] + np.sqrt(1 - 0.49) * out[i]
    return out


def shifted(values: Any, by: int) -> Any:
    return np.concatenate([np.zeros((by, values.shape[1])), values[:-by]])


def test_nothing_crosses_a_run_and_the_end_of_a_run_knows_less() -> None:
    rng = np.random.default_rng(0)
    runs = Runs.from_lengths([40] * 4, tr=1.5)
    X, Y = rng.standard_normal((160, 2)), rng.standard_normal((160, 5))
    Y[:, :2] += np.concatenate([shifted(part, 1) for _, part in runs.each_run(X)])
    inverse = EncodingModel(delays=(1.5, 3.0), alphas=[1.0]).fit(X, Y, runs=runs).invert(X, Y, runs)
    decoded = np.asarray(inverse.predict(Y, runs))
    other = Y.copy()
    other[40:] += 7
    assert np.array_equal(np.asarray(inverse.predict(other, runs))[:40], decoded[:40])
    assert np.allclose(decoded[[39, 79]], X.mean(0))
    first = np.zeros(2, dtype=bool)
    first[0] = True
    lone = inverse._gain(first)[0] @ (Y[39, inverse.targets] - inverse.offset)
    assert np.allclose(decoded[38], X.mean(0) + lone, atol=1e-5)


def test_volumes_that_were_taken_out_are_unknown_like_those_that_are_not_used() -> None:
    rng = np.random.default_rng(0)
    runs = Runs.from_lengths([60] * 4, tr=1.5)
    X, Y = rng.standard_normal((240, 2)), rng.standard_normal((240, 5))
    Y[:, :2] += np.concatenate([shifted(part, 2) for _, part in runs.each_run(X)])
    inverse = EncodingModel(delays=(1.5, 3.0), alphas=[1.0]).fit(X, Y, runs=runs).invert(X, Y, runs)
    kept = rng.random(240) > 0.3
    unused = np.asarray(inverse.predict(Y, replace(runs, used=kept)))[kept]
    taken_out = np.asarray(inverse.predict(Y[kept], runs.take(kept)))
    np.testing.assert_allclose(taken_out, unused, atol=1e-6)


def test_responses_to_decode_may_be_tables_and_what_is_masked_is_missing() -> None:
    X, Y, runs, _ = simulate_responses()
    inverse = EncodingModel(delays=None).fit(X, Y, runs=runs).invert(X, Y, runs)
    expected = inverse.predict(Y, runs)
    for table in (pd.DataFrame(Y), torch.tensor(Y, requires_grad=True), Y.tolist()):
        np.testing.assert_allclose(inverse.predict(table, runs), expected, atol=1e-5)
    masked = np.ma.array(Y, mask=np.zeros(Y.shape, dtype=bool))
    masked[3, 2] = np.ma.masked
    with pytest.raises(InputError, match="NaN"):
        inverse.predict(masked, runs)


@pytest.mark.parametrize("rank", [None, 3])
@pytest.mark.parametrize("shape", [(20, 50), (50, 20)])
def test_woodbury_equals_dense(rank: int | None, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal(shape) @ np.diag(rng.uniform(1, 9, shape[1])) + rng.standard_normal((shape[0], 1))
    found = Covariance.from_samples(values, rank=rank)
    B = rng.standard_normal((shape[1], 4))
    assert np.allclose(found.solve(B), np.linalg.solve(found.dense(), B))
    some = np.arange(shape[1]) % 3 == 0
    assert np.allclose(found.take(some).dense(), found.dense()[some][:, some])
    sample = np.cov(values.T, bias=True)
    assert np.allclose(np.diag(found.dense()), np.diag(sample))
    if rank is None:
        off = ~np.eye(shape[1], dtype=bool)
        assert np.allclose(found.dense()[off], (1 - found.shrinkage) * sample[off])


def test_shrinkage_is_that_of_schaefer_and_strimmer() -> None:
    """Their equations over pairs of targets, in loops; fewer and more targets than samples."""
    for n, t in ((12, 5), (6, 9)):
        values = np.random.default_rng(n).standard_normal((n, t)) + np.random.default_rng(1).standard_normal((n, 1))
        z = (values - values.mean(0)) / values.std(0, ddof=1)
        spread = correlated = 0.0
        for i in range(t):
            for j in range(t):
                if i != j:
                    w = z[:, i] * z[:, j]
                    spread += n / (n - 1) ** 3 * ((w - w.mean()) ** 2).sum()
                    correlated += (n / (n - 1) * w.mean()) ** 2
        assert Covariance.from_samples(values).shrinkage == pytest.approx(min(spread / correlated, 1))


def test_units_of_several_samples_are_written_out() -> None:
    for n, t in ((12, 5), (12, 30)):
        values = np.random.default_rng(n).standard_normal((n, t)) + 2 * np.random.default_rng(1).standard_normal((n, 1))
        units = np.array([0, 0, 1, 1, 1, 2, 3, 3, 0, 4, 4, 5])
        z = (values - values.mean(0)) / values.std(0)
        R = z.T @ z / n
        off = ~np.eye(t, dtype=bool)
        W = [z[units == u].T @ z[units == u] - (units == u).sum() * R for u in range(6)]
        spread = 6 / 5 * sum((one[off] ** 2).sum() for one in W) / n**2
        assert Covariance.from_samples(values, units=units).shrinkage == pytest.approx(
            min(spread / (R[off] ** 2).sum(), 1)
        )


def test_repeated_windows_are_no_new_samples() -> None:
    """Every sample three times over is what it was, so the decoded features are what they were."""
    X, Y, _, _ = simulate_responses(n=20)
    once = Runs.from_labels(np.repeat(list("abcde"), 20), 1.5, clip=np.arange(100).astype(str))
    thrice = Runs.from_labels(np.repeat(once.run, 3), 1.5, clip=np.repeat(once.clip, 3))
    model = EncodingModel(delays=None, alphas=[1.0]).fit(X, Y, runs=once).invert(X, Y, once)
    X3, Y3 = np.repeat(X, 3, axis=0), np.repeat(Y, 3, axis=0)
    again = EncodingModel(delays=None, alphas=[3.0]).fit(X3, Y3, runs=thrice).invert(X3, Y3, thrice)
    assert again.noise.shrinkage == pytest.approx(model.noise.shrinkage, rel=1e-3)
    assert np.allclose(again.predict(Y, once), model.predict(Y, once), atol=1e-3)


@given(st.integers(2, 30), st.integers(1, 30), st.integers(0, 20))
def test_a_covariance_is_positive_whatever_the_shape(n: int, t: int, seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal((n, t))
    assert np.linalg.eigvalsh(Covariance.from_samples(values).dense()).min() > 0


def test_targets_are_chosen_by_cross_validation_alone() -> None:
    X, Y, runs, _ = simulate_responses(t=10)
    Y[:, 3] = np.random.default_rng(0).standard_normal(len(Y))
    Y[:, 5] = 1.0
    model = EncodingModel(delays=None).fit(X, Y, runs=runs)
    assert 3 not in best_targets(model, 8)
    assert 5 not in best_targets(model)
    inverse = model.invert(X, Y, runs, n_targets=4)
    assert len(inverse.targets) == 4
    assert model.cv_scores_[inverse.targets].min() >= np.sort(model.cv_scores_[model.status_ == "tested"])[-4]
    Y[:, ~np.isin(np.arange(10), inverse.targets)] = np.nan
    assert np.isfinite(inverse.predict(Y, runs)).all()
    Y[7, inverse.targets[0]] = np.nan
    with pytest.raises(InputError, match="NaN"):
        inverse.predict(Y, runs)


def test_feature_spaces_come_back_by_name() -> None:
    X, Y, runs, _ = simulate_responses(p=5)
    spaces = {"a": X[:, :2], "b": X[:, 2:]}
    inverse = EncodingModel(delays=None, solver="ridge").fit(spaces, Y, runs=runs).invert(spaces, Y, runs)
    whole = EncodingModel(delays=None).fit(X, Y, runs=runs).invert(X, Y, runs).predict(Y, runs)
    parts = inverse.predict(Y, runs)
    assert isinstance(parts, dict)
    assert np.allclose(np.concatenate([parts["a"], parts["b"]], axis=1), whole, atol=1e-5)


def test_test_samples_are_refused() -> None:
    X, Y, runs, _ = simulate_responses()
    model = EncodingModel(delays=None).fit(X[:240], Y[:240], runs=runs.take(np.arange(240)))
    with pytest.raises(InputError, match="samples of the fit"):
        model.invert(X, Y, runs)
    with pytest.raises(InputError, match="needs targets"):
        best_targets(model, 0)
    with pytest.raises(InputError, match="fitted to 12 targets"):
        model.invert(X[:240], Y[:240], runs.take(np.arange(240))).predict(Y[:, :3])


@pytest.mark.parametrize("form", ["gram", "prediction", "dual"])
@pytest.mark.parametrize("solver", ["ridge", "banded"])
def test_cross_predictions_are_those_of_models_of_the_other_runs(form: Any, solver: Any) -> None:
    X, Y, runs, _ = simulate_responses(n=20, p=6)
    Y[:, 2] = 1.0
    spaces = {"a": X[:, :3], "b": X[:, 3:]}
    options: dict[str, Any] = {"delays": (0.0, 1.5), "solver": solver, "precision": "float64"}
    if solver == "banded":
        options["scalings"] = [[0.3, 0.7]]
    model = EncodingModel(form=form, **options, alphas=[1.0, 10.0]).fit(spaces, Y, runs=runs)
    found = cross_val_predict(model, spaces, Y, runs)
    assert np.isnan(found[:, 2]).all()
    for target in (0, 7):
        fixed = EncodingModel(**options, alphas=[model.best_alphas_[target]])
        for held in runs.blocks:
            out = runs.rows([held])
            others = np.setdiff1d(runs.rows(), out)
            part = {name: values[others] for name, values in spaces.items()}
            again = fixed.fit(part, Y[others], runs=runs.take(others))
            new = {name: values[out] for name, values in spaces.items()}
            assert np.allclose(found[out, target], again.predict(new, runs.take(out))[:, target], atol=1e-3)
    assert np.allclose(cross_val_predict(model, spaces, Y, runs, targets=np.array([7, 0])), found[:, [7, 0]])


def test_patterns_find_the_signal_that_weights_hide() -> None:
    """Haufe's own example, for several outputs; and the forward model is the pattern of its least-squares inverse."""
    rng = np.random.default_rng(0)
    forward = rng.standard_normal((2, 7))
    sources = rng.standard_normal((5000, 2))
    Y = sources @ forward + 0.3 * rng.standard_normal((5000, 3)) @ rng.standard_normal((3, 7))
    decoder = np.linalg.lstsq(Y, sources, rcond=None)[0]
    found = patterns(decoder, Y)
    assert np.allclose(found, forward.T, atol=0.05)
    assert np.abs(decoder - forward.T).max() > 0.3
    alone = patterns(decoder, Y, jointly=False)
    output = (Y - Y.mean(0)) @ decoder
    slopes = [np.polyfit(output[:, 1], column, 1)[0] for column in Y.T]
    assert np.allclose(alone[:, 1], slopes)
    with pytest.raises(InputError, match="do not fit"):
        patterns(decoder, Y[:, :3])


def test_patterns_of_a_decoder_and_of_an_encoding_model() -> None:
    """Least squares of responses on what was decoded; slopes of features on each predicted response."""
    X, Y, runs, _ = simulate_responses()
    decoder = RidgeDecoder().fit(Y, X, runs=runs)
    decoded = decoder.predict(Y, runs=runs)
    slopes = np.linalg.lstsq(decoded - decoded.mean(0), Y - Y.mean(0), rcond=None)[0].T
    assert np.allclose(patterns(decoder.model_.coef_["features"][0], Y[:, decoder.columns_]), slopes, rtol=1e-2)
    model = EncodingModel(delays=None).fit({"acoustic": X}, Y, runs=runs)
    found = encoding_patterns(model, {"acoustic": X}, runs)["acoustic"]
    assert np.allclose(patterns(model.coef_["acoustic"][0], X, jointly=False), found[0], atol=1e-3)


def test_patterns_of_an_encoding_model_with_delays() -> None:
    """Slopes of every feature at every delay on what is predicted, over the used samples; none cross a run."""
    X, Y, runs, _ = simulate_responses()
    rng = np.random.default_rng(1)
    runs = replace(runs, used=rng.random(len(runs)) < 0.8)
    spaces, Y = {"a": X, "b": X[:, :2] ** 2}, Y.copy()
    Y[:, 3] = 5.0
    model = EncodingModel(delays=[runs.tr, 2 * runs.tr]).fit(spaces, Y, runs=runs)
    found, predicted = encoding_patterns(model, spaces, runs), model.predict(spaces, runs).astype(float)
    assert {name: own.shape for name, own in found.items()} == {n: own.shape for n, own in model.coef_.items()}
    for name, values in spaces.items():
        for i, shift in enumerate((1, 2)):
            late = np.zeros_like(values)
            for rows in runs.slices.values():
                late[rows][shift:] = values[rows][:-shift]
            slope = np.polyfit(predicted[runs.used, 1], late[runs.used, 1], 1)[0]
            assert found[name][i, 1, 1] == pytest.approx(slope, rel=1e-5)
        assert np.isnan(found[name][..., 3]).all()
