"""Decoders: what they are equal to, what they must not see, and that they decode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge

from b2m_encoding import InputError, Runs
from b2m_encoding.decoding.decoders.base import Decoder, decoding_folds, usable_targets, with_blocks
from b2m_encoding.decoding.decoders.contrastive import TEMPERATURES, ContrastiveDecoder, clip_numbers, info_nce
from b2m_encoding.decoding.decoders.ensemble import EnsembleDecoder
from b2m_encoding.decoding.decoders.inverse import InverseDecoder
from b2m_encoding.decoding.decoders.region import RegionDecoder
from b2m_encoding.decoding.decoders.ridge import RidgeDecoder
from b2m_encoding.decoding.identification import identification_accuracy

N_CLIPS, WINDOWS, TARGETS, DIMENSIONS = 10, 3, 120, 8


def listening(seed: int = 0, n_runs: int = 5, noise: float = 2.0) -> tuple[Any, Any, Runs]:
    """Windows of clips that are alike within a clip; a third of the targets respond, noise is shared."""
    rng = np.random.default_rng(seed)
    n = N_CLIPS * WINDOWS
    clip = np.repeat([f"{'jazz' if i % 2 else 'pop'}.{i:05d}" for i in range(n_runs * N_CLIPS)], WINDOWS)
    runs = Runs.from_labels(np.repeat([f"run-{i}" for i in range(n_runs)], n), 1.5, clip=clip)
    E = np.repeat(rng.standard_normal((n_runs * N_CLIPS, DIMENSIONS)), WINDOWS, axis=0)
    E = E + 0.3 * rng.standard_normal(E.shape)
    weights = rng.standard_normal((DIMENSIONS, TARGETS)) * (np.arange(TARGETS) % 3 == 0)
    shared = rng.standard_normal((len(runs), 3)) @ rng.standard_normal((3, TARGETS))
    return E @ weights + noise * (rng.standard_normal((len(runs), TARGETS)) + shared) + 50, E, runs


REGIONS = {f"r{i}": np.arange(TARGETS) // 20 == i for i in range(6)}
DECODERS: dict[str, Callable[[], Decoder]] = {
    "regions": lambda: RegionDecoder(REGIONS, n_best=3),
    "ridge": RidgeDecoder,
    "inverse": InverseDecoder,
    "contrastive": lambda: ContrastiveDecoder(n_steps=6),
    "ensemble": lambda: EnsembleDecoder([RidgeDecoder(), InverseDecoder()]),
}
every = pytest.mark.parametrize("name", list(DECODERS))


def parts(Y: Any, E: Any, runs: Runs, test_run: str = "run-4") -> Any:
    out = runs.run == test_run
    return (Y[~out], E[~out], runs.take(~out)), (Y[out], E[out], runs.take(out))


@every
def test_every_decoder_names_clips_it_never_heard(name: str) -> None:
    training, (Y, E, runs) = parts(*listening())
    decoder = DECODERS[name]().fit(*training[:2], runs=training[2])
    predicted = decoder.predict(Y, runs=runs)
    assert predicted.shape == E.shape
    assert identification_accuracy(predicted, E).mean() > 0.75
    rng = np.random.default_rng(1)
    null = DECODERS[name]().fit(rng.permutation(training[0]), training[1], runs=training[2]).predict(Y, runs=runs)
    assert abs(identification_accuracy(null, E).mean() - 0.5) < 0.2


@every
def test_cross_predictions_never_met_their_run(name: str) -> None:
    """Features of a run that are replaced by noise change the predictions of the other runs only."""
    Y, E, runs = listening(n_runs=4)
    decoder = DECODERS[name]().fit(Y, E, runs=runs)
    crossed = decoder.cross_val_predict(Y, E, runs=runs)
    assert np.isfinite(crossed).all()
    within = np.corrcoef(decoder.predict(Y, runs=runs).ravel(), E.ravel())[0, 1]
    across = np.corrcoef(crossed.ravel(), E.ravel())[0, 1]
    assert 0.2 < across < within
    changed, own = E.copy(), runs.run == "run-1"
    changed[own] = np.random.default_rng(5).standard_normal((own.sum(), DIMENSIONS))
    again = decoder.cross_val_predict(Y, changed, runs=runs)
    if name in ("regions", "ridge", "inverse"):
        assert np.allclose(again[own], crossed[own], atol=1e-4)
    assert not np.allclose(again[~own], crossed[~own], atol=1e-2)


@every
def test_broken_targets_and_constant_dimensions_do_no_harm(name: str) -> None:
    Y, E, runs = listening()
    Y[:, 1], Y[:, 2], Y[3, 4] = np.nan, 7.0, np.nan
    E[:, 5] = 0.25
    predicted = DECODERS[name]().fit(Y, E, runs=runs).predict(Y, runs=runs)
    assert np.isfinite(predicted).all()
    if name != "ensemble":
        assert np.allclose(predicted[:, 5], 0.25)
    with pytest.raises(InputError, match="can be decoded from"):
        DECODERS[name]().fit(np.full_like(Y, np.nan), E, runs=runs)


def test_ridge_is_scikit_learns_with_a_penalty_per_dimension() -> None:
    (Y, E, runs), (new, _, new_runs) = parts(*listening())
    decoder = RidgeDecoder().fit(Y, E, runs=runs)
    scale = Y.std(axis=0)
    for dimension, alpha in enumerate(decoder.model_.best_alphas_):
        model = Ridge(alpha).fit(Y / scale, E[:, dimension])
        assert np.allclose(decoder.predict(new, runs=new_runs)[:, dimension], model.predict(new / scale), atol=1e-3)
    assert decoder.model_.form_ == "prediction" or decoder.model_.form_ == "dual"
    wide = RidgeDecoder().fit(np.tile(Y, 4), E, runs=runs)
    assert wide.model_.form_ == "dual"


def test_the_best_regions_are_averaged_each_a_ridge_with_a_penalty_per_dimension() -> None:
    """By scikit-learn: penalties and regions by the mean r over runs that are left out, in training."""
    (Y, E, runs), (new, _, new_runs) = parts(*listening())
    Y[:, ::2] = np.random.default_rng(1).standard_normal(Y[:, ::2].shape) * (1 + 4 * (np.arange(TARGETS)[::2] > 70))
    alphas, scale = np.logspace(0, 6, 7), Y.std(axis=0)
    decoder = RegionDecoder(REGIONS, n_best=3, alphas=alphas).fit(Y, E, runs=runs)
    expected, scores = {}, {}
    for name, mask in REGIONS.items():
        r = np.zeros((len(alphas), DIMENSIONS))
        for run in sorted(set(runs.run)):
            out = runs.run == run
            Z = Y[:, mask] / scale[mask]
            for i, alpha in enumerate(alphas):
                said = Ridge(alpha).fit(Z[~out], E[~out]).predict(Z[out])
                r[i] += [np.corrcoef(a, b)[0, 1] / 4 for a, b in zip(said.T, E[out].T, strict=True)]
        scores[name], best = r.max(axis=0).mean(), alphas[r.argmax(axis=0)]
        assert decoder.models_[name].best_alphas_.tolist() == pytest.approx(best.tolist())
        model = Ridge(best).fit(Y[:, mask] / scale[mask], E)
        expected[name] = model.predict(new[:, mask] / scale[mask])
    assert len(set(decoder.models_[decoder.best_[0]].best_alphas_.tolist())) > 1
    order = sorted(scores, key=lambda name: -scores[name])
    assert list(decoder.best_) == order[:3]
    assert decoder.scores_ == pytest.approx(scores, abs=1e-3)
    mean = np.mean([expected[name] for name in order[:3]], axis=0)
    assert np.allclose(decoder.predict(new, runs=new_runs), mean, atol=1e-3)


def test_targets_that_are_not_asked_for_do_not_count() -> None:
    Y, E, runs = listening()
    wanted = np.arange(TARGETS) < 60
    other = Y.copy()
    other[:, ~wanted] = np.random.default_rng(1).standard_normal(other[:, ~wanted].shape)
    for make in (RidgeDecoder, InverseDecoder):
        assert np.array_equal(
            make(wanted).fit(Y, E, runs=runs).predict(Y, runs=runs),
            make(wanted).fit(other, E, runs=runs).predict(other, runs=runs),
        )
    with pytest.raises(InputError, match="does not fit the responses"):
        usable_targets(Y, wanted[:5])


def test_contrastive_starts_from_ridge_and_lowers_the_held_out_loss() -> None:
    (Y, E, runs), (new, _, new_runs) = parts(*listening(noise=1.0))
    start = ContrastiveDecoder(n_steps=0).fit(Y, E, runs=runs)
    assert start.n_steps_ == 0
    assert np.allclose(start.predict(new, runs=new_runs), start.ridge_.predict(new, runs=new_runs), atol=1e-3)
    trained = ContrastiveDecoder(n_steps=30).fit(Y, E, runs=runs)
    assert trained.losses_.min() == trained.losses_[trained.n_steps_] <= trained.losses_[0]
    assert len(trained.losses_) - 1 <= trained.n_steps_ + trained.patience
    learner = start._learner(start.ridge_, Y, E, runs, runs.rows())
    x, y, clips = learner.batch
    before = learner.held_out_loss(x, y, clips)
    for _ in range(20):
        learner.step()
    assert learner.held_out_loss(x, y, clips) < before
    again = ContrastiveDecoder(n_steps=30).fit(Y, E, runs=runs)
    assert np.array_equal(trained.predict(new, runs=new_runs), again.predict(new, runs=new_runs))
    learner = ContrastiveDecoder(n_steps=0, temperature="learned").fit(Y, E, runs=runs).learner_
    learner.step()
    assert learner.temperature != pytest.approx(0.07)


def test_only_the_targets_that_encoding_predicts_in_training_are_used() -> None:
    Y, E, runs = listening()
    Y[:, 1] = np.nan  # places among the usable targets are not those among all
    for decoder in (RidgeDecoder(n_targets=40), ContrastiveDecoder(n_targets=40, n_steps=2)):
        decoder.fit(Y, E, runs=runs)
        assert len(decoder.columns_) == 40
        assert np.mean(decoder.columns_ % 3 == 0) > 0.9  # those that respond
    inverse = InverseDecoder(n_targets=40).fit(Y, E, runs=runs)
    assert len(inverse.map_.targets) == 40
    assert np.mean(inverse.columns_[inverse.map_.targets] % 3 == 0) > 0.9
    null = np.random.default_rng(3).standard_normal(E.shape)
    crossed = RidgeDecoder(n_targets=10).fit(Y, null, runs=runs).cross_val_predict(Y, null, runs=runs)
    assert abs(np.corrcoef(crossed.ravel(), null.ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("decoder", [RidgeDecoder(n_targets=10), ContrastiveDecoder(n_targets=10, n_steps=0)])
def test_targets_of_cross_predictions_are_chosen_within_the_folds(decoder: Decoder) -> None:
    Y, E, runs = listening(n_runs=4)
    crossed, chosen = decoder.fit(Y, E, runs=runs).cross_val_predict(Y, E, runs=runs), set()
    for run in runs.names:
        out = runs.run == run
        fold = RidgeDecoder(n_targets=10).fit(Y[~out], E[~out], runs=runs.take(~out))
        assert np.allclose(crossed[out], fold.predict(Y[out], runs=runs.take(out)), atol=1e-3)
        chosen.add(tuple(fold.columns_.tolist()))
    assert len(chosen) > 1


def test_cross_validated_predictions_have_the_loss_of_the_search() -> None:
    """Their loss, run by run, is the smallest of the search."""
    Y, E, runs = listening(n_runs=4)
    decoder = ContrastiveDecoder(n_steps=20, alphas=(1e3,)).fit(Y, E, runs=runs)
    assert 0 < decoder.n_steps_ < len(decoder.losses_) - 1
    crossed, clips = decoder.cross_val_predict(Y, E, runs=runs), torch.from_numpy(clip_numbers(runs))
    losses = []
    for run in runs.names:
        out = runs.run == run
        P, T = (torch.from_numpy((x[out] - E[~out].mean(axis=0)) / E[~out].std(axis=0)) for x in (crossed, E))
        losses.append(min(float(info_nce(P, T, clips[out], tried)) for tried in TEMPERATURES))
    assert np.mean(losses) == pytest.approx(decoder.losses_.min(), rel=1e-6)


def test_steps_go_downhill_with_momentum() -> None:
    Y, E, runs = listening(n_runs=2)
    decoder = ContrastiveDecoder(n_steps=0, learning_rate=0.1).fit(Y, E, runs=runs)
    learner = decoder.learner_
    x, y, clips = learner.batch
    places, slopes = [learner.weights.detach().clone()], []
    for _ in range(2):
        weights = places[-1].clone().requires_grad_()
        slopes += torch.autograd.grad(info_nce(x @ weights, y, clips, 0.07), weights)
        learner.step()
        places.append(learner.weights.detach().clone())
    assert torch.allclose(places[1], places[0] - 0.1 * slopes[0])
    assert torch.allclose(places[2], places[1] - 0.1 * (0.9 * slopes[0] + slopes[1]))


def test_info_nce_written_out() -> None:
    rng = np.random.default_rng(0)
    P, T = rng.standard_normal((2, 5, 3))
    clips = [0, 0, 1, 2, 2]
    C = (P / np.linalg.norm(P, axis=1, keepdims=True)) @ (T / np.linalg.norm(T, axis=1, keepdims=True)).T / 0.2
    losses = []
    for matrix in (C, C.T):
        for i in range(5):
            rivals = [j for j in range(5) if j == i or clips[j] != clips[i]]
            losses.append(-np.log(np.exp(matrix[i, i]) / np.exp(matrix[i, rivals]).sum()))
    found = info_nce(torch.from_numpy(P), torch.from_numpy(T), torch.tensor(clips), 0.2)
    assert float(found) == pytest.approx(np.mean(losses))


def test_windows_of_one_clip_share_a_number_and_silence_does_not() -> None:
    runs = Runs.from_labels(["a"] * 5, 1.5, clip=["x", "x", "", "", "y"], presentation=[0, 0, 1, 2, 3])
    numbers = clip_numbers(runs)
    assert numbers[0] == numbers[1]
    assert len(set(numbers.tolist())) == 4


def test_one_run_is_cross_validated_over_clips() -> None:
    Y, E, runs = listening(n_runs=2)
    assert len(decoding_folds(runs)) == 2
    lone = runs.run == "run-0"
    assert with_blocks(runs.take(lone)).blocks == tuple(dict.fromkeys(runs.clip[lone].tolist()))
    assert np.isfinite(InverseDecoder().fit(Y, E, runs=runs).cross_val_predict(Y, E, runs=runs)).all()
    silent = replace(runs.take(lone), clip=np.full(lone.sum(), ""))
    assert with_blocks(silent).blocks == ("run-0",)


def test_a_temperature_is_positive() -> None:
    with pytest.raises(InputError, match="temperature"):
        ContrastiveDecoder(temperature=0.0)


@every
@pytest.mark.parametrize("convert", [pd.DataFrame, np.ndarray.tolist])
def test_tables_and_lists_are_arrays(name: str, convert: Callable[[Any], Any]) -> None:
    Y, E, runs = listening(n_runs=3)
    expected = DECODERS[name]().fit(Y, E, runs=runs)
    decoder = DECODERS[name]().fit(convert(Y), convert(E), runs=runs)
    np.testing.assert_array_equal(decoder.predict(convert(Y), runs=runs), expected.predict(Y, runs=runs))
    found = decoder.cross_val_predict(convert(Y), convert(E), runs=runs)
    np.testing.assert_array_equal(found, expected.cross_val_predict(Y, E, runs=runs))


@every
def test_bad_windows_are_named(name: str) -> None:
    Y, E, runs = listening(n_runs=2)
    missing = E.copy()
    missing[5, 1] = np.nan
    with pytest.raises(InputError, match="NaN or infinity"):
        DECODERS[name]().fit(Y, missing, runs=runs)
    with pytest.raises(InputError, match="another number of samples"):
        DECODERS[name]().fit(Y[:-1], E[:-1], runs=runs)
    with pytest.raises(InputError, match="must be Runs"):
        DECODERS[name]().fit(Y, E, runs=runs.run)


def test_regions_are_masks() -> None:
    Y, E, runs = listening(n_runs=2)
    with pytest.raises(InputError, match="'first' is no mask"):
        RegionDecoder({"first": np.arange(6)}).fit(Y, E, runs=runs)
