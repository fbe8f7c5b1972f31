"""Screened penalties and scalings in the Gram form against the full grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from b2m_encoding.models import EncodingModel
from b2m_encoding.models.solver import screening
from b2m_encoding.models.solver.gram import scores as gram_scores
from b2m_encoding.models.solver.gram.fold_scorer import fold_scorer
from b2m_encoding.models.solver.problems import FoldSystem
from b2m_encoding.models.solver.samples import problem
from b2m_encoding.models.solver.screening import random_signs
from b2m_encoding.runs import Runs

ALPHAS = np.logspace(-1, 5, 15)
OPTIONS = {"ridge": {}, "banded": {"scalings": np.random.default_rng(1).dirichlet(np.ones(2), 4)}}


@pytest.fixture(scope="module")
def study() -> tuple[Any, Any, Runs]:
    rng = np.random.default_rng(0)
    runs = Runs.from_lengths([60] * 5, 1.5)
    X = {name: rng.standard_normal((300, 120)) * np.arange(1, 121) ** -0.5 for name in "ab"}
    signal = sum(X[name] @ rng.standard_normal((120, 250)) * rng.random(250) for name in "ab")
    share = rng.choice([0.0, 0.1, 0.4], 250)
    Y = np.sqrt(share) * signal / signal.std(0) + np.sqrt(1 - share) * rng.standard_normal((300, 250))
    return X, Y.astype(np.float32), runs


def _fit(study: Any, solver: Any, form: Any = "gram", **options: Any) -> EncodingModel:
    X, Y, runs = study
    model = EncodingModel(None, solver=solver, form=form, alphas=ALPHAS, **OPTIONS[solver], **options)
    return model.fit(X, Y, runs=runs)


@pytest.mark.parametrize(("solver", "form"), [("ridge", "gram"), ("banded", "gram"), ("banded", "prediction")])
def test_the_choice_is_that_of_the_full_grid(
    study: Any, solver: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gram_scores, "N_DIRECTIONS", 64)
    monkeypatch.setattr(problem, "N_DIRECTIONS", 32)
    full, some = _fit(study, solver, form, screening=False), _fit(study, solver, form)
    left_out = np.isnan(some.cv_path_)
    assert np.isfinite(full.cv_path_).all()
    if solver == "ridge":
        assert 0.2 < left_out.mean() < 0.9
        np.testing.assert_allclose(some.cv_path_[~left_out], full.cv_path_[~left_out], rtol=1e-6, atol=1e-6)
    assert (some.best_alphas_ == full.best_alphas_).mean() > 0.99
    assert (full.cv_scores_ - some.cv_scores_).max() < 2e-5  # the others are ties
    assert any("screened by random projections" in note for note in some.notes_)
    assert not any("screened" in note for note in full.notes_)


@pytest.mark.parametrize("solver", OPTIONS)
def test_a_margin_of_nothing_chooses_worse_and_the_notes_say_so(
    study: Any, solver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gram_scores, "WIDE_MARGIN", -1e9)  # the best estimate alone
    monkeypatch.setattr(gram_scores, "N_DIRECTIONS", 20)
    monkeypatch.setattr(screening, "N_CHECKED", 250)
    full, some = _fit(study, solver, screening=False), _fit(study, solver)
    assert (full.cv_scores_ - some.cv_scores_).max() > 1e-3
    note = next(note for note in some.notes_ if "screened" in note)
    assert "lose at most 0 of R2" not in note


def test_estimated_products_are_those_of_predictions_on_average() -> None:
    rng = np.random.default_rng(2)
    held_out = torch.from_numpy(rng.standard_normal((40, 12)))
    values = torch.linspace(0.5, 40, 12, dtype=torch.float64)
    form = held_out.T @ held_out
    train = torch.from_numpy(rng.standard_normal((3, 12)))
    system = FoldSystem(
        values,
        torch.eye(12, dtype=torch.float64),
        form,
        lambda some: (train[some], train[some], torch.ones(3, dtype=torch.float64)),
        form.diagonal().sqrt(),
    )
    alphas = torch.tensor([0.1, 3.0, 200.0], dtype=torch.float64)
    scorer = fold_scorer(system, alphas, "float64")
    draws = [scorer.sketched(train, scorer.sketch(random_signs(16, 12, seed))) for seed in range(2000)]
    found = torch.stack(draws)
    weights = train[:, None] / (values + alphas[:, None])
    expected = weights @ form @ weights.mT
    deviation = found.std(0)
    assert ((found.mean(0) - expected).abs() < 4 * deviation / 2000**0.5).all()
    theory = expected.diagonal(dim1=1, dim2=2) * (2 / 16) ** 0.5  # of Gaussian directions; signs are better
    assert (deviation.diagonal(dim1=1, dim2=2) < 1.1 * theory).all()
    own = torch.stack([scorer.quadratic(train, torch.full((3,), which)) for which in range(3)], dim=1)
    torch.testing.assert_close(own, expected.diagonal(dim1=1, dim2=2))
