"""Screened penalties against the full grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from b2m_encoding.models import EncodingModel
from b2m_encoding.models.solver import screening
from b2m_encoding.models.solver.options import SearchOptions
from b2m_encoding.models.solver.preparation import Preparation
from b2m_encoding.models.solver.ridge import choose
from b2m_encoding.models.solver.samples import problem
from b2m_encoding.models.solver.samples.arrays import Samples
from b2m_encoding.models.solver.samples.factors import Factors
from b2m_encoding.models.solver.samples.scores import COMBINED, Projections
from b2m_encoding.models.solver.screening import Agreement, Estimates, random_signs
from b2m_encoding.runs import Runs

ALPHAS = np.logspace(-1, 6, 15)


@pytest.fixture(scope="module")
def study() -> tuple[Any, Any, Runs]:
    rng = np.random.default_rng(0)
    runs = Runs.from_lengths([50] * 6, 1.5)
    X = rng.standard_normal((300, 400)) * np.arange(1, 401) ** -0.5
    signal = X @ rng.standard_normal((400, 300))
    share = rng.choice([0.0, 0.1, 0.4], 300)
    Y = np.sqrt(share) * signal / signal.std(0) + np.sqrt(1 - share) * rng.standard_normal((300, 300))
    return X, Y.astype(np.float32), runs


@pytest.fixture
def few_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problem, "N_DIRECTIONS", 64)


@pytest.mark.usefixtures("few_directions")
def test_the_choice_is_that_of_the_full_grid(study: Any) -> None:
    X, Y, runs = study
    full = EncodingModel(None, solver="ridge", alphas=ALPHAS, screening=False).fit(X, Y, runs=runs)
    some = EncodingModel(None, solver="ridge", alphas=ALPHAS).fit(X, Y, runs=runs)
    assert np.isfinite(full.cv_path_).all()
    left_out = np.isnan(some.cv_path_)
    assert 0.2 < left_out.mean() < 0.9
    np.testing.assert_allclose(some.cv_path_[~left_out], full.cv_path_[~left_out], atol=1e-5)
    assert (some.best_alphas_ == full.best_alphas_).mean() > 0.98
    assert (full.cv_scores_ - some.cv_scores_).max() < 2e-5  # the others are ties
    assert any("screened by random projections" in note for note in some.notes_)
    assert not any("screened" in note for note in full.notes_)


@pytest.mark.usefixtures("few_directions")
def test_a_margin_of_nothing_chooses_worse_and_the_notes_say_so(study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y, runs = study
    monkeypatch.setattr(screening, "MARGIN", -1e9)  # the best estimate alone
    some = EncodingModel(None, solver="ridge", alphas=ALPHAS).fit(X, Y, runs=runs)
    [note] = [note for note in some.notes_ if "screened" in note]
    same, checked = (int(word) for word in note.split("; ")[1].split(" targets")[0].split(" of "))
    assert same < checked


@pytest.mark.usefixtures("few_directions")
def test_covariances_of_many_penalties_take_little_memory(study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y, runs = study
    estimates, sizes = Projections.estimates, []

    def recorded(self: Projections, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        errors, covariance = estimates(self, y)
        sizes.append(covariance.numel())
        return errors, covariance

    monkeypatch.setattr(Projections, "estimates", recorded)
    monkeypatch.setattr(screening, "CELLS", 2**17)
    EncodingModel(None, solver="ridge", alphas=np.logspace(-1, 6, 60)).fit(X, Y, runs=runs)
    assert 0 < max(sizes) <= 2**17


def test_few_targets_and_shared_penalties_are_scored_in_full(study: Any) -> None:
    X, Y, runs = study
    for options in ({"alpha_per": "all"}, {"scoring": "r"}):
        model = EncodingModel(None, solver="ridge", alphas=ALPHAS, **options).fit(X, Y, runs=runs)
        assert np.isfinite(model.cv_path_).all()
    few = EncodingModel(None, solver="ridge", alphas=ALPHAS).fit(X, Y[:, :20], runs=runs)
    assert np.isfinite(few.cv_path_).all()


@pytest.mark.usefixtures("few_directions")
def test_residuals_kept_by_a_search_are_the_predictions_of_scikit_learn(study: Any) -> None:
    X, Y, runs = study
    rows = {name: torch.arange(300)[own] for name, own in runs.slices.items()}
    samples, cpu = Samples(torch.from_numpy(X), torch.from_numpy(Y), rows), torch.device("cpu")
    found = problem.SamplesProblem(
        samples,
        Preparation(False, [400]),
        form="dual",
        center="all",
        dtype=torch.float32,
        device=cpu,
        factors=Factors(None, cpu),
    )
    folds = runs.folds(None)
    options = SearchOptions("r2_pooled", None, torch.ones(300, dtype=torch.bool), "float32", 128, True, True)
    grid = torch.from_numpy(ALPHAS)
    choice = choose(found.cv_scores(folds, grid, options), grid, options)
    assert found._last is not None
    assert found._last.kept is not None
    which = torch.searchsorted(grid, choice.alphas)
    assert (found._last.kept.which == which).float().mean() > 0.9  # the others are computed again
    found._last.kept.residuals[:, found._last.kept.which != which] = torch.nan
    predicted = found.held_out_predictions(choice.alphas, 64).numpy()
    for i, fold in enumerate(folds):
        held = runs.rows(fold)
        rest = np.setdiff1d(np.arange(300), held)
        for target in range(0, 300, 7):
            model = Ridge(float(choice.alphas[target])).fit(X[rest], Y[rest, target].astype(float))
            expected = model.predict(X[held]) - Y[rest, target].mean()
            np.testing.assert_allclose(predicted[i * 50 : (i + 1) * 50, target], expected, atol=2e-5)


def test_projections_keep_lengths_on_average() -> None:
    signs = random_signs(128, 500)
    vectors = torch.randn((500, 200), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ratio = (signs @ vectors).square().sum(0) / vectors.square().sum(0)
    assert abs(float(ratio.mean()) - 1) < 0.05
    assert abs(float(ratio.std()) / (2 / 128) ** 0.5 - 1) < 0.2


def test_few_combinations_hold_the_projections_of_all_penalties() -> None:
    generator = torch.Generator().manual_seed(3)
    values = torch.linspace(-3, 3, 40, dtype=torch.float64).exp()
    filters = 1 / (1 + values / torch.logspace(-3, 3, 25, dtype=torch.float64)[:, None])
    maps = torch.randn((20, 40), generator=generator, dtype=torch.float64)
    residuals = filters[:, None] * maps
    some = Projections.of(residuals)
    assert len(some.maps) < 15
    found = (some.mix @ some.maps.flatten(1)).view_as(residuals)
    lost = (found - residuals).flatten(1).norm(dim=1) / residuals.flatten(1).norm(dim=1)
    assert lost.max() < COMBINED * 1.01
    none = Projections.of(torch.zeros((3, 4, 5), dtype=torch.float32))
    assert not (none.mix.float() @ none.maps.flatten(1)).any()


def test_covariance_of_estimates_is_that_of_many_projections() -> None:
    generator = torch.Generator().manual_seed(2)
    e = torch.randn((60, 1), generator=generator, dtype=torch.float64)
    residuals = torch.cat([e, e + 0.2 * torch.randn((60, 3), generator=generator, dtype=torch.float64)], dim=1)
    squares = residuals.square().sum(0)
    maps, found = torch.eye(60, dtype=torch.float64), []
    for seed in range(3000):
        signs = random_signs(32, 60, seed)
        found.append((signs @ residuals).square().sum(0))
    differences = torch.stack(found) - torch.stack(found)[:, :1]
    exact = squares - squares[0]
    standard_error = differences.std(0) / 3000**0.5
    assert ((differences.mean(0) - exact).abs() <= 4 * standard_error).all()
    y = torch.ones((1, 1), dtype=torch.float64)  # one target; its residuals with each penalty are the columns
    projections = torch.stack([(random_signs(4000, 60) @ maps @ residuals[:, [k]]) for k in range(4)])
    estimates = Estimates.of(*Projections.of(projections).estimates(y), squares[:1])
    order = residuals[:, estimates.first]
    expected = torch.stack(found) - (torch.stack(found)[:, estimates.first])
    assert order.shape == (60, 1)
    torch.testing.assert_close(estimates.covariance[0] * 4000 / 32, expected.T.cov(), rtol=0.2, atol=0.5)


def test_conditioned_estimates_follow_what_was_scored() -> None:
    covariance = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 4.0, 2.0], [0.0, 2.0, 4.0]]], dtype=torch.float64)
    estimates = Estimates(
        torch.tensor([[0.0], [-1.0], [1.0]], dtype=torch.float64),
        covariance,
        torch.tensor([0]),
        torch.tensor([100.0], dtype=torch.float64),
        torch.tensor([torch.inf], dtype=torch.float64),
    )
    error = torch.full((3, 1), torch.nan, dtype=torch.float64)
    assert estimates.next_to_score(error)[:, 0].tolist() == [True, False, False]
    error[0] = 50.0
    wanted = estimates.next_to_score(error)
    assert wanted[:, 0].tolist() == [False, True, False]
    error[1] = 53.0  # 3 worse than the first, where -1 was expected: 4 more
    estimates.condition(wanted, error)
    assert estimates.mean[2, 0] == pytest.approx(1 + 4 * 2 / 4)
    assert estimates.covariance[0, 2, 2] == pytest.approx(4 - 4 / 4)
    assert estimates.next_to_score(error).any()  # 3 - 3 * 1.7 < 0
    error[2] = 54.0
    assert not estimates.next_to_score(error).any()


def test_agreement_counts_losses() -> None:
    scores = torch.tensor([[0.1, 0.3], [0.2, 0.25]])
    agreement = Agreement()
    checked = torch.tensor([True, True])
    agreement.add(scores, torch.tensor([[True, False], [True, True]]), checked)
    assert (agreement.checked, agreement.same) == (2, 1)
    assert agreement.loss == pytest.approx(0.05)
    assert "1.5 of 2 scored" in agreement.note(2)[0]
